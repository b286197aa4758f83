//! What the schema cannot say about what happens when the contents of a file change.

use super::{problem::wrong, rule::Subject};
use crate::{
    diagnostic::Diagnostics,
    plan::{BindOptions, MountKind, OnChange},
};

pub(super) fn check_on_change(subject: &Subject, problems: &mut Diagnostics) {
    let service = subject.service;
    let configs = service.configs.iter().map(|file| &file.on_change);
    let secrets = service.secrets.iter().map(|file| &file.on_change);
    let mounts = service.volumes.iter().map(|mount| &mount.on_change);
    let lists =
        [("configs", configs.collect::<Vec<_>>()), ("secrets", secrets.collect()), ("volumes", mounts.collect())];
    for (list, reactions) in lists {
        let said = reactions.into_iter().enumerate().filter_map(|(index, said)| Some((index, said.as_ref()?)));
        for (index, on_change) in said {
            check_reaction(subject, (list, index), on_change, problems);
        }
    }
    for (index, mount) in service.volumes.iter().enumerate().filter(|(_, mount)| mount.on_change.is_some()) {
        let span = subject.span(&["volumes", &index.to_string()]);
        if mount.kind != MountKind::Bind {
            let summary = format!("`on_change` of `{}` in `{}` is for files of the host", mount.target, subject.name);
            let hint = "what a volume holds is its services' own: only a single file with `type: bind` has it";
            problems.push(wrong("invalid-value", summary).at(span, "no file of the host").hint(hint));
        } else if mount.bind != BindOptions::default() {
            let summary = format!("`bind` means nothing for `{}` in `{}`: it is a copy", mount.target, subject.name);
            let hint = "a file with `on_change` is mounted as a copy, read-only: take out `bind`, or `on_change`";
            problems.push(wrong("invalid-value", summary).at(span, "here").hint(hint));
        }
    }
}

fn check_reaction(subject: &Subject, (list, index): (&str, usize), on_change: &OnChange, problems: &mut Diagnostics) {
    let span = subject.span(&[list, &index.to_string(), "on_change"]);
    if subject.service.is_job() {
        let summary = format!("`on_change` means nothing for `{}`, which is a job", subject.name);
        let hint = "a job runs again when its files have changed: see `run`";
        problems.push(wrong("not-for-job", summary).at(span, "only for services").hint(hint));
    }
    if matches!(on_change, OnChange::Command(line) if line.0.is_empty()) {
        let summary = format!("the command of an `on_change` in `{}` is empty", subject.name);
        problems.push(wrong("invalid-value", summary).at(span, "here"));
    }
    if subject.service.ignore_changes.iter().any(|path| path == list) {
        let summary = format!("`{}` ignores changes of `{list}`, and says what happens on one", subject.name);
        problems.push(wrong("invalid-value", summary).at(span, "never happens").hint("take out one of the two"));
    }
}
