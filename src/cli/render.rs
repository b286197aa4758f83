use std::collections::BTreeMap;

use super::{Exit, RenderArguments, RenderFormat, Session, Terminal, session::plan_request};
use crate::{load::plan_yaml, ops, report::versioned_json};

/// `orchestrate render`.
pub fn run(arguments: &RenderArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, None)?;
    let opened = ops::render(&session.context, &plan_request(&arguments.plan))?;
    terminal.print(&match arguments.format {
        RenderFormat::Yaml => plan_yaml(&opened.loaded.plan),
        RenderFormat::Json => versioned_json(&opened.loaded.plan),
    })?;
    Ok(Exit::Ok)
}
