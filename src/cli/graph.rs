use std::collections::BTreeMap;

use super::{Exit, GraphArguments, GraphFormat, Session, Terminal, session::plan_request};
use crate::{
    ops,
    report::{graph_dot, graph_mermaid, graph_text, versioned_json},
};

/// `orchestrate graph`.
pub fn run(arguments: &GraphArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, None)?;
    let graph = ops::graph(&session.context, &plan_request(&arguments.plan))?;
    terminal.print(&match arguments.format {
        GraphFormat::Text => graph_text(&graph, terminal.data_ink),
        GraphFormat::Json => versioned_json(&graph),
        GraphFormat::Mermaid => graph_mermaid(&graph),
        GraphFormat::Dot => graph_dot(&graph),
    })?;
    Ok(Exit::Ok)
}
