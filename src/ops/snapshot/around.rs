//! The snapshot that a deployment takes: prepared before it begins, finished once it has ended.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    files::bound_files,
    site::{configs, sealed},
};
use crate::{
    action::{Action, Effect},
    engine::Setup,
    journal::{
        DataSource, DeploymentKind, DeploymentRecord, Journal, Outcome, SavedData, SavedService, SnapshotReason,
        SnapshotRecord,
    },
    name::{DeploymentId, ProjectName, ServiceName, SnapshotId},
    observed::Observed,
    ops::{OpsError, context::State},
    plan::Plan,
    store::{SnapshotDirectory, Store as _},
};

/// Where a deployment saves data; `None` if it is not to.
pub(in crate::ops) fn directory(
    state: &State,
    project: &ProjectName,
    deployment: DeploymentId,
    kind: DeploymentKind,
    no_snapshot: bool,
) -> Option<String> {
    match kind {
        // Its volumes stay, but for those that someone named to be lost.
        DeploymentKind::Destroy => None,
        DeploymentKind::Apply | DeploymentKind::Rollback if no_snapshot => None,
        DeploymentKind::Apply | DeploymentKind::Rollback => {
            let directory = state.directory.snapshots(project).staged_data(deployment.into());
            Some(directory.display().to_string())
        }
    }
}

/// Prepares the snapshot, if the deployment saves data.
pub(in crate::ops) fn prepare(
    state: &State,
    record: &DeploymentRecord,
    plan: &Plan,
    observed: &Observed,
    setup: &Setup,
) -> Result<(), OpsError> {
    let mut saves = setup.actions.steps.iter().filter(|step| is_save(&step.action));
    if record.kind == DeploymentKind::Destroy || saves.next().is_none() {
        return Ok(());
    }
    let mut services: BTreeMap<ServiceName, SavedService> = BTreeMap::new();
    for slot in &setup.actions.slots {
        let (Some(spec), Some(observed)) = (&slot.snapshot, &slot.observed) else { continue };
        let service = services.entry(slot.service.clone());
        let service = service.or_insert_with(|| SavedService { spec: spec.service.clone(), contents: BTreeSet::new() });
        service.contents.insert(observed.image_id.clone());
    }
    let deployments = state.store.deployments(Some(&record.project))?;
    let in_force = deployments.iter().find(|record| record.outcome == Some(Outcome::Applied));
    let is_local = observed.engines.values().all(|engine| engine.is_local);
    let snapshot = SnapshotRecord {
        version: SnapshotRecord::VERSION,
        id: record.id.into(),
        project: record.project.clone(),
        deployment: in_force.map(|record| record.id),
        created_at: record.started_at,
        author: record.author.clone(),
        message: record.message.clone(),
        reason: SnapshotReason::BeforeDeployment,
        engine: record.engine.clone(),
        services,
        configs: configs(plan),
        files: if is_local { bound_files(plan) } else { Vec::new() },
        data: Vec::new(),
    };
    Ok(state.directory.snapshots(&record.project).stage(&sealed(snapshot, state))?)
}

/// Finishes the snapshot with what was saved, or throws it away if nothing was. Answers its id.
pub(in crate::ops) fn conclude(
    state: &State,
    record: &DeploymentRecord,
    journal: &Journal,
) -> Result<Option<SnapshotId>, OpsError> {
    let (directory, id) = (state.directory.snapshots(&record.project), SnapshotId::from(record.id));
    let Some(staged) = directory.staged_record(id)? else { return Ok(None) };
    let setup = state.store.setup(record.id)?;
    let data: Vec<SavedData> = journal
        .steps()
        .filter_map(|(step, done)| {
            let about = setup.as_ref().and_then(|setup| setup.actions.steps.get(step.index()));
            let service = about.and_then(|step| step.service.clone())?;
            let Some(Effect::Saved { bytes, digest }) = &done.effect else { return None };
            let (source, to) = match &*done.action {
                Action::SaveVolume { volume, to, .. } => (DataSource::Volume { name: volume.clone() }, to),
                Action::Dump { to, .. } => (DataSource::Dump, to),
                _ => return None,
            };
            let file = SnapshotDirectory::relative(std::path::Path::new(to));
            Some(SavedData { service, runtime: done.runtime, source, file, bytes: *bytes, digest: digest.clone() })
        })
        .collect();
    if data.is_empty() {
        directory.discard(id)?;
        return Ok(None);
    }
    directory.publish(&SnapshotRecord { data, ..staged })?;
    Ok(Some(id))
}

fn is_save(action: &Action) -> bool {
    matches!(action, Action::SaveVolume { .. } | Action::Dump { .. })
}
