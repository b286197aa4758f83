use std::collections::BTreeMap;

use super::{
    DestroyArguments, Exit, Reply, Session, Terminal,
    apply::{Follower, finish},
    confirm, plans,
    session::{plan_requests, project_request},
};
use crate::{
    ops::{self, DestroyRequest, OpsError, PlanRequest, RunOptions},
    report::{PreviewReport, count},
};

/// `orchestrate destroy`.
pub fn run(arguments: &DestroyArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.project.plan.inputs.host.clone())?;
    let request = DestroyRequest {
        volumes: arguments.volumes.clone(),
        run: RunOptions { message: arguments.message.clone(), ..RunOptions::default() },
    };
    let mut follower = Follower::new(terminal, arguments.format, None)?;
    let agree = |report: &PreviewReport| agree(report, arguments.yes, terminal);
    if !arguments.more.more_plans.is_empty() {
        let find = |plan: PlanRequest| session.project(terminal, &plan.into());
        let plans = plan_requests(&arguments.project.plan, &arguments.more).into_iter();
        let projects = plans.map(find).collect::<Result<Vec<_>, _>>()?;
        let destroying = ops::destroy_plans(&session.context, &projects, &request, &mut follower, agree);
        let ends = session.change(terminal, destroying)??;
        return plans::finish(&session, terminal, arguments.format, follower, ends);
    }
    let project = session.project(terminal, &project_request(&arguments.project))?;
    let report =
        session.change(terminal, ops::destroy(&session.context, &project, &request, &mut follower, agree))??;
    finish(&session, terminal, arguments.format, follower, &report)
}

/// Asks, always: what is destroyed does not come back.
fn agree(report: &PreviewReport, is_agreed: bool, terminal: &Terminal) -> Result<(), OpsError> {
    if is_agreed || (report.changes.is_empty() && report.resources.is_empty()) {
        return Ok(());
    }
    terminal.say(&report.to_text(terminal.talk_ink));
    match confirm(&format!("Destroy this on {}?", report.engine)) {
        Ok(Reply::Yes) => Ok(()),
        Ok(Reply::No) | Err(_) => Err(OpsError::Declined),
        Ok(Reply::Nobody) => Err(OpsError::NobodyToAsk { count: count(report.changes.len(), "service") }),
    }
}
