use super::{
    Context, OpsError, Project, Watcher,
    contents::contents,
    context::State,
    look::{Look, look, runtimes_of},
    past::refuse_unreachable,
    recover::end_cut_off,
    run::{Run, RunOptions, lock, new_deployment},
    stored::{StoredPlan, stored_plan},
};
use crate::{
    change::Request,
    diagnostic::{Diagnostic, Origin, Origins, Sources},
    graph::Graph,
    journal::Outcome,
    name::ProjectName,
    plan::Plan,
    report::{DeploymentReport, PreviewReport},
    secret::Scrubber,
    store::{DeploymentKind, DeploymentRecord, Store as _},
};

/// What to take back, and how.
#[derive(Debug, Clone, Default)]
pub struct RollbackRequest {
    pub run: RunOptions,
}

/// A stored plan has no document to point into.
struct NoOrigins;

impl Origins for NoOrigins {
    fn origin(&self, _: &[&str]) -> Option<Origin> {
        None
    }
}

/// What going back would change.
pub struct RollbackPreview {
    /// The deployment whose plan is applied again.
    pub to: DeploymentRecord,
    pub plan: Plan,
    pub graph: Graph,
    pub look: Look,
    scrubber: Scrubber,
}

impl RollbackPreview {
    /// For people and programs.
    pub fn report(&self) -> PreviewReport {
        let engine = super::run::engine_names(&self.look.observed);
        PreviewReport::new(&self.plan, &self.graph, &self.look.changes, engine)
    }
}

/// Says what going back to the deployment before the last one would change. Changes nothing.
///
/// # Errors
/// If there is no such deployment, its secrets cannot be opened, or something stands in its way.
pub async fn preview_rollback(context: &Context, project: &Project) -> Result<RollbackPreview, OpsError> {
    look_back(context, project).await.map(|(preview, _)| preview)
}

/// Applies the plan of the deployment before the last one again, as an ordinary deployment:
/// previewed, checked, recorded, and taken back itself if it fails.
///
/// # Errors
/// As [`preview_rollback`], if `agree` says so, and if someone else holds the lock.
pub async fn rollback(
    context: &Context,
    project: &Project,
    request: &RollbackRequest,
    watcher: &mut dyn Watcher,
    agree: impl FnOnce(&RollbackPreview) -> Result<(), OpsError>,
) -> Result<DeploymentReport, OpsError> {
    let deployment = new_deployment();
    let _lock = lock(&project.state, &project.name, deployment, &request.run)?;
    if let Some(report) = end_cut_off(context, &project.state, &project.name, &project.target, watcher).await? {
        return Ok(report);
    }
    let (preview, runtimes) = look_back(context, project).await?;
    agree(&preview)?;
    let run = Run {
        context,
        state: &project.state,
        runtimes: &runtimes,
        deployment,
        kind: DeploymentKind::Rollback,
        plan: &preview.plan,
        graph: &preview.graph,
        changes: &preview.look.changes,
        observed: &preview.look.observed,
        scrubber: &preview.scrubber,
        target: &project.target,
        plan_file: &preview.to.plan_file,
        plan_directory: &project.directory,
        arguments: project.arguments(),
        options: &request.run,
        prelude: Vec::new(),
    };
    run.execute(watcher).await
}

async fn look_back(
    context: &Context,
    project: &Project,
) -> Result<(RollbackPreview, crate::runtime::Runtimes), OpsError> {
    let state = &project.state;
    let to = find_previous(state, &project.name)?;
    let StoredPlan { plan, graph, scrubber } = stored_plan(state, &to)?;
    let runtimes = context.runtimes(state, &project.name, &project.target, &runtimes_of(&plan))?;
    // Services that came after it are taken away again: that is what going back means.
    let contents = contents(state, &to, &plan)?;
    let request = Request { remove_orphans: true, contents, ..Request::default() };
    let look = look(&runtimes, &plan, &graph, &NoOrigins, &request).await?;
    refuse_unreachable(&look.observed)?;
    if look.obstacles.iter().any(Diagnostic::is_error) {
        return Err(OpsError::InTheWay { sources: Sources::default(), diagnostics: look.obstacles });
    }
    Ok((RollbackPreview { to, plan, graph, look, scrubber }, runtimes))
}

/// The last deployment that succeeded before the one that is in force now.
fn find_previous(state: &State, project: &ProjectName) -> Result<DeploymentRecord, OpsError> {
    let deployments = state.store.deployments(Some(project))?;
    let mut succeeded = deployments.into_iter().filter(|record| record.outcome == Some(Outcome::Applied));
    let current = succeeded.next().ok_or_else(|| {
        OpsError::Missing(format!("`{project}` has never been deployed from here: there is nothing to go back to"))
    })?;
    // Going back twice goes further back, not forth again.
    let target = match current.kind {
        DeploymentKind::Rollback => {
            let plan = state.store.plan(current.id)?;
            let mut target = None;
            while let Some(record) = succeeded.next() {
                if state.store.plan(record.id)? == plan {
                    target = succeeded.next();
                    break;
                }
            }
            target
        }
        DeploymentKind::Apply | DeploymentKind::Destroy => succeeded.next(),
    };
    target.filter(|record| record.kind != DeploymentKind::Destroy).ok_or_else(|| {
        OpsError::Missing(format!("there is no deployment of `{project}` before `{}` to go back to", current.id))
    })
}
