use std::collections::HashMap;

use super::{
    Entry, MergeTag, Node, Value,
    problem::{suggest, wrong},
};
use crate::{
    diagnostic::{Diagnostics, Span},
    plan::{Mount, Port},
};

/// Puts an environment's services over the plan's, by the rules of Compose's override files.
pub(super) fn overlay(plan: &mut Node, environment: &Node, problems: &mut Diagnostics) {
    let known: Vec<String> = plan.entries("services").iter().map(|entry| entry.key.to_string()).collect();
    for over in environment.entries("services") {
        match plan.get_mut("services").and_then(|services| services.get_mut(&over.key)) {
            Some(service) => put_over(service, over.value.clone(), &mut vec![]),
            None => {
                let summary = format!("the plan has no service `{}` to put this over", over.key);
                let diagnostic = wrong("unknown-service", summary).at(over.key_span, "not in the plan");
                problems.push(suggest(diagnostic, &over.key, known.iter().map(String::as_str), "services"));
            }
        }
    }
}

/// Mappings merge key by key, lists by what identifies their items, and the rest is replaced.
/// `path` is the way from the service.
pub(super) fn put_over(base: &mut Node, over: Node, path: &mut Vec<String>) {
    let rule = rule(path);
    // What is taken away stays as such until all is merged: there may be more below.
    if over.tag != MergeTag::None
        || base.tag == MergeTag::Reset
        || rule == Rule::Replace
        || base.is_null()
        || over.is_null()
    {
        *base = over;
        return;
    }
    let over = match rule {
        Rule::Pairs(_) | Rule::Names => {
            pairs(base, rule);
            let mut over = over;
            pairs(&mut over, rule);
            over
        }
        Rule::Replace | Rule::Append | Rule::Keys | Rule::Default => over,
    };
    match (&mut base.value, over.value) {
        (Value::Map(entries), Value::Map(added)) => {
            let mut index = KeyIndex::default();
            for added in added {
                match index.find(entries, &added.key) {
                    Some(position) => {
                        let entry = &mut entries[position];
                        path.push(added.key.to_string());
                        put_over(&mut entry.value, added.value, path);
                        path.pop();
                        entry.key_span = added.key_span;
                    }
                    None => entries.push(added),
                }
            }
        }
        (Value::List(items), Value::List(added)) if rule != Rule::Keys => append(items, added, path),
        // One item that stands alone is a list of one.
        (Value::List(items), value) if rule == Rule::Append => {
            append(items, vec![Node { value, ..over_of(over.span, over.from) }], path);
        }
        (value, Value::List(added)) if rule == Rule::Append => {
            let first =
                Node { value: std::mem::replace(value, Value::List(Vec::new())), ..over_of(base.span, base.from) };
            let mut items = vec![first];
            append(&mut items, added, path);
            *value = Value::List(items);
        }
        (value, replacement) => {
            *value = replacement;
            (base.span, base.from) = (over.span, over.from);
        }
    }
}

fn over_of(span: Span, from: u32) -> Node {
    Node { from, ..Node::scalar(span, super::Scalar::null()) }
}

/// Finds a key among entries that grow: only large mappings get an index.
#[derive(Default)]
pub(super) struct KeyIndex {
    positions: HashMap<Box<str>, usize>,
}

impl KeyIndex {
    const SMALL: usize = 16;

    pub fn find(&mut self, entries: &[Entry], key: &str) -> Option<usize> {
        if entries.len() <= Self::SMALL {
            return entries.iter().position(|entry| &*entry.key == key);
        }
        let known = self.positions.len();
        self.positions.extend((known..entries.len()).map(|position| (entries[position].key.clone(), position)));
        self.positions.get(key).copied()
    }
}

/// Takes out what `!reset` takes away, once everything is merged.
pub(super) fn settle_tags(node: &mut Node) {
    match &mut node.value {
        Value::Scalar(_) => {}
        Value::List(items) => {
            items.retain(|item| item.tag != MergeTag::Reset);
            items.iter_mut().for_each(settle_tags);
        }
        Value::Map(entries) => {
            entries.retain(|entry| entry.value.tag != MergeTag::Reset);
            entries.iter_mut().for_each(|entry| settle_tags(&mut entry.value));
        }
    }
    node.tag = MergeTag::None;
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Replace,
    Append,
    /// A mapping that may be written as a list of `name=value`.
    Pairs(&'static [char]),
    /// A mapping that may be written as a list of names.
    Names,
    /// Mappings merge, lists are replaced: what a check `use`s, with something put over it.
    Keys,
    Default,
}

fn rule(path: &[String]) -> Rule {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["command" | "entrypoint"] | ["healthcheck", "test"] => Rule::Replace,
        ["environment" | "labels" | "sysctls" | "annotations"]
        | ["deploy", "labels"]
        | ["build", "args" | "labels" | "additional_contexts"] => Rule::Pairs(&['=']),
        ["extra_hosts"] | ["build", "extra_hosts"] => Rule::Pairs(&['=', ':']),
        ["depends_on" | "networks"] => Rule::Names,
        ["env_file" | "tmpfs" | "dns" | "dns_search" | "dns_opt" | "label_file"] => Rule::Append,
        ["checks", _, ..] => Rule::Keys,
        _ => Rule::Default,
    }
}

/// Makes a mapping of a list of pairs or names.
pub(super) fn pairs_of_list(node: &mut Node, separators: &[char]) {
    let Value::List(items) = &node.value else { return };
    let mut entries: Vec<Entry> = Vec::with_capacity(items.len());
    let mut index = KeyIndex::default();
    for item in items {
        let Some(scalar) = item.as_scalar() else { return };
        let (key, value) = match scalar.text.split_once(separators) {
            Some((key, value)) => (key.trim(), super::Scalar { text: value.into(), ..scalar.clone() }),
            None => (scalar.text.trim(), super::Scalar { state: scalar.state, ..super::Scalar::null() }),
        };
        let value = match value.kind {
            super::ScalarKind::Null => value,
            _ => super::Scalar { kind: super::ScalarKind::String, ..value },
        };
        let value = Node { from: item.from, ..Node::scalar(item.span, value) };
        match index.find(&entries, key) {
            Some(position) => entries[position].value = value,
            None => entries.push(Entry { key: key.into(), key_span: item.span, value }),
        }
    }
    node.value = Value::Map(entries);
}

fn pairs(node: &mut Node, rule: Rule) {
    match rule {
        Rule::Pairs(separators) => pairs_of_list(node, separators),
        Rule::Names => pairs_of_list(node, &[]),
        Rule::Replace | Rule::Append | Rule::Keys | Rule::Default => {}
    }
}

/// Adds items: one that says the same thing as another takes its place.
fn append(items: &mut Vec<Node>, added: Vec<Node>, path: &[String]) {
    let list = path.last().map_or("", String::as_str);
    let mut positions: HashMap<String, usize> = HashMap::new();
    for (position, item) in items.iter().enumerate() {
        if let Some(identity) = identity(list, item) {
            positions.entry(identity).or_insert(position);
        }
    }
    for item in added {
        let Some(identity) = identity(list, &item) else {
            items.push(item);
            continue;
        };
        match positions.get(&identity) {
            Some(position) => items[*position] = item,
            None => {
                positions.insert(identity, items.len());
                items.push(item);
            }
        }
    }
}

/// What tells an item of a list from the others: where it is mounted, published, or its text.
fn identity(list: &str, item: &Node) -> Option<String> {
    let get = |key: &str| item.get(key).and_then(Node::as_text).map(str::to_owned);
    match (list, item.as_text()) {
        ("volumes", Some(text)) => {
            let mount: Mount = text.parse().ok()?;
            Some(mount.target)
        }
        ("volumes", None) => get("target"),
        ("configs" | "secrets", Some(text)) => Some(text.to_owned()),
        ("configs" | "secrets", None) => get("target").or_else(|| get("source")),
        // A range is the same as a range only: written otherwise, the ports clash and say so.
        ("ports", Some(text)) if Port::count_short(text).is_ok_and(|count| count == 1) => {
            Port::parse_short(text).ok()?.first().map(ToString::to_string)
        }
        ("ports", None) => {
            let target = get("target")?;
            let published = get("published").map_or(String::new(), |port| format!("{port}:"));
            let ip = get("host_ip").map_or(String::new(), |ip| format!("{ip}:"));
            let protocol = get("protocol").filter(|protocol| protocol != "tcp");
            Some(format!("{ip}{published}{target}{}", protocol.map_or(String::new(), |name| format!("/{name}"))))
        }
        ("checks", None) => get("name"),
        (_, Some(text)) => Some(text.to_owned()),
        (_, None) => get("path"),
    }
}
