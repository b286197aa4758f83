use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Outcome;
use crate::{
    name::{DeploymentId, EnvironmentName, PlanName, ProjectName, ServiceName},
    observed::Fault,
    plan::{RuntimeKind, TargetDocument},
    time::Timestamp,
};

/// What a deployment was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentKind {
    Apply,
    Rollback,
    Destroy,
}

impl DeploymentKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Rollback => "rollback",
            Self::Destroy => "destroy",
        }
    }
}

/// One deployment, as history keeps it. The plan that it worked towards is kept beside it, since it
/// may be a thousand times as large.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentRecord {
    pub id: DeploymentId,
    pub kind: DeploymentKind,
    pub project: ProjectName,
    pub plan_name: PlanName,
    pub environment: Option<EnvironmentName>,
    /// The plan file, as the user would type it.
    pub plan_file: String,
    /// Where relative paths of its checks start.
    #[serde(default)]
    pub plan_directory: String,
    /// Who started it: `user@host`.
    pub author: String,
    pub message: Option<String>,
    pub engine: String,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// `None` while it runs, and if it was cut off.
    pub outcome: Option<Outcome>,
    pub error: Option<Fault>,
    /// What each service ran in the end, once the deployment has succeeded: the ids of images and the
    /// digests of programs, which tags and paths may no longer lead to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contents: BTreeMap<ServiceName, String>,
    /// How many services it was to create, replace, update and remove.
    pub summary: String,
    /// Which engine the environment named, for when its file can no longer be read.
    #[serde(default)]
    pub target: TargetDocument,
    /// The runtimes that may hold something of the project: those that the plan needed, and those
    /// that held something when it began. `None` in what older versions wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtimes: Option<BTreeSet<RuntimeKind>>,
}

/// How a deployment ended, beside the record of how it began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentEnd {
    pub at: Timestamp,
    pub outcome: Outcome,
    pub error: Option<Fault>,
    /// As [`DeploymentRecord::contents`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contents: BTreeMap<ServiceName, String>,
}

impl DeploymentRecord {
    /// Adds how it ended.
    pub fn close(&mut self, end: DeploymentEnd) {
        let DeploymentEnd { at, outcome, error, contents } = end;
        self.ended_at = Some(at);
        self.outcome = Some(outcome);
        self.error = error;
        self.contents = contents;
    }
}

/// What is kept of an instance that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub service: ServiceName,
    pub instance: String,
    pub exit_code: Option<i64>,
    pub killed_for_memory: bool,
    /// Its last lines, scrubbed.
    pub log: Vec<String>,
    /// The last answer of each of its checks, as `label: text`.
    pub probes: Vec<String>,
    /// What the runtime said of it, secrets removed.
    pub inspect: serde_json::Value,
}
