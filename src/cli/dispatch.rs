use std::collections::BTreeMap;

use super::{
    Command, Exit, Terminal, apply, check, completions, cp, destroy, doctor, exec, forget, graph, history, images,
    init, kill, lock, logs, ls, output, port, preview, pull, recover, render, restart, rollback, run_once, scale,
    schema, secret, show, snapshot, start, state, stats, status, stop, top, validate, watch,
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
        Command::Kill(arguments) => kill::run(&arguments, terminal, env),
        Command::Pause(arguments) => kill::pause(&arguments, terminal, env),
        Command::Unpause(arguments) => kill::unpause(&arguments, terminal, env),
        Command::Scale(arguments) => scale::run(&arguments, terminal, env),
        Command::Exec(arguments) => exec::run(&arguments, terminal, env),
        Command::Run(arguments) => run_once::run(&arguments, terminal, env),
        Command::Cp(arguments) => cp::run(&arguments, terminal, env),
        Command::Port(arguments) => port::run(&arguments, terminal, env),
        Command::Top(arguments) => top::run(&arguments, terminal, env),
        Command::Stats(arguments) => stats::run(&arguments, terminal, env),
        Command::Images(arguments) => images::run(&arguments, terminal, env),
        Command::Pull(arguments) => pull::run(&arguments, terminal, env),
        Command::Forget(arguments) => forget::run(&arguments, terminal, env),
        Command::Output(arguments) => output::run(&arguments, terminal, env),
        Command::Secret(arguments) => secret::run(&arguments.command, terminal, env),
        Command::Ls(arguments) => ls::run(&arguments, terminal, env),
        Command::Watch(arguments) => watch::run(&arguments, terminal, env),
        Command::History(arguments) => history::run(&arguments, terminal, env),
        Command::Show(arguments) => show::run(&arguments, terminal, env),
        Command::Doctor(arguments) => doctor::run(&arguments, terminal, env),
    }
}
