use std::collections::HashMap;

use super::{
    Entry, Node, Value,
    overlay::put_over,
    problem::{MOST_PROBLEMS, suggest, wrong},
};
use crate::diagnostic::Diagnostics;

/// How much copies of named checks may add: as much as was written, with some for small plans, and
/// all together fifteen values for each of 10,000 services.
const COPY_FREE: usize = 10_000;
const MOST_COPIED: usize = 150_000;

/// Puts the plan's named checks where services `use` them, with what is written there over them.
pub(super) fn expand(plan: &mut Node, problems: &mut Diagnostics) {
    let named: Vec<Entry> = plan.entries("checks").to_vec();
    for entry in &named {
        if let Some(reference) = entry.value.entry("use") {
            let summary = format!("the check `{}` cannot use another one", entry.key);
            problems.push(wrong("invalid-value", summary).at(reference.key_span, "here"));
        }
    }
    let by_name: HashMap<&str, (&Entry, usize)> =
        named.iter().map(|entry| (&*entry.key, (entry, entry.value.weight()))).collect();
    let mut left = (plan.weight() + COPY_FREE).min(MOST_COPIED);
    let mut is_too_much = false;
    let services = plan.get_mut("services").and_then(Node::as_map_mut);
    for service in services.into_iter().flatten() {
        let Some(Value::List(checks)) = service.value.get_mut("checks").map(|checks| &mut checks.value) else {
            continue;
        };
        for check in checks {
            let Some(used) = check.get("use") else { continue };
            let Some(name) = used.as_text() else { continue };
            let Some((found, weight)) = by_name.get(name).copied() else {
                if problems.len() > MOST_PROBLEMS {
                    return;
                }
                let diagnostic =
                    wrong("unknown-check", format!("there is no check `{name}`")).at(used.span, "used here");
                problems.push(suggest(diagnostic, name, named.iter().map(|entry| &*entry.key), "named checks"));
                *check = Node::broken(check.span);
                continue;
            };
            if is_too_much || weight > left {
                let summary = "named checks repeat more than the plan holds";
                if !is_too_much {
                    problems.push(wrong("too-large", summary).at(used.span, "this one went too far"));
                }
                is_too_much = true;
                *check = Node::broken(check.span);
                continue;
            }
            left -= weight;
            let mut over = std::mem::replace(check, found.value.clone());
            check.span = over.span;
            if let Value::Map(entries) = &mut over.value {
                entries.retain(|entry| &*entry.key != "use");
            }
            put_over(check, over, &mut vec!["checks".to_owned()]);
        }
    }
}
