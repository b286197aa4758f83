//! What runs services, behind two traits.
//!
//! [`Observe`] only reads: preview and status hold nothing more. [`Runtime`] adds the calls that
//! change something: one [`Action`](crate::action::Action) at a time, addressed by id once it is known. A runtime holds no
//! policy: it decides neither what to do nor when to try again; it says what happened, classified,
//! as a [`Fault`](crate::observed::Fault). Invariant: an action on an object that has not our labels is refused.

mod contract;
pub mod docker;
pub mod process;
mod runtimes;
pub mod simulated;

pub use contract::{ExecOutput, LogLine, LogQuery, Observe, Progress, Runtime, Stream};
pub use runtimes::Runtimes;

pub use crate::observed::RuntimeEvent;
