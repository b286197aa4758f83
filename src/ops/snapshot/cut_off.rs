//! Work on data that was cut off: what is told of it, what is refused until it is at its end, and how
//! what was only stopped runs again.

use crate::{
    action::Action,
    diagnostic::{Class, Diagnostic, Severity},
    driver::Clock,
    journal::DataWork,
    name::ProjectName,
    observed::{Instance, Reached, UnfinishedDeployment},
    ops::{
        OpsError, context::State, hold::Hold, look::wanted, past::refuse_unreachable, standing::handle,
        stored::StoredPlan,
    },
    plan::Service,
    report::list,
    runtime::{Observe as _, Runtime as _, Runtimes},
    store::LockError,
};

/// Refuses to build on data that may be neither what it was nor what it was to be. The caller holds
/// the lock.
pub(crate) async fn refuse_doubt(state: &State, project: &ProjectName, hold: &Hold) -> Result<(), OpsError> {
    if let Some(work) = state.directory.snapshots(project).work()?.filter(DataWork::is_in_doubt) {
        return Err(in_doubt_here(project, &work));
    }
    refuse_doubt_elsewhere(project, hold, |_| false).await
}

/// [`refuse_doubt`], where only what is not `ours` counts.
pub(super) async fn refuse_doubt_elsewhere(
    project: &ProjectName,
    hold: &Hold,
    is_ours: impl Fn(&UnfinishedDeployment) -> bool,
) -> Result<(), OpsError> {
    let is_in_doubt = |left: &UnfinishedDeployment| left.reached == Reached::Restoring && !is_ours(left);
    match hold.unfinished().await.iter().any(is_in_doubt) {
        true => Err(in_doubt_elsewhere(project)),
        false => Ok(()),
    }
}

/// What this host has left half restored, if nobody is at it. Writes nothing.
pub(crate) fn half_restored(state: &State, project: &ProjectName) -> Result<Option<OpsError>, OpsError> {
    let directory = state.directory.snapshots(project);
    let work = || directory.work().map(|work| work.filter(DataWork::is_in_doubt));
    let Some(found) = work()? else { return Ok(None) };
    match state.directory.look_at_lock(project, Clock::start().now()) {
        Err(LockError::Held { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
        Ok(()) => {}
    }
    // Its owner may have ended it in between: whoever does lets the lock go last.
    let is_still_so = work()?.is_some_and(|work| work.id == found.id);
    Ok(is_still_so.then(|| in_doubt_here(project, &found)))
}

/// [`half_restored`], as a warning.
pub(crate) fn doubt_warning(state: &State, project: &ProjectName) -> Result<Option<Diagnostic>, OpsError> {
    let doubt = half_restored(state, project)?;
    Ok(doubt.map(|doubt| {
        let warning = Diagnostic::error("data-in-doubt", Class::Deployment, doubt.to_string());
        Diagnostic { severity: Severity::Warning, hints: doubt.hint().into_iter().collect(), ..warning }
    }))
}

/// Starts what was stopped for work that left no data in doubt, and whose owner did not live to start
/// it. The caller holds the lock.
pub(crate) async fn start_again(
    state: &State,
    runtimes: &Runtimes,
    project: &ProjectName,
    work: &DataWork,
) -> Result<(), OpsError> {
    let observed = runtimes.observe(&wanted(&StoredPlan::nothing(project, None).plan)).await?;
    refuse_unreachable(&observed)?;
    let was_stopped = |instance: &&Instance| {
        work.stopped.contains(&instance.identity.service) && !instance.is_active() && !instance.is_stopped_on_purpose()
    };
    for instance in observed.instances.iter().filter(was_stopped) {
        let start = Action::Start { instance: handle(instance), grace: Service::default().stop_grace() };
        runtimes.perform(instance.runtime, &start, &|_| {}).await?;
    }
    let snapshots = state.directory.snapshots(project);
    // What was never published is of no use to anyone.
    snapshots.discard(work.id)?;
    Ok(snapshots.end_work()?)
}

fn in_doubt_here(project: &ProjectName, work: &DataWork) -> OpsError {
    let services: Vec<String> = work.pending.iter().flatten().map(|part| format!("`{}`", part.service)).collect();
    let of = if services.is_empty() { format!("`{project}`") } else { list(&services) };
    let back = work.backup.map(|backup| {
        format!("; `orchestrate snapshot restore {backup} --no-backup --project {project}` puts back what was there")
    });
    OpsError::DataInDoubt {
        text: format!(
            "the restore of snapshot `{}` was cut off: the data of {of} may be neither what it was nor what it was to be",
            work.snapshot
        ),
        hint: format!("`orchestrate recover --project {project}` does it again{}", back.unwrap_or_default()),
    }
}

fn in_doubt_elsewhere(project: &ProjectName) -> OpsError {
    OpsError::DataInDoubt {
        text: format!(
            "another host was cut off while it restored data of `{project}`: that may be neither what it was nor what \
             it was to be"
        ),
        hint: "`orchestrate recover` there does it again; here, `orchestrate snapshot restore` puts other data in its \
               place, and `orchestrate lock release --force` calls good what is there"
            .to_owned(),
    }
}
