use std::collections::BTreeSet;

use super::site::{Item, Purpose, Site, hold, sealed};
use crate::{
    action::Action,
    driver::{Clock, FailPoint, fail_point},
    journal::{DataWork, DataWorkKind, SavedData, SnapshotReason, SnapshotRecord},
    name::{ServiceName, SnapshotId},
    observed::{Fault, Instance},
    ops::{
        Context, OpsError, Project, Watcher,
        instances::{refuse_unknown, unknown},
        run::random,
    },
    plan::RuntimeKind,
    report::DataPlan,
};

/// What to save.
#[derive(Debug, Clone, Default)]
pub struct SnapshotRequest {
    /// Only the data of these services; of all if none are named.
    pub services: Vec<ServiceName>,
    /// Why, for those who read the list.
    pub message: Option<String>,
}

/// A snapshot that was taken.
pub struct CreatedSnapshot {
    pub record: SnapshotRecord,
    /// What is not well afterwards, or could not be held.
    pub trouble: Vec<String>,
}

/// Saves a project's data, and what its services are. Services whose volumes are copied are stopped
/// for that, and started again whatever comes of it. `agree` is shown what is done.
///
/// # Errors
/// If there is nothing to save, something cannot be saved, or someone else holds the lock: then
/// there is no snapshot.
pub async fn create_snapshot(
    context: &Context,
    project: &Project,
    request: &SnapshotRequest,
    watcher: &mut dyn Watcher,
    agree: impl FnOnce(&DataPlan) -> Result<(), OpsError>,
) -> Result<CreatedSnapshot, OpsError> {
    let id = SnapshotId::from_random(random());
    let hold = hold(context, project, id, request.message.as_ref(), Purpose::Save).await?;
    let created = create_locked(context, project, request, watcher, (id, agree)).await;
    hold.release().await;
    created
}

async fn create_locked(
    context: &Context,
    project: &Project,
    request: &SnapshotRequest,
    watcher: &mut dyn Watcher,
    (id, agree): (SnapshotId, impl FnOnce(&DataPlan) -> Result<(), OpsError>),
) -> Result<CreatedSnapshot, OpsError> {
    let site = Site::look(context, project, watcher).await?;
    let items = chosen(&site, &request.services)?;
    let stopped = site.mounting(&items);
    let instances = to_stop(&site, &stopped, &BTreeSet::new());
    agree(&data_plan(&site, &items, &instances))?;
    let now = Clock::start().now();
    let record = site.record(id, SnapshotReason::Manual, request.message.clone(), now)?;
    if items.is_empty() && record.services.is_empty() && record.files.is_empty() {
        return Err(OpsError::Missing(format!("there is nothing of `{}` to save", project.name)));
    }
    let work = DataWork {
        version: DataWork::VERSION,
        id,
        kind: DataWorkKind::Create,
        snapshot: id,
        backup: None,
        stopped: services_of(&instances),
        begun_at: now,
        pending: None,
        files: false,
    };
    let snapshots = site.snapshots();
    snapshots.begin_work(&work)?;
    let saved = save(&site, record, &items, &instances).await;
    fail_point(FailPoint::DataSaved);
    let mut trouble = site.start(&instances).await;
    if trouble.is_empty() {
        snapshots.end_work()?;
    }
    let record = saved?;
    if trouble.is_empty() && !instances.is_empty() {
        trouble = site.wait_until_well(&work.stopped).await?;
    }
    trouble.extend(hold_images(&site, &record).await);
    Ok(CreatedSnapshot { record, trouble })
}

/// Saves the items into a snapshot, and leaves those instances stopped whose volumes it has copied.
pub(super) async fn save(
    site: &Site<'_>,
    record: SnapshotRecord,
    items: &[Item],
    instances: &[&Instance],
) -> Result<SnapshotRecord, OpsError> {
    let snapshots = site.snapshots();
    let record = sealed(record, site.state());
    snapshots.stage(&record)?;
    let data = save_items(site, record.id, items, instances).await;
    match data {
        Ok(data) => {
            let record = SnapshotRecord { data, ..record };
            snapshots.publish(&record)?;
            Ok(record)
        }
        Err(fault) => {
            snapshots.discard(record.id)?;
            Err(fault.into())
        }
    }
}

async fn save_items(
    site: &Site<'_>,
    id: SnapshotId,
    items: &[Item],
    instances: &[&Instance],
) -> Result<Vec<SavedData>, Fault> {
    let directory = site.snapshots().staged_data(id);
    let (volumes, dumps): (Vec<&Item>, Vec<&Item>) = items.iter().partition(|item| item.volume().is_some());
    let mut data = Vec::new();
    for item in dumps {
        data.push(site.save(item, &directory).await?);
    }
    site.go_on()?;
    site.stop(instances).await?;
    for item in volumes {
        data.push(site.save(item, &directory).await?);
    }
    Ok(data)
}

/// The data of these services, or of all.
fn chosen(site: &Site<'_>, services: &[ServiceName]) -> Result<Vec<Item>, OpsError> {
    let plan = site.plan();
    refuse_unknown(services, &plan.services.keys().collect())?;
    let of = |name: &ServiceName| plan.services.get(name).map_or_else(Vec::new, |service| site.items_of(name, service));
    if let Some(without) = services.iter().find(|name| plan.services[*name].snapshot.is_none()) {
        let with: Vec<&str> = plan
            .services
            .iter()
            .filter(|(_, service)| service.snapshot.is_some())
            .map(|(name, _)| name.as_str())
            .collect();
        let hint = "say how its data is saved: `snapshot: { volumes: […] }`, or `dump` and `restore`";
        return Err(unknown("`snapshot` in the plan for", without.as_str(), &with, hint));
    }
    let all = plan.services.keys().filter(|name| services.is_empty() || services.contains(name));
    Ok(all.flat_map(of).collect())
}

/// The instances that have to stop: those that run, and those that an earlier try has stopped.
pub(super) fn to_stop<'s>(
    site: &'s Site<'_>,
    services: &BTreeSet<ServiceName>,
    stopped_before: &BTreeSet<ServiceName>,
) -> Vec<&'s Instance> {
    let is_meant = |instance: &&Instance| {
        let service_name = &instance.identity.service;
        let runs = services.contains(service_name) && instance.is_active();
        runs || (stopped_before.contains(service_name) && site.is_of_plan(instance))
    };
    site.observed.instances.iter().filter(is_meant).collect()
}

pub(super) fn services_of(instances: &[&Instance]) -> BTreeSet<ServiceName> {
    instances.iter().map(|instance| instance.identity.service.clone()).collect()
}

/// What is about to be done, for the question whether to.
pub(super) fn data_plan(site: &Site<'_>, items: &[Item], instances: &[&Instance]) -> DataPlan {
    let stopped = services_of(instances);
    DataPlan {
        engine: site.engine(),
        items: items.iter().map(|item| (item.service.clone(), item.source.clone())).collect(),
        dependents: site.dependents(&stopped),
        stopped,
        files: Vec::new(),
        from: None,
    }
}

/// Keeps the images of a snapshot from being pruned; answers what could not be held.
async fn hold_images(site: &Site<'_>, record: &SnapshotRecord) -> Vec<String> {
    let mut trouble = Vec::new();
    for (service_name, saved) in &record.services {
        if saved.spec.runtime() != RuntimeKind::Docker {
            continue;
        }
        for image_id in saved.contents.iter().filter(|id| !id.is_empty()) {
            let action = Action::HoldImage { project: record.project.clone(), image_id: image_id.clone() };
            let held = site.perform(RuntimeKind::Docker, action).await;
            trouble.extend(held.err().map(|fault| format!("`{service_name}`: {fault}")));
        }
    }
    trouble
}
