use std::collections::BTreeMap;

use anyhow::bail;

use super::{Command, Exit, Terminal, apply, completions, destroy, init, preview, rollback};

/// Calls the command's function.
pub fn dispatch(command: Command, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let name = match command {
        Command::Completions(arguments) => return completions::run(&arguments, terminal),
        Command::Init(arguments) => return init::run(&arguments, terminal),
        Command::Apply(arguments) => return apply::run(&arguments, terminal, env),
        Command::Preview(arguments) => return preview::run(&arguments, terminal, env),
        Command::Rollback(arguments) => return rollback::run(&arguments, terminal, env),
        Command::Destroy(arguments) => return destroy::run(&arguments, terminal, env),
        Command::Validate(_) => "validate",
        Command::Render(_) => "render",
        Command::Graph(_) => "graph",
        Command::Schema(_) => "schema",
        Command::Status(_) => "status",
        Command::Check(_) => "check",
        Command::Logs(_) => "logs",
        Command::History(_) => "history",
        Command::Show(_) => "show",
        Command::Doctor(_) => "doctor",
    };
    bail!("`{name}` is not part of this build")
}
