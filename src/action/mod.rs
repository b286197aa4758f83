//! Changes as the calls that make them: a DAG of small, reversible steps.
//!
//! An [`Action`] is one call to a runtime. Each kind has an [inverse](Action::inverse), or says why
//! it needs none. Names are made from the project, the service, the number and the deployment, so
//! the same changes give the same steps, and what an unknown outcome left behind can be found by
//! its name.

mod build;
mod command;
mod files;
mod kind;
mod one_off;
mod order;
mod phase;
mod put_right;
mod save;
mod service;
mod spec;
mod step;

pub use build::{CommandContext, Context, build, build_image};
pub use command::{CommandKind, CommandRun, CommandSite};
pub use files::is_file_of;
pub use kind::{Action, Effect, InstanceHandle, Inverse, Notice};
pub use one_off::one_off_files;
pub use phase::Phase;
pub use put_right::put_right;
pub use save::{dump_file, volume_file};
pub use spec::{FileMount, InstanceSpec};
pub use step::{Actions, Slot, Step, StepId};
