//! What Compose means without saying it.

use std::collections::HashSet;

use super::{
    front::{put, put_text},
    notices::{Notices, warning},
    number,
};
use crate::{
    diagnostic::Span,
    load::{Entry, Node, Scalar, Value, rule::named},
};

/// Mappings of texts in a service, by their paths.
const TEXTS: [&[&str]; 8] = [
    &["environment"],
    &["labels"],
    &["annotations"],
    &["sysctls"],
    &["logging", "options"],
    &["deploy", "labels"],
    &["build", "args"],
    &["build", "labels"],
];

/// What plans call the engine's runtime for a container, since `runtime` is theirs.
pub(super) const ENGINES_RUNTIME: &str = "oci_runtime";

/// Says in plans' words what Compose takes for granted.
pub(super) fn complete(root: &mut Node, project: &str, notices: &mut Notices) {
    for section in ["networks", "volumes", "configs", "secrets"] {
        for entry in root.get_mut(section).and_then(Node::as_map_mut).into_iter().flatten() {
            external_name(&mut entry.value);
            for key in ["driver_opts", "labels"] {
                entry.value.get_mut(key).into_iter().for_each(number::texts);
            }
        }
    }
    let Some(services) = root.get_mut("services").and_then(Node::as_map_mut) else { return };
    for service in services.iter_mut() {
        numbers(&mut service.value);
        engines_runtime(&mut service.value);
        leave_out_empty(&mut service.value);
        restart_once(&service.key, &mut service.value, notices);
        published_once(&mut service.value);
        implied_dependencies(&mut service.value);
        expand_exposed(&mut service.value);
        let span = service.key_span;
        if service.value.get("build").is_some() && service.value.get("image").is_none() {
            put_text(&mut service.value, "image", span, &format!("{project}-{}", service.key));
        }
    }
    let (jobs, healthy) = awaited(services);
    for service in services.iter_mut() {
        let span = service.key_span;
        if jobs.contains(&service.key) {
            put_text(&mut service.value, "kind", span, "job");
        }
        // The image may have one, which an empty one stands for.
        if healthy.contains(&service.key) && service.value.get("healthcheck").is_none() {
            let value = Node::new(span, Value::Map(Vec::new()));
            put(&mut service.value, Entry { key: "healthcheck".into(), key_span: span, value });
        }
    }
}

/// The services that others wait for until they have completed, or are healthy.
fn awaited(services: &[Entry]) -> (HashSet<Box<str>>, HashSet<Box<str>>) {
    let (mut jobs, mut healthy) = (HashSet::new(), HashSet::new());
    for service in services {
        for (needed, _, value) in named(&service.value, "depends_on") {
            match value.and_then(|value| value.get("condition")).and_then(Node::as_text) {
                Some("service_completed_successfully") => drop(jobs.insert(needed.into())),
                Some("service_healthy") => drop(healthy.insert(needed.into())),
                Some(_) | None => {}
            }
        }
    }
    (jobs, healthy)
}

/// `external: { name: x }` is how Compose once said `external: true` and `name: x`.
fn external_name(definition: &mut Node) {
    let Some(external) = definition.get_mut("external") else { return };
    if external.as_map().is_none() {
        return;
    }
    let name = external.get("name").and_then(|name| Some((name.span, name.as_text()?.to_owned())));
    external.value = Value::Scalar(Scalar::plain("true"));
    if let Some((span, name)) = name {
        put_text(definition, "name", span, &name);
    }
}

fn engines_runtime(service: &mut Node) {
    let runtime = service.as_map_mut().and_then(|entries| entries.iter_mut().find(|entry| &*entry.key == "runtime"));
    if let Some(entry) = runtime {
        entry.key = ENGINES_RUNTIME.into();
    }
}

fn numbers(service: &mut Node) {
    for path in TEXTS {
        if let Some(node) = path.iter().try_fold(&mut *service, |node, key| node.get_mut(key)) {
            number::texts(node);
        }
    }
}

/// An empty text, as of a variable that is not set, says nothing of an image or a build.
fn leave_out_empty(service: &mut Node) {
    let is_said = |entry: &Entry| entry.value.as_text() != Some("");
    let entries = service.as_map_mut().into_iter();
    entries.for_each(|entries| entries.retain(|entry| &*entry.key != "image" || is_said(entry)));
    if let Some(build) = service.get_mut("build").and_then(Node::as_map_mut) {
        build.retain(is_said);
    }
}

/// Of `restart` and `deploy.restart_policy` the latter counts.
fn restart_once(name: &str, service: &mut Node, notices: &mut Notices) {
    let policy = service.get("deploy").and_then(|deploy| deploy.get("restart_policy"));
    if policy.is_none_or(Node::is_null) {
        return;
    }
    let Some(entries) = service.as_map_mut() else { return };
    let Some(position) = entries.iter().position(|entry| &*entry.key == "restart" && !entry.value.is_null()) else {
        return;
    };
    let restart = entries.remove(position);
    let summary = format!("`restart` in `services.{name}` has no effect: `deploy.restart_policy` goes before it");
    notices.add(warning("no-effect", summary).at(restart.key_span, "no effect"));
}

/// A port that is published twice in the same words is published once.
fn published_once(service: &mut Node) {
    let Some(Value::List(items)) = service.get_mut("ports").map(|node| &mut node.value) else { return };
    let mut seen = HashSet::new();
    items.retain(|item| seen.insert(item.to_json().to_string()));
}

/// Whoever shares something of another service needs it.
fn implied_dependencies(service: &mut Node) {
    let mut needed: Vec<(String, Span)> = Vec::new();
    for item in service.items("links") {
        let name = item.as_text().map(|text| text.split_once(':').map_or(text, |(name, _)| name));
        needed.extend(name.map(|name| (name.to_owned(), item.span)));
    }
    for item in service
        .items("volumes_from")
        .iter()
        .filter(|item| !item.as_text().unwrap_or_default().starts_with("container:"))
    {
        let name = item.as_text().map(|text| text.split_once(':').map_or(text, |(name, _)| name));
        needed.extend(name.map(|name| (name.to_owned(), item.span)));
    }
    for key in ["network_mode", "ipc", "pid", "uts"] {
        let Some(node) = service.get(key) else { continue };
        let name = node.as_text().and_then(|text| text.strip_prefix("service:"));
        needed.extend(name.map(|name| (name.to_owned(), node.span)));
    }
    for (name, span) in needed {
        if named(service, "depends_on").any(|(known, ..)| known == name) {
            continue;
        }
        let item = Node::scalar(span, Scalar::string(name.as_str()));
        match service.get_mut("depends_on").map(|node| &mut node.value) {
            Some(Value::List(items)) => items.push(item),
            Some(Value::Map(entries)) => {
                entries.push(Entry {
                    key: name.into(),
                    key_span: span,
                    value: Node::new(span, Value::Map(Vec::new())),
                });
            }
            Some(Value::Scalar(_)) => {}
            None => {
                let value = Node::new(span, Value::List(vec![item]));
                put(service, Entry { key: "depends_on".into(), key_span: span, value });
            }
        }
    }
}

/// All ports that there are.
const MOST_EXPOSED: u32 = 65_535;

/// `8000-8010` is eleven ports.
fn expand_exposed(service: &mut Node) {
    let Some(Value::List(items)) = service.get_mut("expose").map(|node| &mut node.value) else { return };
    // What a variable that is not set leaves.
    items.retain(|item| item.as_text() != Some(""));
    let is_range = |item: &Node| item.as_text().is_some_and(|text| text.contains('-'));
    if !items.iter().any(is_range) {
        return;
    }
    let mut expanded: Vec<Node> = Vec::with_capacity(items.len());
    for item in items.drain(..) {
        match item.as_text().and_then(range) {
            Some((ports, protocol)) if expanded.len() < MOST_EXPOSED as usize => {
                let port = |port: u16| Scalar::string(format!("{port}{protocol}"));
                expanded.extend(ports.map(|number| Node { from: item.from, ..Node::scalar(item.span, port(number)) }));
            }
            Some(_) | None => expanded.push(item),
        }
    }
    *items = expanded;
}

fn range(text: &str) -> Option<(std::ops::RangeInclusive<u16>, String)> {
    let (ports, protocol) =
        text.split_once('/').map_or((text, String::new()), |(ports, name)| (ports, format!("/{name}")));
    let (first, last) = ports.split_once('-')?;
    Some((first.trim().parse().ok()?..=last.trim().parse().ok()?, protocol))
}
