use std::collections::BTreeMap;

use super::{
    Command, Exit, Terminal, apply, check, completions, destroy, doctor, graph, history, init, lock, logs, preview,
    recover, render, restart, rollback, schema, show, snapshot, start, state, status, stop, validate, watch,
};

/// Calls the command's function.
pub fn dispatch(command: Command, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    match command {
        Command::Completions(arguments) => completions::run(&arguments, terminal),
        Command::Init(arguments) => init::run(&arguments, terminal),
        Command::Apply(arguments) => apply::run(&arguments, terminal, env),
        Command::Preview(arguments) => preview::run(&arguments, terminal, env),
        Command::Rollback(arguments) => rollback::run(&arguments, terminal, env),
        Command::Recover(arguments) => recover::run(&arguments, terminal, env),
        Command::Abort(arguments) => recover::abort(&arguments, terminal, env),
        Command::Lock(arguments) => lock::run(&arguments, terminal, env),
        Command::Snapshot(arguments) => snapshot::run(&arguments, terminal, env),
        Command::Destroy(arguments) => destroy::run(&arguments, terminal, env),
        Command::State(arguments) => state::run(&arguments.command, terminal, env),
        Command::Validate(arguments) => validate::run(&arguments, terminal, env),
        Command::Render(arguments) => render::run(&arguments, terminal, env),
        Command::Graph(arguments) => graph::run(&arguments, terminal, env),
        Command::Schema(arguments) => schema::run(&arguments, terminal),
        Command::Status(arguments) => status::run(&arguments, terminal, env),
        Command::Check(arguments) => check::run(&arguments, terminal, env),
        Command::Logs(arguments) => logs::run(&arguments, terminal, env),
        Command::Stop(arguments) => stop::run(&arguments, terminal, env),
        Command::Start(arguments) => start::run(&arguments, terminal, env),
        Command::Restart(arguments) => restart::run(&arguments, terminal, env),
        Command::Watch(arguments) => watch::run(&arguments, terminal, env),
        Command::History(arguments) => history::run(&arguments, terminal, env),
        Command::Show(arguments) => show::run(&arguments, terminal, env),
        Command::Doctor(arguments) => doctor::run(&arguments, terminal, env),
    }
}
