use serde::Serialize;

use crate::diagnostic::Origin;

/// Why something changes: a field, what it was, what it is to be, and where that was written.
/// Secrets are `***` on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The field's path within the service, as `environment.PORT` or `ports[0].published`; for
    /// what is no field, what was looked at (`state`, `executable`).
    pub field: String,
    pub before: Option<String>,
    pub after: Option<String>,
    pub origin: Option<Origin>,
}

impl Cause {
    pub fn new(field: impl Into<String>, before: impl Into<String>, after: impl Into<String>) -> Self {
        Self { field: field.into(), before: Some(before.into()), after: Some(after.into()), origin: None }
    }
}
