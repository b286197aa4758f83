//! The steps of one service's change.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Action, FileMount, InstanceHandle, InstanceSpec, Notice, Phase, Slot, StepId,
    build::Builder,
    files::{file_directory, mounted_files},
};
use crate::{
    change::{Change, InPlace, InstanceChange},
    name::{Digest, ServiceName},
    observed::{Identity, Instance},
    plan::{Interval, Protocol, RestartPolicy, RuntimeKind, Service, spec_document},
    secret::Salt,
};

pub(super) struct ServiceSteps<'b, 'a> {
    builder: &'b mut Builder<'a>,
    service_name: &'b ServiceName,
    /// `None` for a service that is no longer in the plan.
    service: Option<&'a Arc<Service>>,
}

impl<'b, 'a> ServiceSteps<'b, 'a> {
    /// Adds the steps of a change.
    pub fn add(builder: &'b mut Builder<'a>, change: &'b Change) {
        let service = builder.plan.services.get(&change.service);
        let mut steps = Self { builder, service_name: &change.service, service };
        for instance in &change.instances {
            steps.add_instance(instance);
        }
    }

    /// Adds the steps that take away what a failed deployment left: what runs of it gives up its
    /// ports before others take them.
    pub fn add_leftover(builder: &'b mut Builder<'a>, leftover: &'b Instance) {
        let service_name = &leftover.identity.service;
        let service = builder.plan.services.get(service_name);
        Self { builder, service_name, service }.remove(leftover);
    }

    fn add_instance(&mut self, change: &InstanceChange) {
        match (change, self.service) {
            (InstanceChange::Keep { instance }, _) => drop(self.builder.observed_slot(instance, true)),
            (InstanceChange::Create { number }, Some(service)) => self.create(service, *number),
            (InstanceChange::Replace { old }, Some(service)) => self.replace(service, old),
            (InstanceChange::Start { old, changes }, Some(service)) => {
                let (instance, changed) = self.update(old, changes);
                self.start(service, instance, changed, true);
            }
            (InstanceChange::Update { old, changes }, Some(service)) if changes.restarts() => {
                let (instance, changed) = self.update(old, changes);
                self.start(service, instance, changed, false);
            }
            (InstanceChange::Update { old, changes }, _) => drop(self.update(old, changes)),
            (InstanceChange::Remove { old }, _) => self.remove(old),
            (InstanceChange::Create { .. } | InstanceChange::Replace { .. } | InstanceChange::Start { .. }, None) => {
                unreachable!("only services of the plan are made or started")
            }
        }
    }

    fn push(&mut self, phase: Phase, runtime: RuntimeKind, action: Action, after: Vec<StepId>) -> StepId {
        self.builder.push(phase, runtime, Some(self.service_name), action, after)
    }

    fn create(&mut self, service: &Arc<Service>, number: u32) {
        let name = self.builder.plan.instance_name(self.service_name, number);
        // A name that another instance of ours has still is taken once that has given it up.
        let is_taken = self.builder.is_name_taken(&name);
        let made = self.make(service, number, is_taken);
        let named = if is_taken { vec![self.take_name(&made, &name, vec![made.step])] } else { vec![made.step] };
        self.start(service, made.handle.named(&name), named, true);
    }

    fn replace(&mut self, service: &Arc<Service>, old: &Instance) {
        let name = self.builder.plan.instance_name(self.service_name, old.identity.number);
        let made = self.make(service, old.identity.number, true);
        let old_handle = self.builder.observed_slot(old, false);
        let stopping = self.stop(old, &old_handle, vec![made.step]);
        if let (Some(first), Some(last)) = (stopping.first(), stopping.last()) {
            self.builder.replaced_stops.entry(self.service_name.clone()).or_default().push((*first, *last));
        }
        let after = stopping.last().copied().unwrap_or(made.step);
        let (renamed, retired_name) = self.retire(old, &old_handle, vec![after]);
        let first = stopping.first().copied().unwrap_or(renamed);
        self.builder.wait_for_dependencies(first);
        let named = self.take_name(&made, &name, vec![renamed]);
        let started = self.start(service, made.handle.named(&name), vec![named], false);
        for gives_up in stopping.into_iter().chain([renamed]) {
            self.builder.handovers.insert(gives_up, (first, started));
        }
        let remove = Action::Remove { instance: old_handle.named(&retired_name), made_by: None };
        self.push(Phase::Cleanup, old.runtime, remove, vec![]);
        self.remove_files(old);
    }

    fn remove(&mut self, old: &Instance) {
        let mut handle = self.builder.observed_slot(old, false);
        let stopping = self.stop(old, &handle, vec![]);
        self.builder.removal_stops.entry(self.service_name.clone()).or_default().extend(stopping.last());
        if self.builder.is_name_wanted(&old.name) {
            let (_, retired_name) = self.retire(old, &handle, stopping.last().copied().into_iter().collect());
            handle = handle.named(&retired_name);
        }
        self.push(Phase::Cleanup, old.runtime, Action::Remove { instance: handle, made_by: None }, vec![]);
        self.remove_files(old);
    }

    /// An instance gives up its name. Answers the step, and its name from then on.
    fn retire(&mut self, old: &Instance, handle: &InstanceHandle, after: Vec<StepId>) -> (StepId, String) {
        let retired_name = format!("{}.old-{}", old.name, self.builder.context.deployment);
        let rename = Action::Rename { instance: handle.clone(), to: retired_name.clone() };
        let renamed = self.push(Phase::ServiceDeployment, old.runtime, rename, after);
        self.builder.freed_names.insert(old.name.clone(), renamed);
        (renamed, retired_name)
    }

    /// Changes an instance in place. Answers its handle and the steps.
    fn update(&mut self, old: &Instance, changes: &InPlace) -> (InstanceHandle, Vec<StepId>) {
        let mut instance = self.builder.observed_slot(old, true);
        let mut steps = Vec::new();
        if let Some(to) = &changes.name {
            let action = Action::Rename { instance: instance.clone(), to: to.clone() };
            let renamed = self.push(Phase::ServiceDeployment, old.runtime, action, vec![]);
            self.builder.freed_names.insert(old.name.clone(), renamed);
            self.builder.wanted_names.push((to.clone(), renamed));
            self.builder.actions.slots[instance.slot as usize].name = to.clone();
            instance.name = to.clone();
            steps.push(renamed);
        }
        let after = steps.clone();
        let limits = changes.limits.clone().map(|to| {
            let from = old.limits.clone();
            Action::SetLimits { instance: instance.clone(), from, to }
        });
        let restart = changes.restart.map(|to| {
            let from = old.restart_policy;
            Action::SetRestartPolicy { instance: instance.clone(), from, to }
        });
        let aliases = changes.aliases.iter().map(|(network, (from, to))| Action::SetAliases {
            instance: instance.clone(),
            network: network.clone(),
            from: from.clone(),
            to: to.clone(),
        });
        for action in limits.into_iter().chain(restart).chain(aliases) {
            steps.push(self.push(Phase::ServiceDeployment, old.runtime, action, after.clone()));
        }
        if !changes.files.is_empty() {
            steps.push(self.set_files(old, changes, &instance, after));
        }
        (instance, steps)
    }

    /// Puts other contents in place: of what is to be restarted while it does not run. What is told
    /// of them waits for what it needs, as what starts does.
    fn set_files(
        &mut self,
        old: &Instance,
        changes: &InPlace,
        instance: &InstanceHandle,
        mut after: Vec<StepId>,
    ) -> StepId {
        let stays_up = old.is_running() && !changes.restarts();
        if old.is_running() && changes.restarts() {
            let action = Action::Stop { instance: instance.clone(), grace: self.grace_of(old) };
            let stopped = self.push(Phase::ServiceDeployment, old.runtime, action, after);
            self.builder.wait_for_dependencies(stopped);
            let stops = self.builder.replaced_stops.entry(self.service_name.clone()).or_default();
            stops.push((stopped, stopped));
            after = vec![stopped];
        }
        let notices: Vec<Notice> = changes.reactions.iter().filter(|_| stays_up).filter_map(Notice::of).collect();
        let is_told = !notices.is_empty();
        let action = Action::SetFiles { instance: instance.clone(), files: changes.files.clone(), notices };
        let set = self.push(Phase::ServiceDeployment, old.runtime, action, after);
        if is_told {
            self.builder.wait_for_dependencies(set);
        }
        set
    }

    /// Stops an instance that runs, without letting its restart policy revive it. Answers its
    /// steps, the last of which stops it; none if it does not run.
    fn stop(&mut self, old: &Instance, handle: &InstanceHandle, after: Vec<StepId>) -> Vec<StepId> {
        if !old.is_active() {
            return Vec::new();
        }
        let mut after = after;
        let mut steps = Vec::new();
        if old.restart_policy != RestartPolicy::No {
            let (from, to) = (old.restart_policy, RestartPolicy::No);
            let action = Action::SetRestartPolicy { instance: handle.clone(), from, to };
            let step = self.push(Phase::ServiceDeployment, old.runtime, action, after);
            steps.push(step);
            after = vec![step];
        }
        let action = Action::Stop { instance: handle.clone(), grace: self.grace_of(old) };
        let stopped = self.push(Phase::ServiceDeployment, old.runtime, action, after);
        for port in &old.ports {
            self.builder.freed_ports.insert((port.host_port, port.protocol), stopped);
        }
        steps.push(stopped);
        steps
    }

    /// How long an instance may take to stop: what it was made with, which is all there is of a
    /// service that is no longer in the plan.
    fn grace_of(&self, old: &Instance) -> Interval {
        let own = |spec: &serde_json::Value| {
            let written = spec["service"]["stop_grace_period"].as_str()?;
            Interval::try_from(written.to_owned()).ok()
        };
        match &old.spec {
            Some(spec) => own(spec).unwrap_or_else(|| Service::default().stop_grace()),
            None => self.service.map_or_else(|| Service::default().stop_grace(), |service| service.stop_grace()),
        }
    }

    fn start(&mut self, service: &Service, instance: InstanceHandle, mut after: Vec<StepId>, waits: bool) -> StepId {
        after.extend(service.networks.keys().filter_map(|key| self.builder.networks.get(key)));
        let action = Action::Start { instance, grace: service.stop_grace() };
        let started = self.push(Phase::ServiceDeployment, service.runtime(), action, after);
        if waits {
            self.builder.wait_for_dependencies(started);
        }
        let ports: Vec<(u16, Protocol)> = host_ports(service).collect();
        self.builder.wanted_ports.extend(ports.into_iter().map(|port| (port, started)));
        started
    }

    fn take_name(&mut self, made: &Made, name: &str, after: Vec<StepId>) -> StepId {
        let action = Action::Rename { instance: made.handle.clone(), to: name.to_owned() };
        let step = self.push(Phase::ServiceDeployment, made.runtime, action, after);
        self.builder.wanted_names.push((name.to_owned(), step));
        step
    }

    /// Creates an instance beside what there is: under its own name, or under a staged one.
    fn make(&mut self, service: &Arc<Service>, number: u32, is_staged: bool) -> Made {
        let plan = self.builder.plan;
        let runtime = service.runtime();
        let final_name = plan.instance_name(self.service_name, number);
        let name = match is_staged {
            true => format!("{final_name}.new-{}", self.builder.context.deployment),
            false => final_name.clone(),
        };
        let service_name = self.service_name.clone();
        let slot = self.builder.add_slot(Slot {
            service: service_name,
            number,
            name: final_name,
            runtime,
            observed: None,
            stays: true,
            snapshot: None,
        });
        let (files, mut after) = self.write_files(service, number);
        after.extend(service.image.iter().filter_map(|image| self.builder.pulls.get(image)));
        let networks: Vec<StepId> =
            service.networks.keys().filter_map(|key| self.builder.networks.get(key)).copied().collect();
        // An engine looks for a container's first network only when it starts it, and making one
        // takes long. Further ones are joined when it is made.
        if service.networks.len() > 1 {
            after.extend(&networks);
        }
        let volumes = service.volumes.iter().filter_map(|mount| mount.source.as_ref());
        after.extend(volumes.filter_map(|key| self.builder.volumes.get(key)));
        let peers = self.peers_of(service);
        after.extend(peers.values().filter_map(|(_, made)| *made));
        after.sort();
        after.dedup();
        let peers = peers.into_iter().map(|(name, (handle, _))| (name, handle)).collect();
        let spec = Box::new(InstanceSpec { peers, ..self.instance_spec(service, number, slot, files) });
        if runtime == RuntimeKind::Docker {
            let image = spec.image_id.clone().or_else(|| service.image.as_ref().map(ToString::to_string));
            image.iter().for_each(|image| self.builder.hold_image(image, self.service_name));
        }
        let handle = InstanceHandle { slot, name, id: None };
        let action = Action::Create { instance: handle.clone(), spec };
        // All is made before anything is stopped or has an effect. Where there is nothing to lose, what
        // has to wait for others anyway is made meanwhile.
        let phase = match self.builder.is_first && !service.depends_on.is_empty() {
            true => Phase::ServiceDeployment,
            false => Phase::EnvironmentSetup,
        };
        let step = self.push(phase, runtime, action, after);
        if number == 1 {
            self.builder.first_instances.insert(self.service_name.clone(), (handle.clone(), Some(step)));
        }
        Made { handle, runtime, step }
    }

    /// The instances that a service shares something with, and the steps that make them.
    fn peers_of(&self, service: &Service) -> BTreeMap<ServiceName, (InstanceHandle, Option<StepId>)> {
        let known = &self.builder.first_instances;
        service.peers().into_iter().filter_map(|name| Some((name.clone(), known.get(name)?.clone()))).collect()
    }

    fn instance_spec(&self, service: &Arc<Service>, number: u32, slot: u32, files: Vec<FileMount>) -> InstanceSpec {
        let (plan, context) = (self.builder.plan, self.builder.context);
        let salt = Salt(Digest::of(format!("{} {slot}", context.salt_seed).as_bytes()).hex()[..32].to_owned());
        let identity = Identity {
            project: plan.project.clone(),
            service: self.service_name.clone(),
            number,
            environment: plan.environment.clone(),
            deployment: context.deployment,
        };
        let document = Arc::new(spec_document(service, &salt));
        InstanceSpec {
            image_id: self.content_id(service),
            files,
            salt,
            ..InstanceSpec::of(plan, identity, service, document)
        }
    }

    /// The image's id or the program's digest, if it is known by now and will not change any more.
    fn content_id(&self, service: &Service) -> Option<String> {
        if let Some(content) = self.builder.contents.get(self.service_name) {
            return Some(content.clone());
        }
        let observed = self.builder.observed;
        match service.runtime() {
            RuntimeKind::Docker => {
                let image = service.image.as_ref().filter(|image| !self.builder.pulls.contains_key(image))?;
                observed.images.get(image).map(|facts| facts.id.clone())
            }
            RuntimeKind::Process if self.builder.behind_jobs.contains(self.service_name) => None,
            RuntimeKind::Process => crate::change::executable(service, observed).map(str::to_owned),
        }
    }

    /// Configs and secrets as files of the host that the container mounts. Their names say nothing
    /// of their contents.
    fn write_files(&mut self, service: &Service, number: u32) -> (Vec<FileMount>, Vec<StepId>) {
        let deployment = self.builder.context.deployment;
        let directory = self.file_directory(deployment.as_str(), number);
        let mut files = Vec::new();
        let mut steps = Vec::new();
        for mounted in mounted_files(self.builder.plan, service, &directory) {
            files.push(mounted.mount.clone());
            steps.push(self.push(Phase::EnvironmentSetup, service.runtime(), mounted.write(), vec![]));
        }
        (files, steps)
    }

    /// Removes the files that an instance mounted.
    fn remove_files(&mut self, old: &Instance) {
        let spec = old.spec.as_ref().map(|spec| &spec["service"]);
        let copied = |spec: &serde_json::Value| {
            let mut mounts = spec["volumes"].as_array().into_iter().flatten();
            mounts.any(|mount| !mount["digest"].is_null())
        };
        let has_files =
            spec.is_some_and(|spec| !spec["configs"].is_null() || !spec["secrets"].is_null() || copied(spec));
        if has_files {
            let path = self.file_directory(old.identity.deployment.as_str(), old.identity.number);
            self.push(Phase::Cleanup, old.runtime, Action::RemoveFile { path }, vec![]);
        }
    }

    fn file_directory(&self, deployment: &str, number: u32) -> String {
        let (project, context) = (&self.builder.plan.project, self.builder.context);
        file_directory(&context.files_directory, project, deployment, self.service_name, number)
    }
}

struct Made {
    handle: InstanceHandle,
    runtime: RuntimeKind,
    step: StepId,
}

impl InstanceHandle {
    fn named(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }
}

fn host_ports(service: &Service) -> impl Iterator<Item = (u16, Protocol)> + '_ {
    let published = service.ports.iter().filter_map(|port| Some((port.fixed()?, port.protocol)));
    let exposed = service.expose.iter().map(|port| (port.port, port.protocol));
    published.chain(exposed.filter(|_| service.runtime() == RuntimeKind::Process))
}
