use std::{collections::HashMap, sync::LazyLock};

use super::{front::put, own_reactions, shape::properties, specification::compose_keys};
use crate::{
    diagnostic::{Diagnostic, Diagnostics},
    load::{
        Entry, Node,
        problem::{suggest, wrong},
    },
};

/// Where a Compose file says what only plans can.
pub(in crate::load) const OWN_KEY: &str = "x-orchestrate";

/// What a plan says at its top and a Compose file otherwise, or not at all.
const NOT_AT_THE_TOP: [&str; 5] = ["apiVersion", "vars", "project", "runtime", "name"];

/// What Compose calls `runtime`.
const NOT_IN_SERVICES: &str = super::meaning::ENGINES_RUNTIME;

/// The keys of plans that Compose does not have.
struct OwnWords {
    service: Vec<&'static str>,
    top: Vec<&'static str>,
}

static WORDS: LazyLock<OwnWords> = LazyLock::new(|| {
    let (service, top) = (compose_keys(Some("service")), compose_keys(None));
    OwnWords {
        service: properties(Some("Service"))
            .into_iter()
            .filter(|key| !service.contains(key) && *key != NOT_IN_SERVICES)
            .chain([own_reactions::KEY])
            .collect(),
        top: properties(None).into_iter().filter(|key| !top.contains(key) && !NOT_AT_THE_TOP.contains(key)).collect(),
    }
});

/// What a Compose file says below `x-orchestrate`, at its top and in services.
pub(super) struct Own {
    top: Option<Node>,
    services: Vec<(Box<str>, Node)>,
}

/// Takes it out of the tree. Our words elsewhere are refused: Compose would refuse them, too.
pub(super) fn take(root: &mut Node, problems: &mut Diagnostics) -> Own {
    let top = taken(root);
    misplaced(root, &WORDS.top, "the file", problems);
    let mut services = Vec::new();
    for service in root.get_mut("services").and_then(Node::as_map_mut).into_iter().flatten() {
        services.extend(taken(&mut service.value).map(|own| (service.key.clone(), own)));
        misplaced(&mut service.value, &WORDS.service, &format!("`services.{}`", service.key), problems);
    }
    Own { top, services }
}

fn taken(node: &mut Node) -> Option<Node> {
    let entries = node.as_map_mut()?;
    let position = entries.iter().position(|entry| &*entry.key == OWN_KEY)?;
    Some(entries.remove(position).value).filter(|own| !own.is_null())
}

fn misplaced(node: &mut Node, words: &[&str], place: &str, problems: &mut Diagnostics) {
    let Some(entries) = node.as_map_mut() else { return };
    entries.retain(|entry| {
        let is_ours = words.contains(&&*entry.key);
        if is_ours {
            let summary = format!("`{}` in {place} is no key of Compose files", entry.key);
            let hint = format!("write it below `{OWN_KEY}:`, where Compose passes over it; a plan starts with `apiVersion: orchestrate/v1`");
            problems.push(wrong("not-for-compose", summary).at(entry.key_span, "here").hint(hint));
        }
        !is_ours
    });
}

impl Own {
    /// Puts it where a plan says it.
    pub fn put_into(self, root: &mut Node, problems: &mut Diagnostics) {
        for entry in self.top.into_iter().flat_map(|own| checked(own, &WORDS.top, OWN_KEY, problems)) {
            put(root, entry);
        }
        let Some(services) = root.get_mut("services").and_then(Node::as_map_mut) else { return };
        let index: HashMap<Box<str>, usize> =
            services.iter().enumerate().map(|(position, service)| (service.key.clone(), position)).collect();
        for (name, own) in self.services {
            let entries = checked(own, &WORDS.service, &format!("services.{name}.{OWN_KEY}"), problems);
            let Some(position) = index.get(&name) else { continue };
            let service = &mut services[*position].value;
            let (reactions, entries): (Vec<_>, Vec<_>) =
                entries.into_iter().partition(|entry| &*entry.key == own_reactions::KEY);
            entries.into_iter().for_each(|entry| put(service, entry));
            reactions.into_iter().for_each(|entry| own_reactions::put_into(service, &name, entry, problems));
        }
    }
}

/// The entries that are known; the others are refused.
fn checked(own: Node, words: &[&'static str], place: &str, problems: &mut Diagnostics) -> Vec<Entry> {
    let span = own.span;
    let what = own.describe();
    let crate::load::Value::Map(mut entries) = own.value else {
        problems.push(wrong("wrong-type", format!("`{place}` has to be a mapping, not {what}")).at(span, "here"));
        return Vec::new();
    };
    let unknown = |entry: &Entry| -> Diagnostic {
        let diagnostic = wrong("unknown-key", format!("`{}` is not a key of `{place}`", entry.key));
        suggest(diagnostic.at(entry.key_span, "unknown"), &entry.key, words.iter().copied(), "keys here")
    };
    entries.retain(|entry| {
        let is_known = words.contains(&&*entry.key);
        if !is_known {
            problems.push(unknown(entry));
        }
        is_known
    });
    entries
}
