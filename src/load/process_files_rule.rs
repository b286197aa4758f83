//! Configs and secrets of processes: files in a directory of their own, which nothing is mounted from.

use super::{problem::wrong, rule::Subject};
use crate::{diagnostic::Diagnostics, plan::RuntimeKind};

pub(super) fn check_process_files(subject: &Subject, problems: &mut Diagnostics) {
    let service = subject.service;
    if service.runtime() != RuntimeKind::Process {
        return;
    }
    for (list, files) in [("configs", &service.configs), ("secrets", &service.secrets)] {
        for (index, file) in files.iter().enumerate().filter(|(_, file)| file.target.is_some()) {
            let summary = format!("`target` means nothing for `{}`, which is a process", subject.name);
            let span = subject.span(&[list, &index.to_string(), "target"]);
            let kind = list.trim_end_matches('s');
            let hint = format!("it finds the file as `$ORCHESTRATE_FILES/{kind}-{}`", file.source);
            problems.push(wrong("not-for-process", summary).at(span, "only for containers").hint(hint));
        }
        if let (Some(user), false) = (&service.user, files.is_empty()) {
            let summary = format!("`{}` runs as `{user}`, who cannot get to its `{list}`", subject.name);
            let hint = "they lie where only you get to: leave `user` out, or run it as a container";
            problems.push(wrong("not-for-process", summary).at(subject.span(&[list]), "out of reach").hint(hint));
        }
    }
}
