use std::collections::BTreeMap;

use super::{
    Exit, Format, LockArguments, LockCommand, LockReleaseArguments, LockStatusArguments, Session, Terminal,
    session::project_request,
};
use crate::{ops, store::ReleaseMode};

/// `orchestrate lock`.
pub fn run(arguments: &LockArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    match &arguments.command {
        LockCommand::Status(arguments) => status(arguments, terminal, env),
        LockCommand::Release(arguments) => release(arguments, terminal, env),
    }
}

fn status(
    arguments: &LockStatusArguments,
    terminal: &Terminal,
    env: &BTreeMap<String, String>,
) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.project.plan.inputs.host.clone())?;
    let project = session.project(terminal, &project_request(&arguments.project))?;
    let report = session.look(ops::lock_status(&session.context, &project))?;
    terminal.print(&match arguments.format {
        Format::Text => report.to_text(),
        Format::Json => report.to_json(),
    })?;
    Ok(Exit::Ok)
}

fn release(
    arguments: &LockReleaseArguments,
    terminal: &Terminal,
    env: &BTreeMap<String, String>,
) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.project.plan.inputs.host.clone())?;
    let project = session.project(terminal, &project_request(&arguments.project))?;
    let mode = if arguments.force { ReleaseMode::Force } else { ReleaseMode::IfAbandoned };
    let owner = session.look(ops::release_lock(&session.context, &project, mode))?;
    terminal.say(&match owner {
        None => format!("the lock of project `{}` was free\n", project.name),
        Some(owner) => format!(
            "the lock of project `{}` is free: deployment `{}` of process {} on `{}` had it; what it left half done \
             is put right by the next `apply`, or `orchestrate recover`\n",
            project.name, owner.deployment, owner.process.pid, owner.process.host
        ),
    });
    Ok(Exit::Ok)
}
