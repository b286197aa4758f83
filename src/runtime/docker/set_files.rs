//! Other contents for the files of a container that goes on, and how it is told of them.

use bollard::{
    exec::CreateExecOptions, models::ContainerStateStatusEnum as Status, query_parameters::KillContainerOptions,
};

use super::{Docker, exec::to_its_end, files, instance, running};
use crate::{
    action::{Effect, InstanceHandle, Notice},
    change::FileChange,
    observed::Fault,
    plan::CommandLine,
    runtime::{in_place, notice},
};

/// Puts the contents in place, and tells the container, each time that it is called.
pub(super) async fn set(
    docker: &Docker,
    handle: &InstanceHandle,
    changes: &[FileChange],
    notices: &[Notice],
) -> Result<Effect, Fault> {
    let (id, container) = running::existing(docker, handle, "change files of").await?;
    let has_changed = files::rewrite(docker, changes, notices).await?;
    if notices.is_empty() {
        // It starts with them, or is not to be told: what was owed to it before is settled, too.
        in_place::end_telling(changes);
        return Ok(if has_changed { Effect::Done } else { Effect::AlreadySo });
    }
    // From here on the new contents are there, whatever becomes of the notice.
    let told = match running::status(&container) == Status::RUNNING {
        true => told(docker, &id, handle, notices).await,
        false => running::start(docker, handle).await,
    };
    let told = told.map_err(Fault::outcome_unknown)?;
    in_place::end_telling(changes);
    Ok(told)
}

async fn told(docker: &Docker, id: &str, handle: &InstanceHandle, notices: &[Notice]) -> Result<Effect, Fault> {
    for told in notices {
        tell(docker, id, &handle.name, told).await?;
    }
    let instance = instance::inspect(docker, id).await?.ok_or_else(|| running::gone(handle, "look at"))?;
    Ok(Effect::Started { instance: Box::new(instance) })
}

async fn tell(docker: &Docker, id: &str, name: &str, told: &Notice) -> Result<(), Fault> {
    match told {
        Notice::Signal(signal) => {
            let options = KillContainerOptions { signal: signal.as_str().to_owned() };
            let call = docker.change(format!("send {signal} to `{name}`"));
            call.run(docker.client()?.kill_container(id, Some(options))).await
        }
        Notice::Command(line) => run(docker, id, name, line).await,
    }
}

async fn run(docker: &Docker, id: &str, name: &str, line: &CommandLine) -> Result<(), Fault> {
    let call = docker.change(format!("run `{line}` in `{name}`")).within(notice::LIMIT);
    let options = CreateExecOptions { cmd: Some(line.expose()), ..Default::default() };
    let (code, output) = to_its_end(docker, &call, id, options, notice::OUTPUT_LIMIT).await?;
    notice::command_ended(line, name, code, &output)
}
