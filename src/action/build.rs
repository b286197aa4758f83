use std::collections::{BTreeMap, BTreeSet};

use super::{
    Action, Actions, InstanceHandle, InstanceSpec, Phase, Slot, Step, StepId, command::with_commands, save::with_saves,
    service::ServiceSteps,
};
use crate::{
    change::{Changes, Pull},
    graph::Graph,
    name::{DeploymentId, ServiceName},
    observed::{Instance, Observed},
    plan::{ImageReference, Plan, Protocol, RuntimeKind},
};

/// What a deployment brings to its actions beside the changes.
#[derive(Debug, Clone)]
pub struct Context {
    pub deployment: DeploymentId,
    /// A random text: the salts of the instances that are made are derived from it.
    pub salt_seed: String,
    /// The directory on the host where files for containers are written.
    pub files_directory: String,
    /// What the instances that exist were made from, by their ids, as far as it is known.
    pub snapshots: BTreeMap<String, InstanceSpec>,
    /// The directory on this host where data is saved before it is at stake; `None` saves nothing.
    pub snapshot_directory: Option<String>,
    /// How the plan's hooks and tests run; `None` runs none.
    pub commands: Option<CommandContext>,
    /// Images that are held for earlier deployments, and that nobody goes back to after this one.
    pub released_images: BTreeSet<String>,
}

/// What a deployment brings to its plan's hooks and tests.
#[derive(Debug, Clone, Default)]
pub struct CommandContext {
    /// The plan's directory on this host: they run there.
    pub directory: String,
    /// What is remembered of those that run once for a project.
    pub done: BTreeSet<String>,
}

/// Turns changes into steps. Services come in the graph's order, so that the steps read as they
/// will run.
pub fn build(plan: &Plan, graph: &Graph, changes: &Changes, observed: &Observed, context: &Context) -> Actions {
    let mut builder = Builder {
        plan,
        observed,
        context,
        behind_jobs: changes.behind_jobs(graph).into_keys().collect(),
        contents: &changes.contents,
        is_first: observed.instances.is_empty() && !plan.services.values().any(|service| service.is_job()),
        actions: Actions::default(),
        pulls: BTreeMap::new(),
        networks: BTreeMap::new(),
        volumes: BTreeMap::new(),
        held_images: BTreeMap::new(),
        taken_names: observed.instances.iter().map(|instance| instance.name.clone()).collect(),
        removal_stops: BTreeMap::new(),
        freed_names: BTreeMap::new(),
        freed_ports: BTreeMap::new(),
        wanted_names: Vec::new(),
        wanted_ports: Vec::new(),
        handovers: BTreeMap::new(),
        first_instances: BTreeMap::new(),
        replaced_stops: BTreeMap::new(),
    };
    builder.prepare(changes);
    let in_plan = graph.groups().iter().flatten().filter_map(|service_name| changes.change(service_name));
    let removed = changes.services.iter().filter(|change| !plan.services.contains_key(&change.service));
    for change in removed.chain(in_plan) {
        ServiceSteps::add(&mut builder, change);
    }
    for leftover in &changes.leftovers {
        ServiceSteps::add_leftover(&mut builder, leftover);
    }
    builder.remove_shared(changes);
    let actions = builder.finish(graph);
    let actions = with_saves(actions, plan, graph, changes, observed, context);
    with_commands(actions, plan, changes, observed, context)
}

/// What builds a service's image; `None` for one that is not built.
pub fn build_image(plan: &Plan, service_name: &ServiceName) -> Option<Action> {
    let service = plan.services.get(service_name)?;
    let build = Box::new(service.build.clone()?);
    let (image, platform) = (service.image.clone()?, service.platform.clone());
    Some(Action::BuildImage { service: service_name.clone(), image, build, platform })
}

/// Steps as they are gathered, and what is needed to connect them.
pub(super) struct Builder<'a> {
    pub plan: &'a Plan,
    pub observed: &'a Observed,
    pub context: &'a Context,
    pub behind_jobs: BTreeSet<ServiceName>,
    pub contents: &'a BTreeMap<ServiceName, String>,
    /// Nothing of the project runs, and no job leaves an effect: what starts early costs nobody anything.
    pub is_first: bool,
    pub actions: Actions,
    /// The steps that pull or build images.
    pub pulls: BTreeMap<ImageReference, StepId>,
    /// The steps that make networks and volumes, by their keys.
    pub networks: BTreeMap<String, StepId>,
    pub volumes: BTreeMap<String, StepId>,
    held_images: BTreeMap<String, ServiceName>,
    /// Names that instances have now.
    taken_names: BTreeSet<String>,
    /// The steps that stop services which are removed.
    pub removal_stops: BTreeMap<ServiceName, Vec<StepId>>,
    /// The steps that give up names and host ports, and those that take them.
    pub freed_names: BTreeMap<String, StepId>,
    pub freed_ports: BTreeMap<(u16, Protocol), StepId>,
    pub wanted_names: Vec<(String, StepId)>,
    pub wanted_ports: Vec<((u16, Protocol), StepId)>,
    /// The first instance of each service, and the step that makes it if one does.
    pub first_instances: BTreeMap<ServiceName, (InstanceHandle, Option<StepId>)>,
    /// For each replaced instance of a service, the first and the last step that stops it.
    pub replaced_stops: BTreeMap<ServiceName, Vec<(StepId, StepId)>>,
    /// For the steps with which a replaced instance gives something up: the first of them, which
    /// waits for dependencies, and the start of its successor.
    pub handovers: BTreeMap<StepId, (StepId, StepId)>,
}

impl Builder<'_> {
    pub fn push(
        &mut self,
        phase: Phase,
        runtime: RuntimeKind,
        service: Option<&ServiceName>,
        action: Action,
        after: Vec<StepId>,
    ) -> StepId {
        let id = StepId(u32::try_from(self.actions.steps.len()).expect("plans are bounded far below 2³² steps"));
        let service = service.cloned();
        self.actions.steps.push(Step { service, ..Step::new(id, phase, runtime, action, after) });
        id
    }

    /// Makes a step wait for the conditions of its service's `depends_on`.
    pub fn wait_for_dependencies(&mut self, step: StepId) {
        self.actions.steps[step.index()].waits_for_dependencies = true;
    }

    pub fn add_slot(&mut self, slot: Slot) -> u32 {
        self.actions.slots.push(slot);
        u32::try_from(self.actions.slots.len() - 1).expect("plans are bounded far below 2³² instances")
    }

    /// A slot and handle for an instance that exists.
    pub fn observed_slot(&mut self, instance: &Instance, stays: bool) -> InstanceHandle {
        let slot = self.add_slot(Slot {
            service: instance.identity.service.clone(),
            number: instance.identity.number,
            name: instance.name.clone(),
            runtime: instance.runtime,
            observed: Some(Box::new(instance.clone())),
            stays,
            snapshot: self.context.snapshots.get(&instance.id).cloned().map(Box::new),
        });
        let handle = InstanceHandle { slot, name: instance.name.clone(), id: Some(instance.id.clone()) };
        if stays && instance.identity.number == 1 {
            self.first_instances.insert(instance.identity.service.clone(), (handle.clone(), None));
        }
        handle
    }

    /// What shares something with an instance stops before it does, so that the way back starts it
    /// after it.
    fn stops_of_peers(&self) -> Vec<(StepId, StepId)> {
        let mut moves = Vec::new();
        for (service_name, service) in &self.plan.services {
            for peer in service.peers() {
                let of = |name| self.replaced_stops.get(name).into_iter().flatten();
                moves.extend(of(peer).flat_map(|(first, _)| of(service_name).map(move |(_, last)| (*first, *last))));
            }
        }
        moves
    }

    pub fn is_name_taken(&self, name: &str) -> bool {
        self.taken_names.contains(name)
    }

    /// Keeps an image from being pruned once the deployment has succeeded.
    pub fn hold_image(&mut self, image: &str, service_name: &ServiceName) {
        self.held_images.entry(image.to_owned()).or_insert_with(|| service_name.clone());
    }

    /// What services share: images, networks, volumes.
    fn prepare(&mut self, changes: &Changes) {
        let (phase, runtime) = (Phase::EnvironmentSetup, RuntimeKind::Docker);
        for (image, Pull { digest, platform }) in &changes.pulls {
            let action = Action::PullImage { image: image.clone(), digest: digest.clone(), platform: platform.clone() };
            let step = self.push(phase, runtime, None, action, vec![]);
            self.pulls.insert(image.clone(), step);
        }
        for (image, service_name) in &changes.builds {
            let Some(action) = build_image(self.plan, service_name) else { continue };
            let step = self.push(phase, runtime, Some(service_name), action, vec![]);
            self.pulls.insert(image.clone(), step);
        }
        for key in &changes.networks {
            let network = self.plan.networks.get(key).cloned().unwrap_or_default();
            let (name, project) = (self.plan.network_name(key), self.plan.project.clone());
            let step = self.push(phase, runtime, None, Action::CreateNetwork { name, network, project }, vec![]);
            self.networks.insert(key.clone(), step);
        }
        for key in &changes.volumes {
            let volume = self.plan.volumes.get(key).cloned().unwrap_or_default();
            let (name, project) = (self.plan.volume_name(key), self.plan.project.clone());
            let step = self.push(phase, runtime, None, Action::CreateVolume { name, volume, project }, vec![]);
            self.volumes.insert(key.clone(), step);
        }
    }

    /// Takes away what the services shared, once all of them are gone.
    fn remove_shared(&mut self, changes: &Changes) {
        let is_removal = |step: &&Step| matches!(step.action, Action::Remove { .. });
        let removals: Vec<StepId> = self.actions.steps.iter().filter(is_removal).map(|step| step.id).collect();
        let networks = changes.removed_networks.iter().map(|name| Action::RemoveNetwork { name: name.clone() });
        let volumes = changes.removed_volumes.iter().map(|name| Action::RemoveVolume { name: name.clone() });
        for action in networks.chain(volumes).collect::<Vec<_>>() {
            self.push(Phase::Cleanup, RuntimeKind::Docker, None, action, removals.clone());
        }
    }

    /// Whether an instance of the plan is to have this name.
    pub fn is_name_wanted(&self, name: &str) -> bool {
        self.plan.services.iter().any(|(service_name, service)| {
            (1..=service.replicas()).any(|number| self.plan.instance_name(service_name, number) == name)
        })
    }

    /// What another service waits for is not given up only once that service is ready: the
    /// predecessor stops at once then, and only its successor's start waits.
    fn give_up_early(&mut self, moves: &[(StepId, StepId)]) {
        for (wants, gives_up) in moves {
            let is_same_service =
                self.actions.steps[wants.index()].service == self.actions.steps[gives_up.index()].service;
            if let (Some((first, started)), false) = (self.handovers.get(gives_up), is_same_service) {
                self.actions.steps[first.index()].waits_for_dependencies = false;
                self.actions.steps[started.index()].waits_for_dependencies = true;
            }
        }
    }

    /// Puts what wants a name or port after what gives it up, and the holds at the end.
    fn finish(mut self, graph: &Graph) -> Actions {
        let names = self.wanted_names.iter().filter_map(|(name, step)| Some((*step, *self.freed_names.get(name)?)));
        let ports = self.wanted_ports.iter().filter_map(|(port, step)| Some((*step, *self.freed_ports.get(port)?)));
        let peers = self.stops_of_peers();
        let moves: Vec<(StepId, StepId)> =
            names.chain(ports).chain(peers).filter(|(step, freed)| step != freed).collect();
        self.give_up_early(&moves);
        // What is removed stops after what needs it.
        let stops = graph.edges().into_iter().flat_map(|edge| {
            let of = |service_name| self.removal_stops.get(service_name).cloned().unwrap_or_default();
            let dependents = of(&edge.from);
            of(&edge.to)
                .into_iter()
                .flat_map(move |step| dependents.clone().into_iter().map(move |before| (step, before)))
        });
        let edges: Vec<(StepId, StepId)> = moves.into_iter().chain(stops).collect();
        for (step, freed) in edges {
            let after = &mut self.actions.steps[step.index()].after;
            if !after.contains(&freed) {
                after.push(freed);
            }
        }
        for (image_id, service_name) in std::mem::take(&mut self.held_images) {
            let action = Action::HoldImage { project: self.plan.project.clone(), image_id };
            self.push(Phase::PostDeployment, RuntimeKind::Docker, Some(&service_name), action, vec![]);
        }
        for image_id in &self.context.released_images {
            let action = Action::ReleaseImage { project: self.plan.project.clone(), image_id: image_id.clone() };
            self.push(Phase::Cleanup, RuntimeKind::Docker, None, action, vec![]);
        }
        self.actions
    }
}
