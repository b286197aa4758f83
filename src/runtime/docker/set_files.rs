//! Other contents for the files of a container that goes on, and how it is told of them.

use std::time::Duration;

use bollard::{
    exec::CreateExecOptions, models::ContainerStateStatusEnum as Status, query_parameters::KillContainerOptions,
};

use super::{Docker, exec::to_its_end, files, instance, running};
use crate::{
    action::{Effect, InstanceHandle, Notice},
    change::FileChange,
    diagnostic::Class,
    observed::Fault,
    plan::CommandLine,
};

/// How long a command may take that tells a container: a deployment has to end.
const LIMIT: Duration = Duration::from_secs(300);
/// How much of what it wrote is told, in bytes.
const OUTPUT_LIMIT: usize = 1000;

/// Puts the contents in place, and tells the container, each time that it is called.
pub(super) async fn set(
    docker: &Docker,
    handle: &InstanceHandle,
    changes: &[FileChange],
    notices: &[Notice],
) -> Result<Effect, Fault> {
    let (id, container) = running::existing(docker, handle, "change files of").await?;
    let has_changed = files::rewrite(docker, changes).await?;
    if notices.is_empty() {
        return Ok(if has_changed { Effect::Done } else { Effect::AlreadySo });
    }
    // From here on the new contents are there, whatever becomes of the notice.
    if running::status(&container) != Status::RUNNING {
        return running::start(docker, handle).await.map_err(Fault::outcome_unknown);
    }
    for notice in notices {
        tell(docker, &id, &handle.name, notice).await.map_err(Fault::outcome_unknown)?;
    }
    let found = instance::inspect(docker, &id).await.map_err(Fault::outcome_unknown)?;
    let instance = found.ok_or_else(|| running::gone(handle, "look at").outcome_unknown())?;
    Ok(Effect::Started { instance: Box::new(instance) })
}

async fn tell(docker: &Docker, id: &str, name: &str, notice: &Notice) -> Result<(), Fault> {
    match notice {
        Notice::Signal(signal) => {
            let options = KillContainerOptions { signal: signal.as_str().to_owned() };
            let call = docker.change(format!("send {signal} to `{name}`"));
            call.run(docker.client()?.kill_container(id, Some(options))).await
        }
        Notice::Command(line) => run(docker, id, name, line).await,
    }
}

async fn run(docker: &Docker, id: &str, name: &str, line: &CommandLine) -> Result<(), Fault> {
    let call = docker.change(format!("run `{line}` in `{name}`")).within(LIMIT);
    let options = CreateExecOptions { cmd: Some(line.expose()), ..Default::default() };
    let (code, output) = to_its_end(docker, &call, id, options, OUTPUT_LIMIT).await?;
    if code == Some(0) {
        return Ok(());
    }
    let ended = code.map_or_else(|| "had no end".to_owned(), |code| format!("exited with code {code}"));
    let output = String::from_utf8_lossy(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    let said = if output.is_empty() { String::new() } else { format!(": {output}") };
    Err(Fault::new(Class::Deployment, "on-change-failed", format!("`{line}` in `{name}` {ended}{said}"))
        .hint("it is what `on_change` runs once new contents are in place"))
}
