//! Where deployments and their journals are kept.
//!
//! One trait, two stores: SQLite for real, memory for simulations; both pass the same conformance
//! suite. What is handed to a store holds no plain secret: the driver seals texts before it writes
//! an entry down.
//!
//! A project whose services are on an engine is locked there, for all hosts: [`EngineLock`] is the
//! algorithm, over whichever register the engine has.
//!
//! Around the database lies the [`StateDirectory`]: the sealing key, the files that are mounted
//! into containers, what supervisors of processes need, and a lock a project. Invariants: its
//! directories are 0700 and its files 0600 from their first moment, all belong to the user who
//! runs, and no symbolic link is followed in it. Deliberately absent: a clock. Times come in.

mod contract;
mod database_copy;
mod engine_lock;
mod engine_lock_error;
mod event_log;
mod event_watch;
mod lock_process;
mod lock_standing;
mod memory;
mod private_file;
mod project_lock;
mod restoring;
mod schema;
mod sealing_key;
mod snapshot_directory;
mod sqlite;
mod state_archive;
mod state_directory;
mod stock;
mod stop_notes;
mod vault_key;

#[cfg(test)]
pub(crate) mod conformance;
#[cfg(test)]
mod engine_lock_tests;

pub use contract::{Store, StoreError};
pub use engine_lock::{Acquired, Claim, EngineLock, LEASE, LOOK, TakenOver};
pub use engine_lock_error::{EngineLockError, LockHolder};
pub use event_log::{EventLog, EventReader};
pub use event_watch::EventWatch;
pub use lock_process::{OwnerLife, owner_life, this_process};
pub use lock_standing::{LockStatus, ReleaseMode, Standing, lock_status, release_by_hand};
pub use memory::MemoryStore;
pub use private_file::StateFileError;
pub use project_lock::{LockError, LockOwner, ProjectLock, host_name};
pub use restoring::{Damaged, set_aside};
pub use sealing_key::{random_bytes, random_text};
pub use snapshot_directory::{Scrutiny, SnapshotDirectory};
pub use sqlite::{SqliteStore, StoreKeys};
pub use state_archive::{ArchiveError, ArchiveFacts, Unpacked, pack_state, unpack_state};
pub use state_directory::StateDirectory;
pub use stock::{Stock, take_stock};
pub use stop_notes::StopNotes;
pub use vault_key::{VaultKey, VaultKeyError};

pub use crate::journal::{DeploymentKind, DeploymentRecord, Evidence};
