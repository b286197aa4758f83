use std::collections::BTreeMap;

use anyhow::bail;

use super::{Command, Exit, Terminal, completions, init};

/// Calls the command's function.
pub fn dispatch(command: Command, terminal: &Terminal, _env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let name = match command {
        Command::Completions(arguments) => return completions::run(&arguments, terminal),
        Command::Init(arguments) => return init::run(&arguments, terminal),
        Command::Apply(_) => "apply",
        Command::Preview(_) => "preview",
        Command::Validate(_) => "validate",
        Command::Render(_) => "render",
        Command::Graph(_) => "graph",
        Command::Schema(_) => "schema",
        Command::Status(_) => "status",
        Command::Check(_) => "check",
        Command::Logs(_) => "logs",
        Command::History(_) => "history",
        Command::Show(_) => "show",
        Command::Rollback(_) => "rollback",
        Command::Destroy(_) => "destroy",
        Command::Doctor(_) => "doctor",
    };
    bail!("`{name}` is not part of this build")
}
