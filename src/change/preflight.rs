use std::collections::BTreeMap;

use super::{
    Changes, Coming, InstanceChange, Op,
    capacity::{foreign_image, impossible_limits, makes_instances, missing_sources, overdrawn},
    instance::executable,
    subnets::taken_subnets,
};
use crate::{
    diagnostic::{Class, Diagnostic, Diagnostics, Origin, Origins},
    graph::Graph,
    name::ServiceName,
    observed::{Listener, Observed, Surroundings},
    plan::{Condition, Plan, Port, Protocol, PullPolicy, RuntimeKind, Service, is_one_address},
};

/// A plan, what it would change, and all that may stand in the way of that.
pub struct Preflight<'a> {
    pub plan: &'a Plan,
    pub graph: &'a Graph,
    pub observed: &'a Observed,
    pub changes: &'a Changes,
    /// What is done before by others.
    pub coming: &'a Coming,
    pub surroundings: &'a Surroundings,
    pub origins: &'a dyn Origins,
}

/// What stands in the way of changes, as far as it can be seen before anything is done; and what is only
/// worth a warning.
pub fn preflight(preflight: &Preflight) -> Diagnostics {
    let Preflight { plan, graph, observed, changes, origins, .. } = *preflight;
    let ours = ports_of_ours(plan, changes);
    let behind_jobs = changes.behind_jobs(graph);
    let mut diagnostics = taken_names(plan, observed, origins);
    diagnostics.extend(missing_externals(preflight));
    diagnostics.extend(taken_subnets(preflight));
    for change in &changes.services {
        let Some(service) = plan.services.get(&change.service) else { continue };
        if change.op == Op::None || !makes_instances(&change.instances) {
            continue;
        }
        let name = &change.service;
        diagnostics.extend(absent_image(name, service, observed, changes, origins));
        diagnostics.extend(wrong_platform(name, service, observed, changes, origins));
        diagnostics.extend(foreign_image(name, service, preflight));
        diagnostics.extend(missing_health(name, plan, graph, observed, origins));
        diagnostics.extend(taken_ports(name, service, preflight, &ours));
        diagnostics.extend(impossible_limits(name, service, preflight));
        diagnostics.extend(missing_sources(name, service, preflight));
        // What lies at its path is of no concern where the content is given.
        if !behind_jobs.contains_key(name) && !changes.contents.contains_key(name) {
            diagnostics.extend(missing_executable(name, service, observed, origins));
        }
    }
    diagnostics.extend(overdrawn(preflight));
    diagnostics
}

/// Says where what a problem is about was written.
pub(super) fn place(mut diagnostic: Diagnostic, origin: Option<Origin>) -> Diagnostic {
    if let Some(origin) = origin {
        diagnostic.detail = Some(format!("written at {}", origin.position));
    }
    diagnostic
}

fn taken_names(plan: &Plan, observed: &Observed, origins: &dyn Origins) -> Diagnostics {
    let instance = observed.foreign.iter().map(|foreign| {
        let owner = foreign.owner.as_ref().map_or_else(String::new, |owner| format!(", which belongs to {owner}"));
        let summary = format!("a container named `{}` exists already{owner}, and is not this plan's", foreign.name);
        let by_name = plan.services.iter().find(|(_, service)| service.container_name.as_ref() == Some(&foreign.name));
        let origin = by_name.and_then(|(name, _)| origins.origin(&["services", name.as_str(), "container_name"]));
        let is_same =
            foreign.owner.as_ref().is_some_and(|owner| *owner == format!("the Compose project `{}`", plan.project));
        let adopt = is_same.then(|| "`--adopt` takes over what Compose made, as it is".to_owned());
        let diagnostic = Diagnostic::error("name-taken", Class::Deployment, summary);
        let diagnostic = adopt.into_iter().fold(diagnostic, Diagnostic::hint).hint(format!(
            "remove or rename it (`docker rename {} …`), or give the plan another `name`",
            &foreign.id[..foreign.id.len().min(12)]
        ));
        place(diagnostic, origin)
    });
    let networks = plan.own_networks().into_iter().filter_map(|key| {
        let name = plan.network_name(key);
        let facts = observed.networks.get(&name)?;
        (facts.project.as_ref() != Some(&plan.project)).then(|| {
            let owner = facts.owner.as_ref().map_or_else(String::new, |owner| format!(", which belongs to {owner}"));
            let summary = format!("a network named `{name}` exists already{owner}, and is not this plan's");
            let diagnostic = Diagnostic::error("name-taken", Class::Deployment, summary)
                .hint("set `external: true` to use it as it is, or give it another `name`");
            place(diagnostic, origins.origin(&["networks", key]))
        })
    });
    instance.chain(networks).collect()
}

fn missing_externals(preflight: &Preflight) -> Diagnostics {
    let Preflight { plan, observed, coming, origins, .. } = *preflight;
    let missing = |what: &str, key: &str, name: &str| {
        let summary = format!("the external {what} `{name}` does not exist");
        let diagnostic = Diagnostic::error(
            if what == "network" { "network-not-found" } else { "volume-not-found" },
            Class::Dependency,
            summary,
        )
        .hint(format!("create it with `docker {what} create {name}`, or drop `external: true`"));
        place(diagnostic, origins.origin(&[if what == "network" { "networks" } else { "volumes" }, key]))
    };
    let networks = plan.networks.iter().filter(|(_, network)| network.external.is_external).filter_map(|(key, _)| {
        let name = plan.network_name(key);
        (!observed.networks.contains_key(&name) && !coming.networks.contains(&name))
            .then(|| missing("network", key, &name))
    });
    let volumes = plan.volumes.iter().filter(|(_, volume)| volume.external.is_external).filter_map(|(key, _)| {
        let name = plan.volume_name(key);
        (!observed.volumes.contains_key(&name) && !coming.volumes.contains(&name))
            .then(|| missing("volume", key, &name))
    });
    networks.chain(volumes).collect()
}

/// Ports of the host that this project's own instances hold and give up, or hold for the service
/// that asks for them.
fn ports_of_ours(plan: &Plan, changes: &Changes) -> BTreeMap<(u16, Protocol), ServiceName> {
    let mut held = BTreeMap::new();
    for change in &changes.services {
        for instance in &change.instances {
            let instance = match instance {
                InstanceChange::Replace { old }
                | InstanceChange::Remove { old }
                | InstanceChange::Start { old, .. }
                | InstanceChange::Update { old, .. } => old,
                InstanceChange::Keep { instance } => instance,
                InstanceChange::Create { .. } => continue,
            };
            let published = instance.ports.iter().map(|port| (port.host_port, port.protocol));
            let exposed = plan.services.get(&change.service).filter(|_| instance.runtime == RuntimeKind::Process);
            let exposed =
                exposed.into_iter().flat_map(|service| &service.expose).map(|port| (port.port, port.protocol));
            held.extend(published.chain(exposed).map(|port| (port, change.service.clone())));
        }
    }
    held
}

fn taken_ports(
    service_name: &ServiceName,
    service: &Service,
    preflight: &Preflight,
    ours: &BTreeMap<(u16, Protocol), ServiceName>,
) -> Diagnostics {
    let Preflight { observed, coming, origins, .. } = *preflight;
    let wanted: Vec<(Port, &str)> = match service.runtime() {
        RuntimeKind::Docker => service.ports.iter().map(|port| (port.clone(), "ports")).collect(),
        RuntimeKind::Process => service.expose.iter().map(|exposed| (exposed.on_host(), "expose")).collect(),
    };
    let mut diagnostics = Vec::new();
    for (index, (port, key)) in wanted.iter().enumerate() {
        let Some(published) = port.fixed() else { continue };
        let on_host = (published, port.protocol);
        if ours.contains_key(&on_host) || coming.ports.contains(&on_host) {
            continue;
        }
        let holder = observed.listeners.iter().find(|listener| clashes(listener, published, port));
        let Some(holder) = holder else { continue };
        let by = holder.holder.as_ref().map_or_else(String::new, |holder| format!(" by {holder}"));
        let summary = format!("port {published} of the host, which `{service_name}` wants, is taken{by}");
        let diagnostic = Diagnostic::error("port-in-use", Class::Resource, summary)
            .hint(format!("stop what listens there (`ss -ltnp 'sport = :{published}'` names it), or use another port"));
        let index = index.to_string();
        diagnostics.push(place(diagnostic, origins.origin(&["services", service_name.as_str(), key, &index])));
    }
    diagnostics
}

fn clashes(listener: &Listener, published: u16, port: &Port) -> bool {
    listener.port == published && listener.protocol == port.protocol && is_one_address(listener.address, port.host_ip)
}

/// An image that is not there, and is not to be pulled.
fn absent_image(
    service_name: &ServiceName,
    service: &Service,
    observed: &Observed,
    changes: &Changes,
    origins: &dyn Origins,
) -> Option<Diagnostic> {
    let image = service.image.as_ref().filter(|_| service.runtime() == RuntimeKind::Docker)?;
    let is_there = observed.images.contains_key(image) || changes.contents.contains_key(service_name);
    if is_there || changes.pulls.contains_key(image) || changes.builds.contains_key(image) {
        return None;
    }
    let is_built = service.build.is_some() || service.pull_policy == PullPolicy::Build;
    let diagnostic = match is_built {
        true => {
            let summary = format!("the image `{image}` of `{service_name}` has to be built first");
            let hint = match service.build {
                Some(_) => format!("build it: `orchestrate build {service_name}`"),
                None => "say with `build` how, or take `pull_policy: build` out".to_owned(),
            };
            Diagnostic::error("image-not-built", Class::Dependency, summary).hint(hint)
        }
        false => {
            let summary = format!("the image `{image}` of `{service_name}` is not there, and is never pulled");
            Diagnostic::error("image-not-found", Class::Dependency, summary)
                .hint(format!("`docker pull {image}`, or take `pull_policy: never` out"))
        }
    };
    let key = if service.build.is_some() { "build" } else { "image" };
    Some(place(diagnostic, origins.origin(&["services", service_name.as_str(), key])))
}

/// The image that is there was built for another platform than the service is to run on.
fn wrong_platform(
    service_name: &ServiceName,
    service: &Service,
    observed: &Observed,
    changes: &Changes,
    origins: &dyn Origins,
) -> Option<Diagnostic> {
    let (image, wanted) = (service.image.as_ref()?, service.platform.as_ref()?);
    let found = observed.images.get(image)?.platform.as_ref()?;
    let is_same = *wanted == *found || wanted.strip_prefix(found).is_some_and(|variant| variant.starts_with('/'));
    // One without an operating system is an architecture.
    let is_architecture = !wanted.contains('/') && found.ends_with(&format!("/{wanted}"));
    if is_same || is_architecture || changes.pulls.contains_key(image) || changes.contents.contains_key(service_name) {
        return None;
    }
    let summary = format!("`{service_name}` is to run on {wanted}, and the image `{image}` here is for {found}");
    let hint = match service.build {
        Some(_) => format!("build it anew: `orchestrate build {service_name}`"),
        None => format!("`docker pull --platform {wanted} {image}`, or take `platform` out"),
    };
    let diagnostic = Diagnostic::error("wrong-architecture", Class::Dependency, summary).hint(hint);
    Some(place(diagnostic, origins.origin(&["services", service_name.as_str(), "platform"])))
}

/// Someone waits until it is healthy, and neither it nor its image says what that is.
fn missing_health(
    service_name: &ServiceName,
    plan: &Plan,
    graph: &Graph,
    observed: &Observed,
    origins: &dyn Origins,
) -> Option<Diagnostic> {
    let service = plan.services.get(service_name)?;
    let has_checks = !service.gating_checks().is_empty() || !service.may_inherit_healthcheck();
    let facts = observed.images.get(service.image.as_ref()?).filter(|_| !has_checks)?;
    let dependents = graph.dependents(service_name);
    let (waiting, _) = dependents.into_iter().find(|(_, condition)| *condition == Condition::ServiceHealthy)?;
    (!facts.has_healthcheck).then(|| {
        let summary = format!(
            "`{waiting}` waits until `{service_name}` is healthy, but it has no checks, and its image has no healthcheck"
        );
        let hint = format!("give `{service_name}` a `checks` or a `healthcheck`, or wait for `service_started`");
        let diagnostic = Diagnostic::error("no-checks", Class::Configuration, summary).hint(hint);
        place(diagnostic, origins.origin(&["services", waiting.as_str(), "depends_on"]))
    })
}

/// A program that is not there.
fn missing_executable(
    service_name: &ServiceName,
    service: &Service,
    observed: &Observed,
    origins: &dyn Origins,
) -> Option<Diagnostic> {
    if service.runtime() != RuntimeKind::Process || executable(service, observed).is_some() {
        return None;
    }
    let program = service.command.as_ref()?.0.first()?;
    let origin = origins.origin(&["services", service_name.as_str(), "command"]);
    let summary = format!("the program `{program}` of `{service_name}` was not found");
    let diagnostic = Diagnostic::error("executable-not-found", Class::Dependency, summary).hint(
        "give its whole path, or one from the plan's directory such as `./bin/server`; or let a `kind: job` make it",
    );
    Some(place(diagnostic, origin))
}
