//! Arithmetic on time. There is no clock in here: `now` always comes in from the shell, so a
//! deployment can be simulated, replayed and tested in virtual time.

mod backoff;
mod duration;
mod timestamp;

pub use backoff::Backoff;
pub use duration::{DurationError, format_duration, parse_duration};
pub use timestamp::Timestamp;
