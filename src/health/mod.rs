//! When to ask, and what the answers mean.
//!
//! A [`Monitor`] follows one check of one instance: it is told answers, and says when to ask next
//! and what the [`Verdict`] is. It dials nothing and has no clock.

mod monitor;

pub use monitor::{Answer, Monitor, Verdict};
