use std::collections::BTreeSet;

use super::{
    Context, OpsError, PlanRequest, Watcher,
    look::{runtimes_of, wanted},
    open::open,
    recover::end_cut_off,
    run::{Run, RunOptions, engine_names, lock, new_deployment},
};
use crate::{
    change::{Changes, removal_of_all},
    journal::Outcome,
    plan::Plan,
    report::{Chronicle, DeploymentReport, Ending, PreviewReport},
    runtime::Observe as _,
    store::DeploymentKind,
};

/// What to take away, and how.
#[derive(Debug, Clone, Default)]
pub struct DestroyRequest {
    pub plan: PlanRequest,
    /// Volumes to remove with their data: keys of the plan, or names on the engine.
    pub volumes: Vec<String>,
    pub run: RunOptions,
}

/// Takes away the project's services and networks, and the volumes that are named. `agree` is
/// shown what goes.
///
/// # Errors
/// If the plan cannot be read, a volume is not the plan's, or someone else holds the lock.
pub async fn destroy(
    context: &Context,
    request: &DestroyRequest,
    watcher: &mut dyn Watcher,
    agree: impl FnOnce(&PreviewReport) -> Result<(), OpsError>,
) -> Result<DeploymentReport, OpsError> {
    let state = context.state()?;
    let opened = open(context, &request.plan)?;
    let plan = &opened.loaded.plan;
    let volumes = named_volumes(plan, &request.volumes)?;
    let runtimes = context.runtimes(&state, &opened.loaded.target, &runtimes_of(plan))?;
    let deployment = new_deployment();
    let _lock = lock(&state, &plan.project, deployment, &request.run)?;
    if let Some(report) = end_cut_off(context, &state, &plan.project, &opened.loaded.target, watcher).await? {
        return Ok(report);
    }
    let observed = runtimes.observe(&wanted(plan)).await?;
    let changes: Changes = removal_of_all(plan, &observed, &volumes);
    if changes.is_empty() && changes.leftovers.is_empty() {
        return Ok(Chronicle::new(&changes).close(Ending {
            deployment: None,
            plan: plan.name.clone(),
            environment: plan.environment.clone(),
            engine: engine_names(&observed),
            outcome: Outcome::Unchanged,
            evidence: Vec::new(),
            arguments: opened.arguments(),
            left: Vec::new(),
        }));
    }
    agree(&PreviewReport::new(plan, &opened.graph, &changes, engine_names(&observed)))?;
    let run = Run {
        context,
        state: &state,
        runtimes: &runtimes,
        deployment,
        kind: DeploymentKind::Destroy,
        plan,
        graph: &opened.graph,
        changes: &changes,
        observed: &observed,
        scrubber: &opened.scrubber,
        plan_file: &opened.shown_file,
        plan_directory: &opened.directory,
        arguments: opened.arguments(),
        options: &request.run,
        prelude: Vec::new(),
    };
    run.execute(watcher).await
}

/// The volumes' names on the engine.
fn named_volumes(plan: &Plan, named: &[String]) -> Result<BTreeSet<String>, OpsError> {
    let find = |name: &String| {
        let mut keys = plan.volumes.iter().filter(|(_, volume)| !volume.external).map(|(key, _)| key);
        let key = keys.find(|key| *key == name || plan.volume_name(key) == *name);
        key.map(|key| plan.volume_name(key)).ok_or_else(|| {
            let keys: Vec<&str> = plan.volumes.keys().map(String::as_str).collect();
            let known = if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
            OpsError::Missing(format!("`{name}` is not a volume of this plan, which has: {known}"))
        })
    };
    named.iter().map(find).collect()
}
