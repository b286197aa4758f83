use std::collections::{BTreeMap, BTreeSet};

use super::{
    Cause, Change, Changes, Coming, Downtime, InstanceChange, Op, Order, Pull,
    instance::{Desired, short},
    peers::{replace, replace_with_peers},
};
use crate::{
    diagnostic::Origins,
    graph::Graph,
    name::ServiceName,
    observed::{Instance, Observed, StopNote},
    plan::{MountKind, Plan, PullPolicy, RunPolicy, RuntimeKind, Service},
};

/// Which services are made anew whatever they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ForceRecreate {
    #[default]
    None,
    All,
    Services(BTreeSet<ServiceName>),
}

/// What the user asked for beyond the plan.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Only these services; with what they need unless `no_dependencies`.
    pub only: Option<BTreeSet<ServiceName>>,
    pub no_dependencies: bool,
    pub force_recreate: ForceRecreate,
    pub remove_orphans: bool,
    /// When images are pulled, whatever their services say.
    pub pull: Option<PullPolicy>,
    /// The content that services are to run, an image's id or a program's digest, whatever their
    /// tag or path leads to now: a way back needs it.
    pub contents: BTreeMap<ServiceName, String>,
    /// Who stopped instances on purpose, by their ids, as far as it is known.
    pub stops: BTreeMap<String, StopNote>,
    /// What other plans do before.
    pub coming: Coming,
}

impl Request {
    /// When a service's image is pulled. One that is built is built instead.
    pub fn pull_policy(&self, service: &Service) -> PullPolicy {
        match (&service.build, service.pull_policy, self.pull) {
            (_, PullPolicy::Build, _) => PullPolicy::Build,
            (_, _, Some(PullPolicy::Never)) | (_, PullPolicy::Never, None) => PullPolicy::Never,
            (Some(_), PullPolicy::Missing | PullPolicy::Never, _) => PullPolicy::Build,
            (_, _, Some(policy)) | (_, policy, None) => policy,
        }
    }

    fn forces(&self, service_name: &ServiceName) -> bool {
        match &self.force_recreate {
            ForceRecreate::None => false,
            ForceRecreate::All => true,
            ForceRecreate::Services(names) => names.contains(service_name),
        }
    }
}

/// Compares a plan with the world.
pub fn diff(plan: &Plan, graph: &Graph, observed: &Observed, origins: &dyn Origins, request: &Request) -> Changes {
    let selected = selection(plan, graph, request);
    let mut by_service: BTreeMap<&ServiceName, Vec<&Instance>> = BTreeMap::new();
    let mut leftovers = Vec::new();
    for instance in &observed.instances {
        match is_leftover(&instance.name) {
            true => leftovers.push(instance.clone()),
            false => by_service.entry(&instance.identity.service).or_default().push(instance),
        }
    }
    let mut changes = Changes { leftovers, contents: request.contents.clone(), ..Changes::default() };
    for (service_name, service) in &plan.services {
        let instances = by_service.remove(service_name).unwrap_or_default();
        if !selected.contains(service_name) {
            changes.services.push(untouched(service_name, instances));
            continue;
        }
        let is_forced = request.forces(service_name);
        let content = request.contents.get(service_name).map(String::as_str);
        let stops = &request.stops;
        let pull_policy = request.pull_policy(service);
        let desired =
            Desired { plan, observed, origins, service_name, service, content, stops, pull_policy, is_forced };
        let change = compare_service(&desired, instances);
        collect_needs(&mut changes, &desired, change.op);
        changes.services.push(change);
    }
    for (service_name, instances) in by_service {
        match request.remove_orphans {
            true => changes.services.push(removal(service_name, instances)),
            false => drop(changes.orphans.insert(service_name.clone())),
        }
    }
    changes.services.sort_by(|a, b| a.service.cmp(&b.service));
    replace_behind_jobs(&mut changes, plan, graph, &selected);
    for service_name in replace_with_peers(&mut changes, plan, graph) {
        let (service_name, service) = plan.services.get_key_value(&service_name).expect("it is one of the plan's");
        let content = request.contents.get(service_name).map(String::as_str);
        let stops = &request.stops;
        let pull_policy = request.pull_policy(service);
        let desired =
            Desired { plan, observed, origins, service_name, service, content, stops, pull_policy, is_forced: false };
        collect_needs(&mut changes, &desired, Op::Replace);
    }
    if !changes.is_empty() {
        let images = plan.commands().filter_map(|command| command.image.as_ref());
        for image in images.filter(|image| !observed.images.contains_key(*image)) {
            changes.pulls.entry(image.clone()).or_default();
        }
    }
    changes
}

/// A job that runs may make programs anew, and what it will have made cannot be known before. So
/// processes behind it that run a program of the plan's own, by a relative path, are replaced.
fn replace_behind_jobs(changes: &mut Changes, plan: &Plan, graph: &Graph, selected: &BTreeSet<ServiceName>) {
    let behind_jobs = changes.behind_jobs(graph);
    for change in &mut changes.services {
        let Some(service) = plan.services.get(&change.service) else { continue };
        let job = behind_jobs.get(&change.service).filter(|_| selected.contains(&change.service));
        let Some(job) = job.filter(|_| runs_own_program(service)) else { continue };
        if changes.contents.contains_key(&change.service) {
            continue;
        }
        for number in 0..change.instances.len() {
            let (InstanceChange::Keep { instance: old }
            | InstanceChange::Start { old, .. }
            | InstanceChange::Update { old, .. }) = &change.instances[number]
            else {
                continue;
            };
            let cause = Cause::new("executable", short(&old.image_id), format!("as `{job}` makes it"));
            replace(change, number, cause);
        }
    }
}

/// Whether a process runs a program that lies beside the plan: one that jobs of the plan may make.
fn runs_own_program(service: &Service) -> bool {
    let is_settled = service.is_job() && service.run == RunPolicy::Once;
    let program = service.command.as_ref().and_then(|command| command.0.first());
    let is_relative = program.is_some_and(|word| word.expose().contains('/') && !word.expose().starts_with('/'));
    service.runtime() == RuntimeKind::Process && is_relative && !is_settled
}

/// The services that were asked for.
pub fn selection(plan: &Plan, graph: &Graph, request: &Request) -> BTreeSet<ServiceName> {
    match &request.only {
        None => plan.services.keys().cloned().collect(),
        Some(only) if request.no_dependencies => only.clone(),
        Some(only) => graph.with_dependencies(only),
    }
}

/// Whether a name is one that only exists while a deployment is under way, or after a failed one.
pub(super) fn is_leftover(name: &str) -> bool {
    let suffix = name.rsplit_once('.').map(|(_, suffix)| suffix);
    suffix.and_then(|suffix| suffix.split_once('-')).is_some_and(|(kind, id)| {
        ["new", "old", "failed"].contains(&kind) && id.parse::<crate::name::DeploymentId>().is_ok()
    })
}

fn compare_service(desired: &Desired<'_>, instances: Vec<&Instance>) -> Change {
    let replicas = desired.service.replicas();
    let mut by_number: BTreeMap<u32, &Instance> = BTreeMap::new();
    let mut surplus = Vec::new();
    let found = instances.len();
    for instance in instances {
        let number = instance.identity.number;
        match number >= 1 && number <= replicas && !by_number.contains_key(&number) {
            true => drop(by_number.insert(number, instance)),
            false => surplus.push(instance),
        }
    }
    let mut causes: Vec<Cause> = Vec::new();
    let mut changes = Vec::new();
    for number in 1..=replicas {
        let change = match by_number.get(&number) {
            None => InstanceChange::Create { number },
            Some(instance) => {
                let (change, why) = desired.compare(instance);
                // Instances of one service mostly change for the same reasons: each is said once.
                causes.extend(why.into_iter().filter(|cause| !causes.contains(cause)).collect::<Vec<_>>());
                change
            }
        };
        changes.push(change);
    }
    changes.extend(surplus.into_iter().map(|old| InstanceChange::Remove { old: Box::new(old.clone()) }));
    if found > 0 && found != replicas as usize {
        causes.push(scaled(desired, found, replicas));
    }
    let op = summarize(&changes, found);
    let restarts = changes.iter().any(InstanceChange::restarts_in_place);
    let is_disruptive = restarts || (op == Op::Replace && !desired.service.is_job());
    Change {
        service: desired.service_name.clone(),
        is_job: desired.service.is_job(),
        op,
        causes,
        order: (op == Op::Replace).then_some(Order::StopFirst),
        downtime: if is_disruptive { Downtime::Expected } else { Downtime::None },
        instances: changes,
    }
}

fn scaled(desired: &Desired<'_>, found: usize, replicas: u32) -> Cause {
    let path = ["services", desired.service_name.as_str(), "deploy", "replicas"];
    let origin = desired.origins.origin(&path);
    Cause { origin, ..Cause::new("deploy.replicas", found.to_string(), replicas.to_string()) }
}

fn summarize(changes: &[InstanceChange], found: usize) -> Op {
    let is_kept = |change: &InstanceChange| matches!(change, InstanceChange::Keep { .. });
    if changes.iter().any(|change| matches!(change, InstanceChange::Replace { .. })) {
        Op::Replace
    } else if found == 0 && !changes.is_empty() {
        Op::Create
    } else if changes.iter().all(is_kept) {
        Op::None
    } else {
        Op::Update
    }
}

fn keep(instances: Vec<&Instance>) -> Vec<InstanceChange> {
    instances.into_iter().map(|instance| InstanceChange::Keep { instance: Box::new(instance.clone()) }).collect()
}

fn untouched(service_name: &ServiceName, instances: Vec<&Instance>) -> Change {
    Change {
        service: service_name.clone(),
        is_job: false,
        op: Op::None,
        causes: Vec::new(),
        order: None,
        downtime: Downtime::None,
        instances: keep(instances),
    }
}

fn removal(service_name: &ServiceName, instances: Vec<&Instance>) -> Change {
    Change {
        service: service_name.clone(),
        is_job: false,
        op: Op::Remove,
        causes: vec![Cause::new("service", "running", "no longer in the plan")],
        order: None,
        downtime: Downtime::Expected,
        instances: instances.into_iter().map(|old| InstanceChange::Remove { old: Box::new(old.clone()) }).collect(),
    }
}

/// Takes away everything that is the project's: its instances and networks, and the volumes that
/// are named.
pub fn removal_of_all(plan: &Plan, observed: &Observed, volumes: &BTreeSet<String>) -> Changes {
    let mut by_service: BTreeMap<&ServiceName, Vec<&Instance>> = BTreeMap::new();
    for instance in &observed.instances {
        by_service.entry(&instance.identity.service).or_default().push(instance);
    }
    let is_ours =
        |(_, network): &(&String, &crate::observed::NetworkFacts)| network.project.as_ref() == Some(&plan.project);
    Changes {
        services: by_service
            .into_iter()
            .map(|(service_name, instances)| Change { causes: Vec::new(), ..removal(service_name, instances) })
            .collect(),
        leftovers: observed.one_offs.clone(),
        removed_networks: observed.networks.iter().filter(is_ours).map(|(name, _)| name.clone()).collect(),
        removed_volumes: volumes.iter().filter(|name| observed.volumes.contains_key(*name)).cloned().collect(),
        ..Changes::default()
    }
}

/// What a service that is made needs to be there.
fn collect_needs(changes: &mut Changes, desired: &Desired<'_>, op: Op) {
    let Desired { plan, observed, service, .. } = *desired;
    let makes_instances = match op {
        Op::Create | Op::Replace | Op::Update => service.runtime() == RuntimeKind::Docker,
        Op::Remove | Op::None => false,
    };
    if !makes_instances {
        return;
    }
    if let Some(image) = service.image.as_ref().filter(|_| desired.content.is_none()) {
        let is_absent = !observed.images.contains_key(image);
        let newer = observed.outdated.get(image);
        match desired.pull_policy {
            PullPolicy::Missing | PullPolicy::Always | PullPolicy::Every(_) if is_absent || newer.is_some() => {
                let pull = Pull { digest: newer.cloned(), platform: service.platform.clone() };
                changes.pulls.insert(image.clone(), pull);
            }
            PullPolicy::Build if is_absent && service.build.is_some() => {
                changes.builds.entry(image.clone()).or_insert_with(|| desired.service_name.clone());
            }
            PullPolicy::Missing | PullPolicy::Always | PullPolicy::Every(_) | PullPolicy::Never | PullPolicy::Build => {
            }
        }
    }
    let is_absent = |key: &&String| !observed.networks.contains_key(&plan.network_name(key));
    changes.networks.extend(service.networks.keys().filter(is_absent).cloned());
    let volumes = service.volumes.iter().filter(|mount| mount.kind == MountKind::Volume);
    let is_absent = |key: &&String| !observed.volumes.contains_key(&plan.volume_name(key));
    changes.volumes.extend(volumes.filter_map(|mount| mount.source.as_ref()).filter(is_absent).cloned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_and_a_flag_say_when_an_image_is_pulled() {
        let table = [
            // The service's own word, whether it is built, the flag; what counts.
            ("missing", false, None, "missing"),
            ("always", false, None, "always"),
            ("always", false, Some("missing"), "missing"),
            ("never", false, Some("always"), "always"),
            ("every_12h", false, Some("never"), "never"),
            ("missing", true, None, "build"),
            ("missing", true, Some("always"), "build"),
            ("missing", true, Some("never"), "never"),
            ("never", true, None, "never"),
            ("always", true, None, "always"),
            ("build", false, Some("always"), "build"),
        ];
        for (own, is_built, flag, expected) in table {
            let build = is_built.then(Default::default);
            let service = Service { pull_policy: own.parse().unwrap(), build, ..Service::default() };
            let request = Request { pull: flag.map(|flag: &str| flag.parse().unwrap()), ..Request::default() };
            assert_eq!(request.pull_policy(&service).to_string(), expected, "{own} {is_built} {flag:?}");
        }
    }
}
