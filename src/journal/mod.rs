//! The durable record of what a deployment does.
//!
//! An [`Entry`] is written before its action is performed, and another after; from the entries
//! alone follow what was done, what may have been done, and what takes it back. Entries are facts:
//! they are appended, never changed. Illegal sequences are refused by [`Journal::append`], so a
//! damaged journal is noticed when it is read.

mod deployment;
mod entry;
mod outcome;
mod replay;
mod snapshot;

pub use deployment::{DeploymentEnd, DeploymentKind, DeploymentRecord, Evidence};
pub use entry::{Direction, Entry, Failure, Record};
pub use outcome::Outcome;
pub use replay::{IllegalEntry, Journal, StepRecord, StepStatus, Undo, Unfinished};
pub use snapshot::{
    DataPart, DataSource, DataWork, DataWorkKind, FoundSnapshot, SavedData, SavedFile, SavedService, SnapshotReason,
    SnapshotRecord, SnapshotState,
};
