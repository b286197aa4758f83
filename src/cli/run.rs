use std::{collections::BTreeMap, ffi::OsString, process::ExitCode};

use clap::{Parser as _, error::ErrorKind};

use super::{Arguments, Exit, Terminal, dispatch::dispatch, failure};

/// Runs the command that `arguments` (the program's name first) ask for, to its exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error).into(),
    };
    // Names and values that are not UTF-8 cannot be ours.
    let env: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let terminal = Terminal::new(&arguments.common, &env);
    let exit = dispatch(arguments.command, &terminal, &env).unwrap_or_else(|error| {
        terminal.say(&failure::failure_text(&error, terminal.talk_ink, terminal.width));
        failure::failure_exit(&error)
    });
    exit.into()
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
