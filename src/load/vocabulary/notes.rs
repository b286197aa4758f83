use super::{Support, sections};
use crate::{
    diagnostic::{Class, Diagnostic, Diagnostics},
    load::{Entry, Node, Value, problem::MOST_PROBLEMS},
};

/// Adds a warning for each key of a document that is accepted without effect.
pub(in crate::load) fn add_notes(document: &Node, problems: &mut Diagnostics) {
    for section in sections() {
        let is_noted = |(_, support): &&super::support::Key| matches!(support, Support::Noted(_) | Support::Needed(_));
        let noted: Vec<_> = section.keys.iter().filter(is_noted).collect();
        if noted.is_empty() {
            continue;
        }
        let steps: Vec<&str> = section.place.split('.').filter(|step| !step.is_empty()).collect();
        visit(document, &steps, &mut String::new(), &mut |node, place| {
            for (key, support) in &noted {
                let is_said = |entry: &&Entry| !entry.value.is_null() && !is_usual(key, &entry.value);
                let Some(entry) = node.entry(key).filter(is_said) else { continue };
                if problems.len() > MOST_PROBLEMS {
                    return;
                }
                let (reason, is_needed) = match support {
                    Support::Noted(reason) => (reason, false),
                    Support::Needed(reason) => (reason, true),
                    Support::Honoured | Support::InPart(_) | Support::ComposeOnly(_) | Support::Refused(_) => continue,
                };
                problems.push(match is_needed {
                    true => needed(key, place, reason).at(entry.key_span, "not supported"),
                    false => {
                        let summary = format!("`{key}` in `{place}` has no effect: {reason}");
                        Diagnostic::warning("no-effect", Class::Configuration, summary).at(entry.key_span, "no effect")
                    }
                });
            }
        });
    }
}

fn needed(key: &str, place: &str, reason: &str) -> Diagnostic {
    let summary = format!("`{key}` in `{place}` is not supported: {reason}");
    let warning = Diagnostic::warning("not-supported", Class::Configuration, summary);
    warning.hint("a build with it fails, and an image that is there is used: build it with `docker build` before")
}

/// What has no effect because it is so anyway needs no word.
fn is_usual(key: &str, value: &Node) -> bool {
    key == "mode" && value.as_text() == Some("replicated")
}

/// Visits the mappings at a place: `*` is any name, `[]` at a step's end any item.
fn visit(node: &Node, steps: &[&str], place: &mut String, at: &mut dyn FnMut(&Node, &str)) {
    let Some((step, rest)) = steps.split_first() else {
        return at(node, place);
    };
    let length = place.len();
    let mut enter = |name: &str, child: &Node| {
        if !place.is_empty() && !name.starts_with('[') {
            place.push('.');
        }
        place.push_str(name);
        visit(child, rest, place, at);
        place.truncate(length);
    };
    match (*step, step.strip_suffix("[]")) {
        ("*", _) => node.as_map().into_iter().flatten().for_each(|entry| enter(&entry.key, &entry.value)),
        (_, Some(list)) => {
            let Some(list_node) = node.get(list) else { return };
            let Value::List(items) = &list_node.value else { return };
            for (index, item) in items.iter().enumerate() {
                enter(&format!("{list}[{index}]"), item);
            }
        }
        (key, None) => {
            if let Some(child) = node.get(key) {
                enter(key, child);
            }
        }
    }
}
