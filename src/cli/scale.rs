use std::collections::BTreeMap;

use super::{
    Exit, Format, ScaleArguments, Session, Terminal,
    apply::{Follower, finish},
    preview,
    session::input_request,
};
use crate::{
    change::Request,
    journal::Outcome,
    name::ServiceName,
    ops::{self, ApplyRequest, PlanRequest, PreviewRequest, RunOptions},
};

/// `orchestrate scale`.
pub fn run(arguments: &ScaleArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.inputs.host.clone())?;
    let scale: BTreeMap<ServiceName, u32> = arguments.counts.iter().cloned().collect();
    let plan = PlanRequest { plan_file: arguments.plan.clone(), ..input_request(&arguments.inputs) };
    let only = Some(scale.keys().cloned().collect());
    let changes = Request { only, no_dependencies: arguments.no_deps, ..Request::default() };
    if arguments.dry_run {
        let requests = [PreviewRequest { plan, changes, scale }];
        return preview::show(&session, &requests, false, arguments.format, terminal);
    }
    let run = RunOptions { message: arguments.message.clone(), ..RunOptions::default() };
    let request = ApplyRequest { plan, changes, run, scale, is_agreed: arguments.yes, ..ApplyRequest::default() };
    let mut follower = Follower::new(terminal, arguments.format, None)?;
    let report = session.change(terminal, ops::apply(&session.context, &request, &mut follower))??;
    let is_applied = report.outcome == Outcome::Applied;
    let exit = finish(&session, terminal, arguments.format, follower, &report)?;
    if is_applied && arguments.format == Format::Text {
        terminal.say("the plan is as it was: the next apply goes by its counts again\n");
    }
    Ok(exit)
}
