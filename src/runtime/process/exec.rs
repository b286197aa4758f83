use std::{io, os::unix::process::CommandExt as _, process::Stdio, time::Duration};

use rustix::process::Pid;
use tokio::{io::AsyncReadExt as _, net::unix::pipe, process::Command, time::timeout};

use super::{account::account, record::Launch, trouble::reason};
use crate::{
    diagnostic::Class,
    observed::Fault,
    runtime::{
        ExecOutput,
        command::{Group, exit_code},
    },
    secret::Text,
};

/// What is kept of a command's output; the rest is read and dropped, so that it is not held up.
const MAX_OUTPUT_BYTES: usize = 64 << 10;

/// Runs a command on the host as the instance would: its directory, environment and user.
pub(super) async fn exec(launch: &Launch, command: &[String], patience: Duration) -> Result<ExecOutput, Fault> {
    let mut process = self::command(launch, command)?;
    let word = command.first().map_or("", String::as_str);
    let fault = |error: &io::Error| exec_fault(word, error);
    let (reader, writer) = io::pipe().map_err(|error| fault(&error))?;
    let copy = writer.try_clone().map_err(|error| fault(&error))?;
    process.stdin(Stdio::null()).stdout(copy).stderr(writer);
    let mut child = process.spawn().map_err(|error| fault(&error))?;
    // It holds the writing ends, which have to close with the child.
    drop(process);
    let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let reader = pipe::Receiver::from_owned_fd(reader.into()).map_err(|error| fault(&error))?;
    let run = async {
        let end = async {
            let status = child.wait().await;
            // What it left behind may hold its output open.
            drop(group);
            status
        };
        let (status, output) = tokio::join!(end, read_bounded(reader));
        io::Result::Ok((status?, output))
    };
    match timeout(patience, run).await {
        Ok(Ok((status, output))) => {
            Ok(ExecOutput { exit_code: exit_code(status), output: String::from_utf8_lossy(&output).into_owned() })
        }
        Ok(Err(error)) => Err(fault(&error)),
        Err(_) => {
            let text = format!("`{word}` has not ended within {} ms", patience.as_millis());
            Err(Fault::new(Class::Timeout, "exec-timeout", text))
        }
    }
}

/// A command in the instance's directory and environment, as its user, in a group of its own.
pub(super) fn command(launch: &Launch, command: &[String]) -> Result<Command, Fault> {
    let mut process = Command::from(local(launch, command)?);
    process.process_group(0).kill_on_drop(true);
    Ok(process)
}

/// A command in the instance's directory and environment, as its user, in the caller's own group: a
/// terminal's signals reach it.
pub(super) fn local(launch: &Launch, command: &[String]) -> Result<std::process::Command, Fault> {
    let Some((word, arguments)) = command.split_first() else {
        return Err(Fault::new(Class::Configuration, "executable-not-found", "the command is empty"));
    };
    let mut process = std::process::Command::new(word);
    process.args(arguments).env_clear().current_dir(&launch.working_dir);
    process.envs(launch.environment.iter().map(|(name, value): (&String, &Text)| (name, value.expose())));
    if let Some(account) = launch.user.as_deref().map(account).transpose()? {
        process.uid(account.uid).gid(account.gid);
    }
    Ok(process)
}

async fn read_bounded(mut reader: pipe::Receiver) -> Vec<u8> {
    let mut output = Vec::new();
    let mut chunk = vec![0; 8 << 10];
    while let Ok(length @ 1..) = reader.read(&mut chunk).await {
        let room = MAX_OUTPUT_BYTES.saturating_sub(output.len()).min(length);
        output.extend_from_slice(&chunk[..room]);
    }
    output
}

pub(super) fn exec_fault(word: &str, error: &io::Error) -> Fault {
    let text = format!("cannot run `{word}`: {}", reason(error));
    match error.kind() {
        io::ErrorKind::NotFound => Fault::new(Class::Dependency, "executable-not-found", text)
            .hint("it is looked for in the service's PATH, and relative to `working_dir`"),
        io::ErrorKind::PermissionDenied => Fault::new(Class::Permission, "executable-not-permitted", text),
        _ => Fault::new(Class::Deployment, "exec-failed", text),
    }
}
