use super::{Context, OpsError, PlanRequest, open};
use crate::store::{DeploymentRecord, Store as _};

/// Whose history.
#[derive(Debug, Clone)]
pub enum HistoryScope {
    /// All that this host knows of; needs no plan.
    All,
    /// One plan's, in its environment.
    Plan(PlanRequest),
}

/// Lists deployments, newest first. Asks no engine.
///
/// # Errors
/// If the plan is not valid, or the state cannot be read.
pub fn history(context: &Context, scope: &HistoryScope) -> Result<Vec<DeploymentRecord>, OpsError> {
    let project = match scope {
        HistoryScope::All => None,
        HistoryScope::Plan(request) => Some(open(context, request)?.loaded.plan.project),
    };
    Ok(context.state()?.store.deployments(project.as_ref())?)
}
