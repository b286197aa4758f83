use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    ops::ControlFlow,
};

use serde_json::json;

use super::{
    Exit, Format, Session, Terminal, WatchArguments,
    apply::{Follower, finish},
    session::input_request,
};
use crate::{
    event::Moment,
    ops::{self, PlanRequest, ProjectRequest, WatchTarget, Watched, Watcher as _},
    report::{UnfinishedReport, event_json, outcome_words},
    store::DeploymentRecord,
};

/// `orchestrate watch`.
pub fn run(arguments: &WatchArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.inputs.host.clone())?;
    let target = match &arguments.deployment {
        Some(id) => WatchTarget::Deployment(id.clone()),
        None => {
            let plan = PlanRequest { plan_file: arguments.plan.clone(), ..input_request(&arguments.inputs) };
            let request = ProjectRequest { project: arguments.project.clone(), plan };
            WatchTarget::Project(Box::new(session.project(terminal, &request)?))
        }
    };
    let mut follower = Follower::new(terminal, arguments.format, None)?;
    let mut show = |moment: &Moment| match arguments.format {
        Format::Text => {
            follower.event(moment);
            ControlFlow::Continue(())
        }
        Format::Json => print_line(&event_json(moment)),
    };
    let watched = session.look(ops::watch(&session.context, target, &mut show))?;
    match (watched, arguments.format) {
        (Watched::Ended { report: Some(report), .. }, Format::Text) => {
            finish(&session, terminal, Format::Text, follower, &report)
        }
        (watched, format) => {
            follower.finish()?;
            end(&watched, format, terminal)
        }
    }
}

/// What is said in the end, where there is no report.
fn end(watched: &Watched, format: Format, terminal: &Terminal) -> anyhow::Result<Exit> {
    let exit = match watched {
        Watched::Ended { record, .. } => ended(record),
        Watched::CutOff(_) => Exit::NeedsAttention,
        Watched::Idle(record) => record.as_ref().map_or(Exit::Ok, |record| ended(record)),
        Watched::BrokenOff => return Ok(Exit::Ok),
    };
    match format {
        Format::Text => terminal.say(&last_words(watched, terminal)),
        Format::Json => terminal.print(&last_line(watched))?,
    }
    Ok(exit)
}

fn ended(record: &DeploymentRecord) -> Exit {
    record.outcome.map_or(Exit::NeedsAttention, Exit::from)
}

fn sentence(record: &DeploymentRecord) -> String {
    let outcome = record.outcome.map_or("did not say how it ended", outcome_words);
    format!("deployment `{}` {outcome}: `orchestrate show {}` tells more\n", record.id, record.id)
}

fn last_words(watched: &Watched, terminal: &Terminal) -> String {
    match watched {
        Watched::Ended { record, .. } => sentence(record),
        Watched::CutOff(unfinished) => unfinished.to_text(terminal.talk_ink),
        Watched::Idle(Some(record)) => format!("no deployment is running; the last: {}", sentence(record)),
        Watched::Idle(None) => "no deployment is running, and none has begun from here\n".to_owned(),
        Watched::BrokenOff => String::new(),
    }
}

/// After the events: why there are no more.
fn last_line(watched: &Watched) -> String {
    let of = |record: &DeploymentRecord| json!({ "deployment": record.id, "outcome": record.outcome });
    let (state, deployment) = match watched {
        Watched::Ended { record, .. } => ("ended", of(record)),
        Watched::CutOff(unfinished) => {
            let UnfinishedReport { deployment, .. } = &**unfinished;
            ("cut_off", json!({ "deployment": deployment, "outcome": null }))
        }
        Watched::Idle(Some(record)) => ("idle", of(record)),
        Watched::Idle(None) | Watched::BrokenOff => ("idle", json!({ "deployment": null, "outcome": null })),
    };
    let line = json!({
        "format_version": crate::report::FORMAT_VERSION,
        "event": "watch_ended",
        "state": state,
        "deployment": deployment["deployment"],
        "outcome": deployment["outcome"],
    });
    format!("{line}\n")
}

/// Nobody reads the lines any more: there is nothing to see to.
fn print_line(line: &str) -> ControlFlow<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}
