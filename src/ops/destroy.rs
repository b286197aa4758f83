use std::collections::BTreeSet;

use super::{
    Context, OpsError, Project, Watcher,
    look::wanted,
    past::refuse_unreachable,
    recover::end_cut_off,
    run::{Run, RunOptions, engine_names, lock, new_deployment},
};
use crate::{
    change::{Changes, removal_of_all},
    journal::Outcome,
    observed::Wanted,
    plan::Plan,
    report::{Chronicle, DeploymentReport, Ending, PreviewReport},
    runtime::Observe as _,
    store::DeploymentKind,
};

/// What to take away, and how.
#[derive(Debug, Clone, Default)]
pub struct DestroyRequest {
    /// Volumes to remove with their data: keys of the plan, or names on the engine.
    pub volumes: Vec<String>,
    pub run: RunOptions,
}

/// Takes away the project's services and networks, and the volumes that are named. `agree` is
/// shown what goes.
///
/// # Errors
/// If a volume is not the project's, an engine that may have something of it cannot be asked, or
/// someone else holds the lock.
pub async fn destroy(
    context: &Context,
    project: &Project,
    request: &DestroyRequest,
    watcher: &mut dyn Watcher,
    agree: impl FnOnce(&PreviewReport) -> Result<(), OpsError>,
) -> Result<DeploymentReport, OpsError> {
    let mut warnings = Vec::new();
    let known = project.plan(&mut warnings);
    watcher.warn(&warnings);
    let (plan, needed) = (known.plan(), project.needed(&known));
    let volumes = named_volumes(plan, &request.volumes)?;
    let runtimes = project.runtimes(context, &needed)?;
    let deployment = new_deployment();
    let _lock = lock(&project.state, &project.name, deployment, &request.run)?;
    if let Some(report) = end_cut_off(context, &project.state, &project.name, &project.target, watcher).await? {
        return Ok(report);
    }
    let observed = runtimes.observe(&Wanted { runtimes: needed, ..wanted(plan) }).await?;
    refuse_unreachable(&observed)?;
    let changes: Changes = removal_of_all(plan, &observed, &volumes);
    if changes.is_empty() && changes.leftovers.is_empty() {
        return Ok(Chronicle::new(&changes).close(Ending {
            deployment: None,
            plan: plan.name.clone(),
            environment: plan.environment.clone(),
            engine: engine_names(&observed),
            outcome: Outcome::Unchanged,
            evidence: Vec::new(),
            arguments: project.arguments(),
            left: Vec::new(),
        }));
    }
    agree(&PreviewReport::new(plan, known.graph(), &changes, engine_names(&observed)))?;
    let run = Run {
        context,
        state: &project.state,
        runtimes: &runtimes,
        deployment,
        kind: DeploymentKind::Destroy,
        plan,
        graph: known.graph(),
        changes: &changes,
        observed: &observed,
        scrubber: known.scrubber(),
        target: &project.target,
        plan_file: &project.shown_file,
        plan_directory: &project.directory,
        arguments: project.arguments(),
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
