use serde::{Deserialize, Serialize};

use super::{ByteSize, Cpus, is_default};

/// How a service is run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Deploy {
    /// How many instances; 1 by default.
    #[serde(skip_serializing_if = "is_default")]
    pub replicas: Option<u32>,
    #[serde(skip_serializing_if = "is_default")]
    pub resources: Resources,
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
}
