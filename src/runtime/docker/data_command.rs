//! Commands inside a container whose output is a file of a snapshot, or whose input is one.

use std::{path::Path, time::Duration};

use bollard::{
    container::LogOutput,
    errors::Error,
    exec::{CreateExecOptions, StartExecResults},
};
use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Docker, call::Call, fault, instance};
use crate::{
    action::{Effect, InstanceHandle},
    diagnostic::Class,
    observed::Fault,
    runtime::data_file::{self, CHUNK_BYTES, DataFile, LastWords, dump_ended, feed_ended},
    time::format_duration,
};

/// Runs a command in a running container, and writes its output into a file, unless that is there.
pub(super) async fn dump(
    docker: &Docker,
    handle: &InstanceHandle,
    command: &[String],
    to: &str,
    timeout: Duration,
) -> Result<Effect, Fault> {
    if let Some(saved) = data_file::written_before(to).await? {
        return Ok(saved);
    }
    let id = handle.id.as_deref().unwrap_or(&handle.name);
    let exec = Exec::new(docker, id).await?;
    let dump = async {
        let (client, meter) = docker.streaming()?;
        let (exec_id, started) = exec.start(&client, command, Input::None).await?;
        let mut file = DataFile::create(to).await?;
        let mut words = LastWords::default();
        if let StartExecResults::Attached { mut output, .. } = started {
            while let Some(frame) = output.next().await {
                meter.refill();
                match frame.map_err(|error| exec.fault(&error))? {
                    LogOutput::StdOut { message } | LogOutput::Console { message } => file.write(&message).await?,
                    LogOutput::StdErr { message } => words.hear(&message),
                    LogOutput::StdIn { .. } => {}
                }
            }
        }
        let exit_code = exec.exit_code(&exec_id).await?;
        dump_ended(&exec.name, exit_code, file.bytes(), &words)?;
        file.finish().await
    };
    exec.within(timeout, "dump", dump).await
}

/// Runs a command in a running container with a file as its input.
pub(super) async fn feed(
    docker: &Docker,
    id: &str,
    command: &[String],
    from: &Path,
    timeout: Duration,
) -> Result<(), Fault> {
    let exec = Exec::new(docker, id).await?;
    let feed = async {
        let mut file = data_file::open(from).await?;
        let (client, meter) = docker.streaming()?;
        let (exec_id, started) = exec.start(&client, command, Input::Attached).await?;
        let mut words = LastWords::default();
        if let StartExecResults::Attached { mut output, mut input } = started {
            let write = async {
                let mut chunk = vec![0; CHUNK_BYTES];
                // One that ends early says by its exit code whether it has had enough.
                while let Ok(length @ 1..) = file.read(&mut chunk).await {
                    if input.write_all(&chunk[..length]).await.is_err() {
                        break;
                    }
                }
                drop(input.shutdown().await);
            };
            let read = async {
                while let Some(frame) = output.next().await {
                    meter.refill();
                    words.hear(&frame.map_err(|error| exec.fault(&error))?.into_bytes());
                }
                Ok::<_, Fault>(())
            };
            let mut read = std::pin::pin!(read);
            let mut write = std::pin::pin!(write);
            // The output's end is the command's: then nobody reads what is still to be written.
            tokio::select! {
                () = &mut write => read.await?,
                ended = &mut read => ended?,
            }
        }
        feed_ended(&exec.name, exec.exit_code(&exec_id).await?, &words)
    };
    exec.within(timeout, "restore", feed).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Input {
    None,
    Attached,
}

struct Exec<'a> {
    docker: &'a Docker,
    id: &'a str,
    name: String,
}

impl<'a> Exec<'a> {
    async fn new(docker: &'a Docker, id: &'a str) -> Result<Self, Fault> {
        let container = instance::owned(docker, id).await?.ok_or_else(|| {
            Fault::new(Class::Dependency, Fault::INSTANCE_NOT_FOUND, format!("`{id}` does not exist any more"))
        })?;
        let name = container.name.as_deref().map_or(id, |name| name.trim_start_matches('/')).to_owned();
        Ok(Self { docker, id, name })
    }

    fn call(&self) -> Call {
        self.docker.read(format!("run a command in `{}`", self.name))
    }

    fn fault(&self, error: &Error) -> Fault {
        fault::from_error(&self.call(), error)
    }

    async fn start(
        &self,
        client: &bollard::Docker,
        command: &[String],
        input: Input,
    ) -> Result<(String, StartExecResults), Fault> {
        let options = CreateExecOptions {
            cmd: Some(command.to_vec()),
            attach_stdin: Some(input == Input::Attached),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..Default::default()
        };
        let made = self.call().run(client.create_exec(self.id, options)).await?;
        let started = self.call().run(client.start_exec(&made.id, None)).await?;
        Ok((made.id, started))
    }

    async fn exit_code(&self, exec_id: &str) -> Result<i64, Fault> {
        let ended = self.call().run(self.docker.client()?.inspect_exec(exec_id)).await?;
        ended.exit_code.ok_or_else(|| {
            let text = format!("the command in `{}` has no exit code: the container may have stopped", self.name);
            Fault::new(Class::Deployment, "exec-lost", text)
        })
    }

    /// The engine cannot end a command that takes too long; it is only not waited for any more.
    async fn within<T>(
        &self,
        timeout: Duration,
        what: &str,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        tokio::time::timeout(timeout, work).await.unwrap_or_else(|_| {
            let text = format!("the {what} command in `{}` did not end within {}", self.name, format_duration(timeout));
            Err(Fault::new(Class::Timeout, "data-timeout", text)
                .hint("it may still be running there; give it more time with `snapshot.timeout`"))
        })
    }
}
