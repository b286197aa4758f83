use std::{collections::BTreeMap, path::PathBuf};

use crate::{
    engine::Setup,
    journal::{DeploymentEnd, DeploymentRecord, Entry, Evidence},
    name::{DeploymentId, ProjectName},
};

/// Why state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the state in `{path}` was written by a newer version (schema {found}, this one knows {known})")]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("the state in `{path}` cannot be {doing}")]
    Unusable { path: PathBuf, doing: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the state directory `{directory}` is full: `{file}` cannot be {doing}")]
    Full { directory: PathBuf, file: String, doing: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the state in `{path}` is damaged: {reason}")]
    Damaged { path: PathBuf, reason: String },
}

impl StoreError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Newer { .. } => {
                "update `orchestrate` to the version that wrote it, or set `ORCHESTRATE_STATE_DIR` to another directory"
                    .to_owned()
            }
            Self::Full { directory, .. } => format!(
                "make room on the disk of `{0}` (`df -h {0}` shows how much is left), or set `ORCHESTRATE_STATE_DIR` to another directory",
                directory.display()
            ),
            Self::Unusable { path, .. } => format!(
                "make room and permission to write for `{}`, or set `ORCHESTRATE_STATE_DIR` to another directory",
                path.parent().unwrap_or(path).display()
            ),
            Self::Damaged { path, .. } => format!(
                "restore `{0}` from a backup; or `orchestrate state rebuild` brings back what a Docker engine keeps of a \
                 project; else move it away: what runs is left alone, but its history is lost",
                path.display()
            ),
        }
    }
}

/// Durable state. Every write is on disk when it returns.
pub trait Store: Send + Sync {
    /// Writes down a deployment that begins, all that it takes to go on with it, and the resolved plan
    /// that it works towards, secrets sealed: a later rollback applies it.
    ///
    /// # Errors
    /// Here and below: if the state cannot be read or written, or if what is asked does not fit
    /// what is there (a deployment that never began, an entry's number twice), which damage would
    /// explain.
    fn begin(&self, deployment: &DeploymentRecord, setup: &Setup, plan: &serde_json::Value) -> Result<(), StoreError>;

    /// Appends entries to a deployment's journal, all or none.
    fn append(&self, deployment: DeploymentId, entries: &[Entry]) -> Result<(), StoreError>;

    /// Writes down how a deployment ended.
    fn finish(&self, deployment: DeploymentId, end: &DeploymentEnd) -> Result<(), StoreError>;

    fn deployment(&self, id: DeploymentId) -> Result<Option<DeploymentRecord>, StoreError>;

    /// A project's deployments, newest first; all projects' if there is no project. No plan is read.
    fn deployments(&self, project: Option<&ProjectName>) -> Result<Vec<DeploymentRecord>, StoreError>;

    /// A project's last deployment.
    fn last_deployment(&self, project: &ProjectName) -> Result<Option<DeploymentRecord>, StoreError>;

    /// The plan that a deployment worked towards.
    fn plan(&self, id: DeploymentId) -> Result<Option<serde_json::Value>, StoreError>;

    /// What a deployment was given when it began.
    fn setup(&self, id: DeploymentId) -> Result<Option<Setup>, StoreError>;

    /// Takes in a deployment that another host made, or how one ended that is known here. A plan that is
    /// known stays; one that is `null` is not.
    fn import(&self, deployment: &DeploymentRecord, plan: &serde_json::Value) -> Result<(), StoreError>;

    /// The number of the lock's record up to which everything of a project is known here.
    fn seen_lock(&self, project: &ProjectName) -> Result<Option<u64>, StoreError>;

    fn note_seen_lock(&self, project: &ProjectName, number: u64) -> Result<(), StoreError>;

    /// Forgets a deployment with all that belongs to it; nothing if it is not there.
    fn forget(&self, id: DeploymentId) -> Result<(), StoreError>;

    /// A deployment's journal, in order.
    fn entries(&self, id: DeploymentId) -> Result<Vec<Entry>, StoreError>;

    fn keep_evidence(&self, id: DeploymentId, evidence: &Evidence) -> Result<(), StoreError>;

    fn evidence(&self, id: DeploymentId) -> Result<Vec<Evidence>, StoreError>;

    /// The values that were made once for a project, sealed, by place.
    fn made_values(&self, project: &ProjectName) -> Result<BTreeMap<String, String>, StoreError>;

    /// The value that was made once for this place of a plan, sealed; `value` is kept if there was
    /// none. Answers what is kept.
    fn made_once(&self, project: &ProjectName, place: &str, value: &str) -> Result<String, StoreError>;
}
