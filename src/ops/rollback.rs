use super::{
    Context, OpsError, PlanRequest, Watcher,
    contents::contents,
    context::State,
    look::{Look, look, runtimes_of},
    open::open,
    recover::end_cut_off,
    run::{Run, RunOptions, lock, new_deployment},
};
use crate::{
    change::Request,
    diagnostic::{Diagnostic, Origin, Origins, Sources},
    graph::Graph,
    journal::Outcome,
    name::ProjectName,
    plan::{Plan, TargetDocument},
    report::{DeploymentReport, PreviewReport},
    secret::{Scrubber, Secret, Text},
    store::{DeploymentKind, DeploymentRecord, Store as _},
};

/// What to take back, and how.
#[derive(Debug, Clone, Default)]
pub struct RollbackRequest {
    /// The plan whose project is meant; only its name is used.
    pub plan: PlanRequest,
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
pub async fn preview_rollback(context: &Context, request: &RollbackRequest) -> Result<RollbackPreview, OpsError> {
    let state = context.state()?;
    let opened = open(context, &request.plan)?;
    look_back(context, &state, &opened.loaded.plan.project, &opened.loaded.target).await.map(|(preview, _)| preview)
}

/// Applies the plan of the deployment before the last one again, as an ordinary deployment:
/// previewed, checked, recorded, and taken back itself if it fails.
///
/// # Errors
/// As [`preview_rollback`], if `agree` says so, and if someone else holds the lock.
pub async fn rollback(
    context: &Context,
    request: &RollbackRequest,
    watcher: &mut dyn Watcher,
    agree: impl FnOnce(&RollbackPreview) -> Result<(), OpsError>,
) -> Result<DeploymentReport, OpsError> {
    let state = context.state()?;
    let opened = open(context, &request.plan)?;
    let deployment = new_deployment();
    let _lock = lock(&state, &opened.loaded.plan.project, deployment, &request.run)?;
    let (project, target) = (&opened.loaded.plan.project, &opened.loaded.target);
    if let Some(report) = end_cut_off(context, &state, project, target, watcher).await? {
        return Ok(report);
    }
    let (preview, runtimes) = look_back(context, &state, project, target).await?;
    agree(&preview)?;
    let run = Run {
        context,
        state: &state,
        runtimes: &runtimes,
        deployment,
        kind: DeploymentKind::Rollback,
        plan: &preview.plan,
        graph: &preview.graph,
        changes: &preview.look.changes,
        observed: &preview.look.observed,
        scrubber: &preview.scrubber,
        plan_file: &preview.to.plan_file,
        plan_directory: &opened.directory,
        arguments: opened.arguments(),
        options: &request.run,
        prelude: Vec::new(),
    };
    run.execute(watcher).await
}

async fn look_back(
    context: &Context,
    state: &State,
    project: &ProjectName,
    target: &TargetDocument,
) -> Result<(RollbackPreview, crate::runtime::Runtimes), OpsError> {
    let to = find_previous(state, project)?;
    let (plan, scrubber) = stored_plan(state, &to)?;
    let graph = Graph::build(&plan).map_err(|_| OpsError::Missing(format!("the plan of `{}` is damaged", to.id)))?;
    let runtimes = context.runtimes(state, target, &runtimes_of(&plan))?;
    // Services that came after it are taken away again: that is what going back means.
    let contents = contents(state, &to, &plan)?;
    let request = Request { remove_orphans: true, contents, ..Request::default() };
    let look = look(&runtimes, &plan, &graph, &NoOrigins, &request).await?;
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
        DeploymentKind::Rollback => succeeded.find(|record| record.plan == current.plan).and_then(|_| succeeded.next()),
        DeploymentKind::Apply | DeploymentKind::Destroy => succeeded.next(),
    };
    target.filter(|record| record.kind != DeploymentKind::Destroy).ok_or_else(|| {
        OpsError::Missing(format!("there is no deployment of `{project}` before `{}` to go back to", current.id))
    })
}

pub(super) fn stored_plan(state: &State, record: &DeploymentRecord) -> Result<(Plan, Scrubber), OpsError> {
    let damaged =
        |reason: String| OpsError::Missing(format!("the plan of `{}` cannot be used again: {reason}", record.id));
    let mut plan: Plan = serde_json::from_value(record.plan.clone()).map_err(|error| damaged(error.to_string()))?;
    let sealer = state.sealer();
    let mut secrets: Vec<Secret> = Vec::new();
    let mut trouble = None;
    plan.visit_texts(&mut |text| {
        if let Err(error) = text.open(&sealer) {
            trouble = Some(error);
        }
        if let Text::Secret(secret) = text {
            secrets.push(secret.clone());
        }
    });
    match trouble {
        Some(error) => Err(damaged(error.to_string())),
        None => Ok((plan, Scrubber::new(secrets))),
    }
}
