use std::collections::BTreeMap;

use super::{
    Exit, Format, PreviewArguments, Session, Terminal,
    apply::{force_recreate, pull_policy},
    session::plan_requests,
};
use crate::{
    change::Request,
    ops::{self, PlanRequest, Preview, PreviewRequest},
    report::{PreviewReport, diagnostics_text, previews_json},
};

/// `orchestrate preview`.
pub fn run(arguments: &PreviewArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.plan.inputs.host.clone())?;
    let changes = Request {
        only: (!arguments.only.is_empty()).then(|| arguments.only.iter().cloned().collect()),
        no_dependencies: arguments.no_deps,
        force_recreate: force_recreate(arguments.force_recreate.as_deref()),
        remove_orphans: arguments.remove_orphans,
        pull: arguments.pull.map(pull_policy),
        ..Request::default()
    };
    let of = |plan: PlanRequest| PreviewRequest {
        plan: PlanRequest { adopt: arguments.adopt, ..plan },
        changes: changes.clone(),
        ..PreviewRequest::default()
    };
    let requests: Vec<PreviewRequest> = plan_requests(&arguments.plan, &arguments.more).into_iter().map(of).collect();
    show(&session, &requests, arguments.detailed_exitcode, arguments.format, terminal)
}

/// Prints what applying a plan, or several, would do.
pub fn show(
    session: &Session,
    requests: &[PreviewRequest],
    is_exit_detailed: bool,
    format: Format,
    terminal: &Terminal,
) -> anyhow::Result<Exit> {
    let previews = match requests {
        [request] => vec![session.look(ops::preview(&session.context, request))?],
        several => session.look(ops::preview_plans(&session.context, several))?,
    };
    let reports: Vec<PreviewReport> = previews.iter().map(Preview::report).collect();
    for (preview, report) in previews.iter().zip(&reports) {
        let loaded = &preview.opened.loaded;
        if !loaded.warnings.is_empty() {
            let sources = loaded.document.sources();
            terminal.say(&diagnostics_text(&loaded.warnings, sources, terminal.talk_ink, terminal.width));
        }
        terminal.warn(&report.warnings);
        terminal.note(report.unfinished.as_ref());
    }
    match (format, reports.as_slice()) {
        (Format::Text, reports) => {
            let texts: Vec<String> = reports.iter().map(|report| report.to_text(terminal.data_ink)).collect();
            terminal.print(&texts.join("\n"))?;
        }
        (Format::Json, [report]) => terminal.print(&report.to_json())?,
        (Format::Json, reports) => terminal.print(&previews_json(reports))?,
    }
    match is_exit_detailed && previews.iter().any(|preview| !preview.look.changes.is_empty()) {
        true => Ok(Exit::ChangesPending),
        false => Ok(Exit::Ok),
    }
}
