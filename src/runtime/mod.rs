//! What runs services, behind two traits.
//!
//! [`Observe`] only reads: preview and status hold nothing more. [`Runtime`] adds the calls that
//! change something: one [`Action`](crate::action::Action) at a time, addressed by id once it is known. A runtime holds no
//! policy: it decides neither what to do nor when to try again; it says what happened, classified,
//! as a [`Fault`](crate::observed::Fault). Invariant: an action on an object that has not our labels is refused.
//!
//! An engine that several hosts use also keeps what they have to agree on: a project's lock
//! ([`LockRegister`]), and what is known of its deployments ([`Vault`]).

mod archive;
mod attached;
mod by_hand;
mod command;
mod contract;
mod data_file;
pub mod docker;
mod host_file;
mod in_place;
mod lock_register;
mod notice;
pub(crate) mod proc_table;
pub mod process;
mod runtimes;
pub mod simulated;
mod vault;

pub use archive::{Chunks, Root, packed, unpacked};
pub use attached::{Attached, Chunk, ExecRequest, FarEnd, OneOff, Remote, Streams, TerminalSize};
pub use by_hand::{Nudge, PathFacts, ProcessTable, PullPolicy, Usage};
pub use contract::{ExecOutput, LogLine, LogQuery, Observe, Progress, Runtime, Stream};
pub use lock_register::{LockRegister, Put};
pub use runtimes::{ContainerEngine, Runtimes};
pub use vault::{Reading, VAULT_LIMIT_BYTES, Vault, VaultFiles};

pub use crate::observed::RuntimeEvent;
