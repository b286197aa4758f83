use std::collections::BTreeMap;

use super::{Exit, Format, HistoryArguments, Session, Terminal, session::project_request};
use crate::{
    diagnostic::Diagnostics,
    ops::{self, HistoryScope},
    report::{WarningReport, history_json, history_table},
};

/// `orchestrate history`.
pub fn run(arguments: &HistoryArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, None)?;
    let mut warnings = Diagnostics::new();
    let project = match arguments.all {
        true => None,
        false => Some(session.project(terminal, &project_request(&arguments.project))?),
    };
    let scope = project.as_ref().map_or(HistoryScope::All, HistoryScope::Project);
    let records = session.look(ops::history(&session.context, scope, &mut warnings))?;
    let warnings: Vec<WarningReport> = warnings.iter().map(WarningReport::from).collect();
    terminal.warn(&warnings);
    terminal.print(&match arguments.format {
        Format::Text => history_table(&records, terminal.data_ink),
        Format::Json => history_json(&records),
    })?;
    Ok(Exit::Ok)
}
