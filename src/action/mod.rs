//! Changes as the calls that make them: a DAG of small, reversible steps.
//!
//! An [`Action`] is one call to a runtime. Each kind has an [inverse](Action::inverse), or says why
//! it needs none. Names are made from the project, the service, the number and the deployment, so
//! the same changes give the same steps, and what an unknown outcome left behind can be found by
//! its name.

mod kind;
mod spec;

pub use kind::{Action, DEFAULT_GRACE, Effect, InstanceHandle, Inverse};
pub use spec::{FileMount, InstanceSpec, SPEC_VERSION, spec_document};
