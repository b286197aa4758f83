use std::collections::BTreeMap;

use serde_json::json;

use super::{
    AbortArguments, Exit, Format, RecoverArguments, Session, Terminal,
    apply::{Follower, finish},
    session::project_request,
    snapshot::restore_ended,
};
use crate::{
    journal::{Direction, Outcome},
    ops::{self, Aborted, RecoverRequest, RunOptions},
    report::{DeploymentReport, outcome_words, versioned_json},
};

/// `orchestrate recover`.
pub fn run(arguments: &RecoverArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.project.plan.inputs.host.clone())?;
    let project = session.project(terminal, &project_request(&arguments.project))?;
    let request = RecoverRequest {
        direction: if arguments.resume { Direction::Forward } else { Direction::Back },
        run: RunOptions::default(),
    };
    let mut follower = Follower::new(terminal, arguments.format, None)?;
    let recovering = async {
        let report = ops::recover(&session.context, &project, &request, &mut follower).await?;
        let is_whole = report.as_ref().is_none_or(|report| report.outcome != Outcome::NeedsAttention);
        let restored = match is_whole {
            true => ops::finish_restore(&session.context, &project, &mut follower).await?,
            false => None,
        };
        Ok::<_, ops::OpsError>((report, restored))
    };
    let (report, restored) = session.change(terminal, recovering)??;
    if let Some(restored) = restored {
        return restore_ended(&session, terminal, arguments.format, &restored);
    }
    match report {
        Some(report) if arguments.resume => finish(&session, terminal, arguments.format, follower, &report),
        Some(report) => ended(&session, terminal, arguments.format, follower, &report),
        None => nothing(terminal, arguments.format),
    }
}

/// `orchestrate abort`.
pub fn abort(arguments: &AbortArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.project.plan.inputs.host.clone())?;
    let project = session.project(terminal, &project_request(&arguments.project))?;
    let request = RecoverRequest { direction: Direction::Back, run: RunOptions::default() };
    let mut follower = Follower::new(terminal, arguments.format, None)?;
    let asked = |pid: u32| terminal.say(&format!("process {pid} was asked to stop, and goes back\n"));
    match session.change(terminal, ops::abort(&session.context, &project, &request, &mut follower, asked))?? {
        Aborted::Nothing => nothing(terminal, arguments.format),
        Aborted::TakenBack(report) => ended(&session, terminal, arguments.format, follower, &report),
        Aborted::ByItsOwner(record) => {
            let outcome = record.outcome.map_or("did not say how it ended", outcome_words);
            match arguments.format {
                Format::Text => terminal.say(&format!("deployment `{}` {outcome}\n", record.id)),
                Format::Json => {
                    terminal.print(&versioned_json(&json!({ "deployment": record.id, "outcome": record.outcome })))?;
                }
            }
            Ok(match record.outcome {
                Some(Outcome::NeedsAttention) | None => Exit::NeedsAttention,
                Some(Outcome::Applied | Outcome::Unchanged | Outcome::Failed | Outcome::RolledBack) => Exit::Ok,
            })
        }
    }
}

/// Taking a deployment back is what was asked for: it is a success here.
fn ended(
    session: &Session,
    terminal: &Terminal,
    format: Format,
    follower: Follower,
    report: &DeploymentReport,
) -> anyhow::Result<Exit> {
    let exit = finish(session, terminal, format, follower, report)?;
    Ok(match exit {
        Exit::RolledBack | Exit::Failed => Exit::Ok,
        exit => exit,
    })
}

fn nothing(terminal: &Terminal, format: Format) -> anyhow::Result<Exit> {
    match format {
        Format::Text => terminal.say("nothing to recover: the last deployment has come to its end\n"),
        Format::Json => terminal.print(&versioned_json(&json!({ "deployment": null })))?,
    }
    Ok(Exit::Ok)
}
