//! Values that must not be seen.
//!
//! A [`Secret`] prints `***`, whatever prints it. What is kept of one is either a
//! [fingerprint](Secret::fingerprint), to tell whether it changed, or a [sealed](Sealer) text, to
//! use it again. Text that comes from elsewhere (logs, answers of servers) goes through a
//! [`Scrubber`]. Invariant: outside this module nothing holds a secret's plain text except on its
//! way into a runtime call, through [`Secret::expose`].

mod scrub;
mod seal;
mod text;
mod value;

pub use scrub::Scrubber;
pub use seal::{SealError, Sealer};
pub use text::Text;
pub use value::{Salt, Secret};
