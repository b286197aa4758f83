use super::{Context, OpsError, Project, shared::bring_in, snapshot::cut_off::doubt_warning, unfinished::stated};
use crate::{
    diagnostic::{Class, Diagnostic, Diagnostics},
    driver::Clock,
    report::HistoryLine,
    store::Store as _,
};

/// Whose history.
pub enum HistoryScope<'a> {
    /// All that this host knows of.
    All,
    Project(&'a Project),
}

/// Lists deployments, newest first. Reads no plan. Of a project that has an engine, those that other
/// hosts made are among them, if it can be asked: `warnings` are told if not.
///
/// # Errors
/// If the state cannot be read.
pub async fn history(
    context: &Context,
    scope: HistoryScope<'_>,
    warnings: &mut Diagnostics,
) -> Result<Vec<HistoryLine>, OpsError> {
    let project = match scope {
        HistoryScope::All => {
            let state = context.state()?;
            return stated(&state, state.store.deployments(None)?, Clock::start().now());
        }
        HistoryScope::Project(project) => project,
    };
    if let Err(error) = bring_in_of(context, project).await {
        let text = format!("what other hosts did is not known: {error}");
        warnings.push(Diagnostic::warning("history-not-shared", Class::Network, text));
    }
    let state = &project.state;
    warnings.extend(doubt_warning(state, &project.name)?);
    stated(state, state.store.deployments(Some(&project.name))?, Clock::start().now())
}

async fn bring_in_of(context: &Context, project: &Project) -> Result<(), OpsError> {
    let known = project.plan(&mut Diagnostics::new());
    let runtimes = project.runtimes(context, &project.needed(&known))?;
    bring_in(&project.state, &runtimes, &project.name).await.map(drop)
}
