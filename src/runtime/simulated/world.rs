use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use super::{Behaviour, Script};
use crate::{
    action::{Action, Effect, InstanceHandle, InstanceSpec},
    diagnostic::Class,
    health::Answer,
    name::Digest,
    observed::{
        EngineFacts, Fault, Health, ImageFacts, Instance, InstanceState, NetworkFacts, Observed, PublishedPort, Reach,
        RuntimeEvent, VolumeFacts, Wanted,
    },
    plan::{Check, RuntimeKind},
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
}

impl World {
    /// A world that starts as what was observed of a real one.
    pub fn from_observed(observed: &Observed, script: Script) -> Self {
        let simulated = |instance: &Instance| Simulated {
            behaviour: Behaviour { ready_after: Some(Duration::ZERO), exits_after: None },
            next_behaviour: None,
            host_ports: instance.ports.clone(),
            instance: instance.clone(),
        };
        Self {
            script,
            instances: observed.instances.iter().map(|i| (i.id.clone(), simulated(i))).collect(),
            ids: observed.instances.iter().map(|i| (i.name.clone(), i.id.clone())).collect(),
            networks: observed.networks.clone(),
            volumes: observed.volumes.clone(),
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

    pub fn observe(&self, wanted: &Wanted) -> Observed {
        let mut observed = Observed::default();
        for runtime in &wanted.runtimes {
            observed.engines.insert(*runtime, EngineFacts { name: "simulated".to_owned(), is_local: true });
        }
        let ours = self.instances().filter(|instance| instance.identity.project == wanted.project);
        observed.instances = ours.cloned().collect();
        let images = wanted.images.iter().filter(|image| !self.missing_images.contains(image.as_str()));
        observed.images = images
            .map(|image| (image.clone(), ImageFacts { id: self.image_id(image.as_str()), has_healthcheck: false }))
            .collect();
        let programs = wanted.executables.iter();
        observed.executables = programs.map(|program| (program.clone(), Ok(self.image_id(&program.word)))).collect();
        observed.networks = self.networks.clone();
        observed.volumes = self.volumes.clone();
        observed
    }

    /// Someone removes an instance.
    pub fn vanish(&mut self, id: &str) {
        if let Some(removed) = self.instances.remove(id) {
            self.ids.remove(&removed.instance.name);
        }
    }

    /// From its next start on, an instance behaves in another way.
    pub fn spoil(&mut self, name: &str, behaviour: Behaviour) {
        let id = self.ids.get(name);
        if let Some(simulated) = id.and_then(|id| self.instances.get_mut(id)) {
            simulated.next_behaviour = Some(behaviour);
        }
    }

    fn image_id(&self, reference: &str) -> String {
        self.rebuilt.get(reference).cloned().unwrap_or_else(|| format!("sha256:{reference}"))
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
            Action::PullImage { image } => {
                let was_missing = self.missing_images.remove(image.as_str());
                Ok(if was_missing { Effect::Done } else { Effect::AlreadySo })
            }
            Action::HoldImage { .. }
            | Action::ReleaseImage { .. }
            | Action::WriteFile { .. }
            | Action::RemoveFile { .. } => Ok(Effect::Done),
            Action::CreateNetwork { name, project, .. } => {
                let facts = NetworkFacts {
                    id: name.clone(),
                    project: Some(project.clone()),
                    driver: "bridge".to_owned(),
                    is_internal: false,
                };
                Ok(done(self.networks.insert(name.clone(), facts).is_none()))
            }
            Action::RemoveNetwork { name } => Ok(done(self.networks.remove(name).is_some())),
            Action::CreateVolume { name, project, .. } => {
                let facts = VolumeFacts { project: Some(project.clone()), driver: "local".to_owned() };
                Ok(done(self.volumes.insert(name.clone(), facts).is_none()))
            }
            Action::RemoveVolume { name } => Ok(done(self.volumes.remove(name).is_some())),
            Action::Create { instance, spec } => self.create(runtime, instance, spec),
            Action::Remove { instance } => {
                let found = self.find(instance).ok();
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
        let published = spec.service.ports.iter().filter_map(|port| {
            let host_port = port.published?;
            Some(PublishedPort { target: port.target, protocol: port.protocol, host_ip: port.host_ip, host_port })
        });
        let instance = Instance {
            runtime,
            id: id.clone(),
            name: handle.name.clone(),
            identity: spec.identity.clone(),
            spec: Some(spec.document.as_ref().clone()),
            salt: spec.salt.clone(),
            state: InstanceState::Created,
            health: Health::None,
            health_output: None,
            started_at: None,
            log_since: None,
            restart_count: 0,
            image_id: spec.image_id.clone().or(reference.map(|text| self.image_id(&text))).unwrap_or_default(),
            limits: spec.service.deploy.resources.limits.clone(),
            restart_policy: spec.service.restart_policy(),
            networks: spec.networks.iter().map(|(name, joined)| (name.clone(), joined.aliases.clone())).collect(),
            ports: BTreeSet::new(),
            reach: Reach::Nowhere,
        };
        let behaviour = self.script.behaviour(&spec.identity.service, spec.service.is_job());
        let simulated = Simulated { instance, behaviour, next_behaviour: None, host_ports: published.collect() };
        self.instances.insert(id.clone(), simulated);
        self.ids.insert(handle.name.clone(), id.clone());
        Ok(Effect::Created { id })
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
        let simulated = self.get(handle)?;
        if !simulated.instance.is_running() {
            if let Some(behaviour) = simulated.next_behaviour.take() {
                simulated.behaviour = behaviour;
            }
            simulated.instance.state = InstanceState::Running;
            simulated.instance.started_at = Some(now);
            simulated.instance.ports = wanted;
            simulated.instance.reach = Reach::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));
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
        let simulated = self.get(handle)?;
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
    fn settle(&mut self, now: Timestamp) {
        let up_for = self.instance.started_at.map(|at| now.since(at));
        let exit = self.behaviour.exits_after.filter(|(after, _)| up_for.is_some_and(|up_for| up_for >= *after));
        if let (true, Some((_, code))) = (self.instance.is_running(), exit) {
            self.exit(code);
        }
    }

    fn exit(&mut self, code: i64) {
        self.instance.state = InstanceState::Exited { code, killed_for_memory: false };
        self.instance.ports.clear();
        self.instance.reach = Reach::Nowhere;
    }
}

fn done(has_changed: bool) -> Effect {
    if has_changed { Effect::Done } else { Effect::AlreadySo }
}

/// As measured on a Docker Engine of 2 cores.
fn duration_of(action: &Action) -> Duration {
    Duration::from_millis(match action {
        Action::PullImage { .. } => 2_000,
        Action::SaveVolume { .. } | Action::Dump { .. } => 1_000,
        Action::CreateNetwork { .. } | Action::RemoveNetwork { .. } => 350,
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
