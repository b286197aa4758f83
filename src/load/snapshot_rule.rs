//! What the schema cannot say about how a service's data is saved.

use super::{
    problem::{suggest, wrong},
    rule::Subject,
};
use crate::{
    diagnostic::Diagnostics,
    plan::{CommandLine, MountKind, RuntimeKind, SnapshotPolicy},
};

pub(super) fn check_snapshot(subject: &Subject, problems: &mut Diagnostics) {
    let Some(policy) = &subject.service.snapshot else { return };
    let here = subject.span(&["snapshot"]);
    if subject.service.is_job() {
        let summary = format!("`snapshot` means nothing for `{}`, which is a job", subject.name);
        let hint = "say it on the service whose data the job changes: that is saved before an irreversible job runs";
        problems.push(wrong("not-for-job", summary).at(here, "only for services").hint(hint));
        return;
    }
    if policy.volumes.is_empty() && policy.dump.is_none() && policy.restore.is_none() {
        let summary = format!("the `snapshot` of `{}` says neither `volumes` nor `dump`", subject.name);
        problems.push(wrong("missing-key", summary).at(here, "nothing to save").hint(
            "name volumes to copy, or give it commands, as in `{ dump: pg_dumpall -U postgres, restore: psql -U postgres }`",
        ));
        return;
    }
    check_volumes(subject, policy, problems);
    check_commands(subject, policy, problems);
    if policy.timeout.is_some_and(|timeout| timeout.0.is_zero()) {
        let span = subject.span(&["snapshot", "timeout"]);
        problems.push(wrong("out-of-range", "a `timeout` of nothing lets nothing be saved").at(span, "here"));
    }
}

/// A volume has to be a named one that the service mounts.
fn check_volumes(subject: &Subject, policy: &SnapshotPolicy, problems: &mut Diagnostics) {
    if policy.volumes.is_empty() {
        return;
    }
    if subject.service.runtime() == RuntimeKind::Process {
        let summary = format!("`snapshot.volumes` means nothing for `{}`, which is a process", subject.name);
        let span = subject.span(&["snapshot", "volumes"]);
        problems.push(
            wrong("not-for-process", summary)
                .at(span, "only for containers")
                .hint("a process's data is saved by its own `dump` and `restore` commands"),
        );
        return;
    }
    let mounts = subject.service.volumes.iter().filter(|mount| mount.kind == MountKind::Volume);
    let mounted: Vec<&str> = mounts.filter_map(|mount| mount.source.as_deref()).collect();
    for (index, name) in policy.volumes.iter().enumerate() {
        let span = subject.span(&["snapshot", "volumes", &index.to_string()]);
        if !mounted.contains(&name.as_str()) {
            let summary = format!("`{name}` in the `snapshot` of `{}` is no named volume that it mounts", subject.name);
            let diagnostic = wrong("unknown-volume", summary).at(span, "not mounted");
            problems.push(suggest(diagnostic, name, mounted.iter().copied(), "volumes that it mounts"));
        } else if policy.volumes[..index].contains(name) {
            let summary = format!("`{name}` is named twice in the `snapshot` of `{}`", subject.name);
            problems.push(wrong("invalid-value", summary).at(span, "again here"));
        }
    }
}

/// A dump and what takes it back come together: a dump that cannot be restored saves nothing.
fn check_commands(subject: &Subject, policy: &SnapshotPolicy, problems: &mut Diagnostics) {
    for (key, line, other, is_missing) in [
        ("dump", &policy.dump, "restore", policy.restore.is_none()),
        ("restore", &policy.restore, "dump", policy.dump.is_none()),
    ] {
        let Some(CommandLine(words)) = line else { continue };
        let span = subject.span(&["snapshot", key]);
        if words.is_empty() {
            let summary = format!("`snapshot.{key}` of `{}` is an empty command", subject.name);
            problems.push(wrong("invalid-value", summary).at(span, "here"));
        }
        if is_missing {
            let summary = format!("the `snapshot` of `{}` has `{key}` and no `{other}`", subject.name);
            problems.push(
                wrong("missing-key", summary)
                    .at(span, format!("needs `{other}` beside it"))
                    .hint("`dump` writes the data to its standard output, `restore` reads it from its standard input"),
            );
        }
    }
}
