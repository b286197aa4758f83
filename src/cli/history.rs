use std::collections::BTreeMap;

use super::{Exit, Format, HistoryArguments, Session, Terminal, session::project_request};
use crate::{
    ops::{self, HistoryScope},
    report::{history_json, history_table},
};

/// `orchestrate history`.
pub fn run(arguments: &HistoryArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, None)?;
    let scope = match arguments.all {
        true => HistoryScope::All,
        false => HistoryScope::Project(session.project(terminal, &project_request(&arguments.project))?.name),
    };
    let records = ops::history(&session.context, &scope)?;
    terminal.print(&match arguments.format {
        Format::Text => history_table(&records, terminal.data_ink),
        Format::Json => history_json(&records),
    })?;
    Ok(Exit::Ok)
}
