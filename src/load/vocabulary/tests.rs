use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::Value;

use super::{documentation::keys_section, *};
use crate::{load::schema, plan::PlanDocument};

const SPECIFICATION: &str = include_str!("../compose/compose-spec.json");

/// The keys of the specification by the place of their mapping.
type Places = BTreeMap<String, BTreeSet<String>>;

fn specification() -> Places {
    let schema: Value = serde_json::from_str(SPECIFICATION).unwrap();
    let mut places = Places::new();
    walk(&schema, &schema, "", &mut places);
    places
}

/// Whether what stands below is not listed.
fn ends_at(place: &str, key: &str) -> bool {
    let section = sections().find(|section| section.place == place);
    let support = section.and_then(|section| section.get(key));
    matches!(support, Some(Support::Noted(_) | Support::Needed(_) | Support::Refused(_)))
}

fn walk(root: &Value, schema: &Value, place: &str, places: &mut Places) {
    if let Some(reference) = schema["$ref"].as_str() {
        return walk(root, root.pointer(&reference[1..]).unwrap(), place, places);
    }
    let join = |step: &str| if place.is_empty() { step.to_owned() } else { format!("{place}.{step}") };
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        places.entry(place.to_owned()).or_default().insert(key.clone());
        if !ends_at(place, key) {
            walk(root, value, &join(key), places);
        }
    }
    for (pattern, value) in schema["patternProperties"].as_object().into_iter().flatten() {
        if pattern != "^x-" {
            walk(root, value, &join("*"), places);
        }
    }
    if schema["items"].is_object() {
        walk(root, &schema["items"], &format!("{place}[]"), places);
    }
    for choice in ["oneOf", "anyOf"].into_iter().filter_map(|keyword| schema[keyword].as_array()).flatten() {
        walk(root, choice, place, places);
    }
}

#[test]
fn every_key_of_the_specification_is_in_the_table_and_none_beyond() {
    let found: Places = sections()
        .map(|section| (section.place.to_owned(), section.keys.iter().map(|(key, _)| (*key).to_owned()).collect()))
        .collect();
    let specification = specification();
    for (place, keys) in &specification {
        assert_eq!(found.get(place), Some(keys), "{place}");
    }
    let beyond: Vec<&String> = found.keys().filter(|place| !specification.contains_key(*place)).collect();
    assert!(beyond.is_empty(), "{beyond:?}");
}

fn properties<'s>(schema: &'s Value, definition: &str) -> BTreeSet<&'s str> {
    let properties = match definition {
        "" => &schema["properties"],
        name => &schema["$defs"][name]["properties"],
    };
    properties.as_object().unwrap_or_else(|| panic!("{definition}")).keys().map(String::as_str).collect()
}

#[test]
fn a_plan_takes_exactly_the_keys_that_are_not_refused() {
    let schema = schema::strict::<PlanDocument>();
    for section in sections() {
        let Some(definition) = section.definition else { continue };
        let is_accepted = |support: &Support| match support {
            Support::Honoured | Support::InPart(_) | Support::Noted(_) | Support::Needed(_) => true,
            Support::ComposeOnly(_) | Support::Refused(_) => false,
        };
        let accepted = section.keys.iter().filter(|(_, support)| is_accepted(support)).map(|(key, _)| *key);
        let expected: BTreeSet<&str> = accepted.chain(section.own.iter().copied()).collect();
        assert_eq!(properties(&schema, definition), expected, "{}", section.place);
    }
}

#[test]
fn what_is_honoured_has_a_field() {
    let schema = schema::derived::<PlanDocument>();
    for section in sections() {
        let Some(definition) = section.definition else { continue };
        let fields = properties(&schema, definition);
        let honoured = section.keys.iter().filter(|(_, support)| *support == Support::Honoured);
        let missing: Vec<&str> = honoured.map(|(key, _)| *key).filter(|key| !fields.contains(key)).collect();
        assert!(missing.is_empty(), "{}: {missing:?}", section.place);
    }
}

#[test]
fn the_documentation_has_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/compose.md");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let start = text.find("## Keys\n").unwrap_or(text.len());
    let end = text[start..].find("\n## ").map_or(text.len(), |end| start + end + 1);
    let keys = keys_section();
    if std::env::var_os("ORCHESTRATE_UPDATE").is_some() {
        std::fs::write(&path, format!("{}{keys}{}", &text[..start], &text[end..])).unwrap();
        return;
    }
    let written = text[start..end].trim_end();
    assert!(written == keys.trim_end(), "docs/compose.md is stale: run the tests with ORCHESTRATE_UPDATE=1");
}
