//! The program that watches over one process, and outlives `orchestrate`.
//!
//! It is this same binary, run again: [`entry`] leaves the caller's session and standard streams
//! behind, takes the instance's lock and the order from its standard input; [`run`] is its one
//! loop, in which every source (signals, output, requests, time) becomes one event; [`lifecycle`]
//! decides, without I/O, when to start again, signal, kill and end. It has a single thread, and
//! ends with its service. Invariants: a descendant of the service does not outlive it; `state.json`
//! says what was last true; secrets are only in memory.

mod control;
mod entry;
mod lifecycle;
mod log_file;
mod run;
mod service;

pub use entry::supervise_if_asked;
pub(super) use entry::{GUARD, SUPERVISE};
