use std::collections::BTreeMap;

use serde_json::json;

use super::{Exit, Format, ImagesArguments, Session, Terminal, session::project_request};
use crate::{
    ops,
    report::{images_table, versioned_json},
};

/// `orchestrate images`.
pub fn run(arguments: &ImagesArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.which.inputs.host.clone())?;
    let project = session.project(terminal, &project_request(&arguments.which.project()))?;
    let mut warnings = Vec::new();
    let asked = session.look(ops::images(&session.context, &project, &arguments.services, &mut warnings));
    terminal.warn_of(&warnings);
    let lines = asked?;
    terminal.print(&match arguments.format {
        Format::Text => images_table(&lines, terminal.data_ink),
        Format::Json => versioned_json(&json!({ "images": lines })),
    })?;
    Ok(Exit::Ok)
}
