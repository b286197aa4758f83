use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _},
};

use anyhow::bail;

use super::{Exit, SecretCommand, SecretShowArguments, Session, Terminal, session::project_request};
use crate::ops;

/// `orchestrate secret`.
pub fn run(command: &SecretCommand, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    match command {
        SecretCommand::Show(arguments) => show(arguments, terminal, env),
    }
}

/// Prints a value that was asked for by its name. Into a file or a log it only goes if that was
/// meant.
fn show(arguments: &SecretShowArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    if !arguments.raw && !io::stdout().is_terminal() {
        bail!("standard output is no terminal, and a secret would be left there: say `--raw` if that is meant");
    }
    let session = Session::new(env, arguments.which.inputs.host.clone())?;
    let project = session.project(terminal, &project_request(&arguments.which.project()))?;
    let value = ops::secret(&project, &arguments.name)?;
    let end = if arguments.raw { "" } else { "\n" };
    terminal.print(&format!("{}{end}", value.expose()))?;
    Ok(Exit::Ok)
}
