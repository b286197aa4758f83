//! What looks after the snapshots that are kept. Asks no engine.

use std::collections::BTreeSet;

use super::site::hold_here;
use crate::{
    action::Action,
    diagnostic::Class,
    engine::Setup,
    journal::{DataWork, FoundSnapshot, Journal, SnapshotState, StepStatus},
    name::{ProjectName, SnapshotId},
    observed::Fault,
    ops::{Context, OpsError, Project, context::State},
    store::{Scrutiny, SnapshotDirectory, Store as _},
};

/// A project's snapshots, newest first, and what is being done, or was cut off.
pub struct KeptSnapshots {
    pub project: ProjectName,
    pub snapshots: Vec<FoundSnapshot>,
    pub work: Option<DataWork>,
}

/// Which snapshots to remove.
#[derive(Debug, Clone)]
pub struct PruneRequest {
    /// How many of the newest stay.
    pub keep: usize,
}

/// Lists a project's snapshots.
///
/// # Errors
/// If the state cannot be read.
pub fn list_snapshots(project: &Project) -> Result<KeptSnapshots, OpsError> {
    let directory = project.state.directory.snapshots(&project.name);
    let (snapshots, work) = (directory.list()?, directory.work()?);
    Ok(KeptSnapshots { project: project.name.clone(), snapshots, work })
}

/// One snapshot, every byte of which was looked at.
///
/// # Errors
/// If there is no such snapshot, or the state cannot be read.
pub fn show_snapshot(project: &Project, id: &str) -> Result<FoundSnapshot, OpsError> {
    let directory = project.state.directory.snapshots(&project.name);
    Ok(directory.look(find(project, id)?, Scrutiny::Contents)?)
}

/// Removes the oldest snapshots, except those that could restore what a deployment did that cannot
/// be undone; and what was never finished. Answers those that are gone.
///
/// # Errors
/// If they cannot be removed, or someone else holds the lock.
pub fn prune_snapshots(_: &Context, project: &Project, request: &PruneRequest) -> Result<Vec<SnapshotId>, OpsError> {
    let state = &project.state;
    let _lock = hold_here(project)?;
    let directory = state.directory.snapshots(&project.name);
    let mut gone = Vec::new();
    let mut kept = 0;
    let needed = needed(&directory)?;
    for found in directory.list()? {
        let is_surplus = match &found.state {
            SnapshotState::Unfinished => !is_under_way(state, found.id)?,
            SnapshotState::Whole(_) | SnapshotState::Damaged { .. } => {
                kept += 1;
                kept > request.keep && !needed.contains(&found.id) && !is_at_a_line(state, found.id)?
            }
        };
        if is_surplus {
            directory.remove(found.id)?;
            gone.push(found.id);
        }
    }
    Ok(gone)
}

/// Removes one snapshot.
///
/// # Errors
/// If there is no such snapshot, or someone else holds the lock.
pub fn remove_snapshot(_: &Context, project: &Project, id: &str) -> Result<SnapshotId, OpsError> {
    let state = &project.state;
    let _lock = hold_here(project)?;
    let id = find(project, id)?;
    let directory = state.directory.snapshots(&project.name);
    if needed(&directory)?.contains(&id) {
        let text =
            format!("a restore was cut off that snapshot `{id}` is needed to bring to its end, or to go back from");
        let hint = format!("`orchestrate recover --project {}` brings it to its end", project.name);
        return Err(OpsError::DataInDoubt { text, hint });
    }
    directory.remove(id)?;
    Ok(id)
}

/// The snapshots without which a restore that was cut off leads nowhere.
fn needed(directory: &SnapshotDirectory) -> Result<BTreeSet<SnapshotId>, OpsError> {
    let work = directory.work()?.filter(DataWork::is_in_doubt);
    Ok(work.into_iter().flat_map(|work| [Some(work.snapshot), work.backup]).flatten().collect())
}

/// The one snapshot whose id begins so.
pub(super) fn find(project: &Project, id: &str) -> Result<SnapshotId, OpsError> {
    let all = project.state.directory.snapshots(&project.name).list()?;
    let is_visible = |found: &&FoundSnapshot| found.state != SnapshotState::Unfinished;
    let mut matching = all.iter().filter(is_visible).filter(|found| found.id.as_str().starts_with(id));
    let refuse = |text: String| Fault::new(Class::Configuration, "unknown-snapshot", text);
    match (matching.next(), matching.next()) {
        (Some(found), None) => Ok(found.id),
        (None, _) => {
            let text = format!("there is no snapshot `{id}` of `{}`", project.name);
            Err(refuse(text).hint("`orchestrate snapshot list` lists them").into())
        }
        (Some(_), Some(_)) => {
            Err(refuse(format!("`{id}` could be several snapshots")).hint("write more of the id").into())
        }
    }
}

/// Whether the deployment that makes it has not come to its end.
fn is_under_way(state: &State, id: SnapshotId) -> Result<bool, OpsError> {
    let record = state.store.deployment(id.deployment())?;
    Ok(record.is_some_and(|record| record.outcome.is_none()))
}

/// Whether its deployment, which is still known, has run a job that cannot be undone.
fn is_at_a_line(state: &State, id: SnapshotId) -> Result<bool, OpsError> {
    let Some(setup) = state.store.setup(id.deployment())? else { return Ok(false) };
    let entries = state.store.entries(id.deployment())?;
    // Of what cannot be read, the worst is believed.
    let Ok(journal) = Journal::replay(&entries) else { return Ok(true) };
    Ok(has_crossed_a_line(&setup, &journal))
}

fn has_crossed_a_line(setup: &Setup, journal: &Journal) -> bool {
    let mut ran = journal.steps().filter(|(_, step)| {
        let has_run = match &step.status {
            StepStatus::Failed(_) => false,
            StepStatus::Intended
            | StepStatus::Succeeded
            | StepStatus::UndoIntended
            | StepStatus::Undone
            | StepStatus::UndoFailed(_) => true,
        };
        has_run && matches!(*step.action, Action::Start { .. })
    });
    ran.any(|(id, _)| {
        let name = setup.actions.steps.get(id.index()).and_then(|step| step.service.as_ref());
        setup.services.iter().any(|service| service.is_irreversible && Some(&service.name) == name)
    })
}
