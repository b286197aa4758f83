use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use super::{Behaviour, Script};
use crate::{
    action::{Action, Effect, InstanceHandle, InstanceSpec},
    change::FileChange,
    diagnostic::Class,
    health::Answer,
    name::{Digest, ProjectName},
    observed::{
        EngineFacts, Fault, Foreign, Health, ImageFacts, Instance, InstanceState, NetworkFacts, Observed,
        PublishedPort, Reach, RuntimeEvent, SeenFile, VolumeFacts, Wanted,
    },
    plan::{Check, RestartPolicy, RuntimeKind},
    secret::{Secret, Text},
    time::Timestamp,
};

/// What a call does: how long it takes, what it answers, and what happens later because of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Performance {
    pub takes: Duration,
    pub result: Result<Effect, Fault>,
    pub later: Vec<(Timestamp, RuntimeEvent)>,
}

/// Everything that exists.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub script: Script,
    instances: BTreeMap<String, Simulated>,
    /// The ids of instances by their names.
    ids: BTreeMap<String, String>,
    networks: BTreeMap<String, NetworkFacts>,
    volumes: BTreeMap<String, VolumeFacts>,
    /// Images that are there have their reference as id; `rebuilt` ones another.
    rebuilt: BTreeMap<String, String>,
    missing_images: BTreeSet<String>,
    /// The files of snapshots that were written.
    saved: BTreeSet<String>,
    held_images: BTreeSet<String>,
    /// Configs and secrets on the host, by their paths.
    files: BTreeMap<String, Text>,
    next_id: u64,
    /// Every mutating call that took effect, as the action prints itself.
    pub calls: Vec<String>,
}

#[derive(Debug, Clone)]
struct Simulated {
    instance: Instance,
    behaviour: Behaviour,
    next_behaviour: Option<Behaviour>,
    /// The host ports that it takes while it runs.
    host_ports: BTreeSet<PublishedPort>,
    /// Where on the host its files are.
    files: Vec<String>,
    /// What its files were changed to in place, and how it behaved before.
    changed: Vec<(Vec<FileChange>, Behaviour)>,
}

impl World {
    /// A world that starts as what was observed of a real one.
    pub fn from_observed(observed: &Observed, script: Script) -> Self {
        let simulated = |instance: &Instance| Simulated {
            behaviour: Behaviour { ready_after: Some(Duration::ZERO), exits_after: None },
            next_behaviour: None,
            host_ports: instance.ports.clone(),
            files: instance.files.values().map(|seen| seen.path.clone()).collect(),
            changed: Vec::new(),
            instance: Instance { files: BTreeMap::new(), ..instance.clone() },
        };
        let seen = observed.instances.iter().flat_map(|instance| instance.files.values());
        let files = seen.filter_map(|seen| Some((seen.path.clone(), seen.content.clone()?))).collect();
        // What instances are in is there, whether it was asked for or not.
        let joined = observed.instances.iter().flat_map(|instance| instance.networks.keys());
        let mut networks: BTreeMap<String, NetworkFacts> =
            joined.map(|name| (name.clone(), network(name, None))).collect();
        networks.extend(observed.networks.clone());
        Self {
            script,
            instances: observed.instances.iter().map(|i| (i.id.clone(), simulated(i))).collect(),
            ids: observed.instances.iter().map(|i| (i.name.clone(), i.id.clone())).collect(),
            networks,
            volumes: observed.volumes.clone(),
            files,
            ..Self::default()
        }
    }

    /// The same reference means another image from now on.
    pub fn rebuild_image(&mut self, reference: &str, id: &str) {
        self.rebuilt.insert(reference.to_owned(), id.to_owned());
    }

    pub fn remove_image(&mut self, reference: &str) {
        self.missing_images.insert(reference.to_owned());
    }

    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values().map(|simulated| &simulated.instance)
    }

    /// By their names.
    pub fn networks(&self) -> &BTreeMap<String, NetworkFacts> {
        &self.networks
    }

    /// By their names.
    pub fn volumes(&self) -> &BTreeMap<String, VolumeFacts> {
        &self.volumes
    }

    /// Configs and secrets on the host, by their paths.
    pub fn files(&self) -> &BTreeMap<String, Text> {
        &self.files
    }

    pub fn observe(&self, wanted: &Wanted) -> Observed {
        let mut observed = Observed::default();
        for runtime in &wanted.runtimes {
            observed
                .engines
                .insert(*runtime, EngineFacts { name: "simulated".to_owned(), major_version: None, is_local: true });
        }
        let (ours, others): (Vec<&Instance>, Vec<&Instance>) =
            self.instances().partition(|instance| instance.identity.project == wanted.project);
        observed.instances = ours.into_iter().map(|instance| self.with_files(instance)).collect();
        let in_the_way = others.into_iter().filter(|instance| wanted.instance_names.contains(&instance.name));
        observed.foreign = in_the_way.map(foreign).collect();
        let images = wanted.images.iter().filter(|image| !self.missing_images.contains(image.as_str()));
        observed.images = images
            .map(|image| (image.clone(), ImageFacts { id: self.image_now(image.as_str()), ..ImageFacts::default() }))
            .collect();
        let programs = wanted.executables.iter();
        observed.executables = programs.map(|program| (program.clone(), Ok(self.image_now(&program.word)))).collect();
        observed.networks = self.networks.clone();
        observed.volumes = self.volumes.clone();
        observed
    }

    fn with_files(&self, instance: &Instance) -> Instance {
        let secret = |text: &Text| Text::Secret(Secret::new(text.expose()));
        let mounted = self.instances[&instance.id].files.iter().map(|path| {
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            (name, SeenFile { path: path.clone(), content: self.files.get(path).map(secret), is_told: true })
        });
        Instance { files: mounted.collect(), ..instance.clone() }
    }

    /// Someone removes an instance.
    pub fn vanish(&mut self, id: &str) {
        if let Some(removed) = self.instances.remove(id) {
            self.ids.remove(&removed.instance.name);
        }
    }

    /// The daemon ends and begins again: what ran was killed, and what its restart policy says is
    /// started. Nobody hears of it.
    pub fn restart_daemon(&mut self, now: Timestamp) {
        for simulated in self.instances.values_mut() {
            simulated.settle(now);
            let (was_running, state) = (simulated.instance.is_running(), simulated.instance.state);
            if was_running {
                simulated.exit(137);
            }
            let is_revived = match (simulated.instance.restart_policy, state) {
                (_, InstanceState::Created) | (RestartPolicy::No, _) => false,
                (RestartPolicy::Always, _) => true,
                (RestartPolicy::UnlessStopped | RestartPolicy::OnFailure { .. }, _) => was_running,
            };
            if is_revived {
                simulated.run(now);
            }
        }
    }

    /// From its next start on, an instance behaves in another way.
    pub fn spoil(&mut self, name: &str, behaviour: Behaviour) {
        let id = self.ids.get(name);
        if let Some(simulated) = id.and_then(|id| self.instances.get_mut(id)) {
            simulated.next_behaviour = Some(behaviour);
        }
    }

    /// Someone joins an instance to its networks anew, without its names there.
    pub fn forget_aliases(&mut self, name: &str) {
        let id = self.ids.get(name);
        if let Some(simulated) = id.and_then(|id| self.instances.get_mut(id)) {
            simulated.instance.networks.values_mut().for_each(BTreeSet::clear);
        }
    }

    /// The image that a reference means now.
    pub fn image_now(&self, reference: &str) -> String {
        self.rebuilt.get(reference).cloned().unwrap_or_else(|| format!("sha256:{reference}"))
    }

    /// Brings all instances' states up to `now`.
    pub fn settle(&mut self, now: Timestamp) {
        self.instances.values_mut().for_each(|simulated| simulated.settle(now));
    }

    /// Brings an instance's state up to `now`.
    pub fn inspect(&mut self, now: Timestamp, id: &str) -> Option<Instance> {
        let simulated = self.instances.get_mut(id)?;
        simulated.settle(now);
        Some(simulated.instance.clone())
    }

    pub fn probe(&mut self, now: Timestamp, _check: &Check, id: &str) -> Answer {
        let answer = |has_passed, text: &str| Answer { has_passed, ..Answer::failed(text) };
        let Some(simulated) = self.instances.get_mut(id) else { return answer(false, "it is gone") };
        simulated.settle(now);
        let up_for = simulated.instance.started_at.map(|at| now.since(at));
        let is_ready = up_for.zip(simulated.behaviour.ready_after).is_some_and(|(up_for, after)| up_for >= after);
        match simulated.instance.is_running() && is_ready {
            true => answer(true, "status 200"),
            false => answer(false, "connection refused"),
        }
    }

    pub fn perform(&mut self, now: Timestamp, runtime: RuntimeKind, action: &Action) -> Performance {
        let call = action.to_string();
        let takes = duration_of(action);
        let fault = self.script.fault_of(&call);
        if let Some((fault, false)) = fault {
            return Performance { takes, result: Err(fault), later: Vec::new() };
        }
        let mut later = Vec::new();
        let result = self.apply(now + takes, runtime, action, &mut later);
        if matches!(&result, Ok(effect) if *effect != Effect::AlreadySo) {
            self.calls.push(call.clone());
        }
        if let Some(id) = self.script.vanishing.remove(&call) {
            self.vanish(&id);
        }
        let result = fault.map_or(result, |(fault, _)| Err(fault));
        Performance { takes, result, later }
    }

    fn apply(
        &mut self,
        now: Timestamp,
        runtime: RuntimeKind,
        action: &Action,
        later: &mut Vec<(Timestamp, RuntimeEvent)>,
    ) -> Result<Effect, Fault> {
        match action {
            Action::PullImage { image, .. } | Action::BuildImage { image, .. } => {
                let was_missing = self.missing_images.remove(image.as_str());
                Ok(if was_missing { Effect::Done } else { Effect::AlreadySo })
            }
            Action::RunCommand { .. } => Ok(Effect::Ran { output: Vec::new() }),
            Action::HoldImage { image_id, .. } => Ok(done(self.held_images.insert(image_id.clone()))),
            Action::ReleaseImage { image_id, .. } => Ok(done(self.held_images.remove(image_id))),
            Action::WriteFile { path, content, .. } => {
                self.files.insert(path.clone(), content.clone());
                Ok(Effect::Done)
            }
            Action::RemoveFile { path } => {
                let (count, below) = (self.files.len(), format!("{path}/"));
                self.files.retain(|file, _| file != path && !file.starts_with(&below));
                Ok(done(self.files.len() < count))
            }
            Action::CreateNetwork { name, project, .. } => self.create_network(name, project),
            Action::RemoveNetwork { name } => self.remove_network(name),
            Action::CreateVolume { name, project, .. } => {
                let facts = VolumeFacts { project: Some(project.clone()), driver: "local".to_owned() };
                let is_new = !self.volumes.contains_key(name);
                self.volumes.entry(name.clone()).or_insert(facts);
                Ok(done(is_new))
            }
            Action::RemoveVolume { name } => Ok(done(self.volumes.remove(name).is_some())),
            Action::Create { instance, spec } => self.create(runtime, instance, spec),
            Action::Remove { instance, made_by } => {
                let is_meant = |id: &String| {
                    let deployment = self.instances.get(id).map(|found| found.instance.identity.deployment);
                    made_by.is_none_or(|made_by| deployment.is_none_or(|deployment| deployment == made_by))
                };
                let found = self.find(instance).ok().filter(is_meant);
                found.iter().for_each(|id| self.vanish(id));
                Ok(done(found.is_some()))
            }
            Action::Rename { instance, to } => self.rename(instance, to),
            Action::SetRestartPolicy { instance, to, .. } => {
                let simulated = self.get(instance)?;
                Ok(done(std::mem::replace(&mut simulated.instance.restart_policy, *to) != *to))
            }
            Action::SetLimits { instance, to, .. } => {
                let simulated = self.get(instance)?;
                Ok(done(std::mem::replace(&mut simulated.instance.limits, to.clone()) != *to))
            }
            Action::SetAliases { instance, network, to, .. } => {
                let simulated = self.get(instance)?;
                let before = simulated.instance.networks.insert(network.clone(), to.clone());
                Ok(done(before.as_ref() != Some(to)))
            }
            Action::SetFiles { instance, files, notices } => {
                let has_changed = self.set_files(instance, files)?;
                // What is told runs and reads them, or is started and does.
                if notices.is_empty() { Ok(done(has_changed)) } else { self.start(now, instance, later) }
            }
            Action::Start { instance, .. } => self.start(now, instance, later),
            Action::Stop { instance, .. } => self.stop(now, instance, later),
            Action::SaveVolume { volume, to, .. } => match self.volumes.contains_key(volume) {
                true => Ok(self.save(to)),
                false => Err(Fault::new(Class::Dependency, "volume-not-found", format!("`{volume}` does not exist"))),
            },
            Action::Dump { instance, to, .. } => match self.get(instance)?.instance.is_running() {
                true => Ok(self.save(to)),
                false => {
                    let text = format!("`{}` does not run", instance.name);
                    Err(Fault::new(Class::Dependency, "instance-not-running", text))
                }
            },
        }
    }

    fn create_network(&mut self, name: &str, project: &ProjectName) -> Result<Effect, Fault> {
        match self.networks.get(name) {
            Some(facts) if facts.project.as_ref() == Some(project) => Ok(Effect::AlreadySo),
            Some(_) => Err(Fault::new(Class::Deployment, "name-taken", format!("a network `{name}` exists already"))),
            None => {
                self.networks.insert(name.to_owned(), network(name, Some(project)));
                Ok(Effect::Done)
            }
        }
    }

    fn remove_network(&mut self, name: &str) -> Result<Effect, Fault> {
        let is_in = |instance: &&Instance| instance.is_running() && instance.networks.contains_key(name);
        if let Some(member) = self.instances().find(is_in) {
            let text = format!("network `{name}` is used by `{}`", member.name);
            return Err(Fault::new(Class::Resource, "network-in-use", text));
        }
        Ok(done(self.networks.remove(name).is_some()))
    }

    fn create(&mut self, runtime: RuntimeKind, handle: &InstanceHandle, spec: &InstanceSpec) -> Result<Effect, Fault> {
        if let Some(id) = self.ids.get(&handle.name) {
            let existing = &self.instances[id].instance;
            return match existing.identity == spec.identity {
                true => Ok(Effect::Created { id: existing.id.clone() }),
                false => Err(Fault::new(Class::Deployment, "name-taken", format!("`{}` exists already", handle.name))),
            };
        }
        self.next_id += 1;
        let id = format!("{:012x}", self.next_id);
        let reference = spec.service.image.as_ref().map(ToString::to_string);
        if spec.image_id.is_none()
            && let Some(missing) = reference.as_ref().filter(|reference| self.missing_images.contains(*reference))
        {
            let text = format!("there is no image `{missing}`");
            return Err(Fault::new(Class::Dependency, "image-not-found", text));
        }
        let content = reference.or_else(|| spec.service.program().map(|program| program.word));
        let published = spec.service.ports.iter().filter_map(|port| {
            let host_port = port.published?;
            Some(PublishedPort { target: port.target, protocol: port.protocol, host_ip: port.host_ip, host_port })
        });
        let instance = Instance {
            shares: Default::default(),
            memory_reservation: None,
            runtime,
            id: id.clone(),
            name: handle.name.clone(),
            identity: spec.identity.clone(),
            spec: Some(spec.document.clone()),
            adopted: None,
            salt: spec.salt.clone(),
            state: InstanceState::Created,
            health: Health::None,
            health_output: None,
            started_at: None,
            log_since: None,
            restart_count: 0,
            image_id: spec.image_id.clone().or(content.map(|text| self.image_now(&text))).unwrap_or_default(),
            limits: spec.service.deploy.resources.limits.clone(),
            restart_policy: spec.service.restart_policy(),
            networks: spec.networks.iter().map(|(name, joined)| (name.clone(), joined.aliases.clone())).collect(),
            ports: BTreeSet::new(),
            reach: Reach::Nowhere,
            files: BTreeMap::new(),
        };
        let behaviour = self.script.behaviour(&spec.identity.service, spec.service.is_job());
        let simulated = Simulated {
            instance,
            behaviour,
            next_behaviour: None,
            host_ports: published.collect(),
            files: spec.files.iter().map(|file| file.source.clone()).collect(),
            changed: Vec::new(),
        };
        self.instances.insert(id.clone(), simulated);
        self.ids.insert(handle.name.clone(), id.clone());
        Ok(Effect::Created { id })
    }

    /// With other contents it behaves as the script says; with those that it had, as it did.
    fn set_files(&mut self, handle: &InstanceHandle, files: &[FileChange]) -> Result<bool, Fault> {
        let id = self.find(handle)?;
        let is_new = |file: &&FileChange| self.files.get(&file.path).map(Text::expose) != Some(file.to.expose());
        if !files.iter().any(|file| is_new(&file)) {
            return Ok(false);
        }
        self.files.extend(files.iter().map(|file| (file.path.clone(), file.to.clone())));
        let simulated = self.instances.get_mut(&id).expect("it was found just now");
        let identity = &simulated.instance.identity;
        let is_back = |(last, _): &(Vec<FileChange>, Behaviour)| {
            last.iter().zip(files).all(|(last, file)| last.path == file.path && last.from.expose() == file.to.expose())
        };
        let (before, behaviour) = match simulated.changed.last() {
            Some(last) if is_back(last) => (None, simulated.changed.pop().expect("it is the last").1),
            Some(_) | None => (Some(simulated.behaviour.clone()), self.script.behaviour(&identity.service, false)),
        };
        simulated.changed.extend(before.map(|before| (files.to_vec(), before)));
        simulated.behaviour = behaviour;
        Ok(true)
    }

    fn rename(&mut self, handle: &InstanceHandle, to: &str) -> Result<Effect, Fault> {
        let id = self.find(handle)?;
        if self.ids.get(to).is_some_and(|other| *other != id) {
            return Err(Fault::new(Class::Deployment, "name-taken", format!("`{to}` exists already")));
        }
        let simulated = self.get(handle)?;
        let before = std::mem::replace(&mut simulated.instance.name, to.to_owned());
        self.ids.remove(&before);
        self.ids.insert(to.to_owned(), id);
        Ok(done(before != to))
    }

    fn start(
        &mut self,
        now: Timestamp,
        handle: &InstanceHandle,
        later: &mut Vec<(Timestamp, RuntimeEvent)>,
    ) -> Result<Effect, Fault> {
        let id = self.find(handle)?;
        let wanted = self.instances[&id].host_ports.clone();
        let is_held = |port: &&PublishedPort| {
            let others = self.instances.values().filter(|other| other.instance.id != id && other.instance.is_running());
            let mut held = others.flat_map(|other| &other.host_ports);
            held.any(|held| held.host_port == port.host_port && held.protocol == port.protocol)
        };
        let clash = wanted.iter().find(is_held);
        if let Some(port) = clash {
            let text = format!("port {} of the host is taken", port.host_port);
            return Err(Fault::new(Class::Resource, "port-in-use", text));
        }
        let mut networks = self.instances[&id].instance.networks.keys();
        if let Some(missing) = networks.find(|name| !self.networks.contains_key(*name)) {
            let text = format!("network `{missing}` does not exist");
            return Err(Fault::new(Class::Dependency, "network-not-found", text));
        }
        let simulated = self.get(handle)?;
        if !simulated.instance.is_running() {
            simulated.run(now);
            if let Some((after, code)) = simulated.behaviour.exits_after {
                later.push((now + after, RuntimeEvent::Exited { id, code, killed_for_memory: false }));
            }
        }
        Ok(Effect::Started { instance: Box::new(simulated.instance.clone()) })
    }

    fn stop(
        &mut self,
        now: Timestamp,
        handle: &InstanceHandle,
        later: &mut Vec<(Timestamp, RuntimeEvent)>,
    ) -> Result<Effect, Fault> {
        let Ok(simulated) = self.get(handle) else { return Ok(Effect::AlreadySo) };
        simulated.settle(now);
        if !simulated.instance.is_running() {
            return Ok(Effect::AlreadySo);
        }
        simulated.exit(143);
        let id = simulated.instance.id.clone();
        later.push((now, RuntimeEvent::Exited { id, code: 143, killed_for_memory: false }));
        Ok(Effect::Done)
    }

    /// Writes a file of a snapshot, once.
    fn save(&mut self, to: &str) -> Effect {
        self.saved.insert(to.to_owned());
        Effect::Saved { bytes: 0, digest: Digest::of(b"") }
    }

    fn find(&self, handle: &InstanceHandle) -> Result<String, Fault> {
        let id = handle.id.as_ref().or_else(|| self.ids.get(&handle.name));
        let found = id.and_then(|id| self.instances.get(id)).map(|simulated| &simulated.instance);
        let missing =
            || Fault::new(Class::Dependency, Fault::INSTANCE_NOT_FOUND, format!("`{}` does not exist", handle.name));
        found.map(|instance| instance.id.clone()).ok_or_else(missing)
    }

    fn get(&mut self, handle: &InstanceHandle) -> Result<&mut Simulated, Fault> {
        let id = self.find(handle)?;
        Ok(self.instances.get_mut(&id).expect("it was found just now"))
    }
}

impl Simulated {
    fn run(&mut self, now: Timestamp) {
        if let Some(behaviour) = self.next_behaviour.take() {
            self.behaviour = behaviour;
        }
        self.instance.state = InstanceState::Running;
        self.instance.started_at = Some(now);
        self.instance.ports = self.host_ports.clone();
        self.instance.reach = Reach::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }

    /// What came of it by now: it exits when it has to, and its restart policy starts it again.
    fn settle(&mut self, now: Timestamp) {
        let exit = self.behaviour.exits_after.filter(|_| self.instance.is_running());
        let Some(((after, code), started_at)) = exit.zip(self.instance.started_at) else { return };
        let up_for = now.since(started_at);
        if up_for < after {
            return;
        }
        let after_us = u64::try_from(after.as_micros()).unwrap_or(u64::MAX).max(1);
        let runs = u64::try_from(up_for.as_micros()).unwrap_or(u64::MAX) / after_us;
        let most = match self.instance.restart_policy {
            RestartPolicy::Always | RestartPolicy::UnlessStopped => u64::MAX,
            RestartPolicy::OnFailure { max_attempts: 0 } if code != 0 => u64::MAX,
            RestartPolicy::OnFailure { max_attempts } if code != 0 => u64::from(max_attempts),
            RestartPolicy::OnFailure { .. } | RestartPolicy::No => 0,
        };
        let restarts = runs.min(most.saturating_sub(self.instance.restart_count.into()));
        self.instance.restart_count += u32::try_from(restarts).unwrap_or(u32::MAX / 2);
        self.instance.started_at = Some(started_at + after.saturating_mul(u32::try_from(restarts).unwrap_or(u32::MAX)));
        if restarts < runs {
            self.exit(code);
        }
    }

    fn exit(&mut self, code: i64) {
        self.instance.state = InstanceState::Exited { code, killed_for_memory: false };
        self.instance.ports.clear();
        self.instance.reach = Reach::Nowhere;
    }
}

fn network(name: &str, project: Option<&ProjectName>) -> NetworkFacts {
    let (project, driver) = (project.cloned(), "bridge".to_owned());
    NetworkFacts { id: name.to_owned(), project, owner: None, driver, is_internal: false }
}

fn foreign(instance: &Instance) -> Foreign {
    let owner = Some(instance.identity.project.to_string());
    Foreign { runtime: instance.runtime, id: instance.id.clone(), name: instance.name.clone(), owner }
}

fn done(has_changed: bool) -> Effect {
    if has_changed { Effect::Done } else { Effect::AlreadySo }
}

/// As measured on a Docker Engine of 2 cores.
fn duration_of(action: &Action) -> Duration {
    Duration::from_millis(match action {
        Action::PullImage { .. } | Action::BuildImage { .. } => 2_000,
        Action::SaveVolume { .. } | Action::Dump { .. } => 1_000,
        Action::CreateNetwork { .. } | Action::RemoveNetwork { .. } => 350,
        Action::SetAliases { .. } | Action::RunCommand { .. } => 93,
        Action::SetFiles { .. } => 10,
        Action::Start { .. } => 150,
        Action::Stop { .. } | Action::Remove { .. } => 70,
        Action::Create { .. } | Action::Rename { .. } | Action::SetRestartPolicy { .. } | Action::SetLimits { .. } => 7,
        Action::HoldImage { .. }
        | Action::ReleaseImage { .. }
        | Action::CreateVolume { .. }
        | Action::RemoveVolume { .. }
        | Action::WriteFile { .. }
        | Action::RemoveFile { .. } => 4,
    })
}
