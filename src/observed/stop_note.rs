use serde::{Deserialize, Serialize};

use super::Instance;
use crate::time::Timestamp;

/// Who stopped an instance on purpose, and when. That it was, its restart policy tells; this is only
/// known where it was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopNote {
    /// The run that was ended: the note says nothing of a later one.
    pub started_at: Option<Timestamp>,
    /// `user@host`.
    pub by: String,
    pub at: Timestamp,
}

impl StopNote {
    /// Whether it is about what this instance is now.
    pub fn is_about(&self, instance: &Instance) -> bool {
        instance.is_stopped_on_purpose() && self.started_at == instance.started_at
    }

    /// For a sentence: `by me@host at 2026-11-20T10:00:00Z`.
    pub fn to_words(&self) -> String {
        format!("by {} at {}", self.by, self.at)
    }
}
