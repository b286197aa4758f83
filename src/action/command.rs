//! The commands of a deployment, its hooks and tests, as steps.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    Action, Actions, CommandContext, Context, InstanceHandle, InstanceSpec, Phase, Slot, Step, StepId, order::in_order,
};
use crate::{
    change::{Changes, Op},
    name::{Digest, ServiceName},
    observed::{Identity, Observed},
    plan::{
        CommandLine, DeploymentCommand, HookPoint, ImageReference, Interval, NetworkAttachment, Plan, RuntimeKind,
        Service,
    },
    secret::{Salt, Text},
};

/// Whether a command is a hook or a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandKind {
    Hook,
    Test,
}

impl CommandKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hook => "hook",
            Self::Test => "test",
        }
    }
}

/// Where a command runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandSite {
    /// On the host of whoever deploys.
    Host,
    /// Inside an instance, or beside it where it is a process.
    Instance(InstanceHandle),
    /// In a container of its own of this name, which is removed when it has ended.
    Container { name: String, spec: Box<InstanceSpec> },
}

/// A command as it is run: at most once, unless it may run twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandRun {
    pub kind: CommandKind,
    pub name: String,
    pub site: CommandSite,
    pub command: CommandLine,
    pub environment: BTreeMap<String, Text>,
    /// Absolute, on this host.
    pub working_dir: Option<String>,
    pub user: Option<String>,
    pub timeout: Interval,
    /// It may run twice.
    pub is_idempotent: bool,
    /// How often it is tried again when it fails.
    pub retries: u32,
    /// What is remembered of one that runs once for a project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub once: Option<String>,
}

impl CommandRun {
    pub fn visit_texts(&mut self, visit: &mut dyn FnMut(&mut Text)) {
        self.command.0.iter_mut().chain(self.environment.values_mut()).for_each(&mut *visit);
        if let CommandSite::Container { spec, .. } = &mut self.site {
            Arc::make_mut(&mut spec.service).visit_texts(visit);
        }
    }

    pub fn instance(&self) -> Option<&InstanceHandle> {
        match &self.site {
            CommandSite::Instance(instance) => Some(instance),
            CommandSite::Host | CommandSite::Container { .. } => None,
        }
    }

    pub fn instance_mut(&mut self) -> Option<&mut InstanceHandle> {
        match &mut self.site {
            CommandSite::Instance(instance) => Some(instance),
            CommandSite::Host | CommandSite::Container { .. } => None,
        }
    }
}

/// Where the commands of a point stand among the phases.
fn phase_of(point: HookPoint) -> Phase {
    match point {
        HookPoint::PreDeploy => Phase::EnvironmentSetup,
        HookPoint::PreServiceDeployment => Phase::ServiceDeployment,
        HookPoint::PreHealthValidation => Phase::HealthValidation,
        HookPoint::PreIntegrationTesting => Phase::IntegrationTesting,
        HookPoint::PostDeploy => Phase::PostDeployment,
        HookPoint::PreCleanup | HookPoint::OnFailure => Phase::Cleanup,
    }
}

/// Whether the instances of before run at a point, rather than those that the deployment makes.
fn is_before(point: HookPoint) -> bool {
    match point {
        HookPoint::PreDeploy | HookPoint::PreServiceDeployment | HookPoint::OnFailure => true,
        HookPoint::PreHealthValidation
        | HookPoint::PreIntegrationTesting
        | HookPoint::PostDeploy
        | HookPoint::PreCleanup => false,
    }
}

/// Adds the plan's hooks and tests. What would run in a service that has no instance then is left out.
pub(super) fn with_commands(
    actions: Actions,
    plan: &Plan,
    changes: &Changes,
    observed: &Observed,
    context: &Context,
) -> Actions {
    let Some(command_context) = &context.commands else { return actions };
    let of_services = actions.steps.len();
    let told = told(plan, changes, observed, context);
    let mut commands = Commands { actions, of_services, plan, context, command_context, told };
    for (point, hooks) in plan.hooks.points() {
        commands.add_hooks(point, hooks);
    }
    commands.add_tests();
    match commands.actions.steps.len() > of_services {
        true => in_order(commands.actions, |step| step.phase),
        false => commands.actions,
    }
}

/// A variable can hold 128 KiB: the versions of so many services are told.
const MOST_VERSIONS: usize = 400;

/// What every command is told of the deployment.
fn told(plan: &Plan, changes: &Changes, observed: &Observed, context: &Context) -> BTreeMap<String, Text> {
    let changed = changes.services.iter().filter(|change| change.op != Op::None).take(MOST_VERSIONS);
    let changed: BTreeSet<&ServiceName> = changed.map(|change| &change.service).collect();
    let images =
        changed.iter().filter_map(|name| Some((name.as_str(), plan.services.get(*name)?.image.as_ref()?.as_str())));
    let ran = observed.instances.iter().filter(|instance| changed.contains(&instance.identity.service));
    let ran = ran.filter_map(|instance| {
        Some((instance.identity.service.as_str(), instance.spec.as_ref()?.get("image")?.as_str()?))
    });
    let environment = plan.environment.as_ref().map(ToString::to_string).unwrap_or_default();
    let told: [(&str, String); 6] = [
        ("PLAN_NAME", plan.name.to_string()),
        ("PROJECT", plan.project.to_string()),
        ("ENVIRONMENT_NAME", environment),
        ("DEPLOYMENT", context.deployment.to_string()),
        ("VERSIONS", json(images.collect())),
        ("PREVIOUS_VERSIONS", json(ran.collect())),
    ];
    told.into_iter().map(|(name, value)| (format!("ORCHESTRATE_{name}"), value.into())).collect()
}

fn json(texts: BTreeMap<&str, &str>) -> String {
    serde_json::to_string(&texts).expect("texts by texts are JSON")
}

struct Commands<'a> {
    actions: Actions,
    /// How many steps there are without commands.
    of_services: usize,
    plan: &'a Plan,
    context: &'a Context,
    command_context: &'a CommandContext,
    told: BTreeMap<String, Text>,
}

impl Commands<'_> {
    /// The commands of a point, one after the other, and before what belongs to services in that phase.
    fn add_hooks(&mut self, point: HookPoint, hooks: &[DeploymentCommand]) {
        let mut last: Option<StepId> = None;
        for (index, hook) in hooks.iter().enumerate() {
            let name = hook.called(point.as_str(), index);
            let Some(run) = self.run(CommandKind::Hook, point, &name, hook) else { continue };
            if run.once.as_ref().is_some_and(|once| self.command_context.done.contains(once)) {
                continue;
            }
            let mut after: Vec<StepId> = last.into_iter().collect();
            if point == HookPoint::PreDeploy {
                after.extend(self.foundations(hook));
            }
            let step = self.push(phase_of(point), run, after);
            self.actions.steps[step.index()].is_on_failure = point == HookPoint::OnFailure;
            last = Some(step);
        }
        if let (Some(last), false) = (last, point == HookPoint::OnFailure) {
            self.put_services_behind(phase_of(point), last);
        }
    }

    /// Tests run all at once, after the hooks of their phase.
    fn add_tests(&mut self) {
        let hooks = self.actions.steps.iter().filter(|step| step.phase == Phase::IntegrationTesting);
        let after: Vec<StepId> = hooks.map(|step| step.id).next_back().into_iter().collect();
        for (index, test) in self.plan.tests.iter().enumerate() {
            let name = test.called("tests", index);
            if let Some(run) = self.run(CommandKind::Test, HookPoint::PreIntegrationTesting, &name, test) {
                self.push(Phase::IntegrationTesting, run, after.clone());
            }
        }
    }

    /// What a container needs that runs before everything else: its image, and the networks.
    fn foundations(&self, hook: &DeploymentCommand) -> Vec<StepId> {
        let Some(wanted) = &hook.image else { return Vec::new() };
        let is_needed = |step: &&Step| match &step.action {
            Action::PullImage { image, .. } => image == wanted,
            action => matches!(action, Action::CreateNetwork { .. }),
        };
        self.actions.steps.iter().filter(is_needed).map(|step| step.id).collect()
    }

    /// What belongs to services waits for a phase's last hook; what they share need not.
    fn put_services_behind(&mut self, phase: Phase, last: StepId) {
        for step in &mut self.actions.steps[..self.of_services] {
            let is_shared = matches!(
                step.action,
                Action::PullImage { .. }
                    | Action::BuildImage { .. }
                    | Action::CreateNetwork { .. }
                    | Action::CreateVolume { .. }
            );
            if step.phase == phase && !is_shared {
                step.after.push(last);
            }
        }
    }

    fn push(&mut self, phase: Phase, run: CommandRun, after: Vec<StepId>) -> StepId {
        let runtime = match &run.site {
            CommandSite::Host => RuntimeKind::Process,
            CommandSite::Container { .. } => RuntimeKind::Docker,
            CommandSite::Instance(instance) => self.actions.slots[instance.slot as usize].runtime,
        };
        let id = StepId(u32::try_from(self.actions.steps.len()).expect("plans are bounded far below 2³² steps"));
        self.actions.steps.push(Step::new(id, phase, runtime, Action::RunCommand { run: Box::new(run) }, after));
        id
    }

    /// `None` if the service that it would run in has no instance then.
    fn run(&self, kind: CommandKind, point: HookPoint, name: &str, command: &DeploymentCommand) -> Option<CommandRun> {
        let environment = self.environment(kind, point, name, command);
        let site = match (&command.service, &command.image) {
            (Some(service_name), _) => CommandSite::Instance(self.instance(service_name, point)?),
            (None, Some(image)) => self.container(name, image, command, &environment),
            (None, None) => CommandSite::Host,
        };
        let directory = &self.command_context.directory;
        let working_dir = match (&command.working_dir, &site) {
            (Some(below), CommandSite::Host) if !below.starts_with('/') => Some(format!("{directory}/{below}")),
            (None, CommandSite::Host) => Some(directory.clone()),
            (written, _) => written.clone(),
        };
        Some(CommandRun {
            kind,
            name: name.to_owned(),
            site,
            command: command.command.clone(),
            environment,
            working_dir,
            user: command.user.clone(),
            timeout: command.timeout(),
            is_idempotent: command.idempotent || kind == CommandKind::Test,
            retries: command.retries,
            once: command.run_once.then(|| once(name, command)),
        })
    }

    fn environment(
        &self,
        kind: CommandKind,
        point: HookPoint,
        name: &str,
        command: &DeploymentCommand,
    ) -> BTreeMap<String, Text> {
        let phase = match point {
            HookPoint::OnFailure => point.as_str(),
            _ => phase_of(point).as_str(),
        };
        let mut environment = self.told.clone();
        environment.insert("ORCHESTRATE_PHASE".to_owned(), phase.into());
        environment.insert(format!("ORCHESTRATE_{}", kind.as_str().to_uppercase()), name.into());
        let service = command.service.iter().map(|name| ("ORCHESTRATE_SERVICE".to_owned(), name.as_str().into()));
        environment.extend(service);
        let own = command.environment.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
        environment.extend(own);
        environment
    }

    /// The first instance that a service has at a point.
    fn instance(&self, service_name: &ServiceName, point: HookPoint) -> Option<InstanceHandle> {
        let is_there = |slot: &Slot| match is_before(point) {
            true => slot.observed.as_ref().is_some_and(|instance| instance.is_running()),
            false => slot.stays,
        };
        let slots = self.actions.slots.iter().enumerate();
        let fitting = slots.filter(|(_, slot)| slot.service == *service_name && is_there(slot));
        let (index, slot) = fitting.min_by_key(|(_, slot)| slot.number)?;
        let old = slot.observed.as_ref();
        Some(InstanceHandle {
            slot: u32::try_from(index).expect("slots are numbered with u32"),
            name: old.filter(|_| is_before(point)).map_or_else(|| slot.name.clone(), |old| old.name.clone()),
            id: old.map(|old| old.id.clone()),
        })
    }

    /// A container of its own, on the plan's default network if its services use that.
    fn container(
        &self,
        name: &str,
        image: &ImageReference,
        command: &DeploymentCommand,
        environment: &BTreeMap<String, Text>,
    ) -> CommandSite {
        let plan = self.plan;
        let uses_default = plan.services.values().any(|service| service.networks.contains_key(DEFAULT_NETWORK));
        let network = || (DEFAULT_NETWORK.to_owned(), NetworkAttachment::default());
        let service = Arc::new(Service {
            image: Some(image.clone()),
            command: Some(command.command.clone()),
            environment: environment.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect(),
            user: command.user.clone(),
            working_dir: command.working_dir.clone(),
            networks: uses_default.then(network).into_iter().collect(),
            ..Service::default()
        });
        let deployment = self.context.deployment;
        let identity = Identity {
            project: plan.project.clone(),
            service: "command".parse().expect("it is a name"),
            number: 1,
            environment: plan.environment.clone(),
            deployment,
        };
        let salt = Salt(self.context.salt_seed.clone());
        let (mut spec, _) = InstanceSpec::one_off(plan, identity, &service, salt, &self.context.files_directory);
        spec.networks.values_mut().for_each(|attachment| attachment.aliases.clear());
        // Names of commands may hold anything, and two of them the same letters.
        let short = Digest::of(name.as_bytes());
        CommandSite::Container {
            name: format!("{}-run-{}-{deployment}", plan.project, short.short()),
            spec: Box::new(spec),
        }
    }
}

/// The network of services that name none.
const DEFAULT_NETWORK: &str = "default";

/// What is remembered of a command that has run: with another command it is another.
fn once(name: &str, command: &DeploymentCommand) -> String {
    let words: Vec<String> = command.command.0.iter().map(ToString::to_string).collect();
    let what = serde_json::json!([words, command.service, command.image]).to_string();
    format!("hook {name} {}", Digest::of(what.as_bytes()).short())
}
