use super::{Context, Opened, OpsError, PlanRequest, open};
use crate::diagnostic::{Diagnostics, Sources};

/// What is to be said about a plan.
pub struct Validation {
    /// Problems, and what is only worth a warning.
    pub diagnostics: Diagnostics,
    pub sources: Sources,
    /// `None` if it is not valid.
    pub valid: Option<ValidPlan>,
}

/// The size of a plan that is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidPlan {
    /// As the user would type it.
    pub file: String,
    pub services: usize,
    pub groups: usize,
}

impl ValidPlan {
    pub(super) fn of(opened: &Opened) -> Self {
        Self {
            file: opened.shown_file.clone(),
            services: opened.loaded.plan.services.len(),
            groups: opened.graph.groups().len(),
        }
    }
}

/// Says everything that is wrong with a plan and its environment. Asks no engine, and needs no
/// state directory.
///
/// # Errors
/// If there is no plan. What is wrong with it is in the [`Validation`].
pub fn validate(context: &Context, request: &PlanRequest) -> Result<Validation, OpsError> {
    match open(context, request) {
        Ok(opened) => Ok(Validation {
            valid: Some(ValidPlan::of(&opened)),
            sources: opened.loaded.document.sources().clone(),
            diagnostics: opened.loaded.warnings,
        }),
        Err(OpsError::Invalid { sources, diagnostics }) => Ok(Validation { diagnostics, sources, valid: None }),
        Err(other) => Err(other),
    }
}
