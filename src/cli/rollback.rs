use std::collections::BTreeMap;

use super::{
    Exit, Format, Reply, RollbackArguments, Session, Terminal,
    apply::{Follower, finish},
    confirm,
    session::project_request,
};
use crate::ops::{self, OpsError, RollbackPreview, RollbackRequest, RunOptions};

/// `orchestrate rollback`.
pub fn run(arguments: &RollbackArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.project.plan.inputs.host.clone())?;
    let project = session.project(terminal, &project_request(&arguments.project))?;
    let run =
        RunOptions { message: arguments.message.clone(), no_snapshot: arguments.no_snapshot, ..RunOptions::default() };
    let request = RollbackRequest { to: arguments.to.clone(), run };
    if arguments.dry_run {
        let preview = session.look(ops::preview_rollback(&session.context, &project, &request))?;
        match arguments.format {
            Format::Text => {
                terminal.say(&format!("{}\n", aim(&preview)));
                terminal.print(&preview.report().to_text(terminal.data_ink))?;
            }
            Format::Json => terminal.print(&preview.report().to_json())?,
        }
        return Ok(Exit::Ok);
    }
    let mut follower = Follower::new(terminal, arguments.format, None)?;
    let agree = |preview: &RollbackPreview| agree(preview, arguments.yes, terminal);
    let report =
        session.change(terminal, ops::rollback(&session.context, &project, &request, &mut follower, agree))??;
    finish(&session, terminal, arguments.format, follower, &report)
}

/// Which deployment it goes back to.
fn aim(preview: &RollbackPreview) -> String {
    let message = preview.to.message.as_ref().map_or_else(String::new, |message| format!(" ({message})"));
    format!("back to deployment {} of {}{message}", preview.to.id, preview.to.started_at)
}

fn agree(preview: &RollbackPreview, is_agreed: bool, terminal: &Terminal) -> Result<(), OpsError> {
    terminal.say(&format!("{}\n", aim(preview)));
    if is_agreed || !preview.look.changes.is_disruptive() {
        return Ok(());
    }
    let report = preview.report();
    terminal.say(&report.to_text(terminal.talk_ink));
    match confirm(&format!("Go back to this on {}?", report.engine)) {
        Ok(Reply::Yes | Reply::Nobody) => Ok(()),
        Ok(Reply::No) | Err(_) => Err(OpsError::Declined),
    }
}
