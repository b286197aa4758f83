//! What the schema of plans has in each place of a tree.

use std::{collections::HashSet, sync::LazyLock};

use serde_json::Value as Json;

use super::notices::{Notices, warning};
use crate::{
    diagnostic::Span,
    load::{Entry, Node, Scalar, ScalarKind, ScalarState, Value, schema::strict},
    plan::{Mount, MountError, PlanDocument},
};

/// Sections whose entries are visited one by one.
const SECTIONS: [&str; 5] = ["services", "networks", "volumes", "configs", "secrets"];

static PLAN: LazyLock<Json> = LazyLock::new(strict::<PlanDocument>);

/// The forms that one place may take, references followed.
type Forms = Vec<&'static Json>;

/// The names of what the schema of plans has at its top, or in a definition.
pub(in crate::load) fn properties(definition: Option<&str>) -> Vec<&'static str> {
    let schema = definition.map_or(&*PLAN, |name| &PLAN["$defs"][name]);
    schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

/// How far references lead to references; a form that leads to itself is none.
const LONGEST_WAY: usize = 16;

fn add_forms(schema: &'static Json, forms: &mut Forms) {
    add_forms_from(schema, forms, 0);
}

fn add_forms_from(schema: &'static Json, forms: &mut Forms, way: usize) {
    if way > LONGEST_WAY {
        return;
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.trim_start_matches("#/$defs/");
        return add_forms_from(&PLAN["$defs"][name], forms, way + 1);
    }
    let several = ["anyOf", "oneOf"].into_iter().filter_map(|keyword| schema[keyword].as_array());
    let before = forms.len();
    several.flatten().for_each(|form| add_forms_from(form, forms, way + 1));
    if forms.len() == before {
        forms.push(schema);
    }
}

/// The forms of what is below a key.
fn below(forms: &Forms, key: &str) -> Forms {
    let mut found = Forms::new();
    for form in forms {
        match (form["properties"].get(key), &form["additionalProperties"]) {
            (Some(property), _) => add_forms(property, &mut found),
            (None, more @ Json::Object(_)) => add_forms(more, &mut found),
            (None, _) => {}
        }
    }
    found
}

fn items(forms: &Forms) -> Forms {
    let mut found = Forms::new();
    forms.iter().filter_map(|form| form.get("items")).for_each(|item| add_forms(item, &mut found));
    found
}

fn accepts(forms: &Forms, kind: &str) -> bool {
    let is_kind = |json: &Json| json.as_str() == Some(kind);
    forms.iter().any(|form| match form.get("type") {
        Some(Json::Array(kinds)) => kinds.iter().any(is_kind),
        Some(one) => is_kind(one),
        // What says nothing of its type takes anything.
        None => true,
    })
}

fn visit_sections(root: &mut Node, visit: &mut dyn FnMut(&str, &Forms, &mut Node)) {
    let mut forms = Forms::new();
    add_forms(&PLAN, &mut forms);
    for section in SECTIONS {
        let forms = below(&forms, section);
        for entry in root.get_mut(section).and_then(Node::as_map_mut).into_iter().flatten() {
            visit(&format!("{section}.{}", entry.key), &below(&forms, &entry.key), &mut entry.value);
        }
    }
}

/// Gives texts the type that their place wants: `"3"` where a number belongs is one, as after a
/// variable was replaced. Keys without a value go, where nothing is no value.
pub(super) fn cast(root: &mut Node) {
    visit_sections(root, &mut |_, forms, node| cast_node(node, forms));
}

fn cast_node(node: &mut Node, forms: &Forms) {
    match &mut node.value {
        Value::Scalar(scalar) => {
            if scalar.kind == ScalarKind::String && scalar.state == ScalarState::Plain && !accepts(forms, "string") {
                cast_scalar(scalar, forms);
            }
        }
        Value::List(list) => {
            let forms = items(forms);
            list.iter_mut().for_each(|item| cast_node(item, &forms));
        }
        Value::Map(entries) => entries.retain_mut(|entry| {
            let forms = below(forms, &entry.key);
            if entry.value.is_null() {
                return forms.is_empty() || accepts(&forms, "null");
            }
            if !forms.is_empty() {
                cast_node(&mut entry.value, &forms);
            }
            true
        }),
    }
}

fn cast_scalar(scalar: &mut Scalar, forms: &Forms) {
    if accepts(forms, "boolean")
        && let Some(word) = boolean(&scalar.text)
    {
        (scalar.text, scalar.kind) = (word.into(), ScalarKind::Bool);
        return;
    }
    if accepts(forms, "integer") || accepts(forms, "number") {
        let plain = Scalar::plain(scalar.text.trim());
        if matches!(plain.kind, ScalarKind::Integer | ScalarKind::Float) {
            *scalar = plain;
        }
    }
}

/// Compose takes YAML 1.1's words where it knows that a boolean belongs.
fn boolean(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "y" | "yes" | "on" | "1" => Some("true"),
        "false" | "n" | "no" | "off" | "0" => Some("false"),
        _ => None,
    }
}

/// Takes out what Compose has and plans do not, with a warning for each. Further sections and `x-`
/// keys go in silence.
/// What `refused` says is no key at all stays, to be told once more in its place and only once.
pub(super) fn take_out_unsupported(root: &mut Node, refused: &HashSet<Span>, notices: &mut Notices) {
    let known = properties(None);
    let mut tell = |entry: &Entry, place: &str| {
        let is_refused = refused.contains(&entry.key_span);
        if !is_refused {
            let summary = format!("`{}` in {place} is not supported yet, it has no effect", entry.key);
            notices.add(warning("unsupported-key", summary).at(entry.key_span, "no effect"));
        }
        is_refused
    };
    if let Some(entries) = root.as_map_mut() {
        entries.retain(|entry| {
            let is_known = known.contains(&&*entry.key);
            let is_silent = is_known || entry.key.starts_with("x-") || &*entry.key == "version";
            is_known || (!is_silent && tell(entry, "the file"))
        });
    }
    visit_sections(root, &mut |place, forms, node| take_out(node, forms, place, &mut tell));
}

fn take_out(node: &mut Node, forms: &Forms, place: &str, tell: &mut dyn FnMut(&Entry, &str) -> bool) {
    match &mut node.value {
        Value::Scalar(_) => {}
        Value::List(list) => {
            let forms = items(forms);
            for (index, item) in list.iter_mut().enumerate().filter(|(_, item)| item.as_scalar().is_none()) {
                take_out(item, &forms, &format!("{place}[{index}]"), tell);
            }
        }
        Value::Map(entries) => {
            let is_fixed = forms.iter().any(|form| form["additionalProperties"] == false);
            entries.retain_mut(|entry| {
                let forms = below(forms, &entry.key);
                if !forms.is_empty() {
                    if entry.value.as_scalar().is_none() {
                        take_out(&mut entry.value, &forms, &format!("{place}.{}", entry.key), tell);
                    }
                    return true;
                }
                !is_fixed || (!entry.key.starts_with("x-") && tell(entry, &format!("`{place}`")))
            });
        }
    }
}

/// Takes options out of mounts that engines have and plans do not, and the `/` at a target's end.
pub(super) fn mounts(root: &mut Node, notices: &mut Notices) {
    for service in root.get_mut("services").and_then(Node::as_map_mut).into_iter().flatten() {
        let place = format!("services.{}.volumes", service.key);
        let Some(Value::List(items)) = service.value.get_mut("volumes").map(|node| &mut node.value) else { continue };
        for (index, item) in items.iter_mut().enumerate() {
            let span = item.span;
            let Value::Scalar(scalar) = &mut item.value else { continue };
            while let Err(MountError::Option { option }) = scalar.text.parse::<Mount>() {
                let Some((rest, options)) = scalar.text.rsplit_once(':').filter(|_| KNOWN_OPTIONS.contains(&&*option))
                else {
                    break;
                };
                let left: Vec<&str> = options.split(',').filter(|known| *known != option).collect();
                scalar.text = if left.is_empty() { rest.into() } else { format!("{rest}:{}", left.join(",")).into() };
                let summary =
                    format!("the option `{option}` in `{place}[{index}]` is not supported yet, it has no effect");
                notices.add(warning("unsupported-key", summary).at(span, "no effect"));
            }
            let Ok(Mount { target, .. }) = scalar.text.parse() else { continue };
            let clean = target.trim_end_matches('/');
            if let Some((before, after)) =
                scalar.text.rsplit_once(&target).filter(|_| clean != target && !clean.is_empty())
            {
                scalar.text = format!("{before}{clean}{after}").into();
            }
        }
    }
}

/// The options of short mounts that Compose passes on.
const KNOWN_OPTIONS: [&str; 14] = [
    "z",
    "Z",
    "cached",
    "delegated",
    "consistent",
    "nocopy",
    "copy",
    "shared",
    "rshared",
    "slave",
    "rslave",
    "private",
    "rprivate",
    "volume-nocopy",
];
