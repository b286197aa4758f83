use serde::{Deserialize, Serialize};

/// What has to be true of a service before one that depends on it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    #[default]
    ServiceStarted,
    ServiceHealthy,
    ServiceCompletedSuccessfully,
}

impl Condition {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServiceStarted => "service_started",
            Self::ServiceHealthy => "service_healthy",
            Self::ServiceCompletedSuccessfully => "service_completed_successfully",
        }
    }
}

/// One entry of `depends_on`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Dependency {
    pub condition: Condition,
    /// Whether its absence or failure stops this service; otherwise it is only a warning.
    pub required: bool,
    /// Whether this service is made anew when that one is replaced, and restarted with it by hand.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub restart: bool,
}

impl Default for Dependency {
    fn default() -> Self {
        Self { condition: Condition::ServiceStarted, required: true, restart: false }
    }
}
