use std::collections::BTreeMap;

use serde_json::json;

use super::{Exit, Format, Session, Terminal, TopArguments, session::project_request};
use crate::{
    ops,
    report::{processes_text, versioned_json},
};

/// `orchestrate top`.
pub fn run(arguments: &TopArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.which.inputs.host.clone())?;
    let project = session.project(terminal, &project_request(&arguments.which.project()))?;
    let mut warnings = Vec::new();
    let asked = session.look(ops::top(&session.context, &project, &arguments.services, &mut warnings));
    terminal.warn_of(&warnings);
    let tables = asked?;
    let text = |(name, table): &(String, crate::runtime::ProcessTable)| {
        processes_text(name, &table.titles, &table.rows, terminal.data_ink)
    };
    let document = |(name, table): &(String, crate::runtime::ProcessTable)| json!({ "instance": name, "titles": table.titles, "processes": table.rows });
    terminal.print(&match arguments.format {
        Format::Text => tables.iter().map(text).collect::<Vec<_>>().join("\n"),
        Format::Json => versioned_json(&json!({ "instances": tables.iter().map(document).collect::<Vec<_>>() })),
    })?;
    Ok(Exit::Ok)
}
