use crate::{
    diagnostic::{Diagnostics, Sources},
    driver::DriveError,
    load::LoadFailure,
    observed::Fault,
    store::{EngineLockError, LockError, StateFileError, StoreError},
};

/// Why a use case did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum OpsError {
    /// The documents are wrong; all problems of them.
    #[error("the plan is not valid")]
    Invalid { sources: Sources, diagnostics: Diagnostics },
    /// The plan is fine, but something stands in its way.
    #[error("the plan cannot be applied")]
    InTheWay { sources: Sources, diagnostics: Diagnostics },
    #[error("there is no plan here: no `plan.yaml`, `orchestrate.yaml` or `compose.yaml`, here or upwards")]
    NoPlan,
    /// There is no plan to tell which project is meant.
    #[error("there is no plan here that says which project is meant")]
    NoProject { known: String },
    /// Asked whether to go on, someone said no.
    #[error("nothing was changed")]
    Declined,
    /// There is nobody to ask.
    #[error("{count} would be replaced or removed, and there is no terminal to ask on")]
    NobodyToAsk { count: String },
    /// An option names what is not there.
    #[error("{text}")]
    UnknownName { text: String, hint: String },
    #[error("{0}")]
    Missing(String),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    EngineLock(#[from] EngineLockError),
    #[error(transparent)]
    State(#[from] StateFileError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Data was being overwritten, and that did not come to its end.
    #[error("{text}")]
    DataInDoubt { text: String, hint: String },
    /// Its journal could not be written, or its lock was lost, while a deployment was under way.
    #[error("deployment {deployment} stopped where it was")]
    CutOff { deployment: crate::name::DeploymentId, source: DriveError },
}

impl OpsError {
    /// What to do about it, where the error itself and not its source knows that.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoPlan => Some("name one, or write a first one with `orchestrate init`".to_owned()),
            Self::NoProject { known } => {
                Some(format!("name a plan, or a project with `--project NAME`: known here are {known}"))
            }
            Self::NobodyToAsk { .. } => Some("say `--yes` if that is what you want".to_owned()),
            Self::CutOff { .. } => Some(
                "what runs is left as it is: once the cause is gone, `orchestrate recover` takes it back".to_owned(),
            ),
            Self::UnknownName { hint, .. } | Self::DataInDoubt { hint, .. } => Some(hint.clone()),
            Self::Invalid { .. }
            | Self::InTheWay { .. }
            | Self::Declined
            | Self::Missing(_)
            | Self::Fault(_)
            | Self::Lock(_)
            | Self::EngineLock(_)
            | Self::State(_)
            | Self::Store(_) => None,
        }
    }
}

impl From<LoadFailure> for OpsError {
    fn from(failure: LoadFailure) -> Self {
        let LoadFailure { sources, diagnostics, document: _ } = failure;
        Self::Invalid { sources, diagnostics }
    }
}
