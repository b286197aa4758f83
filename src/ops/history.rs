use super::{Context, OpsError, unfinished::stated};
use crate::{driver::Clock, name::ProjectName, report::HistoryLine, store::Store as _};

/// Whose history.
#[derive(Debug, Clone)]
pub enum HistoryScope {
    /// All that this host knows of.
    All,
    Project(ProjectName),
}

/// Lists deployments, newest first. Asks no engine, reads no plan, and writes nothing.
///
/// # Errors
/// If the state cannot be read.
pub fn history(context: &Context, scope: &HistoryScope) -> Result<Vec<HistoryLine>, OpsError> {
    let project = match scope {
        HistoryScope::All => None,
        HistoryScope::Project(project) => Some(project),
    };
    let state = context.state()?;
    stated(&state, state.store.deployments(project)?, Clock::start().now())
}
