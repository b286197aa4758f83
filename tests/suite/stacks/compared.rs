//! Two descriptions of the same stack, field by field.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    allowed::{self, Pair},
    found::Found,
    meaning,
};

type Name = (&'static str, String);
/// A value's place in an object, which begins with its kind.
type Field = Vec<String>;

/// Fails with all that differs and may not.
#[track_caller]
pub fn assert_alike(compose: &Found, ours: &Found) {
    let (compose, ours) = (meaning::of(compose), meaning::of(ours));
    let names: BTreeSet<&Name> = compose.keys().chain(ours.keys()).collect();
    let lines = names.into_iter().flat_map(|name| match (compose.get(name), ours.get(name)) {
        (Some(compose), Some(ours)) => differences(name, compose, ours),
        (Some(_), None) => vec![format!("{} {}: only Compose made it\n", name.0, name.1)],
        (None, _) => vec![format!("{} {}: only orchestrate made it\n", name.0, name.1)],
    });
    let lines: String = lines.collect();
    assert!(lines.is_empty(), "what Docker Compose and orchestrate made differs:\n{lines}");
}

fn differences(name: &Name, compose: &Value, ours: &Value) -> Vec<String> {
    let (theirs, own) = (fields(name.0, compose), fields(name.0, ours));
    let all: BTreeSet<&Field> = theirs.keys().chain(own.keys()).collect();
    let value = |of: &BTreeMap<Field, Value>, field: &Field| of.get(field).cloned().unwrap_or_default();
    let lines = all.into_iter().filter_map(|field| {
        let (before, after) = (value(&theirs, field), value(&own, field));
        let pair = Pair { field, objects: (compose, ours), compose: &before, ours: &after };
        let may_be = before == after || allowed::may_differ(&pair);
        let shown = field[1..].join("/");
        let text = || format!("{} {}: {shown}\n    Compose      {before}\n    orchestrate  {after}\n", name.0, name.1);
        (!may_be).then(text)
    });
    lines.collect()
}

/// Every value of an object.
fn fields(kind: &str, object: &Value) -> BTreeMap<Field, Value> {
    let mut fields = BTreeMap::new();
    collect(vec![kind.to_owned()], object, &mut fields);
    fields
}

fn collect(place: Field, value: &Value, fields: &mut BTreeMap<Field, Value>) {
    let within = |part: String| place.iter().cloned().chain([part]).collect();
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| collect(within(key.clone()), value, fields)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| collect(within(index.to_string()), item, fields));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => drop(fields.insert(place, value.clone())),
    }
}
