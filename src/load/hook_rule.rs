//! What the schema cannot say about the commands of a deployment: its hooks and tests.

use std::collections::BTreeMap;

use super::{
    Node,
    names::Names,
    problem::{suggest, wrong},
};
use crate::{
    diagnostic::{Diagnostics, Span},
    plan::DeploymentCommand,
};

pub(super) fn check_commands(root: &Node, names: &Names, problems: &mut Diagnostics) {
    for point in root.entries("hooks") {
        for (index, hook) in point.value.as_list().into_iter().flatten().enumerate() {
            let place = format!("hooks.{}[{index}]", point.key);
            check_command(hook, &place, (root, names), problems);
            check_hook(hook, &place, problems);
        }
    }
    let mut first: BTreeMap<&str, Span> = BTreeMap::new();
    for (index, test) in root.items("tests").iter().enumerate() {
        let place = format!("tests[{index}]");
        check_command(test, &place, (root, names), problems);
        for key in ["run_once", "idempotent"] {
            if let Some(entry) = test.entry(key) {
                let summary =
                    format!("`{key}` means nothing for a test: it runs in every deployment, and may run twice");
                problems.push(wrong("not-for-test", summary).at(entry.key_span, "only for hooks"));
            }
        }
        let Some((name, span)) = test.get("name").and_then(|node| Some((node.as_text()?, node.span))) else { continue };
        if let Some(before) = first.insert(name, span) {
            let diagnostic = wrong("duplicate-name", format!("two tests are called `{name}`"));
            problems.push(diagnostic.at(before, "first here").at(span, "again here"));
        }
    }
}

fn check_command(command: &Node, place: &str, (root, names): (&Node, &Names), problems: &mut Diagnostics) {
    let text = |key: &str| command.get(key).and_then(|node| Some((node.as_text()?, node.span)));
    let words = command.get("command");
    if words.is_some_and(|words| words.as_list().is_some_and(<[Node]>::is_empty) || words.as_text() == Some("")) {
        let span = words.map_or(command.span, |words| words.span);
        problems.push(wrong("invalid-value", format!("the command of `{place}` is empty")).at(span, "here"));
    }
    if let (Some(_), Some((_, span))) = (text("service"), text("image")) {
        let summary = format!("`{place}` names a `service` and an `image`");
        let hint = "`service` runs it inside one of its instances, `image` in a container of its own";
        problems.push(wrong("said-twice", summary).at(span, "and an image").hint(hint));
    }
    if let Some((name, span)) = text("service")
        && !names.is_defined("services", name)
    {
        let diagnostic =
            wrong("unknown-service", format!("`{place}` runs in `{name}`, which is no service of the plan"));
        let known = root.entries("services").iter().map(|entry| &*entry.key);
        problems.push(suggest(diagnostic.at(span, "not defined"), name, known, "services"));
    }
    if let (Some((_, span)), None, None) = (text("user"), text("service"), text("image")) {
        let summary = format!("`user` means nothing for `{place}`, which runs on this host");
        let hint = "it runs as whoever runs `orchestrate`; `sudo -u` in its command becomes another";
        problems.push(wrong("not-for-host", summary).at(span, "only in containers").hint(hint));
    }
}

fn check_hook(hook: &Node, place: &str, problems: &mut Diagnostics) {
    let is_idempotent = hook.get("idempotent").and_then(Node::as_scalar).and_then(super::Scalar::as_bool) == Some(true);
    if let (Some(entry), false) = (hook.entry("retries"), is_idempotent) {
        let summary = format!("`{place}` has `retries`, and does not say that it may run twice");
        let hint = "set `idempotent: true` if running it again does no harm";
        problems.push(wrong("missing-key", summary).at(entry.key_span, "needs `idempotent`").hint(hint));
    }
}

/// Gives variables without a value the one that they have where `orchestrate` runs; without one there
/// they are left out.
pub(super) fn pass_on<'a>(commands: impl Iterator<Item = &'a mut DeploymentCommand>, env: &BTreeMap<String, String>) {
    for command in commands {
        let passed = std::mem::take(&mut command.environment).into_iter();
        let passed = passed.filter_map(|(name, value)| {
            let value = value.or_else(|| env.get(&name).map(|value| value.as_str().into()))?;
            Some((name, Some(value)))
        });
        command.environment = passed.collect();
    }
}
