//! Names, parsed once and typed from then on.
//!
//! Every name here is a cheap clone (`Arc<str>`), ordered by its text, and can only be made by
//! parsing: a value of one of these types is known to be safe in a container name, a path below
//! the state directory and a label. What an engine hands us (ids, foreign names) is not a name in
//! this sense and stays a string.

mod deployment_id;
mod digest;
mod snapshot_id;
mod text;

pub use deployment_id::DeploymentId;
pub use digest::Digest;
pub use snapshot_id::SnapshotId;
pub use text::{EnvironmentName, NameError, PlanName, ProjectName, ServiceName};
