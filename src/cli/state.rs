use std::collections::BTreeMap;

use super::{
    Exit, Format, Session, StateBackupArguments, StateCommand, StateRebuildArguments, StateRestoreArguments,
    StateVerifyArguments, Terminal, session::project_request,
};
use crate::{
    ops::{self, RestoreMode},
    report::{bytes_text, doctor_text, versioned_json},
};

/// `orchestrate state`.
pub fn run(command: &StateCommand, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, None)?;
    match command {
        StateCommand::Path(_) => {
            terminal.print(&format!("{}\n", ops::state_path(&session.context)?.display()))?;
            Ok(Exit::Ok)
        }
        StateCommand::Verify(arguments) => verify(&session, arguments, terminal),
        StateCommand::Backup(arguments) => backup(&session, arguments, terminal),
        StateCommand::Restore(arguments) => restore(&session, arguments, terminal),
        StateCommand::Rebuild(arguments) => rebuild(arguments, terminal, env),
    }
}

fn verify(session: &Session, arguments: &StateVerifyArguments, terminal: &Terminal) -> anyhow::Result<Exit> {
    let report = ops::verify_state(&session.context)?;
    terminal.print(&match arguments.format {
        Format::Text => doctor_text(&report, terminal.data_ink),
        Format::Json => versioned_json(&report),
    })?;
    Ok(if report.ok { Exit::Ok } else { Exit::Failed })
}

fn backup(session: &Session, arguments: &StateBackupArguments, terminal: &Terminal) -> anyhow::Result<Exit> {
    let report = ops::backup_state(&session.context, &arguments.file)?;
    match arguments.format {
        Format::Text => {
            let (file, bytes) = (arguments.file.display(), bytes_text(report.bytes));
            terminal.say(&format!(
                "wrote `{file}` ({bytes}); the key that opens the state's secrets is in it: keep it as safe as them\n"
            ));
        }
        Format::Json => terminal.print(&versioned_json(&report))?,
    }
    Ok(Exit::Ok)
}

fn restore(session: &Session, arguments: &StateRestoreArguments, terminal: &Terminal) -> anyhow::Result<Exit> {
    let mode = if arguments.force { RestoreMode::Replace } else { RestoreMode::OnlyIntoNothing };
    let report = ops::restore_state(&session.context, &arguments.file, mode)?;
    match arguments.format {
        Format::Text => {
            terminal.say(&format!(
                "restored `{}`, as it was on `{}` at {}\n",
                report.directory.display(),
                report.host,
                report.made_at
            ));
            if let Some(replaced) = &report.replaced {
                terminal.say(&format!("what was there is kept as `{}`\n", replaced.display()));
            }
            terminal.say("what runs was not touched: `orchestrate preview` shows what differs from it\n");
        }
        Format::Json => terminal.print(&versioned_json(&report))?,
    }
    Ok(Exit::Ok)
}

fn rebuild(
    arguments: &StateRebuildArguments,
    terminal: &Terminal,
    env: &BTreeMap<String, String>,
) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.project.plan.inputs.host.clone())?;
    let report = session.look(ops::rebuild_state(&session.context, &project_request(&arguments.project)))?;
    terminal.print(&match arguments.format {
        Format::Text => report.to_text(),
        Format::Json => report.to_json(),
    })?;
    Ok(if report.ok { Exit::Ok } else { Exit::Failed })
}
