//! What shares something with an instance lives and dies with it.

use std::collections::BTreeSet;

use super::{Cause, Change, Changes, Downtime, InstanceChange, Op, Order};
use crate::{
    graph::Graph,
    name::ServiceName,
    observed::Instance,
    plan::{Plan, Service},
};

/// What happens to the instance that others share something with.
enum Fate<'a> {
    Stays(&'a Instance),
    /// It runs again: its namespaces are new.
    Starts(&'a Instance),
    IsMade,
}

/// Replaces instances whose peers are replaced, start again, or are not those that they were made
/// for; and those that are to be made anew with what they depend on. Answers which services.
pub(super) fn replace_with_peers(changes: &mut Changes, plan: &Plan, graph: &Graph) -> BTreeSet<ServiceName> {
    let mut replaced = BTreeSet::new();
    for service_name in graph.groups().iter().flatten() {
        let Some(service) = plan.services.get(service_name) else { continue };
        let Ok(index) = changes.services.binary_search_by(|change| change.service.cmp(service_name)) else { continue };
        let causes: Vec<(usize, Cause)> = (0..changes.services[index].instances.len())
            .filter_map(|number| Some((number, cause(changes, service, &changes.services[index].instances[number])?)))
            .collect();
        if causes.is_empty() {
            continue;
        }
        let change = &mut changes.services[index];
        for (number, cause) in causes {
            replace(change, number, cause);
        }
        replaced.insert(service_name.clone());
    }
    replaced
}

/// Why an instance that would stay cannot.
fn cause(changes: &Changes, service: &Service, instance: &InstanceChange) -> Option<Cause> {
    let (old, is_running) = match instance {
        InstanceChange::Keep { instance: old } | InstanceChange::Update { old, .. } => (old, true),
        InstanceChange::Start { old, .. } => (old, false),
        InstanceChange::Create { .. } | InstanceChange::Replace { .. } | InstanceChange::Remove { .. } => return None,
    };
    let shared = service.shared().into_iter().find_map(|(field, peer)| {
        let known = old.shares.get(&field).map_or("none", String::as_str);
        let after = match fate(changes.change(peer)?)? {
            Fate::IsMade => format!("that of the new `{peer}`"),
            Fate::Starts(instance) if instance.id == known && !is_running => return None,
            Fate::Starts(_) => format!("that of `{peer}`, which starts again"),
            Fate::Stays(instance) if instance.id == known => return None,
            Fate::Stays(_) => format!("that of `{peer}` as it is now"),
        };
        Some(Cause::new(field, format!("that of {}", super::instance::short(known)), after))
    });
    let restarted = || {
        let mut needed = service.depends_on.iter().filter(|(_, dependency)| dependency.restart);
        needed.find_map(|(name, _)| {
            changes
                .change(name)
                .is_some_and(begins_anew)
                .then(|| Cause::new(format!("depends_on.{name}.restart"), "as it is", "made anew with it"))
        })
    };
    shared.or_else(restarted)
}

/// Whether an instance of a service is replaced, or stopped and started again.
fn begins_anew(change: &Change) -> bool {
    change.op == Op::Replace || change.instances.iter().any(InstanceChange::restarts_in_place)
}

/// What happens to the first instance of a service.
fn fate(change: &Change) -> Option<Fate<'_>> {
    change.instances.iter().find_map(|instance| match instance {
        InstanceChange::Update { old, changes } if old.identity.number == 1 && changes.restarts() => {
            Some(Fate::Starts(old))
        }
        InstanceChange::Keep { instance: old } | InstanceChange::Update { old, .. } if old.identity.number == 1 => {
            Some(Fate::Stays(old))
        }
        InstanceChange::Start { old, .. } if old.identity.number == 1 => Some(Fate::Starts(old)),
        InstanceChange::Replace { old } if old.identity.number == 1 => Some(Fate::IsMade),
        InstanceChange::Create { number: 1 } => Some(Fate::IsMade),
        InstanceChange::Keep { .. }
        | InstanceChange::Update { .. }
        | InstanceChange::Start { .. }
        | InstanceChange::Replace { .. }
        | InstanceChange::Create { .. }
        | InstanceChange::Remove { .. } => None,
    })
}

/// Makes an instance that would stay anew.
pub(super) fn replace(change: &mut Change, number: usize, cause: Cause) {
    let instance = &mut change.instances[number];
    let (InstanceChange::Keep { instance: old }
    | InstanceChange::Start { old, .. }
    | InstanceChange::Update { old, .. }) = instance
    else {
        return;
    };
    *instance = InstanceChange::Replace { old: old.clone() };
    if !change.causes.contains(&cause) {
        change.causes.push(cause);
    }
    change.op = Op::Replace;
    change.order = Some(Order::StopFirst);
    change.downtime = if change.is_job { Downtime::None } else { Downtime::Expected };
}
