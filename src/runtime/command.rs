//! Hooks and tests: commands that are run to their end, wherever that is.

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{ExitStatus, Stdio},
};

use futures_util::StreamExt as _;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{io::AsyncReadExt as _, net::unix::pipe};

use super::{Attached, ExecRequest, Remote, Streams};
use crate::{
    action::{CommandRun, Effect},
    diagnostic::Class,
    observed::Fault,
    secret::Text,
    time::format_duration,
};

/// What is kept of a command's output: so many of its last bytes and lines.
const TAIL_BYTES: usize = 8 << 10;
const TAIL_LINES: usize = 20;

/// What is asked of an instance that a command runs in.
pub(super) fn exec_request(run: &CommandRun) -> ExecRequest {
    let environment = run.environment.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
    ExecRequest {
        command: run.command.expose(),
        user: run.user.clone(),
        working_dir: run.working_dir.clone(),
        environment: environment.collect(),
        is_privileged: false,
        streams: Streams::default(),
    }
}

/// A command on this host, in the environment of whoever deploys.
pub(super) fn on_host(run: &CommandRun) -> Result<Attached, Fault> {
    let words = run.command.expose();
    let Some((word, arguments)) = words.split_first() else {
        return Err(failed(run, "its command is empty"));
    };
    let mut command = std::process::Command::new(word);
    command.args(arguments).envs(run.environment.iter().map(|(name, value): (&String, &Text)| (name, value.expose())));
    command.current_dir(run.working_dir.as_deref().unwrap_or("/"));
    Ok(Attached::Local(Box::new(command)))
}

/// Waits for a command's end, as long as it may take, and judges it by that.
pub(super) async fn to_its_end(run: &CommandRun, attached: Attached) -> Result<Effect, Fault> {
    let mut tail = Tail::default();
    let ended = match attached {
        Attached::Local(command) => local(run, *command, &mut tail).await,
        Attached::Remote(remote) => self::remote(run, remote, &mut tail).await,
        Attached::Detached => Err(failed(run, "nobody listens to it")),
    };
    let output = tail.lines();
    match ended {
        Ok(0) => Ok(Effect::Ran { output }),
        Ok(code) => {
            let said = output.last().map(|line| format!(": {line}")).unwrap_or_default();
            Err(Fault { output, ..failed(run, &format!("it ended with exit code {code}{said}")) })
        }
        Err(fault) => Err(Fault { output, ..fault }),
    }
}

fn failed(run: &CommandRun, why: &str) -> Fault {
    let code = format!("{}-failed", run.kind.as_str());
    Fault::new(Class::Deployment, code, format!("{} `{}` failed: {why}", run.kind.as_str(), run.name))
}

fn timed_out(run: &CommandRun, what_became: &str) -> Fault {
    let (kind, timeout) = (run.kind.as_str(), format_duration(run.timeout.0));
    let text = format!("{kind} `{}` did not end within {timeout}{what_became}", run.name);
    Fault::new(Class::Timeout, format!("{kind}-timeout"), text).hint("give it more time: `timeout`")
}

async fn remote(run: &CommandRun, mut remote: Remote, tail: &mut Tail) -> Result<i64, Fault> {
    drop(remote.input);
    let read = async {
        while let Some(chunk) = remote.output.next().await {
            tail.hear(&chunk?.1);
        }
        remote.far_end.exit_code().await
    };
    match tokio::time::timeout(run.timeout.0, read).await {
        Ok(ended) => ended,
        Err(_) => match remote.far_end.signal("SIGKILL").await {
            Ok(true) => Err(timed_out(run, ", and was killed")),
            Ok(false) | Err(_) => Err(timed_out(run, "; no engine can end it: it may still run")),
        },
    }
}

async fn local(run: &CommandRun, mut command: std::process::Command, tail: &mut Tail) -> Result<i64, Fault> {
    let fault = |error: io::Error| {
        let word = run.command.0.first().map(ToString::to_string).unwrap_or_default();
        let fault = failed(run, &format!("cannot run `{word}`: {error}"));
        fault.hint("a program is looked for in PATH, and a relative one in the plan's directory or `working_dir`")
    };
    let (reader, writer) = io::pipe().map_err(fault)?;
    command.stdin(Stdio::null()).stdout(writer.try_clone().map_err(fault)?).stderr(writer).process_group(0);
    let mut command = tokio::process::Command::from(command);
    let mut child = command.kill_on_drop(true).spawn().map_err(fault)?;
    // It holds the writing ends, which have to close with the child.
    drop(command);
    let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let mut reader = pipe::Receiver::from_owned_fd(reader.into()).map_err(fault)?;
    let end = async {
        let status = child.wait().await;
        // What it left behind may hold its output open.
        drop(group);
        status
    };
    let read = async {
        let mut chunk = vec![0; TAIL_BYTES];
        while let Ok(length @ 1..) = reader.read(&mut chunk).await {
            tail.hear(&chunk[..length]);
        }
    };
    match tokio::time::timeout(run.timeout.0, async { tokio::join!(end, read) }).await {
        Ok((status, ())) => Ok(exit_code(status.map_err(fault)?)),
        Err(_) => Err(timed_out(run, ", and was killed")),
    }
}

/// As a shell says it: one that was ended by a signal has 128 and the signal's number.
pub(super) fn exit_code(status: ExitStatus) -> i64 {
    let signal = || std::os::unix::process::ExitStatusExt::signal(&status).map_or(-1, |signal| 128 + signal);
    i64::from(status.code().unwrap_or_else(signal))
}

/// Ends a command's group when it goes out of scope: after its end, at the timeout, and when nobody
/// waits any more.
pub(super) struct Group(pub Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// The end of what a command wrote.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn hear(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        let surplus = self.0.len().saturating_sub(TAIL_BYTES);
        self.0.drain(..surplus);
    }

    /// Its last lines, without what could steer a terminal.
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.0);
        let clean = |line: &str| line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
        let lines = text.lines().map(|line| clean(line).trim_end().to_owned()).filter(|line| !line.is_empty());
        let mut lines: Vec<String> = lines.collect();
        let surplus = lines.len().saturating_sub(TAIL_LINES);
        lines.drain(..surplus);
        lines
    }
}
