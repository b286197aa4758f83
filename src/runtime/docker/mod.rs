//! Containers of a Docker Engine.
//!
//! One file per noun. [`Docker`] connects when it is first asked something, so that a plan of
//! processes needs no engine. Every call goes through `Call`, which bounds its time and
//! turns what went wrong into a classified fault; `transport` bounds what an answer may hold.
//!
//! Invariants: whose an object is, is decided in one place (`ownership`); a container or
//! network is only changed after its labels have been seen, or by the call that made it; every
//! loop, queue and wait is bounded. No version prefix is sent: the engine answers in its own.
//!
//! An engine also holds a project's lock, as a chain of empty volumes (`lock`), and what is known of
//! its deployments, in a volume that is read and written through a container that never runs
//! (`vault`).
//!
//! Logins at registries are Docker's own (`logins`); they are read when an image is pulled, and go
//! nowhere but to the engine.
//!
//! Deliberately absent: policy (what to do, when to try again), TLS and SSH.

mod address;
mod aliases;
mod attach;
mod build_context;
mod build_ignore;
mod build_image;
mod build_output;
mod by_hand;
mod call;
mod compare;
mod compare_mounts;
mod connect;
mod copy;
mod create;
mod credential_helper;
mod data_command;
mod describe;
mod engine;
mod examine;
mod exec;
mod fault;
mod files;
#[cfg(feature = "fail-points")]
#[doc(hidden)]
pub mod fuzzing;
mod hooks;
mod host;
mod image;
mod instance;
mod labels;
mod listeners;
mod lock;
mod lock_labels;
mod logins;
mod logs;
mod mounts;
mod network;
mod observe;
mod ownership;
mod patience;
mod perform;
mod pull;
mod registry;
mod resources;
mod running;
mod set_files;
mod settings;
mod sharing;
#[cfg(target_os = "linux")]
mod sock_diag;
mod subnet;
mod transport;
mod vault;
mod vault_archive;
mod vault_slot;
mod volume;
mod volume_data;
mod watch;

pub use address::EngineAddress;
pub use connect::Docker;
pub use describe::{Described, DescribedContainer};
pub use examine::{EngineExamination, OLDEST_ENGINE};
pub use host::resolve_host;
pub use logins::Logins;
pub use patience::Patience;
