use std::{collections::BTreeMap, ffi::OsString, process::ExitCode};

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, error::ErrorKind, parser::ValueSource};

use super::{Arguments, Exit, Terminal, dispatch::dispatch, failure};

/// Runs the command that `arguments` (the program's name first) ask for, to its exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match parse(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error).into(),
    };
    // Names and values that are not UTF-8 cannot be ours.
    let env: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let terminal = Terminal::new(&arguments.common, &env);
    let exit = dispatch(arguments.command, &terminal, &env).unwrap_or_else(|error| {
        terminal.say(&failure::failure_text(error.as_ref(), terminal.talk_ink, terminal.width));
        failure::failure_exit(error.as_ref())
    });
    exit.into()
}

/// What was typed, as arguments.
fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, clap::Error> {
    let mut words: Vec<OsString> = arguments.into_iter().collect();
    if words.get(1).is_some_and(|command| command == "output") {
        // As people who know Terraform type it.
        words.iter_mut().filter(|word| *word == "-raw").for_each(|word| *word = "--raw".into());
    }
    let matches = Arguments::command().try_get_matches_from(words)?;
    if let Some((_, command)) = matches.subcommand() {
        refuse_two_projects(command)?;
    }
    Arguments::from_arg_matches(&matches)
}

/// A project by its name and one by its plan could be two. Only what was typed counts: a plan that
/// the environment names is just not read.
fn refuse_two_projects(command: &ArgMatches) -> Result<(), clap::Error> {
    let is_typed = |id: &str| {
        let is_known = command.try_contains_id(id).is_ok();
        is_known && command.value_source(id) == Some(ValueSource::CommandLine)
    };
    let others = [("plan", "a plan"), ("environment", "--environment"), ("vars", "--var")];
    match others.into_iter().find(|(id, _)| is_typed("project") && is_typed(id)) {
        Some((_, other)) => {
            let text = format!("--project cannot be used with {other}: it reads no plan");
            Err(Arguments::command().error(ErrorKind::ArgumentConflict, text))
        }
        None => Ok(()),
    }
}

/// Prints help, the version, or what is wrong with the command line.
fn usage(error: &clap::Error) -> Exit {
    // If that cannot be printed, the exit code still tells.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Ok,
        _ => Exit::Usage,
    }
}
