//! The difference of two specs, field by field.

use serde_json::{Map, Value};

use super::Cause;
use crate::diagnostic::Origins;

/// A step of a field's path.
#[derive(Clone)]
enum Segment<'a> {
    Key(&'a str),
    Index(usize),
}

/// What differs between two spec documents, as causes whose fields are within the service.
pub(super) fn compare(service_name: &str, before: &Value, after: &Value, origins: &dyn Origins) -> Vec<Cause> {
    let mut causes = Vec::new();
    let (before, after) = (&before["service"], &after["service"]);
    walk(&[], Some(before), Some(after), &mut |path, before, after| {
        causes.push(Cause {
            field: field(path),
            before: before.map(show),
            after: after.map(show),
            origin: origin(service_name, path, origins),
        });
    });
    causes
}

type Report<'r> = dyn FnMut(&[Segment<'_>], Option<&Value>, Option<&Value>) + 'r;

fn walk(path: &[Segment<'_>], before: Option<&Value>, after: Option<&Value>, report: &mut Report<'_>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(b)), Some(Value::Object(a))) if !is_masked(b) && !is_masked(a) => {
            walk_keys(path, b, a, report);
        }
        // Where a whole mapping comes or goes, its fields do, if it has any.
        (None, Some(Value::Object(a))) if has_fields(a) => walk_keys(path, &Map::new(), a, report),
        (Some(Value::Object(b)), None) if has_fields(b) => walk_keys(path, b, &Map::new(), report),
        (Some(Value::Array(b)), Some(Value::Array(a))) if b.len() == a.len() || has_parts(b) || has_parts(a) => {
            for index in 0..b.len().max(a.len()) {
                let path = [path, &[Segment::Index(index)]].concat();
                walk(&path, b.get(index), a.get(index), report);
            }
        }
        _ => report(path, before, after),
    }
}

fn walk_keys(path: &[Segment<'_>], before: &Map<String, Value>, after: &Map<String, Value>, report: &mut Report<'_>) {
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let path = [path, &[Segment::Key(key)]].concat();
        walk(&path, before.get(key), after.get(key), report);
    }
}

/// Lists of mappings (ports) differ by their items; lists of words (a command) as a whole, unless
/// they are equally long.
fn has_parts(list: &[Value]) -> bool {
    list.iter().any(|item| matches!(item, Value::Object(fields) if !is_masked(fields)))
}

fn has_fields(mapping: &Map<String, Value>) -> bool {
    !mapping.is_empty() && !is_masked(mapping)
}

/// A secret's fingerprint or sealed form.
fn is_masked(fields: &Map<String, Value>) -> bool {
    fields.len() == 1 && (fields.contains_key("fingerprint") || fields.contains_key("sealed"))
}

fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) if is_masked(fields) => "***".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(show).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

fn field(path: &[Segment<'_>]) -> String {
    path.iter().fold(String::new(), |mut text, segment| {
        match segment {
            Segment::Key(key) if text.is_empty() => text.push_str(key),
            Segment::Key(key) => text.push_str(&format!(".{key}")),
            Segment::Index(index) => text.push_str(&format!("[{index}]")),
        }
        text
    })
}

fn origin(service_name: &str, path: &[Segment<'_>], origins: &dyn Origins) -> Option<crate::diagnostic::Origin> {
    let indices: Vec<String> = path
        .iter()
        .map(|segment| match segment {
            Segment::Key(key) => (*key).to_owned(),
            Segment::Index(index) => index.to_string(),
        })
        .collect();
    let path: Vec<&str> = ["services", service_name].into_iter().chain(indices.iter().map(String::as_str)).collect();
    origins.origin(&path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct NoOrigins;

    impl Origins for NoOrigins {
        fn origin(&self, _: &[&str]) -> Option<crate::diagnostic::Origin> {
            None
        }
    }

    #[test]
    fn whatever_differs_is_a_cause() {
        let table = [
            (json!({ "a": "1" }), json!({ "a": "2" }), "a: 1 -> 2"),
            (json!({ "networks": { "front": {} } }), json!({}), "networks.front: {} -> -"),
            (
                json!({ "networks": { "front": {}, "back": {} } }),
                json!({ "networks": { "back": {} } }),
                "networks.front: {} -> -",
            ),
            (json!({}), json!({ "networks": { "front": {} } }), "networks.front: - -> {}"),
            (json!({}), json!({ "labels": {} }), "labels: - -> {}"),
            (json!({ "labels": { "a": "b" } }), json!({}), "labels.a: b -> -"),
        ];
        for (before, after, expected) in table {
            let (before, after) = (json!({ "service": before }), json!({ "service": after }));
            let causes = compare("web", &before, &after, &NoOrigins);
            let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            let line =
                |cause: &Cause| format!("{}: {} -> {}", cause.field, or_none(&cause.before), or_none(&cause.after));
            assert_eq!(causes.iter().map(line).collect::<Vec<_>>(), [expected]);
        }
    }
}
