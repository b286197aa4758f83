use serde::{Deserialize, Serialize};

/// How a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Applied,
    /// There was nothing to do.
    Unchanged,
    /// It failed before it had changed anything.
    Failed,
    /// It failed, and everything it had changed was put back.
    RolledBack,
    /// Something is left that a person has to look at.
    NeedsAttention,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
            Self::NeedsAttention => "needs_attention",
        }
    }
}
