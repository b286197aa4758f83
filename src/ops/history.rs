use super::{Context, OpsError};
use crate::{
    name::ProjectName,
    store::{DeploymentRecord, Store as _},
};

/// Whose history.
#[derive(Debug, Clone)]
pub enum HistoryScope {
    /// All that this host knows of.
    All,
    Project(ProjectName),
}

/// Lists deployments, newest first. Asks no engine, and reads no plan.
///
/// # Errors
/// If the state cannot be read.
pub fn history(context: &Context, scope: &HistoryScope) -> Result<Vec<DeploymentRecord>, OpsError> {
    let project = match scope {
        HistoryScope::All => None,
        HistoryScope::Project(project) => Some(project),
    };
    Ok(context.state()?.store.deployments(project)?)
}
