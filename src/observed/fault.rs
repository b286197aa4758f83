use serde::{Deserialize, Serialize};

use crate::diagnostic::Class;

/// Why a call to a runtime did not succeed.
///
/// `text` holds one line that names the object and what the runtime said, cleaned and bounded;
/// `hint` names what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{text}")]
pub struct Fault {
    pub class: Class,
    /// Stable, kebab-case: `image-not-found`.
    pub code: String,
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The last lines of what it wrote, for what writes: cleaned, not scrubbed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<String>,
    /// The same call may well succeed in a moment.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_transient: bool,
    /// The call may have taken effect all the same: look before doing it again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_outcome_unknown: bool,
}

impl Fault {
    pub fn new(class: Class, code: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            class,
            code: code.into(),
            text: text.into(),
            hint: None,
            output: Vec::new(),
            is_transient: false,
            is_outcome_unknown: false,
        }
    }

    /// The code of a call to an instance that is gone.
    pub const INSTANCE_NOT_FOUND: &'static str = "instance-not-found";

    pub fn is_instance_gone(&self) -> bool {
        self.code == Self::INSTANCE_NOT_FOUND
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn transient(mut self) -> Self {
        self.is_transient = true;
        self
    }

    pub fn outcome_unknown(mut self) -> Self {
        self.is_outcome_unknown = true;
        self
    }
}
