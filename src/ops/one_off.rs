use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    ApplyRequest, Context, OpsError, PlanRequest, Project, Watcher, apply,
    hold::Hold,
    instances::{instances, refuse_unknown},
    look::wanted,
    project::ProjectPlan,
    run::new_deployment,
    standing::hold_whole,
};
use crate::{
    action::{Action, InstanceHandle, InstanceSpec, one_off_files},
    change::Request,
    diagnostic::Class,
    name::ServiceName,
    observed::{Fault, Identity, Observed},
    plan::{CommandLine, Interval, MountKind, Plan, RestartPolicy, RuntimeKind, Service},
    runtime::{Attached, Observe as _, OneOff, Progress, Runtime as _, Runtimes, Streams},
    secret::Salt,
    store::random_text,
};

/// What to run once, and how it differs from its service.
#[derive(Debug, Clone)]
pub struct OneOffRequest {
    pub service: ServiceName,
    /// Instead of the service's own.
    pub command: Option<Vec<String>>,
    pub entrypoint: Option<Vec<String>>,
    /// Over the service's own; one without a value is passed on from here.
    pub environment: Vec<(String, Option<String>)>,
    pub user: Option<String>,
    pub working_dir: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// Beside the service's own: mounts, and ports that are published.
    pub extra: Box<Service>,
    /// Publish the service's own ports too.
    pub has_service_ports: bool,
    /// Answer to the service's names on its networks.
    pub has_aliases: bool,
    pub name: Option<String>,
    /// Leave dependencies as they are.
    pub no_dependencies: bool,
    /// Take it away when it has ended.
    pub is_removed: bool,
    pub streams: Streams,
}

/// Something that runs once, while it does.
pub struct RunningOneOff {
    pub name: String,
    pub attached: Attached,
    leaving: Option<Leaving>,
}

/// What is taken away after it.
struct Leaving {
    runtimes: Runtimes,
    actions: Vec<Action>,
}

impl RunningOneOff {
    /// Takes away what it leaves, if that was asked for: running or not.
    ///
    /// # Errors
    /// If the engine cannot.
    pub async fn leave(self) -> Result<(), OpsError> {
        let Some(Leaving { runtimes, actions }) = self.leaving else { return Ok(()) };
        for action in actions {
            runtimes.perform(RuntimeKind::Docker, &action, &|_| {}).await?;
        }
        Ok(())
    }
}

/// Runs a command once in the surroundings of a service: its image, networks, volumes, secrets and
/// environment. What it depends on is brought up before by an ordinary deployment, where something
/// of it does not run. It is no instance of the service: no deployment changes or counts it, and
/// `destroy` takes it away.
///
/// # Errors
/// If someone else holds the lock, a deployment is half done, or it cannot be started.
pub async fn run_once(
    context: &Context,
    project: &Project,
    plan_request: &PlanRequest,
    request: &OneOffRequest,
    watcher: &mut dyn Watcher,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<RunningOneOff, OpsError> {
    let mut warnings = Vec::new();
    let known = project.plan(&mut warnings);
    watcher.warn(&warnings);
    let plan = known.plan();
    refuse_unknown([&request.service], &plan.services.keys().collect())?;
    if !request.no_dependencies {
        bring_up(context, project, &known, plan_request, &request.service, watcher).await?;
    }
    let (hold, runtimes) = hold_whole(context, project).await?;
    let started = begin(context, project, plan, &runtimes, request, progress).await;
    Hold::release(hold).await;
    started
}

/// Brings up what a service depends on, as far as it does not run.
async fn bring_up(
    context: &Context,
    project: &Project,
    known: &ProjectPlan<'_>,
    plan_request: &PlanRequest,
    service_name: &ServiceName,
    watcher: &mut dyn Watcher,
) -> Result<(), OpsError> {
    let mut needed = known.graph().with_dependencies(&[service_name.clone()].into());
    needed.remove(service_name);
    let runtimes = project.runtimes(context, &project.needed(known))?;
    let found = instances(&runtimes, &project.name, &project.needed(known), &mut Vec::new()).await?;
    let is_there = |name: &ServiceName| {
        let instances = found.get(name).map(Vec::as_slice).unwrap_or_default();
        let is_job = known.plan().services.get(name).is_some_and(|service| service.is_job());
        !instances.is_empty()
            && instances.iter().all(|found| if is_job { found.has_completed() } else { found.is_running() })
    };
    let missing: BTreeSet<ServiceName> = needed.into_iter().filter(|name| !is_there(name)).collect();
    let Some(first) = missing.first() else { return Ok(()) };
    if let ProjectPlan::Deployed(_) | ProjectPlan::Nothing(_) = known {
        let text = format!("`{service_name}` depends on `{first}`, which does not run");
        let fault = Fault::new(Class::Dependency, "dependency-not-running", text);
        return Err(fault.hint(format!("`orchestrate start {first}`, or say `--no-deps`")).into());
    }
    let changes = Request { only: Some(missing), no_dependencies: true, ..Request::default() };
    let request = ApplyRequest { plan: plan_request.clone(), changes, is_agreed: true, ..ApplyRequest::default() };
    let report = apply(context, &request, watcher).await?;
    match report.error {
        None => Ok(()),
        Some(error) => {
            let text = format!("what `{service_name}` depends on cannot be brought up: {}", error.summary);
            Err(Fault::new(Class::Dependency, "dependency-failed", text).into())
        }
    }
}

/// The caller holds the lock.
async fn begin(
    context: &Context,
    project: &Project,
    plan: &Plan,
    runtimes: &Runtimes,
    request: &OneOffRequest,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<RunningOneOff, OpsError> {
    let service = Arc::new(altered(&plan.services[&request.service], request, context));
    let runtime = service.runtime();
    let deployment = new_deployment();
    let identity = Identity {
        project: plan.project.clone(),
        service: request.service.clone(),
        number: 1,
        environment: plan.environment.clone(),
        deployment,
    };
    let files = project.state.directory.files().display().to_string();
    let salt = Salt(random_text(32));
    let (mut spec, writes) = InstanceSpec::one_off(plan, identity.clone(), &service, salt, &files);
    if !request.has_aliases {
        spec.networks.values_mut().for_each(|attachment| attachment.aliases.clear());
    }
    let usual_name = || format!("{}-{}-run-{deployment}", plan.project, request.service);
    let name = request.name.clone().unwrap_or_else(usual_name);
    let mut leaving = Vec::new();
    if runtime == RuntimeKind::Docker {
        let observed = runtimes.observe(&wanted(plan)).await?;
        for action in provisions(plan, (&request.service, &service), &observed)?.into_iter().chain(writes) {
            runtimes.perform(runtime, &action, progress).await?;
        }
        spec.image_id = service.image.as_ref().and_then(|image| Some(observed.images.get(image)?.id.clone()));
        let has_files = !spec.files.is_empty();
        leaving.extend(has_files.then(|| Action::RemoveFile { path: one_off_files(plan, &identity, &files) }));
    }
    let is_removed_by_engine = request.is_removed && request.streams.is_detached;
    let one_off = OneOff { name: name.clone(), spec: Box::new(spec), streams: request.streams, is_removed_by_engine };
    let (id, attached) = match runtimes.run_once(runtime, &one_off).await {
        Ok(started) => started,
        Err(fault) => {
            // It may have been made before it could not be started; what is left shows in `status`.
            let handle = InstanceHandle { slot: 0, name: name.clone(), id: None };
            let is_taken = fault.code == "name-taken" || runtime == RuntimeKind::Process;
            for action in
                [Action::Remove { instance: handle, made_by: None }].into_iter().filter(|_| !is_taken).chain(leaving)
            {
                drop(runtimes.perform(runtime, &action, &|_| {}).await);
            }
            return Err(fault.into());
        }
    };
    let remove = id.map(|id| Action::Remove {
        instance: InstanceHandle { slot: 0, name: name.clone(), id: Some(id) },
        made_by: None,
    });
    let actions: Vec<Action> = remove.into_iter().chain(leaving).collect();
    let is_ours_to_remove = request.is_removed && !request.streams.is_detached && runtime == RuntimeKind::Docker;
    let leaving = is_ours_to_remove.then(|| Leaving { runtimes: runtimes.clone(), actions });
    Ok(RunningOneOff { name, attached, leaving })
}

/// What has to be there for it: image, networks, volumes.
fn provisions(
    plan: &Plan,
    (service_name, service): (&ServiceName, &Service),
    observed: &Observed,
) -> Result<Vec<Action>, Fault> {
    let project = &plan.project;
    let image = service.image.iter().filter(|image| !observed.images.contains_key(image));
    let provide = |image: &crate::plan::ImageReference| match &service.build {
        Some(build) => Action::BuildImage {
            service: service_name.clone(),
            image: image.clone(),
            build: Box::new(build.clone()),
            platform: service.platform.clone(),
        },
        None => Action::PullImage { image: image.clone(), digest: None, platform: service.platform.clone() },
    };
    let mut actions: Vec<Action> = image.map(provide).collect();
    let absent = |what: &str, name: &str| {
        let text = format!("the external {what} `{name}` does not exist");
        Fault::new(Class::Dependency, "external-missing", text)
    };
    for key in service.networks.keys() {
        let name = plan.network_name(key);
        let network = plan.networks.get(key).cloned().unwrap_or_default();
        match (observed.networks.contains_key(&name), network.external.is_external) {
            (true, _) => {}
            (false, true) => return Err(absent("network", &name)),
            (false, false) => actions.push(Action::CreateNetwork { name, network, project: project.clone() }),
        }
    }
    let mounts = service.volumes.iter().filter(|mount| mount.kind == MountKind::Volume);
    for key in mounts.filter_map(|mount| mount.source.as_ref()) {
        let name = plan.volume_name(key);
        let volume = plan.volumes.get(key).cloned().unwrap_or_default();
        match (observed.volumes.contains_key(&name), volume.external.is_external) {
            (true, _) => {}
            (false, true) => return Err(absent("volume", &name)),
            (false, false) => actions.push(Action::CreateVolume { name, volume, project: project.clone() }),
        }
    }
    Ok(actions)
}

/// The service, as it is asked for this once.
fn altered(service: &Service, request: &OneOffRequest, context: &Context) -> Service {
    let mut altered = service.clone();
    let line = |words: &Vec<String>| CommandLine(words.iter().map(|word| word.as_str().into()).collect());
    if let Some(entrypoint) = &request.entrypoint {
        altered.entrypoint = Some(line(entrypoint));
        // The service's own words were for its own entrypoint.
        altered.command = None;
    }
    if let Some(command) = &request.command {
        altered.command = Some(line(command));
    }
    for (name, value) in &request.environment {
        let value = value.as_ref().or_else(|| context.env.get(name));
        altered.environment.insert(name.clone(), value.map(|value| value.as_str().into()));
    }
    altered.user = request.user.clone().or(altered.user);
    altered.working_dir = request.working_dir.clone().or(altered.working_dir);
    altered.labels.extend(request.labels.clone());
    if !request.has_service_ports {
        altered.ports.clear();
    }
    altered.ports.extend(request.extra.ports.iter().cloned());
    for mount in &request.extra.volumes {
        let mut mount = mount.clone();
        if let (MountKind::Bind, Some(source)) = (mount.kind, &mount.source) {
            mount.source = Some(context.working_directory.join(source).display().to_string());
        }
        altered.volumes.retain(|other| other.target != mount.target);
        altered.volumes.push(mount);
    }
    altered.container_name = None;
    altered.restart = Some(RestartPolicy::No);
    altered.deploy.replicas = None;
    // It is asked for by hand, and ends by itself.
    altered.stop_grace_period.get_or_insert(Interval::from_millis(10_000));
    altered
}
