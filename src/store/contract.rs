use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    journal::{Entry, Outcome},
    name::{DeploymentId, EnvironmentName, PlanName, ProjectName, ServiceName},
    observed::Fault,
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

/// One deployment, as history keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentRecord {
    pub id: DeploymentId,
    pub kind: DeploymentKind,
    pub project: ProjectName,
    pub plan_name: PlanName,
    pub environment: Option<EnvironmentName>,
    /// The plan file, as the user would type it.
    pub plan_file: String,
    /// Who started it: `user@host`.
    pub author: String,
    pub message: Option<String>,
    pub engine: String,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// `None` while it runs, and if it was cut off.
    pub outcome: Option<Outcome>,
    pub error: Option<Fault>,
    /// How many services it was to create, replace, update and remove.
    pub summary: String,
    /// The resolved plan that it worked towards, secrets sealed: a later rollback applies it.
    pub plan: serde_json::Value,
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

/// Why state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the state in `{path}` was written by a newer version (schema {found}, this one knows {known})")]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("the state in `{path}` cannot be {doing}")]
    Unusable { path: PathBuf, doing: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the state in `{path}` is damaged: {reason}")]
    Damaged { path: PathBuf, reason: String },
}

/// Durable state. Every write is on disk when it returns.
pub trait Store: Send + Sync {
    /// Writes down a deployment that begins.
    fn begin(&self, deployment: &DeploymentRecord) -> Result<(), StoreError>;

    /// Appends entries to a deployment's journal, all or none.
    fn append(&self, deployment: DeploymentId, entries: &[Entry]) -> Result<(), StoreError>;

    /// Writes down how a deployment ended.
    fn finish(
        &self,
        deployment: DeploymentId,
        at: Timestamp,
        outcome: Outcome,
        error: Option<&Fault>,
    ) -> Result<(), StoreError>;

    fn deployment(&self, id: DeploymentId) -> Result<Option<DeploymentRecord>, StoreError>;

    /// A project's deployments, newest first; all projects' if there is no project.
    fn deployments(&self, project: Option<&ProjectName>) -> Result<Vec<DeploymentRecord>, StoreError>;

    /// A deployment's journal, in order.
    fn entries(&self, id: DeploymentId) -> Result<Vec<Entry>, StoreError>;

    fn keep_evidence(&self, id: DeploymentId, evidence: &Evidence) -> Result<(), StoreError>;

    fn evidence(&self, id: DeploymentId) -> Result<Vec<Evidence>, StoreError>;

    /// The value that was made once for this place of a plan, sealed; `value` is kept if there was
    /// none. Answers what is kept.
    fn made_once(&self, project: &ProjectName, place: &str, value: &str) -> Result<String, StoreError>;
}
