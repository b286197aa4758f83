use std::collections::BTreeMap;

use super::{CheckArguments, Exit, Format, Session, Terminal, session::project_request};
use crate::{
    ops::{self, CheckRequest},
    report::{checks_table, versioned_json},
};

/// `orchestrate check`.
pub fn run(arguments: &CheckArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.project.plan.inputs.host.clone())?;
    let project = session.project(terminal, &project_request(&arguments.project))?;
    let request = CheckRequest { only: arguments.only.clone(), tags: arguments.tags.clone() };
    let report = session.look(ops::check(&session.context, &project, &request))?;
    terminal.print(&match arguments.format {
        Format::Text => checks_table(&report, terminal.data_ink),
        Format::Json => versioned_json(&report),
    })?;
    Ok(if report.ok { Exit::Ok } else { Exit::Failed })
}
