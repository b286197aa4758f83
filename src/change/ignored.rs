//! What a service says under `ignore_changes`: others look after that.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};

use super::diff::is_leftover;
use crate::{
    name::ServiceName,
    observed::{Instance, Observed},
    plan::{Plan, Service},
    secret::Text,
};

/// Puts what runs in the place of what the plan says, wherever a service ignores changes. Answers
/// the images that services stay with, whatever their tags lead to now.
///
/// A secret of what runs is only known by its fingerprint: there the plan's own value stays, and is
/// used once something else makes the instance anew.
pub fn settle(plan: &mut Plan, observed: &Observed) -> BTreeMap<ServiceName, String> {
    let mut contents = BTreeMap::new();
    for (service_name, service) in &mut plan.services {
        if service.ignore_changes.is_empty() {
            continue;
        }
        let of_service =
            |instance: &&Instance| instance.identity.service == *service_name && !is_leftover(&instance.name);
        let mut instances: Vec<&Instance> = observed.instances.iter().filter(of_service).collect();
        instances.sort_by_key(|instance| instance.identity.number);
        let Some(first) = instances.first() else { continue };
        if let Some(settled) = settled(service, first, instances.len()) {
            *service = Arc::new(settled);
        }
        if service.ignore_changes.iter().any(|path| path == "image") && !first.image_id.is_empty() {
            contents.insert(service_name.clone(), first.image_id.clone());
        }
    }
    contents
}

/// Whether a difference in a field is none.
pub(super) fn is_ignored(paths: &[String], field: &str) -> bool {
    let covers = |path: &String| {
        let rest = field.strip_prefix(path.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    paths.iter().any(covers)
}

/// The service with what runs in the ignored places. `None` if what runs cannot be read.
fn settled(service: &Service, instance: &Instance, count: usize) -> Option<Service> {
    let mut running = instance.spec.as_ref()?.get("service")?.clone();
    let limits = serde_json::to_value(&instance.limits).ok()?;
    let reservations = serde_json::json!({ "memory": instance.memory_reservation });
    // The policy of one that was stopped by hand is the mark of that.
    let restart = if instance.is_stopped_on_purpose() { service.restart } else { Some(instance.restart_policy) };
    running["restart"] = serde_json::to_value(restart).ok()?;
    running["deploy"] = serde_json::json!({
        "replicas": count, "resources": { "limits": limits, "reservations": reservations }
    });
    // A secret does not get through the text form: its number does.
    let mut open = service.clone();
    let mut secrets = Vec::new();
    open.visit_texts(&mut |text| {
        if text.is_secret() {
            let number = Text::Sealed(secrets.len().to_string());
            secrets.push(std::mem::replace(text, number));
        }
    });
    let mut document = serde_json::to_value(&open).ok()?;
    for path in &service.ignore_changes {
        let segments = segments(path);
        let mut place = &running;
        for segment in &segments {
            place = &place[*segment];
        }
        put(&mut document, &segments, place);
    }
    let mut settled: Service = serde_json::from_value(document).ok()?;
    settled.visit_texts(&mut |text| {
        if let Text::Sealed(number) = text
            && let Some(secret) = number.parse::<usize>().ok().and_then(|number| secrets.get(number))
        {
            *text = secret.clone();
        }
    });
    Some(settled)
}

/// The steps of a path. What follows the name of a mapping is one key, whatever is in it.
fn segments(path: &str) -> Vec<&str> {
    match path.split_once('.') {
        Some(("deploy", _)) => path.split('.').collect(),
        Some((section, key)) => vec![section, key],
        None => vec![path],
    }
}

/// Puts a value where a path leads to; takes away what is there if it is null.
fn put(document: &mut Value, segments: &[&str], value: &Value) {
    let [first, rest @ ..] = segments else { return };
    if !document.is_object() {
        if value.is_null() {
            return;
        }
        *document = Value::Object(Map::new());
    }
    let fields = document.as_object_mut().expect("it was made one");
    if !rest.is_empty() {
        return put(fields.entry(*first).or_insert(Value::Null), rest, value);
    }
    match taken(value, fields.get(*first)) {
        Some(value) => drop(fields.insert((*first).to_owned(), value)),
        None => drop(fields.remove(*first)),
    }
}

/// What runs, with the plan's own values in the place of fingerprints.
fn taken(running: &Value, desired: Option<&Value>) -> Option<Value> {
    match running {
        Value::Null => None,
        Value::Object(fields) if fields.len() == 1 && fields.contains_key("fingerprint") => desired.cloned(),
        Value::Object(fields) => {
            let take = |(key, value): (&String, &Value)| {
                // A variable that is passed on has no value, and is one all the same.
                let of_plan = desired.and_then(|desired| desired.get(key));
                let value = if value.is_null() { Some(Value::Null) } else { taken(value, of_plan) };
                Some((key.clone(), value?))
            };
            Some(Value::Object(fields.iter().filter_map(take).collect()))
        }
        Value::Array(items) if items.iter().any(is_fingerprinted) => desired.cloned(),
        Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(running.clone()),
    }
}

fn is_fingerprinted(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.contains_key("fingerprint") || fields.values().any(is_fingerprinted),
        Value::Array(items) => items.iter().any(is_fingerprinted),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_runs_takes_the_place_of_what_is_ignored() {
        let running = json!({
            "image": "web:2", "environment": { "A": "1", "T": { "fingerprint": "f" }, "P": null }, "deploy": { "replicas": 3 },
            "labels": { "com.example.team": "b" },
        });
        let table = [
            ("image", json!({ "image": "web:1" }), json!({ "image": "web:2" })),
            ("deploy.replicas", json!({}), json!({ "deploy": { "replicas": 3 } })),
            ("deploy.resources.limits", json!({ "deploy": { "replicas": 1 } }), json!({ "deploy": { "replicas": 1 } })),
            (
                "environment.A",
                json!({ "environment": { "A": "2", "B": "2" } }),
                json!({ "environment": { "A": "1", "B": "2" } }),
            ),
            ("environment.B", json!({ "environment": { "B": "2" } }), json!({ "environment": {} })),
            (
                "environment",
                json!({ "environment": { "T": { "sealed": "0" }, "B": "2" } }),
                json!({ "environment": { "A": "1", "T": { "sealed": "0" }, "P": null } }),
            ),
            ("labels.com.example.team", json!({}), json!({ "labels": { "com.example.team": "b" } })),
            ("user", json!({ "user": "ada" }), json!({})),
        ];
        for (path, mut document, expected) in table {
            let segments = segments(path);
            let value = segments.iter().fold(&running, |place, segment| &place[*segment]);
            put(&mut document, &segments, value);
            if path == "deploy.resources.limits" {
                document["deploy"].as_object_mut().unwrap().remove("resources");
            }
            assert_eq!(document, expected, "{path}");
        }
    }

    #[test]
    fn a_path_covers_what_is_below_it() {
        let table = [
            ("environment", "environment.A", true),
            ("environment.A", "environment.AB", false),
            ("ports", "ports[0].published", true),
            ("image", "image", true),
            ("deploy.replicas", "deploy.resources.limits.cpus", false),
        ];
        for (path, field, expected) in table {
            assert_eq!(is_ignored(&[path.to_owned()], field), expected, "{path} {field}");
        }
    }
}
