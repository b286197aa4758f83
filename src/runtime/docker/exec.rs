use std::time::Duration;

use bollard::exec::{CreateExecOptions, StartExecResults};
use futures_util::StreamExt;

use super::{Docker, call::Call, instance};
use crate::{diagnostic::Class, observed::Fault, runtime::ExecOutput, time::format_duration};

/// How much of a command's output is kept, in bytes.
const OUTPUT_LIMIT: usize = 64 * 1024;

/// Runs a command in a running container and waits for its end. The engine cannot end it when it
/// takes too long; it is only not waited for any more.
pub(super) async fn exec(
    docker: &Docker,
    id: &str,
    command: &[String],
    timeout: Duration,
) -> Result<ExecOutput, Fault> {
    let container = instance::owned(docker, id).await?.ok_or_else(|| {
        Fault::new(Class::Dependency, "instance-not-found", format!("`{id}` does not exist any more"))
    })?;
    let name = container.name.as_deref().map_or(id, |name| name.trim_start_matches('/'));
    let call = docker.read(format!("run a command in `{name}`")).within(timeout);
    let options = CreateExecOptions { cmd: Some(command.to_vec()), ..Default::default() };
    let (exit_code, kept) =
        to_its_end(docker, &call, id, options, OUTPUT_LIMIT).await.map_err(|fault| match fault.class {
            Class::Timeout => {
                let text = format!("the command in `{name}` did not end within {}", format_duration(timeout));
                Fault::new(Class::Timeout, "command-timeout", text)
            }
            _ => fault,
        })?;
    let unknown = || {
        let text = format!("the command in `{name}` has no exit code: the container may have stopped");
        Fault::new(Class::Deployment, "exec-lost", text).transient()
    };
    let exit_code = exit_code.ok_or_else(unknown)?;
    Ok(ExecOutput { exit_code, output: String::from_utf8_lossy(&kept).into_owned() })
}

/// Runs a command that is described, and waits for its end: its exit code, if it has one, and the
/// beginning of its output, of at most so many bytes.
pub(super) async fn to_its_end(
    docker: &Docker,
    call: &Call,
    id: &str,
    options: CreateExecOptions<String>,
    most_bytes: usize,
) -> Result<(Option<i64>, Vec<u8>), Fault> {
    let (client, meter) = docker.streaming()?;
    let options = CreateExecOptions { attach_stdout: Some(true), attach_stderr: Some(true), ..options };
    let run = async {
        let made = client.create_exec(id, options).await?;
        let mut kept = Vec::new();
        if let StartExecResults::Attached { mut output, .. } = client.start_exec(&made.id, None).await? {
            while let Some(frame) = output.next().await {
                meter.refill();
                let bytes = frame?.into_bytes();
                let room = most_bytes - kept.len();
                kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
        }
        Ok((client.inspect_exec(&made.id).await?.exit_code, kept))
    };
    call.run(run).await
}
