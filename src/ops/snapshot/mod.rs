//! Snapshots: what data can be restored from.
//!
//! A deployment that puts data at stake takes one before ([`around`]): the engine performs the
//! saving as steps of its own. Here is what people ask for: [`create_snapshot`],
//! [`restore_snapshot`], and what looks after those that are kept. Invariants: nothing is
//! overwritten but by [`restore_snapshot`], which saves what it overwrites; all that is done to data
//! is done under the project's lock, and written down before, so that a crash is noticed.

pub(super) mod around;
mod create;
pub(super) mod cut_off;
mod files;
mod hands;
mod kept;
mod restore;
mod site;

pub use create::{CreatedSnapshot, SnapshotRequest, create_snapshot};
pub use kept::{KeptSnapshots, PruneRequest, list_snapshots, prune_snapshots, remove_snapshot, show_snapshot};
pub use restore::{RestoreRequest, finish_restore, restore_snapshot};
