use std::sync::LazyLock;

use serde_json::Value as Json;

use crate::{
    diagnostic::Diagnostics,
    load::{Node, Value, problem::MOST_PROBLEMS, validate::Schema},
};

/// The schema of the Compose specification, as it is published (compose-spec/compose-spec,
/// `schema/compose-spec.json`): data, not ours to change.
static SPECIFICATION: LazyLock<Json> = LazyLock::new(|| {
    let text = include_str!("compose-spec.json");
    let mut schema = serde_json::from_str(text).expect("the specification's schema is JSON, and a test reads it");
    without_uniqueness(&mut schema);
    schema
});

/// Compose takes out what is listed twice before it looks.
fn without_uniqueness(schema: &mut Json) {
    match schema {
        Json::Object(object) => {
            object.remove("uniqueItems");
            object.values_mut().for_each(without_uniqueness);
        }
        Json::Array(items) => items.iter_mut().for_each(without_uniqueness),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// The keys that Compose knows in a service, or at the top of a file.
pub(super) fn compose_keys(definition: Option<&str>) -> Vec<&'static str> {
    let schema = definition.map_or(&*SPECIFICATION, |name| &SPECIFICATION["$defs"][name]);
    schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

/// Refuses what Compose refuses. Services are checked one by one, as those of plans are.
pub(super) fn check_specification(root: &mut Node, problems: &mut Diagnostics) {
    let mut head = SPECIFICATION.clone();
    head["properties"]["services"] = serde_json::json!({ "type": ["object", "null"] });
    // It says nothing, and was written in many ways.
    head["properties"]["version"] = Json::Bool(true);
    let mut service = SPECIFICATION.clone();
    service["$ref"] = "#/$defs/service".into();
    for keyword in ["type", "properties", "patternProperties", "additionalProperties"] {
        service.as_object_mut().and_then(|schema| schema.remove(keyword));
    }
    let services = root.get_mut("services").and_then(Node::as_map_mut).map(std::mem::take);
    Schema::new(head).check(root, "", problems);
    let Some(services) = services else { return };
    let schema = Schema::new(service);
    for entry in &services {
        if problems.len() > MOST_PROBLEMS {
            break;
        }
        schema.check(&entry.value, &format!("services.{}", entry.key), problems);
    }
    if let Some(place) = root.get_mut("services") {
        place.value = Value::Map(services);
    }
}
