//! The difference between a plan and the world: what has to change, and why.
//!
//! [`diff`] compares each service with the spec that its instances were made from, with the image
//! they run, and with what was seen of them; [`preflight`] names what stands in the way. Both are
//! pure: the same plan and the same world give the same changes, in order of names. Deliberately
//! absent: how a change is made (`action`), and whether it may be (`policy`).

mod adopted;
mod capacity;
mod cause;
mod coming;
mod contents;
mod diff;
mod engine_age;
mod fields;
mod ignored;
mod instance;
mod kind;
mod moved_volumes;
mod naming;
mod peers;
mod preflight;
mod subnets;

pub use cause::Cause;
pub use coming::Coming;
pub use diff::{ForceRecreate, Request, diff, removal_of_all, selection};
pub use engine_age::unknown_to_engine;
pub use ignored::settle;
pub use instance::executable;
pub use kind::{Change, Changes, Counts, Downtime, FileChange, InPlace, InstanceChange, Op, Order, Pull};
pub use moved_volumes::keep_moved_volumes;
pub use preflight::{Preflight, preflight};
