use std::collections::BTreeSet;

use super::{
    create::{data_plan, save, services_of, to_stop},
    files,
    kept::find,
    site::{Item, Purpose, Site, hold, policy_of},
};
use crate::{
    action::Action,
    diagnostic::Class,
    driver::{Clock, FailPoint, fail_point},
    journal::{
        DataPart, DataSource, DataWork, DataWorkKind, SavedData, SavedFile, SnapshotReason, SnapshotRecord,
        SnapshotState,
    },
    name::{ServiceName, SnapshotId},
    observed::{Fault, Instance},
    ops::{Context, OpsError, Project, Watcher, hold::Hold, instances::refuse_unknown, run::random},
    plan::{CommandLine, RuntimeKind},
    report::{DataPlan, RestoreReport, RestoreState, RestoredData},
    runtime::Runtime as _,
    secret::Text,
    store::Scrutiny,
};

/// What to restore, and how.
#[derive(Debug, Clone, Default)]
pub struct RestoreRequest {
    /// The snapshot's id, or the beginning of it.
    pub snapshot: String,
    /// Only the data of these services; of all if none are named.
    pub services: Vec<ServiceName>,
    /// Do not save what is overwritten.
    pub no_backup: bool,
    /// Write back the files that containers mount, too.
    pub files: bool,
    /// Why, for those who read the list.
    pub message: Option<String>,
}

/// Puts the data of a snapshot in the place of what is there, which is saved before. `agree` is
/// shown what is overwritten.
///
/// # Errors
/// If nothing was overwritten: the snapshot is damaged or not there, what is there cannot be saved,
/// someone else holds the lock. How far it came otherwise is in the report.
pub async fn restore_snapshot(
    context: &Context,
    project: &Project,
    request: &RestoreRequest,
    watcher: &mut dyn Watcher,
    agree: impl FnOnce(&DataPlan) -> Result<(), OpsError>,
) -> Result<RestoreReport, OpsError> {
    let id = SnapshotId::from_random(random());
    let purpose = if request.services.is_empty() { Purpose::RestoreAll } else { Purpose::RestoreSome };
    let hold = hold(context, project, id, request.message.as_ref(), purpose).await?;
    let restored = restore_locked(context, project, request, watcher, (id, &hold, agree)).await;
    give_back(hold, &restored).await;
    restored
}

/// Goes on with a restore that was cut off, with what of it is not done. `None` if there is none.
///
/// # Errors
/// As [`restore_snapshot`].
pub async fn finish_restore(
    context: &Context,
    project: &Project,
    watcher: &mut dyn Watcher,
) -> Result<Option<RestoreReport>, OpsError> {
    let work = || project.state.directory.snapshots(&project.name).work();
    if work()?.is_none_or(|work| !work.is_in_doubt()) {
        return Ok(None);
    }
    let id = SnapshotId::from_random(random());
    let hold = hold(context, project, id, None, Purpose::GoOn).await?;
    let finished = async {
        // Its owner may have been at it until now.
        let Some(work) = work()?.filter(DataWork::is_in_doubt) else { return Ok(None) };
        let site = Site::look(context, project, watcher).await?;
        let record = whole(&site, &work.snapshot)?;
        let data: Vec<SavedData> = record.data.iter().filter(|data| work.is_pending(data)).cloned().collect();
        let files = if work.files { changed_files(&site, &record)? } else { Vec::new() };
        let items: Vec<Item> = data.iter().enumerate().map(|(index, data)| item(data, index)).collect();
        let instances = to_stop(&site, &site.mounting(&items), &work.stopped);
        let commands = commands(&site, &record, &data)?;
        let work = DataWork { id, stopped: services_of(&instances), ..work };
        let run = Run { site: &site, hold: &hold, record: &record, instances, commands, data, files };
        run.restore(work).await.map(Some)
    };
    let finished: Result<Option<RestoreReport>, OpsError> = finished.await;
    match finished.transpose() {
        None => {
            hold.release().await;
            Ok(None)
        }
        Some(restored) => {
            give_back(hold, &restored).await;
            restored.map(Some)
        }
    }
}

/// Gives the lock back, in which data stays called in doubt that is.
async fn give_back(hold: Hold, restored: &Result<RestoreReport, OpsError>) {
    match restored {
        Ok(RestoreReport { error: Some(_), .. }) => hold.leave().await,
        Ok(_) | Err(_) => hold.release().await,
    }
}

async fn restore_locked(
    context: &Context,
    project: &Project,
    request: &RestoreRequest,
    watcher: &mut dyn Watcher,
    (id, hold, agree): (SnapshotId, &Hold, impl FnOnce(&DataPlan) -> Result<(), OpsError>),
) -> Result<RestoreReport, OpsError> {
    let site = Site::look(context, project, watcher).await?;
    let snapshots = site.snapshots();
    let record = whole(&site, &find(project, &request.snapshot)?)?;
    let data = chosen(&record, request)?;
    let files = if request.files { changed_files(&site, &record)? } else { Vec::new() };
    if data.is_empty() && files.is_empty() {
        return Err(OpsError::Missing(format!("there is nothing in `{}` to restore", record.id)));
    }
    let items: Vec<Item> = data.iter().enumerate().map(|(index, data)| item(data, index)).collect();
    let earlier = snapshots.work()?;
    refuse_less(project, earlier.as_ref(), &data)?;
    let before = earlier.as_ref().map(|work| work.stopped.clone()).unwrap_or_default();
    let instances = to_stop(&site, &site.mounting(&items), &before);
    let commands = commands(&site, &record, &data)?;
    let plan = data_plan(&site, &items, &instances);
    let paths = files.iter().map(|file| file.path.clone()).collect();
    agree(&DataPlan { files: paths, from: Some((record.id, record.created_at)), ..plan })?;
    let mut work = DataWork {
        version: DataWork::VERSION,
        id,
        kind: DataWorkKind::Create,
        snapshot: id,
        backup: None,
        stopped: services_of(&instances),
        begun_at: Clock::start().now(),
        pending: Some(data.iter().map(DataPart::of).collect()),
        files: !files.is_empty(),
    };
    match earlier {
        // What a restore has left half-way is not worth to be saved in the place of what it had saved;
        // and that it is in doubt stays written down.
        Some(earlier) => work.backup = earlier.backup,
        None => {
            snapshots.begin_work(&work)?;
            if !request.no_backup {
                back_up(&site, &work, &record, (&items, &instances)).await?;
                work.backup = Some(id);
            }
        }
    }
    work = DataWork { kind: DataWorkKind::Restore, snapshot: record.id, ..work };
    let run = Run { site: &site, hold, record: &record, instances, commands, data, files };
    run.restore(work).await
}

/// Saves what is about to be overwritten.
async fn back_up(
    site: &Site<'_>,
    work: &DataWork,
    record: &SnapshotRecord,
    (items, instances): (&[Item], &[&Instance]),
) -> Result<(), OpsError> {
    let message = format!("before `{}` was restored", record.id);
    let fresh = site.record(work.id, SnapshotReason::BeforeRestore, Some(message), work.begun_at)?;
    let there: Vec<Item> = items.iter().filter(|item| exists(site, item)).cloned().collect();
    let saved = save(site, fresh, &there, instances).await;
    fail_point(FailPoint::DataSaved);
    let Err(error) = saved else { return Ok(()) };
    // Nothing is overwritten yet: all is as it was once they run again.
    if site.start(instances).await.is_empty() {
        site.snapshots().end_work()?;
    }
    Err(error)
}

/// Refuses to leave data in doubt that an earlier restore has left so: it would be forgotten.
fn refuse_less(project: &Project, earlier: Option<&DataWork>, data: &[SavedData]) -> Result<(), OpsError> {
    let Some(earlier) = earlier else { return Ok(()) };
    let covers = |part: &DataPart| data.iter().any(|data| DataPart::of(data) == *part);
    match earlier.pending.iter().flatten().find(|part| !covers(part)) {
        None => Ok(()),
        Some(part) => {
            let (service, snapshot) = (&part.service, earlier.snapshot);
            let text =
                format!("the restore of `{snapshot}` was cut off, and the data of `{service}` is not among this");
            let hint = format!("`orchestrate recover --project {}` does it again", project.name);
            Err(OpsError::DataInDoubt { text, hint })
        }
    }
}

/// A restore that is about to overwrite.
struct Run<'s, 'a> {
    site: &'s Site<'a>,
    hold: &'s Hold,
    record: &'s SnapshotRecord,
    instances: Vec<&'s Instance>,
    /// For each dump: the command that takes it back.
    commands: Vec<(ServiceName, CommandLine)>,
    data: Vec<SavedData>,
    files: Vec<SavedFile>,
}

impl Run<'_, '_> {
    /// Writes down here what is to be done, then on the engine that data is in doubt, and only then
    /// does it; and takes both back in the other order.
    async fn restore(self, mut work: DataWork) -> Result<RestoreReport, OpsError> {
        let snapshots = self.site.snapshots();
        snapshots.begin_work(&work)?;
        fail_point(FailPoint::RestoreNoted);
        self.hold.mark_restoring().await?;
        fail_point(FailPoint::RestoreMarked);
        let state = RestoreState::Untouched;
        let pending = self.data.iter().map(DataPart::of);
        let mut report = RestoreReport {
            snapshot: self.record.id,
            project: self.record.project.clone(),
            backup: work.backup,
            data: pending.map(|DataPart { service, source }| RestoredData { service, source, state }).collect(),
            files: Vec::new(),
            stopped: BTreeSet::new(),
            unwell: Vec::new(),
            error: None,
        };
        let restored = self.overwrite(&mut work, &mut report).await;
        let mut services = work.stopped.clone();
        services.extend(self.data.iter().map(|data| data.service.clone()));
        match restored {
            Ok(()) => {
                fail_point(FailPoint::RestoreDone);
                self.hold.mark_restored().await?;
                fail_point(FailPoint::RestoreUnmarked);
                snapshots.end_work()?;
                report.unwell = self.site.wait_until_well(&services).await?;
            }
            Err(fault) => report.error = Some(fault),
        }
        Ok(report)
    }

    /// Files and volumes first, while nothing runs that has them mounted, then dumps, which their
    /// running services take back. Services run again only once it is durable that their volumes are
    /// restored: what they write from then on is never overwritten.
    async fn overwrite(&self, work: &mut DataWork, report: &mut RestoreReport) -> Result<(), Fault> {
        let (volumes, dumps): (Vec<&SavedData>, Vec<&SavedData>) =
            self.data.iter().partition(|data| matches!(data.source, DataSource::Volume { .. }));
        self.site.go_on()?;
        self.site.stop(&self.instances).await?;
        report.stopped = services_of(&self.instances);
        for file in &self.files {
            files::put_back(file)?;
            report.files.push(file.path.clone());
        }
        work.files = false;
        for data in volumes {
            report.mark(data, RestoreState::Begun);
            fail_point(FailPoint::BeforeOverwriting);
            self.fill(data).await?;
            self.restored(data, work, report)?;
        }
        self.note(work)?;
        if let Some(trouble) = self.site.start(&self.instances).await.into_iter().next() {
            return Err(Fault::new(Class::Deployment, "not-started", trouble));
        }
        report.stopped.clear();
        for data in dumps {
            report.mark(data, RestoreState::Begun);
            self.feed(data).await?;
            self.restored(data, work, report)?;
        }
        Ok(())
    }

    fn restored(&self, data: &SavedData, work: &mut DataWork, report: &mut RestoreReport) -> Result<(), Fault> {
        fail_point(FailPoint::Overwritten);
        work.note_restored(data);
        self.note(work)?;
        report.mark(data, RestoreState::Restored);
        Ok(())
    }

    /// Makes durable how far it has come.
    fn note(&self, work: &DataWork) -> Result<(), Fault> {
        let noted = self.site.snapshots().begin_work(work);
        noted.map_err(|error| Fault::new(Class::Resource, "not-noted", format!("{error}")).hint(error.hint()))
    }

    async fn fill(&self, data: &SavedData) -> Result<(), Fault> {
        let DataSource::Volume { name } = &data.source else { return Ok(()) };
        let (site, project) = (self.site, &self.record.project);
        let plan = site.plan();
        let planned = plan.volumes.iter().find(|(key, _)| plan.volume_name(key) == *name);
        let volume = planned.map(|(_, volume)| volume.clone()).unwrap_or_default();
        let create = Action::CreateVolume { name: name.clone(), volume, project: project.clone() };
        site.perform(RuntimeKind::Docker, create).await?;
        let from = site.snapshots().data_file(self.record.id, data);
        let timeout = policy_of(plan, &data.service).timeout().0;
        let filled = site.runtimes.restore_volume(project, name, &from, timeout).await;
        filled.map_err(|fault| site.scrubbed(fault))
    }

    async fn feed(&self, data: &SavedData) -> Result<(), Fault> {
        let site = self.site;
        let command = self.commands.iter().find(|(service_name, _)| *service_name == data.service);
        let Some((_, command)) = command else { return Ok(()) };
        // Its volume may have been filled just now: it takes data once it is well.
        let instance = site.first_running(&data.service).or_else(|fault| {
            let mut started = self.instances.iter().filter(|instance| instance.identity.service == data.service);
            started.next().copied().ok_or(fault)
        })?;
        let failing = site.wait_until_well(&BTreeSet::from([data.service.clone()])).await?;
        if let Some(why) = failing.into_iter().next() {
            return Err(Fault::new(Class::HealthCheck, "not-well", format!("it cannot take its data back: {why}")));
        }
        let from = site.snapshots().data_file(self.record.id, data);
        let timeout = policy_of(site.plan(), &data.service).timeout().0;
        let fed = site.runtimes.feed(data.runtime, &instance.id, &command.expose(), &from, timeout).await;
        fed.map_err(|fault| site.scrubbed(fault))
    }
}

/// The snapshot, every byte of it looked at, with its secrets opened.
fn whole(site: &Site<'_>, id: &SnapshotId) -> Result<SnapshotRecord, OpsError> {
    let refuse = |problem: String| {
        let fault =
            Fault::new(Class::Resource, "snapshot-damaged", format!("snapshot `{id}` cannot be used: {problem}"));
        fault.hint("`orchestrate snapshot list` shows the others")
    };
    let mut record = match site.snapshots().look(*id, Scrutiny::Contents)?.state {
        SnapshotState::Whole(record) => *record,
        SnapshotState::Damaged { problem, .. } => return Err(refuse(problem).into()),
        SnapshotState::Unfinished => return Err(refuse("it was never finished".to_owned()).into()),
    };
    let sealer = site.state().sealer();
    let mut trouble = None;
    record.visit_texts(&mut |text: &mut Text| trouble = text.open(&sealer).err().or(trouble.take()));
    match trouble {
        None => Ok(record),
        Some(error) => Err(refuse(error.to_string()).into()),
    }
}

/// The data to restore. Where a service has both, its volumes hold what its dump does.
fn chosen(record: &SnapshotRecord, request: &RestoreRequest) -> Result<Vec<SavedData>, OpsError> {
    refuse_unknown(&request.services, &record.data.iter().map(|data| &data.service).collect())?;
    let is_wanted = |data: &&SavedData| request.services.is_empty() || request.services.contains(&data.service);
    let is_volume = |data: &SavedData| matches!(data.source, DataSource::Volume { .. });
    let with_volumes: BTreeSet<&ServiceName> =
        record.data.iter().filter(|data| is_volume(data)).map(|data| &data.service).collect();
    let data = record.data.iter().filter(is_wanted);
    Ok(data.filter(|data| is_volume(data) || !with_volumes.contains(&data.service)).cloned().collect())
}

/// The files that are not as they were.
fn changed_files(site: &Site<'_>, record: &SnapshotRecord) -> Result<Vec<SavedFile>, Fault> {
    if !site.sees_files() {
        let text = "the files that containers mount are on the engine's host, not on this one";
        return Err(Fault::new(Class::Configuration, "files-need-local-engine", text));
    }
    let kept = record.files.iter().filter(|file| file.content.is_some());
    Ok(kept.filter(|file| !files::is_as_saved(file)).cloned().collect())
}

/// What takes dumps back: as the plan says now, else as it said then.
fn commands(
    site: &Site<'_>,
    record: &SnapshotRecord,
    data: &[SavedData],
) -> Result<Vec<(ServiceName, CommandLine)>, Fault> {
    let dumps = data.iter().filter(|data| data.source == DataSource::Dump);
    dumps
        .map(|data| {
            let then = || record.services.get(&data.service)?.spec.snapshot.clone()?.restore;
            let command = policy_of(site.plan(), &data.service).restore.or_else(then);
            let text = format!("nothing says how the dump of `{}` is taken back", data.service);
            let missing = || Fault::new(Class::Configuration, "no-restore-command", text.clone());
            let command = command.ok_or_else(|| missing().hint("give it a `snapshot.restore` in the plan"))?;
            if site.running(&data.service).is_empty() {
                site.first_running(&data.service)?;
            }
            Ok((data.service.clone(), command))
        })
        .collect()
}

fn item(data: &SavedData, index: usize) -> Item {
    Item { service: data.service.clone(), runtime: data.runtime, source: data.source.clone(), index }
}

/// Whether there is anything that would be overwritten, and a way to save it.
fn exists(site: &Site<'_>, item: &Item) -> bool {
    match &item.source {
        DataSource::Volume { name } => site.observed.volumes.contains_key(name),
        DataSource::Dump => policy_of(site.plan(), &item.service).dump.is_some(),
    }
}
