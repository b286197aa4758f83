use std::collections::{BTreeSet, HashMap};

use super::variables::Variables;
use crate::{
    diagnostic::{Diagnostics, Span},
    load::{
        Entry, Node, Scalar, Value,
        problem::{list, wrong},
        rule::named,
    },
};

/// Which profiles are active.
pub(super) struct Profiles {
    active: BTreeSet<String>,
}

impl Profiles {
    pub fn of(asked: &[String], variables: &Variables) -> Self {
        let usual = variables.get("COMPOSE_PROFILES").filter(|_| asked.is_empty()).unwrap_or_default();
        let names = asked.iter().map(String::as_str).chain(usual.split(','));
        Self { active: names.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect() }
    }

    fn is_active(&self, service: &Node) -> bool {
        let profiles = service.items("profiles");
        let is_named = |profile: &Node| profile.as_text().is_some_and(|profile| self.active.contains(profile));
        profiles.is_empty() || self.active.contains("*") || profiles.iter().any(is_named)
    }
}

/// Takes services out that no active profile asks for, and `profiles` out of the others.
pub(super) fn leave_out_inactive(root: &mut Node, profiles: &Profiles, problems: &mut Diagnostics) {
    let services_span = root.get("services").map(|services| services.span);
    let Some(services) = root.get_mut("services").and_then(Node::as_map_mut) else { return };
    let mut inactive: HashMap<Box<str>, (Span, Vec<String>)> = HashMap::new();
    services.retain(|service| {
        let is_active = profiles.is_active(&service.value);
        if !is_active {
            let names = service.value.items("profiles").iter().filter_map(Node::as_text).map(str::to_owned);
            inactive.insert(service.key.clone(), (service.key_span, names.collect()));
        }
        is_active
    });
    for service in services.iter_mut() {
        if let Some(entries) = service.value.as_map_mut() {
            entries.retain(|entry| &*entry.key != "profiles");
        }
        if !inactive.is_empty() {
            without_inactive(service, &inactive, problems);
        }
    }
    if services.is_empty() && !inactive.is_empty() {
        let names: BTreeSet<&String> = inactive.values().flat_map(|(_, names)| names).collect();
        let names: Vec<&String> = names.into_iter().collect();
        let summary = "no service is active: each belongs to a profile".to_owned();
        let span = services_span.expect("the services were found there");
        let diagnostic = wrong("no-services", summary).at(span, "nothing to run");
        problems.push(diagnostic.hint(format!("choose one with `--profile`: {}", list(&names))).obstacle());
    }
}

/// A dependency on a service that is not active is an error, unless it is not required.
fn without_inactive(
    service: &mut Entry,
    inactive: &HashMap<Box<str>, (Span, Vec<String>)>,
    problems: &mut Diagnostics,
) {
    let mut dropped: Vec<String> = Vec::new();
    for (needed, span, value) in named(&service.value, "depends_on") {
        let Some((there, profiles)) = inactive.get(needed) else { continue };
        dropped.push(needed.to_owned());
        let required =
            value.and_then(|value| value.get("required")).and_then(Node::as_scalar).and_then(Scalar::as_bool);
        if required == Some(false) {
            continue;
        }
        let summary = format!("`{}` depends on `{needed}`, whose profile is not active", service.key);
        problems.push(
            wrong("inactive-service", summary)
                .at(span, "needed here")
                .at(*there, format!("belongs to {}", list(profiles)))
                .hint(format!(
                    "choose it with `--profile {}`, or write `required: false`",
                    profiles.first().map_or("NAME", String::as_str)
                )),
        );
    }
    let Some(depends_on) = service.value.get_mut("depends_on") else { return };
    match &mut depends_on.value {
        Value::List(items) => {
            items.retain(|item| !item.as_text().is_some_and(|name| dropped.iter().any(|dropped| dropped == name)))
        }
        Value::Map(entries) => entries.retain(|entry| !dropped.iter().any(|dropped| **dropped == *entry.key)),
        Value::Scalar(_) => {}
    }
}
