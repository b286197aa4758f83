//! Where deployments and their journals are kept.
//!
//! One trait, two stores: SQLite for real, memory for simulations; both pass the same conformance
//! suite. What is handed to a store holds no plain secret: the driver seals texts before it writes
//! an entry down.

mod contract;

pub use contract::{DeploymentKind, DeploymentRecord, Evidence, Store, StoreError};
