use std::collections::BTreeMap;

use super::{Exit, Format, Session, StatusArguments, Terminal, session::project_request};
use crate::{
    ops::{self, Project},
    report::{status_table, versioned_json},
};

/// `orchestrate status`.
pub fn run(arguments: &StatusArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.project.plan.inputs.host.clone())?;
    let project = Project::find(&session.context, &project_request(&arguments.project))?;
    let report = session.look(ops::status(&session.context, &project))?;
    terminal.warn(&report.warnings);
    terminal.note(report.unfinished.as_ref());
    terminal.print(&match arguments.format {
        Format::Text => status_table(&report, terminal.data_ink),
        Format::Json => versioned_json(&report),
    })?;
    Ok(Exit::Ok)
}
