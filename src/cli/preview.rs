use std::collections::BTreeMap;

use super::{
    Exit, Format, PreviewArguments, Session, Terminal,
    apply::{force_recreate, pull_policy},
    session::plan_request,
};
use crate::{
    change::Request,
    ops::{self, PreviewRequest},
    report::diagnostics_text,
};

/// `orchestrate preview`.
pub fn run(arguments: &PreviewArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.plan.inputs.host.clone())?;
    let request = PreviewRequest {
        plan: plan_request(&arguments.plan),
        changes: Request {
            only: (!arguments.only.is_empty()).then(|| arguments.only.iter().cloned().collect()),
            no_dependencies: arguments.no_deps,
            force_recreate: force_recreate(arguments.force_recreate.as_deref()),
            remove_orphans: arguments.remove_orphans,
            pull: arguments.pull.map(pull_policy),
            ..Request::default()
        },
        ..PreviewRequest::default()
    };
    show(&session, &request, arguments.detailed_exitcode, arguments.format, terminal)
}

/// Prints what applying would do.
pub fn show(
    session: &Session,
    request: &PreviewRequest,
    is_exit_detailed: bool,
    format: Format,
    terminal: &Terminal,
) -> anyhow::Result<Exit> {
    let preview = session.look(ops::preview(&session.context, request))?;
    let loaded = &preview.opened.loaded;
    if !loaded.warnings.is_empty() {
        let sources = loaded.document.sources();
        terminal.say(&diagnostics_text(&loaded.warnings, sources, terminal.talk_ink, terminal.width));
    }
    let report = preview.report();
    terminal.warn(&report.warnings);
    terminal.note(report.unfinished.as_ref());
    match format {
        Format::Text => terminal.print(&report.to_text(terminal.data_ink))?,
        Format::Json => terminal.print(&report.to_json())?,
    }
    match is_exit_detailed && !preview.look.changes.is_empty() {
        true => Ok(Exit::ChangesPending),
        false => Ok(Exit::Ok),
    }
}
