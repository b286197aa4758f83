use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::vocabulary;
use crate::plan::{Environment, PlanDocument};

/// The schema of plans for editors: a template may stand in any scalar's place, and `x-` keys in
/// every mapping with fixed keys.
pub fn plan_schema() -> Value {
    published(strict::<PlanDocument>(), "An orchestrate plan")
}

/// The schema of environment files for editors.
pub fn environment_schema() -> Value {
    published(strict::<Environment>(), "An orchestrate environment")
}

/// The schema that a rendered document has to meet: `x-` keys are allowed, unknown keys are not.
pub(super) fn strict<T: JsonSchema>() -> Value {
    let mut schema = derived::<T>();
    vocabulary::complete(&mut schema);
    tighten(&mut schema);
    schema
}

/// The schema as the types have it.
pub(super) fn derived<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}

fn published(mut schema: Value, title: &str) -> Value {
    loosen(&mut schema);
    if let Value::Object(root) = &mut schema {
        root.insert("title".to_owned(), title.into());
        let service_default = root.get_mut("properties").and_then(|properties| properties.get_mut("apiVersion"));
        if let Some(api_version) = service_default {
            *api_version = json!({ "description": api_version["description"], "const": "orchestrate/v1" });
        }
    }
    schema
}

/// Visits every schema within a schema.
fn each(schema: &mut Value, visit: &mut dyn FnMut(&mut Map<String, Value>)) {
    let Value::Object(object) = schema else { return };
    for keyword in ["properties", "patternProperties", "$defs"] {
        let children = object.get_mut(keyword).and_then(Value::as_object_mut);
        children.into_iter().flatten().for_each(|(_, child)| each(child, visit));
    }
    for keyword in ["anyOf", "oneOf", "allOf"] {
        let children = object.get_mut(keyword).and_then(Value::as_array_mut);
        children.into_iter().flatten().for_each(|child| each(child, visit));
    }
    for keyword in ["items", "additionalProperties"] {
        object.get_mut(keyword).into_iter().for_each(|child| each(child, visit));
    }
    visit(object);
}

fn tighten(schema: &mut Value) {
    each(schema, &mut |object| {
        if let Some(names) = object.get("oneOf").and_then(choices) {
            object.remove("oneOf");
            object.insert("type".to_owned(), "string".into());
            object.insert("enum".to_owned(), names);
        }
        if object.contains_key("properties") && !object.contains_key("additionalProperties") {
            object.insert("patternProperties".to_owned(), json!({ "^x-": true }));
            object.insert("additionalProperties".to_owned(), false.into());
        }
    });
}

/// The names of an enum, which schemars describes one by one.
fn choices(one_of: &Value) -> Option<Value> {
    let mut names = Vec::new();
    for choice in one_of.as_array()? {
        match (choice.get("const"), choice.get("enum").and_then(Value::as_array)) {
            (Some(name), _) => names.push(name.clone()),
            (None, Some(several)) => names.extend(several.iter().cloned()),
            (None, None) => return None,
        }
    }
    Some(names.into())
}

/// Lets a template stand beside every scalar that is not any string.
fn loosen(schema: &mut Value) {
    each(schema, &mut |object| {
        let takes_any_string = match object.get("type") {
            Some(Value::String(kind)) => kind == "string",
            Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
            _ => return,
        } && !object.contains_key("enum");
        let is_scalar = match object.get("type") {
            Some(Value::String(kind)) => !matches!(kind.as_str(), "object" | "array" | "null"),
            Some(Value::Array(kinds)) => kinds.iter().all(|kind| kind != "object" && kind != "array"),
            _ => false,
        };
        if takes_any_string || !is_scalar {
            return;
        }
        let (about, strict): (Map<_, _>, Map<_, _>) = std::mem::take(object)
            .into_iter()
            .partition(|(keyword, _)| keyword == "description" || keyword == "default");
        *object = about;
        let template = json!({ "type": "string", "pattern": "\\{\\{" });
        object.insert("anyOf".to_owned(), json!([strict, template]));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_current(path: &str, schema: &Value) {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let text = serde_json::to_string_pretty(schema).unwrap() + "\n";
        if std::env::var_os("ORCHESTRATE_UPDATE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == text, "{} is stale: run the tests with ORCHESTRATE_UPDATE=1", path.display());
    }

    #[test]
    fn the_published_schemas_are_current() {
        is_current("schemas/plan.schema.json", &plan_schema());
        is_current("schemas/environment.schema.json", &environment_schema());
    }

    #[test]
    fn editors_accept_templates_where_the_strict_check_does_not() {
        let plan = json!({
            "apiVersion": "orchestrate/v1", "name": "a", "x-note": 1,
            "services": { "web": {
                "image": "a", "kind": "{{ vars.kind }}", "deploy": { "replicas": "{{ vars.n }}" },
                "ulimits": { "nofile": "{{ vars.n }}" },
                "checks": [{ "http": { "port": "{{ vars.port }}" } }]
            }}
        });
        let validator = |schema: &Value| jsonschema::options().build(schema).unwrap();
        assert!(validator(&plan_schema()).is_valid(&plan));
        assert!(!validator(&strict::<PlanDocument>()).is_valid(&plan));
    }
}
