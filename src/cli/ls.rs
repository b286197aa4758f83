use std::collections::BTreeMap;

use serde_json::json;

use super::{Exit, Format, LsArguments, Session, Terminal};
use crate::{
    ops,
    report::{projects_table, versioned_json},
};

/// `orchestrate ls`.
pub fn run(arguments: &LsArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, None)?;
    let lines = ops::projects(&session.context)?;
    terminal.print(&match arguments.format {
        Format::Text => projects_table(&lines, terminal.data_ink),
        Format::Json => versioned_json(&json!({ "projects": lines })),
    })?;
    Ok(Exit::Ok)
}
