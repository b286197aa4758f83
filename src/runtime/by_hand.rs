//! What a person asks of an instance, and no deployment does.

use std::time::Instant;

use crate::{diagnostic::Class, observed::Fault};

/// What an instance has used up to a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    pub taken_at: Instant,
    /// Processor time since its start.
    pub cpu_ns: u64,
    /// What it holds now, without what could be given back at once.
    pub memory_bytes: u64,
    /// The most that it may hold.
    pub memory_limit_bytes: Option<u64>,
    pub received_bytes: Option<u64>,
    pub sent_bytes: Option<u64>,
    pub read_bytes: Option<u64>,
    pub written_bytes: Option<u64>,
    pub processes: Option<u64>,
}

/// The processes of an instance, as a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProcessTable {
    pub titles: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// What a path in an instance leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathFacts {
    pub is_directory: bool,
    /// Where it leads, if it is a symbolic link; absolute.
    pub link_target: Option<String>,
}

/// A nudge that is given to an instance without stopping it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nudge {
    /// A signal's name, such as `SIGHUP`, or its number.
    Signal(String),
    Pause,
    Unpause,
}

/// Whether a pull asks the registry for what is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullPolicy {
    Always,
    Missing,
}

/// The refusal of a runtime that cannot do something.
pub(super) fn not_here(what: &str) -> Fault {
    Fault::new(Class::Configuration, "not-in-this-runtime", format!("this runtime cannot {what}"))
}
