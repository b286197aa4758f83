use std::sync::Arc;

use super::{
    Context, OpsError, Project, Watcher,
    context::State,
    hold::Hold,
    look::{Look, look, runtimes_of},
    past::refuse_unreachable,
    put_right::PuttingRight,
    run::{Run, RunOptions, new_deployment},
    shared::bring_in,
    show::one_of,
    snapshot::cut_off::refuse_doubt,
    stored::{StoredPlan, stored_plan},
};
use crate::{
    change::Request,
    diagnostic::{Class, Diagnostic, Diagnostics, Origin, Origins, Sources},
    graph::Graph,
    journal::Outcome,
    name::{DeploymentId, ProjectName},
    observed::Fault,
    plan::Plan,
    report::{DeploymentReport, PreviewReport},
    runtime::Runtimes,
    secret::Scrubber,
    store::{DeploymentKind, DeploymentRecord, Store as _},
};

/// What to take back, and how.
#[derive(Debug, Clone, Default)]
pub struct RollbackRequest {
    /// The deployment to go back to, by its id or the beginning of it; the one before the last one
    /// that succeeded by default.
    pub to: Option<String>,
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

/// Says what going back would change. Changes nothing.
///
/// # Errors
/// If there is no such deployment, its secrets cannot be opened, or something stands in its way.
pub async fn preview_rollback(
    context: &Context,
    project: &Project,
    request: &RollbackRequest,
) -> Result<RollbackPreview, OpsError> {
    look_back(context, project, request).await.map(|(preview, _)| preview)
}

/// Applies the plan of an earlier deployment again, as an ordinary deployment:
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
    let (hold, runtimes) = Hold::of_project(context, project, deployment, request.run.message.as_ref()).await?;
    let report = under_lock(context, project, (&hold, &runtimes), (request, deployment), watcher, agree).await;
    hold.release().await;
    report
}

async fn under_lock(
    context: &Context,
    project: &Project,
    (hold, runtimes): (&Hold, &Runtimes),
    (request, deployment): (&RollbackRequest, DeploymentId),
    watcher: &mut dyn Watcher,
    agree: impl FnOnce(&RollbackPreview) -> Result<(), OpsError>,
) -> Result<DeploymentReport, OpsError> {
    let Project { state, name, target, .. } = project;
    let putting = PuttingRight { context, state, runtimes, target, hold, project: name };
    refuse_doubt(state, name, hold).await?;
    if let Some(report) = putting.before_anything_else(watcher).await? {
        return Ok(report);
    }
    let (preview, runtimes) = look_back(context, project, request).await?;
    agree(&preview)?;
    let run = Run {
        context,
        state: &project.state,
        runtimes: &runtimes,
        hold,
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
    request: &RollbackRequest,
) -> Result<(RollbackPreview, Runtimes), OpsError> {
    let state = &project.state;
    let known = project.plan(&mut Diagnostics::new());
    bring_in(state, &project.runtimes(context, &project.needed(&known))?, &project.name).await?;
    let to = match &request.to {
        None => find_previous(state, &project.name)?,
        Some(id) => find_target(state, &project.name, id)?,
    };
    let StoredPlan { mut plan, graph, scrubber } = stored_plan(state, &to)?;
    // What others look after is put back, too: that is asked for.
    let services = plan.services.values_mut().filter(|service| !service.ignore_changes.is_empty());
    services.for_each(|service| Arc::make_mut(service).ignore_changes.clear());
    let runtimes = context.runtimes(state, &project.name, &project.target, &runtimes_of(&plan))?.following(&plan.moved);
    // Services that came after it are taken away again: that is what going back means.
    let request = Request { remove_orphans: true, contents: to.contents.clone(), ..Request::default() };
    let look = look(&runtimes, &plan, &graph, &NoOrigins, &request).await?;
    refuse_unreachable(&look.observed)?;
    if look.obstacles.iter().any(Diagnostic::is_error) {
        return Err(OpsError::InTheWay { sources: Sources::default(), diagnostics: look.obstacles });
    }
    Ok((RollbackPreview { to, plan, graph, look, scrubber }, runtimes))
}

/// The deployment that was named, if its plan was ever in force.
fn find_target(state: &State, project: &ProjectName, id: &str) -> Result<DeploymentRecord, OpsError> {
    let record = one_of(state.store.deployments(Some(project))?, id)?;
    let refuse = |why: &str| {
        let text = format!("deployment `{}` {why}: there is nothing of it to go back to", record.id);
        Fault::new(Class::Configuration, "not-to-go-back-to", text).hint("`orchestrate history` lists what was applied")
    };
    match (record.outcome, record.kind) {
        (Some(Outcome::Applied), DeploymentKind::Apply | DeploymentKind::Rollback) => Ok(record),
        (Some(Outcome::Applied), DeploymentKind::Destroy) => Err(refuse("took everything away").into()),
        (Some(Outcome::Unchanged | Outcome::Failed | Outcome::RolledBack | Outcome::NeedsAttention) | None, _) => {
            Err(refuse("never succeeded").into())
        }
    }
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
