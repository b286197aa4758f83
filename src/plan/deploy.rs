use serde::{Deserialize, Serialize};

use super::{ByteSize, Cpus, DeviceRequest, Interval, RestartPolicy, Whole, is_default};

/// How a service is run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Deploy {
    /// How many instances; 1 by default.
    #[serde(skip_serializing_if = "is_default")]
    pub replicas: Option<u32>,
    #[serde(skip_serializing_if = "is_default")]
    pub resources: Resources,
    /// What happens when it exits, if `restart` does not say.
    #[serde(skip_serializing_if = "is_default")]
    pub restart_policy: Option<RestartRule>,
}

/// When it is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestartCondition {
    None,
    OnFailure,
    #[default]
    Any,
    // The same as `any`.
    Always,
    UnlessStopped,
}

/// Compose's long form of a restart policy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct RestartRule {
    /// `none`, `on-failure`, `any` or `unless-stopped`.
    #[serde(skip_serializing_if = "is_default")]
    pub condition: RestartCondition,
    /// How often at most, for `on-failure`.
    #[serde(skip_serializing_if = "is_default")]
    pub max_attempts: Option<Whole>,
    /// An engine alone has its own, growing delay.
    #[serde(skip_serializing_if = "is_default")]
    pub delay: Option<Interval>,
    /// Has no meaning for an engine alone.
    #[serde(skip_serializing_if = "is_default")]
    pub window: Option<Interval>,
}

impl RestartRule {
    /// The policy of an engine that comes nearest.
    pub fn policy(&self) -> RestartPolicy {
        let max_attempts = self.max_attempts.and_then(|Whole(attempts)| attempts.try_into().ok()).unwrap_or(0);
        match self.condition {
            RestartCondition::None => RestartPolicy::No,
            RestartCondition::OnFailure => RestartPolicy::OnFailure { max_attempts },
            RestartCondition::Any | RestartCondition::Always => RestartPolicy::Always,
            RestartCondition::UnlessStopped => RestartPolicy::UnlessStopped,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Resources {
    /// What an instance may use at most.
    #[serde(skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// What an instance can count on.
    #[serde(skip_serializing_if = "is_default")]
    pub reservations: Reservations,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Limits {
    /// Processors, as in `0.5`.
    #[serde(skip_serializing_if = "is_default")]
    pub cpus: Option<Cpus>,
    /// Memory, as in `512M`.
    #[serde(skip_serializing_if = "is_default")]
    pub memory: Option<ByteSize>,
    /// Processes.
    #[serde(skip_serializing_if = "is_default")]
    pub pids: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Reservations {
    /// Memory, as in `128M`.
    #[serde(skip_serializing_if = "is_default")]
    pub memory: Option<ByteSize>,
    /// Devices by what they can do, such as GPUs.
    #[serde(skip_serializing_if = "is_default")]
    pub devices: Vec<DeviceRequest>,
}
