//! The typed plan: one file per noun, in Compose's words.
//!
//! The same types give the JSON Schema (descriptions are the doc comments), read documents and are
//! written down with deployments. A value of these types is resolved: templates are rendered,
//! includes and the environment merged, env files read, short forms made long. What is left to do
//! with a plan is to compare it with the world.
//!
//! Invariants: a secret can only be in a field of type [`Text`](crate::secret::Text); a field at
//! its default is not serialized, so that a spec written by an older version stays comparable.
//! Deliberately absent: spans (the document keeps them, see `load`), and any I/O.

mod blkio;
mod build;
mod check;
mod command;
mod dependency;
mod deploy;
mod device;
mod document;
mod environment;
mod external;
mod file_reference;
mod form;
mod healthcheck;
mod hook;
mod hooks;
mod image;
mod ipam;
mod mount;
mod moved;
mod namespace;
mod network;
mod on_change;
mod output;
mod plan_document;
mod policy;
mod port;
mod pull_policy;
mod quantity;
mod restart;
mod served_file;
mod service;
mod service_facts;
mod snapshot;
mod spec;
mod subnet;
mod variable;
mod volume;
mod whole;
pub mod words;

pub use blkio::{Blkio, DeviceRate, DeviceWeight};
pub use build::{Build, BuildLong};
pub use check::{Check, CheckKind, CommandCheck, FileCheck, HttpCheck, Importance, LogCheck, TcpCheck};
pub use command::CommandLine;
pub use dependency::{Condition, Dependency};
pub use deploy::{Deploy, Limits, Reservations, Resources, RestartCondition, RestartRule};
pub use device::{Device, DeviceCount, DeviceRequest};
pub use document::{ConfigDefinition, Plan, SecretDefinition};
pub use environment::{EnvFile, EnvFileFormat, Environment, SecretSource, TargetDocument};
pub use external::External;
pub use file_reference::{FileMode, FileReference};
pub use healthcheck::Healthcheck;
pub use hook::Hook;
pub use hooks::{DeploymentCommand, HookPoint, Hooks};
pub use image::{ImageReference, ImageReferenceError};
pub use ipam::{Ipam, Pool};
pub use mount::is_windows_path;
pub use mount::{
    BindOptions, ImageOptions, Mount, MountError, MountKind, Propagation, Recursive, Selinux, Tmpfs, VolumeOptions,
};
pub use moved::{Moved, MovedName, Moves};
pub use namespace::{Link, Namespace, Peer, VolumesFrom};
pub use network::{Network, NetworkAttachment};
pub use on_change::{OnChange, SignalName};
pub use output::{Output, OutputLong};
pub use plan_document::PlanDocument;
pub use policy::{Retry, Rollback, RollbackStrategy, Schedule};
pub use port::{ExposedPort, Port, Protocol, PublishedPort, is_one_address};
pub use pull_policy::PullPolicy;
pub use quantity::{ByteSize, Cpus, Interval};
pub use restart::RestartPolicy;
pub use served_file::ServedFile;
pub use service::{Kind, Logging, Program, RunPolicy, RuntimeKind, Service, Ulimit};
pub use snapshot::SnapshotPolicy;
pub use spec::{SPEC_VERSION, is_of_the_instance, spec_document};
pub use subnet::{Subnet, SubnetError, Subnets};
pub use variable::{Variable, VariableType};
pub use volume::Volume;
pub use whole::{Micros, SwapLimit, Whole, Word};

/// For `skip_serializing_if`: what is at its default is not written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
