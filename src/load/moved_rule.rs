//! Whether what is said to have moved can have.

use super::{
    Node,
    names::Names,
    problem::{suggest, wrong},
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Span},
    name::ServiceName,
    plan::MovedName,
};

pub(super) fn check_moved(root: &Node, names: &Names, problems: &mut Diagnostics) {
    let mut seen: Vec<&str> = Vec::new();
    for item in root.items("moved") {
        let side = |key: &str| item.get(key).and_then(|node| Some((node.as_text()?, node.span)));
        let (Some((from, from_span)), Some((to, to_span))) = (side("from"), side("to")) else { continue };
        let known = |name| {
            matches!(name, Some(MovedName::Service(name)) if name.parse::<ServiceName>().is_ok())
                || matches!(name, Some(MovedName::Volume(name)) if !name.is_empty())
        };
        let (before, after) = (MovedName::of(from), MovedName::of(to));
        for (text, span, name) in [(from, from_span, before), (to, to_span, after)] {
            if !known(name) {
                problems.push(
                    refused(format!("`{text}` is neither a service nor a volume"), span)
                        .hint("write `web` or `services.web` for a service, `volumes.data` for a volume"),
                );
            }
        }
        let (Some(before), Some(after)) =
            (before.filter(|name| known(Some(*name))), after.filter(|name| known(Some(*name))))
        else {
            continue;
        };
        let (section, old, new) = match (before, after) {
            (MovedName::Service(old), MovedName::Service(new)) => ("services", old, new),
            (MovedName::Volume(old), MovedName::Volume(new)) => ("volumes", old, new),
            (MovedName::Service(_), MovedName::Volume(_)) | (MovedName::Volume(_), MovedName::Service(_)) => {
                problems.push(refused("a service cannot become a volume, nor a volume a service".to_owned(), to_span));
                continue;
            }
        };
        if names.is_defined(section, old) {
            problems.push(
                refused(format!("`{old}` is still one of the plan's {section}"), from_span)
                    .hint("what moved is only called by its new name"),
            );
        }
        let is_moved_on = root.items("moved").iter().any(|other| {
            other.get("from").and_then(Node::as_text).is_some_and(|from| MovedName::of(from) == Some(after))
        });
        if !names.is_defined(section, new) && !is_moved_on {
            let known = root.entries(section).iter().map(|entry| &*entry.key);
            problems.push(suggest(
                refused(format!("`{new}` is none of the plan's {section}"), to_span),
                new,
                known,
                section,
            ));
        }
        if seen.contains(&from) {
            problems.push(refused(format!("`{from}` has moved twice"), from_span));
        }
        seen.push(from);
    }
}

fn refused(summary: String, span: Span) -> Diagnostic {
    wrong("invalid-move", summary).at(span, "here")
}
