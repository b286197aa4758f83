//! What the engine says of a stack, with one way of saying each thing.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::found::{Found, anonymous};

/// Every object by its kind and name: ids are names in it, what is in any order is in one, and what says nothing is
/// left out.
pub fn of(found: &Found) -> BTreeMap<(&'static str, String), Value> {
    let kinds = [("container", &found.containers), ("network", &found.networks), ("volume", &found.volumes)];
    let all = || kinds.iter().flat_map(|(kind, objects)| objects.iter().map(|(name, object)| (*kind, name, object)));
    let ids: Vec<(String, String)> = all()
        .filter_map(|(kind, name, object)| Some((object["Id"].as_str()?.to_owned(), format!("<{kind} {name}>"))))
        .collect();
    let said = all().map(|(kind, name, object)| {
        let mut object = named(object, &ids);
        match kind {
            "container" => container(name, &mut object),
            _ => without_tools(&mut object["Labels"]),
        }
        ((kind, name.clone()), said(object))
    });
    said.collect()
}

/// Ids, also shortened as hostnames and aliases are, become names.
fn named(object: &Value, ids: &[(String, String)]) -> Value {
    let text = ids.iter().fold(object.to_string(), |text, (id, name)| text.replace(id, name).replace(&id[..12], name));
    serde_json::from_str(&text).unwrap()
}

fn container(name: &str, container: &mut Value) {
    without_tools(&mut container["Config"]["Labels"]);
    by_name(&mut container["Config"]["Env"], |line| line.as_str().unwrap().split('=').next().unwrap().to_owned());
    let exposed = container["Config"]["ExposedPorts"].take();
    container["Config"]["ExposedPorts"] =
        exposed.as_object().into_iter().flatten().flat_map(|(port, _)| ports(port)).collect();
    let host = &mut container["HostConfig"];
    by_name(&mut host["Ulimits"], |limit| limit["Name"].as_str().unwrap().to_owned());
    for key in ["Binds", "ExtraHosts", "CapAdd", "CapDrop"] {
        sort(&mut host[key], |item| item.to_string());
    }
    by_name(&mut host["Mounts"], |mount| mount["Target"].as_str().unwrap().to_owned());
    for from in host["VolumesFrom"].as_array_mut().into_iter().flatten() {
        *from = from.as_str().unwrap().trim_end_matches(":rw").into();
    }
    if host["RestartPolicy"]["Name"] == "" {
        host["RestartPolicy"]["Name"] = "no".into();
    }
    container["Mounts"].as_array_mut().into_iter().flatten().for_each(without_name);
    by_name(&mut container["Mounts"], |mount| mount["Destination"].as_str().unwrap().to_owned());
    let networks = container["NetworkSettings"]["Networks"].as_object_mut().into_iter().flatten();
    for (_, endpoint) in networks {
        sort(&mut endpoint["Aliases"], |alias| alias.to_string());
        // The engine answers to the names of containers without an alias.
        endpoint["Aliases"].as_array_mut().into_iter().for_each(|aliases| aliases.retain(|alias| alias != name));
    }
}

/// What Compose and we write down for ourselves.
fn without_tools(labels: &mut Value) {
    let is_tools = |label: &str| label.starts_with("com.docker.compose.") || label.starts_with("io.orchestrate.");
    labels.as_object_mut().into_iter().for_each(|labels| labels.retain(|label, _| !is_tools(label)));
}

/// The ports in `8000-8001/udp`, each by itself.
fn ports(text: &str) -> Vec<String> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (first, last): (u16, u16) = (first.parse().unwrap(), last.parse().unwrap());
    (first..=last).map(|port| format!("{port}/{protocol}")).collect()
}

fn sort(list: &mut Value, key: fn(&Value) -> String) {
    list.as_array_mut().into_iter().for_each(|items| items.sort_by_key(key));
}

/// A list whose items are told apart by a name becomes a mapping.
fn by_name(list: &mut Value, name: fn(&Value) -> String) {
    let items = list.as_array().into_iter().flatten();
    *list = items.map(|item| (name(item), item.clone())).collect::<Map<_, _>>().into();
}

/// A volume without a name has one of its own each time.
fn without_name(mount: &mut Value) {
    let Some(name) = anonymous(mount).map(str::to_owned) else { return };
    mount["Source"] = mount["Source"].as_str().unwrap_or_default().replace(&name, "<anonymous>").into();
    mount["Name"] = json!("<anonymous>");
}

/// Without what says nothing: `null`, `[]` and `{}` are the same to the engine.
fn said(value: Value) -> Value {
    let is_said = |value: &Value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    };
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| (key, said(value)));
            Value::Object(fields.filter(|(_, value)| is_said(value)).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(said).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}
