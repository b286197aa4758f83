//! Commands that run inside a container after its start and before its stop. They stand in a label, so
//! that whoever starts or stops it runs them.

use std::time::Duration;

use bollard::{exec::CreateExecOptions, models::ContainerInspectResponse};

use super::{Docker, exec::to_its_end, labels};
use crate::{diagnostic::Class, observed::Fault, plan::Hook};

/// How long one may take: Compose has no bound, and a deployment has to end.
const LIMIT: Duration = Duration::from_secs(300);
/// How much of what one wrote is told, in bytes.
const OUTPUT_LIMIT: usize = 1000;

/// Runs what is to run after the start, one after the other.
pub(super) async fn after_start(docker: &Docker, id: &str, container: &ContainerInspectResponse) -> Result<(), Fault> {
    let hooks = labels::hooks(container.config.as_ref().and_then(|config| config.labels.as_ref()));
    for (index, hook) in hooks.post_start.iter().enumerate() {
        run(docker, id, hook, &format!("post_start[{index}]")).await?;
    }
    Ok(())
}

/// Runs what is to run before the stop. One that fails does not keep it from being stopped.
pub(super) async fn before_stop(docker: &Docker, id: &str, container: &ContainerInspectResponse) {
    let hooks = labels::hooks(container.config.as_ref().and_then(|config| config.labels.as_ref()));
    for (index, hook) in hooks.pre_stop.iter().enumerate() {
        if run(docker, id, hook, &format!("pre_stop[{index}]")).await.is_err() {
            break;
        }
    }
}

async fn run(docker: &Docker, id: &str, hook: &Hook, what: &str) -> Result<(), Fault> {
    let call = docker.change(format!("run `{what}`")).within(LIMIT);
    let environment = hook.environment.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
    let options = CreateExecOptions {
        cmd: Some(hook.command.clone()),
        env: (!environment.is_empty()).then_some(environment),
        user: hook.user.clone(),
        privileged: Some(hook.privileged),
        working_dir: hook.working_dir.clone(),
        ..Default::default()
    };
    let (code, output) = to_its_end(docker, &call, id, options, OUTPUT_LIMIT).await?;
    if code == Some(0) {
        return Ok(());
    }
    let ended = code.map_or_else(|| "had no end".to_owned(), |code| format!("exited with code {code}"));
    let output = String::from_utf8_lossy(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    let said = if output.is_empty() { String::new() } else { format!(": {output}") };
    Err(Fault::new(Class::Deployment, "hook-failed", format!("`{what}` {ended}{said}")))
}
