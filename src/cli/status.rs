use std::collections::BTreeMap;

use super::{Exit, Format, Session, StatusArguments, Terminal, session::plan_request};
use crate::{
    ops,
    report::{status_table, versioned_json},
};

/// `orchestrate status`.
pub fn run(arguments: &StatusArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.plan.inputs.host.clone())?;
    let report = session.look(ops::status(&session.context, &plan_request(&arguments.plan)))?;
    terminal.print(&match arguments.format {
        Format::Text => status_table(&report, terminal.data_ink),
        Format::Json => versioned_json(&report),
    })?;
    Ok(Exit::Ok)
}
