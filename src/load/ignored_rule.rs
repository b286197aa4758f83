//! Whether a service can ignore what it says it ignores.

use super::{
    compose::properties,
    problem::{suggest, wrong},
    rule::Subject,
};
use crate::{diagnostic::Diagnostics, plan::is_of_the_instance};

/// What of `deploy` makes changes.
const OF_DEPLOY: [&str; 6] = [
    "deploy.replicas",
    "deploy.resources.limits",
    "deploy.resources.limits.cpus",
    "deploy.resources.limits.memory",
    "deploy.resources.limits.pids",
    "deploy.resources.reservations.memory",
];

/// Mappings from names: each of them can be ignored by itself.
const MAPPINGS: [&str; 6] = ["annotations", "environment", "extra_hosts", "labels", "sysctls", "ulimits"];

pub(super) fn check_ignored(subject: &Subject, problems: &mut Diagnostics) {
    for (index, path) in subject.service.ignore_changes.iter().enumerate() {
        let section = path.split_once('.').map(|(section, key)| (section, !key.is_empty()));
        let is_known = match section {
            Some(("deploy", _)) => OF_DEPLOY.contains(&path.as_str()),
            Some((section, has_key)) => MAPPINGS.contains(&section) && has_key,
            None => fields().any(|field| field == path),
        };
        if is_known {
            continue;
        }
        let summary = format!("`{path}` is nothing whose changes `{}` could ignore", subject.name);
        let diagnostic = wrong("unknown-path", summary)
            .at(subject.span(&["ignore_changes", &index.to_string()]), "not a field that makes changes");
        problems.push(match section {
            Some((section, _)) if fields().any(|field| field == section) => {
                diagnostic.hint(format!("all of it can be ignored: `{section}`"))
            }
            _ => suggest(diagnostic, path, fields().chain(OF_DEPLOY), "fields"),
        });
    }
}

/// The fields of a service that make changes.
fn fields() -> impl Iterator<Item = &'static str> {
    properties(Some("Service")).into_iter().filter(|field| is_of_the_instance(field))
}
