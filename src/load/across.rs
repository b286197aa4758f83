//! What two plans that are applied together cannot both have.

use std::collections::{HashMap, HashSet};

use super::{
    Document,
    conflict::port_spans,
    problem::{MOST_PROBLEMS, wrong},
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, FileShift, Origins as _, Span},
    name::ServiceName,
    plan::{Plan, Port, Protocol, RuntimeKind, Subnets, is_one_address},
};

/// One of several plans that are to run on one engine.
#[derive(Clone, Copy)]
pub struct Neighbour<'a> {
    /// The plan file, as the user would type it.
    pub file: &'a str,
    pub plan: &'a Plan,
    pub document: &'a Document,
    /// Where the document's places lead among the sources of all.
    pub shift: FileShift,
}

/// Finds what two of these plans both want and only one can have: a project's name, host ports, the
/// names of containers and networks, subnets; and volumes that both would make. What one plan alone
/// wants twice, [`load`](super::load) has refused.
pub fn conflicts(plans: &[Neighbour]) -> Diagnostics {
    let mut problems = Diagnostics::new();
    let distinct = refuse_same_projects(plans, &mut problems);
    let mut taken = Taken { seen: HashMap::new(), told: HashSet::new(), problems: &mut problems };
    for neighbour in &distinct {
        taken.add_ports(neighbour);
        taken.add_containers(neighbour);
        taken.add_networks(neighbour);
        taken.add_volumes(neighbour);
    }
    report_overlaps(&distinct, &mut problems);
    problems.truncate(MOST_PROBLEMS);
    problems
}

/// Answers one plan of each project.
fn refuse_same_projects<'a>(plans: &[Neighbour<'a>], problems: &mut Diagnostics) -> Vec<Neighbour<'a>> {
    let mut first: HashMap<&str, Neighbour> = HashMap::new();
    let mut distinct = Vec::new();
    for plan in plans {
        let project = plan.plan.project.as_str();
        let Some(other) = first.get(project) else {
            first.insert(project, *plan);
            distinct.push(*plan);
            continue;
        };
        let summary = format!("`{}` and `{}` are both the project `{project}`", other.file, plan.file);
        let diagnostic = wrong("project-conflict", summary);
        let diagnostic = plan.at(diagnostic, &["name"], "again here");
        let diagnostic = other.at(diagnostic, &["name"], "first here");
        problems.push(diagnostic.hint("give one of them another `name`, or leave one of the files out"));
    }
    distinct
}

impl Neighbour<'_> {
    fn span(&self, path: &[&str]) -> Option<Span> {
        self.document.span(path).map(|span| self.shift.span(span))
    }

    fn at(&self, diagnostic: Diagnostic, path: &[&str], text: &str) -> Diagnostic {
        match self.span(path) {
            Some(span) => diagnostic.at(span, text),
            None => diagnostic,
        }
    }

    /// The ports of the host that a service takes, and where each was written.
    fn ports(&self, name: &ServiceName) -> Vec<(Port, Option<Span>)> {
        let service = &self.plan.services[name];
        match service.runtime() {
            RuntimeKind::Docker => {
                let spans = self.document.service(name.as_str()).map(port_spans).unwrap_or_default();
                let span = |index: usize| spans.get(index).map(|span| self.shift.span(*span));
                service.ports.iter().enumerate().map(|(index, port)| (port.clone(), span(index))).collect()
            }
            RuntimeKind::Process => {
                let port = |(index, exposed): (usize, &crate::plan::ExposedPort)| {
                    let span = self.span(&["services", name.as_str(), "expose", &index.to_string()]);
                    (exposed.on_host(), span)
                };
                service.expose.iter().enumerate().map(port).collect()
            }
        }
    }
}

/// What only one can have.
#[derive(PartialEq, Eq, Hash)]
enum Thing {
    Port(u16, Protocol),
    Container(String),
    Network(String),
    Volume(String),
}

/// Who has it.
struct Holder<'a> {
    plan: Neighbour<'a>,
    /// The service, network or volume.
    name: &'a str,
    port: Option<Port>,
    span: Option<Span>,
}

struct Taken<'a, 'p> {
    seen: HashMap<Thing, Vec<Holder<'a>>>,
    /// Of a range of ports, the first clash tells of the others.
    told: HashSet<(Span, Span)>,
    problems: &'p mut Diagnostics,
}

impl<'a> Taken<'a, '_> {
    fn add_ports(&mut self, plan: &Neighbour<'a>) {
        for name in plan.plan.services.keys() {
            for (port, span) in plan.ports(name) {
                let Some(published) = port.published else { continue };
                let thing = Thing::Port(published, port.protocol);
                self.add(thing, Holder { plan: *plan, name: name.as_str(), port: Some(port), span });
            }
        }
    }

    fn add_containers(&mut self, plan: &Neighbour<'a>) {
        for (name, service) in &plan.plan.services {
            if service.runtime() != RuntimeKind::Docker {
                continue;
            }
            let key = if service.container_name.is_some() { "container_name" } else { "" };
            let span = plan.span(&["services", name.as_str(), key]);
            for number in 1..=service.replicas() {
                let thing = Thing::Container(plan.plan.instance_name(name, number));
                self.add(thing, Holder { plan: *plan, name: name.as_str(), port: None, span });
            }
        }
    }

    fn add_networks(&mut self, plan: &Neighbour<'a>) {
        for key in plan.plan.own_networks() {
            let span = plan.span(&["networks", key, "name"]);
            self.add(Thing::Network(plan.plan.network_name(key)), Holder { plan: *plan, name: key, port: None, span });
        }
    }

    fn add_volumes(&mut self, plan: &Neighbour<'a>) {
        for key in plan.plan.own_volumes() {
            let span = plan.span(&["volumes", key, "name"]);
            self.add(Thing::Volume(plan.plan.volume_name(key)), Holder { plan: *plan, name: key, port: None, span });
        }
    }

    /// Notes who has a thing, and reports another plan that has it, too.
    fn add(&mut self, thing: Thing, holder: Holder<'a>) {
        let Some(others) = self.seen.get_mut(&thing) else {
            self.seen.insert(thing, vec![holder]);
            return;
        };
        let clashes = |other: &&Holder| {
            let is_another = other.plan.plan.project != holder.plan.plan.project;
            let ports = other.port.as_ref().zip(holder.port.as_ref());
            is_another && ports.is_none_or(|(one, other)| is_one_address(one.host_ip, other.host_ip))
        };
        // A port on many addresses of one host is rare, and as many as there are addresses.
        if let Some(other) = others.iter().find(clashes) {
            let is_new = other.span.zip(holder.span).is_none_or(|places| self.told.insert(places));
            if is_new && self.problems.len() < MOST_PROBLEMS {
                self.problems.push(thing.conflict(other, &holder));
            }
            return;
        }
        others.push(holder);
    }
}

impl Thing {
    fn conflict(&self, first: &Holder, again: &Holder) -> Diagnostic {
        let of = |holder: &Holder| format!("`{}` of `{}`", holder.name, holder.plan.plan.project);
        let (one, other) = (of(first), of(again));
        let diagnostic = match self {
            Self::Port(number, _) => {
                let summary = format!("{one} and {other} cannot both have host port {number}");
                wrong("port-conflict", summary).hint("publish another port in one of the plans")
            }
            Self::Container(name) => {
                let summary = format!("{one} and {other} cannot both be called `{name}`");
                wrong("name-conflict", summary).hint("give one of them another `container_name`")
            }
            Self::Network(name) => {
                let summary = format!("{one} and {other} are both the network `{name}`");
                wrong("name-conflict", summary)
                    .hint("let one plan make it; in the other say `external: true`, and name the first plan in `after`")
            }
            Self::Volume(name) => {
                let summary = format!("{one} and {other} are both the volume `{name}`: who comes first owns it");
                let diagnostic = wrong("shared-volume", summary).hint(
                    "let one plan make it; in the other say `external: true`, and name the first plan in `after`",
                );
                Diagnostic { severity: crate::diagnostic::Severity::Warning, ..diagnostic }
            }
        };
        let places = again.span.map(|span| (span, "again here")).into_iter();
        let places = places.chain(first.span.map(|span| (span, "first here")));
        places.fold(diagnostic, |diagnostic, (span, text)| diagnostic.at(span, text))
    }
}

fn report_overlaps(plans: &[Neighbour], problems: &mut Diagnostics) {
    let own = plans.iter().flat_map(|plan| {
        let networks = plan.plan.networks.iter().filter(|(_, network)| !network.external.is_external);
        networks.flat_map(move |(key, network)| {
            let pools = network.ipam.iter().flat_map(|ipam| ipam.config.iter().enumerate());
            pools.filter_map(move |(index, pool)| {
                let span = plan.span(&["networks", key, "ipam", "config", &index.to_string(), "subnet"]);
                Some((pool.subnet.as_ref()?.parse().ok()?, (plan, key, span)))
            })
        })
    });
    for ((one, (first, key, first_span)), (other, (again, again_key, span))) in Subnets::new(own).clashes() {
        if first.plan.project == again.plan.project {
            continue;
        }
        let summary = format!(
            "the networks `{key}` of `{}` ({one}) and `{again_key}` of `{}` ({other}) overlap",
            first.plan.project, again.plan.project
        );
        let diagnostic = wrong("subnet-conflict", summary)
            .hint("give one of them other addresses, or leave `ipam` out: a free subnet is chosen");
        let places = span.map(|span| (span, "this one")).into_iter();
        let places = places.chain(first_span.map(|span| (span, "and this one")));
        problems.push(places.fold(diagnostic, |diagnostic, (span, text)| diagnostic.at(span, text)));
    }
}
