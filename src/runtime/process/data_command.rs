//! Commands beside a process whose output is a file of a snapshot, or whose input is one.

use std::{path::Path, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
};

use super::{exec, record::Launch};
use crate::{
    action::Effect,
    diagnostic::Class,
    observed::Fault,
    runtime::{
        command::exit_code,
        data_file::{self, CHUNK_BYTES, DataFile, LastWords, dump_ended, feed_ended},
    },
    time::format_duration,
};

/// Runs a command as the instance would, and writes its output into a file.
pub(super) async fn dump(
    name: &str,
    launch: &Launch,
    command: &[String],
    to: &str,
    timeout: Duration,
) -> Result<Effect, Fault> {
    let mut process = exec::command(launch, command)?;
    process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut file = DataFile::create(to).await?;
    let mut running = Running::start(process, command)?;
    let output = running.child.stdout.take().expect("its output was asked for");
    let errors = running.child.stderr.take().expect("its errors were asked for");
    let work = async {
        let mut words = LastWords::default();
        let write = async {
            let (mut output, mut chunk) = (output, vec![0; CHUNK_BYTES]);
            while let Ok(length @ 1..) = output.read(&mut chunk).await {
                file.write(&chunk[..length]).await?;
            }
            Ok::<_, Fault>(file)
        };
        let (file, ()) = tokio::join!(write, listen(errors, &mut words));
        let file = file?;
        dump_ended(name, running.exit_code(command).await?, file.bytes(), &words)?;
        file.finish().await
    };
    within(timeout, "dump", name, work).await
}

/// Runs a command as the instance would, with a file as its input.
pub(super) async fn feed(
    name: &str,
    launch: &Launch,
    command: &[String],
    from: &Path,
    timeout: Duration,
) -> Result<(), Fault> {
    let mut process = exec::command(launch, command)?;
    let input = data_file::open(from).await?.into_std().await;
    process.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running::start(process, command)?;
    let output = running.child.stdout.take().expect("its output was asked for");
    let errors = running.child.stderr.take().expect("its errors were asked for");
    let work = async {
        let (mut said, mut words) = (LastWords::default(), LastWords::default());
        tokio::join!(listen(output, &mut said), listen(errors, &mut words));
        feed_ended(name, running.exit_code(command).await?, &words)
    };
    within(timeout, "restore", name, work).await
}

/// A command and its group, which ends with it: after its end, and when nobody waits any more.
struct Running {
    child: Child,
}

impl Running {
    fn start(mut process: Command, command: &[String]) -> Result<Self, Fault> {
        let word = command.first().map_or("", String::as_str);
        let child = process.spawn().map_err(|error| exec::exec_fault(word, &error))?;
        Ok(Self { child })
    }

    async fn exit_code(&mut self, command: &[String]) -> Result<i64, Fault> {
        let word = command.first().map_or("", String::as_str);
        let status = self.child.wait().await.map_err(|error| exec::exec_fault(word, &error))?;
        Ok(exit_code(status))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its id is gone once it was waited for.
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

async fn listen(mut output: impl AsyncRead + Unpin, words: &mut LastWords) {
    let mut chunk = vec![0; 8 << 10];
    while let Ok(length @ 1..) = output.read(&mut chunk).await {
        words.hear(&chunk[..length]);
    }
}

async fn within<T>(
    timeout: Duration,
    what: &str,
    name: &str,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    tokio::time::timeout(timeout, work).await.unwrap_or_else(|_| {
        let text = format!("the {what} command of `{name}` did not end within {}", format_duration(timeout));
        Err(Fault::new(Class::Timeout, "data-timeout", text).hint("give it more time: `snapshot.timeout`"))
    })
}
