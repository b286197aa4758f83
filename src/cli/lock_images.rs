use std::collections::BTreeMap;

use super::{Exit, Format, LockImagesArguments, Session, Terminal, session::plan_request};
use crate::ops;

/// `orchestrate lock-images`.
pub fn run(
    arguments: &LockImagesArguments,
    terminal: &Terminal,
    env: &BTreeMap<String, String>,
) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.plan.inputs.host.clone())?;
    let report = session.look(ops::lock_images(&session.context, &plan_request(&arguments.plan)))?;
    terminal.print(&match arguments.format {
        Format::Text => report.to_text(terminal.data_ink),
        Format::Json => report.to_json(),
    })?;
    Ok(Exit::Ok)
}
