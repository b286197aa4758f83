use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::json;

use super::{
    Exit, Format, RunArguments, Session, Terminal,
    apply::Follower,
    attached::{OnSignal, Signals, connect, streams},
    exec::variables,
    pull::say_progress,
    session::{plan_request, project_request},
};
use crate::{
    ops::{self, OneOffRequest},
    plan::Service,
};

/// `orchestrate run`.
pub fn run(arguments: &RunArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let which = arguments.which.project();
    let session = Session::new(env, arguments.which.inputs.host.clone())?;
    let project = session.project(terminal, &project_request(&which))?;
    let streams = streams(arguments.no_terminal, arguments.detach);
    let request = OneOffRequest {
        service: arguments.service.clone(),
        command: (!arguments.command.is_empty()).then(|| arguments.command.clone()),
        entrypoint: arguments.entrypoint.as_deref().map(words).transpose()?,
        environment: variables(&arguments.variables).collect(),
        user: arguments.user.clone(),
        working_dir: arguments.workdir.clone(),
        labels: arguments.labels.iter().map(|label| (label.name.clone(), label.value.clone())).collect(),
        extra: Box::new(extra(arguments)?),
        has_service_ports: arguments.service_ports,
        has_aliases: arguments.use_aliases,
        name: arguments.name.clone(),
        no_dependencies: arguments.no_deps,
        is_removed: arguments.rm,
        streams,
    };
    let mut follower = Follower::new(terminal, Format::Text, None)?;
    let progress = say_progress(terminal);
    session.look(async {
        // From before it is there, so that none leaves it behind.
        let signals = Signals::new()?;
        let plan = plan_request(&which.plan);
        let started = ops::run_once(&session.context, &project, &plan, &request, &mut follower, &progress).await;
        follower.finish()?;
        let mut running = started?;
        if streams.is_detached {
            terminal.print(&format!("{}\n", running.name))?;
        }
        let attached = std::mem::replace(&mut running.attached, crate::runtime::Attached::Detached);
        let ended = connect(attached, streams, signals, OnSignal::PassOn).await;
        running.leave().await?;
        ended
    })
}

/// A line as a shell would split it; an empty one takes the entrypoint away.
fn words(line: &str) -> anyhow::Result<Vec<String>> {
    shlex::split(line).with_context(|| format!("`{line}` cannot be split into words: a quote is left open"))
}

/// Mounts and ports, read as a plan's are.
fn extra(arguments: &RunArguments) -> anyhow::Result<Service> {
    let document = json!({ "volumes": arguments.volumes, "ports": arguments.publish });
    serde_json::from_value(document).context("a volume or port cannot be read")
}
