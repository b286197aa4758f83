//! What a Compose file says under a service's `x-orchestrate.on_change`: what happens when only the
//! contents of one of its files change. A plan says it on the file itself, where Compose's schema
//! lets nothing else stand.

use super::front::{put, put_text};
use crate::{
    diagnostic::Diagnostics,
    load::{
        Entry, Node, Value,
        problem::{suggest, wrong},
    },
    plan::{Mount, MountKind},
};

pub(super) const KEY: &str = "on_change";

/// Puts each of them on the config, secret or bound file that it names: the first two by their
/// names, the last by its path in the container.
pub(super) fn put_into(service: &mut Node, name: &str, own: Entry, problems: &mut Diagnostics) {
    let place = format!("services.{name}.x-orchestrate.{KEY}");
    let (span, what) = (own.value.span, own.value.describe());
    let Value::Map(reactions) = own.value.value else {
        let summary = format!("`{place}` has to be a mapping of files, not {what}");
        problems.push(wrong("wrong-type", summary).at(span, "here"));
        return;
    };
    for Entry { key, key_span, value } in reactions {
        let Some(item) = item_mut(service, &key) else {
            let diagnostic = wrong("unknown-file", format!("`{key}` in `{place}` is no file of `{name}`"));
            let known = known(service);
            let diagnostic = diagnostic.at(key_span, "neither a config, nor a secret, nor where a file is bound");
            problems.push(suggest(diagnostic, &key, known.iter().map(String::as_str), "files here"));
            continue;
        };
        make_long(item);
        put(item, Entry { key: KEY.into(), key_span, value });
    }
}

fn item_mut<'n>(service: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    let list = ["configs", "secrets", "volumes"].into_iter().find(|list| {
        let mut items = service.items(list).iter();
        items.any(|item| is_called(item, list, key))
    })?;
    let Value::List(items) = &mut service.get_mut(list)?.value else { return None };
    items.iter_mut().find(|item| is_called(item, list, key))
}

fn is_called(item: &Node, list: &str, key: &str) -> bool {
    called(item, list).is_some_and(|name| name == key)
}

/// What an item of a list is called here.
fn called(item: &Node, list: &str) -> Option<String> {
    let said = |key| item.get(key).and_then(Node::as_text).map(str::to_owned);
    match (list, item.as_text()) {
        ("volumes", Some(text)) => {
            let mount = text.parse::<Mount>().ok().filter(|mount| mount.kind == MountKind::Bind)?;
            Some(mount.target)
        }
        ("volumes", None) => said("target").filter(|_| said("type").as_deref() == Some("bind")),
        (_, Some(text)) => Some(text.to_owned()),
        (_, None) => said("source"),
    }
}

fn known(service: &Node) -> Vec<String> {
    let lists = ["configs", "secrets", "volumes"].into_iter();
    lists.flat_map(|list| service.items(list).iter().filter_map(move |item| called(item, list))).collect()
}

/// Writes an item out: only a mapping has room for more.
fn make_long(item: &mut Node) {
    let (span, from) = (item.span, item.from);
    let Some(text) = item.as_text().map(str::to_owned) else { return };
    let mut long = Node { from, ..Node::new(span, Value::Map(Vec::new())) };
    match text.parse::<Mount>() {
        Ok(Mount { kind: MountKind::Bind, source: Some(source), target, .. }) => {
            put_text(&mut long, "type", span, "bind");
            put_text(&mut long, "source", span, &source);
            put_text(&mut long, "target", span, &target);
        }
        Ok(_) | Err(_) => put_text(&mut long, "source", span, &text),
    }
    *item = long;
}
