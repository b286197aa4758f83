use std::collections::BTreeSet;

use super::{
    Context, OpsError, Project, Watcher,
    context::State,
    hold::Hold,
    instances::unknown,
    look::wanted,
    past::refuse_unreachable,
    project::ProjectPlan,
    put_right::PuttingRight,
    run::{Run, RunOptions, engine_names, new_deployment},
    shared::Shared,
};
use crate::{
    change::{Changes, removal_of_all},
    journal::{DataPart, DataSource, Outcome},
    name::{DeploymentId, ProjectName},
    observed::{Observed, Reached, Wanted},
    plan::Plan,
    report::{Chronicle, DeploymentReport, Ending, PreviewReport},
    runtime::{Observe as _, Runtimes},
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
    let runtimes = project.runtimes(context, &needed)?;
    let mut wanted = Wanted { runtimes: needed, ..wanted(plan) };
    let volumes = match &known {
        ProjectPlan::Nothing(_) => {
            wanted.volumes.extend(request.volumes.iter().flat_map(|name| possible_names(&project.name, name)));
            Volumes::OnTheEngine
        }
        ProjectPlan::File(_) | ProjectPlan::Deployed(_) => Volumes::Known(named_volumes(plan, &request.volumes)?),
    };
    let deployment = new_deployment();
    let message = request.run.message.as_ref();
    let hold = Hold::take(&project.state, &runtimes, &project.name, deployment, message).await?;
    let destroying =
        Destroying { context, project, known: &known, runtimes: &runtimes, hold: &hold, request, deployment };
    let report = destroying.under_lock(wanted, volumes, watcher, agree).await;
    hold.release().await;
    report
}

/// What is destroyed once the lock is held.
struct Destroying<'a> {
    context: &'a Context,
    project: &'a Project,
    known: &'a ProjectPlan<'a>,
    runtimes: &'a Runtimes,
    hold: &'a Hold,
    request: &'a DestroyRequest,
    deployment: DeploymentId,
}

impl Destroying<'_> {
    async fn under_lock(
        &self,
        wanted: Wanted,
        volumes: Volumes,
        watcher: &mut dyn Watcher,
        agree: impl FnOnce(&PreviewReport) -> Result<(), OpsError>,
    ) -> Result<DeploymentReport, OpsError> {
        let Self { context, project, known, runtimes, hold, request, deployment } = *self;
        let plan = known.plan();
        let Project { state, name, target, .. } = project;
        let putting = PuttingRight { context, state, runtimes, target, hold, project: name };
        if let Some(report) = putting.before_anything_else(watcher).await? {
            return Ok(report);
        }
        let observed = runtimes.observe(&wanted).await?;
        refuse_unreachable(&observed)?;
        let volumes = match volumes {
            Volumes::Known(volumes) => volumes,
            Volumes::OnTheEngine => labelled_volumes(&project.name, &observed, &request.volumes)?,
        };
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
            runtimes,
            hold,
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
        let report = run.execute(watcher).await?;
        if report.outcome != Outcome::Applied || has_volumes_left(name, &observed, &changes) {
            return Ok(report);
        }
        forget_doubt(state, name, hold).await?;
        // Passwords that were made once are only of use to volumes that are still there.
        let untold = match Shared::of(state, runtimes, name).filter(|_| hold.keeper.is_some()) {
            Some(shared) => shared.destroy().await.err(),
            None => None,
        };
        let untold = untold.map(|error| format!("what the project kept on its engine is still there: {error}"));
        Ok(DeploymentReport { left: report.left.into_iter().chain(untold).collect(), ..report })
    }
}

/// Of volumes that are gone nobody has to ask what is in them.
async fn forget_doubt(state: &State, project: &ProjectName, hold: &Hold) -> Result<(), OpsError> {
    let snapshots = state.directory.snapshots(project);
    let is_of_volumes = |part: &DataPart| matches!(part.source, DataSource::Volume { .. });
    match snapshots.work()?.map(|work| work.pending) {
        Some(pending) if !pending.iter().flatten().all(is_of_volumes) => return Ok(()),
        Some(_) => snapshots.end_work()?,
        None => {}
    }
    for left in hold.unfinished().await.iter().filter(|left| left.reached == Reached::Restoring) {
        hold.settle(left.deployment).await;
    }
    Ok(())
}

/// Which volumes are to be removed.
enum Volumes {
    /// By the plan: their names on the engine.
    Known(BTreeSet<String>),
    /// There is no plan to tell, so their labels have to.
    OnTheEngine,
}

/// What a volume may be called on the engine: by its name there, or its key in a plan.
fn possible_names(project: &ProjectName, name: &str) -> [String; 2] {
    [name.to_owned(), format!("{project}_{name}")]
}

/// The volumes' names on the engine, of those that have the project's label.
fn labelled_volumes(
    project: &ProjectName,
    observed: &Observed,
    named: &[String],
) -> Result<BTreeSet<String>, OpsError> {
    let is_ours = |name: &String| {
        let volume = observed.volumes.get(name);
        volume.is_some_and(|volume| volume.project.as_ref() == Some(project))
    };
    let find = |name: &String| {
        let found = possible_names(project, name).into_iter().find(is_ours);
        found.ok_or_else(|| OpsError::Missing(format!("`{name}` is not a volume of `{project}`")))
    };
    named.iter().map(find).collect()
}

/// Whether volumes of the project stay, with what is in them.
fn has_volumes_left(project: &ProjectName, observed: &Observed, changes: &Changes) -> bool {
    let ours = observed.volumes.iter().filter(|(_, volume)| volume.project.as_ref() == Some(project));
    ours.into_iter().any(|(name, _)| !changes.removed_volumes.contains(name))
}

/// The volumes' names on the engine.
fn named_volumes(plan: &Plan, named: &[String]) -> Result<BTreeSet<String>, OpsError> {
    let find = |name: &String| {
        let owned = || plan.volumes.iter().filter(|(_, volume)| !volume.external.is_external).map(|(key, _)| key);
        let key = owned().find(|key| *key == name || plan.volume_name(key) == *name);
        key.map(|key| plan.volume_name(key)).ok_or_else(|| {
            let known: Vec<String> = owned().flat_map(|key| [key.clone(), plan.volume_name(key)]).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let keys: Vec<String> = owned().map(|key| format!("`{key}`")).collect();
            let all = if keys.is_empty() { "none of its own".to_owned() } else { keys.join(", ") };
            unknown("volume", name, &known, &format!("the plan's volumes: {all}"))
        })
    };
    named.iter().map(find).collect()
}
