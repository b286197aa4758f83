//! The one table of the keys that the Compose specification has, and what becomes of each.
//!
//! The schema of plans, the words that refuse a key, the warnings of keys without effect and the
//! section `Keys` of `docs/compose.md` all come from it. A test walks the specification's own JSON
//! Schema and finds each of its keys here, none missing and none beyond.
//!
//! What stands below a key that is noted or refused shares its fate, and is not listed.

mod notes;
mod service;
mod shared;
mod support;

#[cfg(test)]
mod documentation;
#[cfg(test)]
mod tests;

pub(super) use support::{Section, Support};

pub(super) use notes::add_notes;

/// All sections, in the order in which people read them.
pub(super) fn sections() -> impl Iterator<Item = &'static Section> {
    shared::DOCUMENT.iter().chain(&service::SERVICE).chain(&shared::RESOURCES)
}

/// Keys of plans to come, that are known and not built yet. The document itself has no name.
const COMING: [(&str, &[&str]); 4] = [
    ("", &["adopt", "guard", "policies", "snapshot"]),
    ("Check", &["mcp"]),
    ("Rollback", &["batch_size"]),
    ("Service", &["hooks"]),
];

/// Why a plan does not take a key that is known all the same.
pub(super) fn refusal(definition: &str, key: &str) -> Option<&'static str> {
    if COMING.iter().any(|(name, keys)| *name == definition && keys.contains(&key)) {
        return Some("");
    }
    let of_definition = sections().filter(|section| section.definition == Some(definition));
    of_definition.filter_map(|section| section.get(key)).find_map(|support| match support {
        Support::Refused(reason) | Support::ComposeOnly(reason) => Some(reason),
        Support::Honoured | Support::InPart(_) | Support::Noted(_) | Support::Needed(_) => None,
    })
}

/// Lets the schema of plans take the keys that are accepted without a field of their own.
pub(super) fn complete(schema: &mut serde_json::Value) {
    for section in sections() {
        let properties = section.definition.and_then(|name| schema.pointer_mut(&format!("/$defs/{name}/properties")));
        let Some(properties) = properties.and_then(serde_json::Value::as_object_mut) else { continue };
        for (key, support) in section.keys {
            match support {
                Support::Noted(reason) | Support::Needed(reason) | Support::InPart(reason) => {
                    let accepted = || serde_json::json!({ "description": format!("No effect: {reason}.") });
                    properties.entry(*key).or_insert_with(accepted);
                }
                Support::Honoured | Support::ComposeOnly(_) | Support::Refused(_) => {}
            }
        }
    }
}
