//! A project as someone finds it who is about to save or restore its data: its plan, and what runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    diagnostic::Class,
    driver::Clock,
    journal::{DataSource, Outcome, SavedService, SnapshotReason, SnapshotRecord},
    name::{ServiceName, SnapshotId},
    observed::{Fault, Instance, Observed, Reached, UnfinishedDeployment},
    ops::{
        Context, OpsError, Project, Watcher,
        context::State,
        hold::Hold,
        look::wanted,
        past::refuse_unreachable,
        project::ProjectPlan,
        recover::{CutOff, find_cut_off},
        run::{engine_names, new_deployment},
        snapshot::cut_off::{refuse_doubt, refuse_doubt_elsewhere, start_again},
        snapshots::specs,
    },
    plan::{MountKind, Plan, RuntimeKind, Service},
    runtime::{Observe as _, Runtimes},
    secret::Scrubber,
    store::{LockOwner, ProjectLock, SnapshotDirectory, Store as _, host_name},
    time::Timestamp,
};

/// Data of one service: where it is, and how it is saved.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub service: ServiceName,
    pub runtime: RuntimeKind,
    pub source: DataSource,
    /// Tells volumes of one service apart in file names.
    pub index: usize,
}

pub(super) struct Site<'a> {
    pub context: &'a Context,
    pub project: &'a Project,
    pub known: ProjectPlan<'a>,
    pub runtimes: Runtimes,
    pub observed: Observed,
}

/// What a project's lock is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To save what is there: it has to be good.
    Save,
    /// To overwrite all of it, whatever it is.
    RestoreAll,
    /// To overwrite some of it: what another host has left in doubt may not be among that.
    RestoreSome,
    /// To go on with what this host has left.
    GoOn,
}

/// Takes the project's lock, and makes sure that no deployment waits to be ended.
pub(super) async fn hold(
    context: &Context,
    project: &Project,
    id: SnapshotId,
    message: Option<&String>,
    purpose: Purpose,
) -> Result<Hold, OpsError> {
    let (hold, runtimes) = Hold::of_project(context, project, id.deployment(), message).await?;
    match make_ready(project, &hold, &runtimes, purpose).await {
        Ok(()) => Ok(hold),
        Err(error) => {
            hold.release().await;
            Err(error)
        }
    }
}

async fn make_ready(project: &Project, hold: &Hold, runtimes: &Runtimes, purpose: Purpose) -> Result<(), OpsError> {
    let (state, name) = (&project.state, &project.name);
    let cut_off = find_cut_off(state, name)?.filter(CutOff::is_to_be_ended).map(|cut_off| cut_off.record.id);
    // What was cut off while it worked on data is no deployment: it is gone on with here.
    let work = state.directory.snapshots(name).work()?;
    let is_ours =
        |left: &UnfinishedDeployment| work.as_ref().is_some_and(|work| work.id.deployment() == left.deployment);
    match purpose {
        Purpose::Save => refuse_doubt(state, name, hold).await?,
        Purpose::RestoreSome => refuse_doubt_elsewhere(name, hold, is_ours).await?,
        Purpose::RestoreAll | Purpose::GoOn => {}
    }
    let mut elsewhere = None;
    for left in hold.unfinished().await.into_iter().filter(|left| left.reached != Reached::Restoring) {
        match is_ours(&left) {
            true => hold.settle(left.deployment).await,
            false => elsewhere = Some(left.deployment),
        }
    }
    if let Some(deployment) = cut_off.or(elsewhere) {
        let text = format!("deployment `{deployment}` was cut off, and what it left is not settled");
        let fault = Fault::new(Class::Deployment, "deployment-cut-off", text);
        return Err(fault.hint("`orchestrate recover` brings it to its end").into());
    }
    match &work {
        Some(work) if !work.is_in_doubt() => start_again(state, runtimes, name, work).await,
        Some(_) | None => Ok(()),
    }
}

/// Takes the project's lock on this host, for what only concerns this host's files.
pub(super) fn hold_here(project: &Project) -> Result<ProjectLock, OpsError> {
    let owner = LockOwner {
        pid: std::process::id(),
        host: host_name(),
        since: Clock::start().now(),
        deployment: new_deployment(),
        message: None,
    };
    Ok(project.state.directory.lock(&project.name, &owner)?)
}

impl<'a> Site<'a> {
    /// Looks at the project. The caller holds its lock.
    pub async fn look(context: &'a Context, project: &'a Project, watcher: &mut dyn Watcher) -> Result<Self, OpsError> {
        let mut warnings = Vec::new();
        let known = project.plan(&mut warnings);
        watcher.warn(&warnings);
        let needed = project.needed(&known);
        let runtimes = project.runtimes(context, &needed)?;
        let wanted = crate::observed::Wanted { runtimes: needed, ..wanted(known.plan()) };
        let observed = runtimes.observe(&wanted).await?;
        refuse_unreachable(&observed)?;
        Ok(Self { context, project, known, runtimes, observed })
    }

    pub fn plan(&self) -> &Plan {
        self.known.plan()
    }

    pub fn state(&self) -> &State {
        &self.project.state
    }

    pub fn scrubber(&self) -> &Scrubber {
        self.known.scrubber()
    }

    pub fn snapshots(&self) -> SnapshotDirectory {
        self.state().directory.snapshots(&self.project.name)
    }

    pub fn engine(&self) -> String {
        engine_names(&self.observed)
    }

    /// Whether files of this host are those that containers mount.
    pub fn sees_files(&self) -> bool {
        self.observed.engines.values().all(|engine| engine.is_local)
    }

    /// A service's instances that run, the first one first.
    pub fn running(&self, service_name: &ServiceName) -> Vec<&Instance> {
        let all = self.observed.instances.iter().filter(|instance| instance.identity.service == *service_name);
        let mut running: Vec<&Instance> = all.filter(|instance| instance.is_active()).collect();
        running.sort_by(|a, b| (a.identity.number, &a.name).cmp(&(b.identity.number, &b.name)));
        running
    }

    /// All data of a service that the plan says how to save, as far as there is any.
    pub fn items_of(&self, service_name: &ServiceName, service: &Service) -> Vec<Item> {
        let Some(policy) = &service.snapshot else { return Vec::new() };
        let item = |source, index| Item { service: service_name.clone(), runtime: service.runtime(), source, index };
        let names = policy.volumes.iter().map(|key| self.plan().volume_name(key)).enumerate();
        let there = names.filter(|(_, name)| self.observed.volumes.contains_key(name));
        let volumes = there.map(|(index, name)| item(DataSource::Volume { name }, index));
        volumes.chain(policy.dump.as_ref().map(|_| item(DataSource::Dump, 0))).collect()
    }

    /// The services that have one of these volumes mounted: none of them may run meanwhile.
    pub fn mounting(&self, items: &[Item]) -> BTreeSet<ServiceName> {
        let volumes: BTreeSet<&str> = items.iter().filter_map(|item| item.volume()).collect();
        let mounts_one = |service: &Service| {
            let mounts = service.volumes.iter().filter(|mount| mount.kind == MountKind::Volume);
            let mut names = mounts.filter_map(|mount| mount.source.as_ref()).map(|key| self.plan().volume_name(key));
            names.any(|name| volumes.contains(name.as_str()))
        };
        let planned = self.plan().services.iter().filter(|(_, service)| mounts_one(service)).map(|(name, _)| name);
        let own = items.iter().filter(|item| item.volume().is_some()).map(|item| &item.service);
        planned.chain(own).cloned().collect()
    }

    /// What depends on these services, at some distance, and runs on without them.
    pub fn dependents(&self, stopped: &BTreeSet<ServiceName>) -> BTreeSet<ServiceName> {
        let graph = self.known.graph();
        let needs_one = |name: &&ServiceName| {
            let needed = graph.with_dependencies(&BTreeSet::from([(*name).clone()]));
            !stopped.contains(*name) && needed.iter().any(|needed| stopped.contains(needed))
        };
        let dependents = self.plan().services.keys().filter(needs_one);
        dependents.filter(|name| !self.running(name).is_empty()).cloned().collect()
    }

    /// What a snapshot says of the project as it is now, without its data.
    pub fn record(
        &self,
        id: SnapshotId,
        reason: SnapshotReason,
        message: Option<String>,
        now: Timestamp,
    ) -> Result<SnapshotRecord, OpsError> {
        let instances: Vec<&Instance> = self.observed.instances.iter().collect();
        let specs = specs(self.state(), &instances, &self.plan().moved)?;
        let mut services: BTreeMap<ServiceName, SavedService> = BTreeMap::new();
        for instance in instances {
            let Some(spec) = specs.get(&instance.id) else { continue };
            let service = services.entry(instance.identity.service.clone());
            let service =
                service.or_insert_with(|| SavedService { spec: spec.service.clone(), contents: BTreeSet::new() });
            service.contents.insert(instance.image_id.clone());
        }
        let deployments = self.state().store.deployments(Some(&self.project.name))?;
        let in_force = deployments.iter().find(|record| record.outcome == Some(Outcome::Applied));
        Ok(SnapshotRecord {
            version: SnapshotRecord::VERSION,
            id,
            project: self.project.name.clone(),
            deployment: in_force.map(|record| record.id),
            created_at: now,
            author: self.context.author(),
            message,
            reason,
            engine: self.engine(),
            services,
            configs: configs(self.plan()),
            files: if self.sees_files() { super::files::bound_files(self.plan()) } else { Vec::new() },
            data: Vec::new(),
        })
    }
}

/// The contents of the plan's configs.
pub(super) fn configs(plan: &Plan) -> BTreeMap<String, crate::secret::Text> {
    let contents = plan.configs.iter().filter_map(|(name, config)| Some((name.clone(), config.content.clone()?)));
    contents.collect()
}

/// Seals a record's secrets.
pub(super) fn sealed(mut record: SnapshotRecord, state: &State) -> SnapshotRecord {
    let sealer = state.sealer();
    record.visit_texts(&mut |text| text.seal(&sealer));
    record
}

impl Item {
    /// The volume's name on the engine, if it is one.
    pub fn volume(&self) -> Option<&str> {
        match &self.source {
            DataSource::Volume { name } => Some(name),
            DataSource::Dump => None,
        }
    }
}

/// The policy by which a service's data is saved, where the plan has one.
pub(super) fn policy_of(plan: &Plan, service_name: &ServiceName) -> crate::plan::SnapshotPolicy {
    let service: Option<&Arc<Service>> = plan.services.get(service_name);
    service.and_then(|service| service.snapshot.clone()).unwrap_or_default()
}
