use std::collections::BTreeMap;

use super::{
    Exit, KillArguments, PauseArguments, Session, Terminal, UnpauseArguments, WhichArguments, deed,
    session::project_request,
};
use crate::{name::ServiceName, ops, runtime::Nudge};

/// `orchestrate kill`.
pub fn run(arguments: &KillArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    nudge(&arguments.which, (&arguments.services, Nudge::Signal(arguments.signal.clone())), terminal, env)
}

/// `orchestrate pause`.
pub fn pause(arguments: &PauseArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    nudge(&arguments.which, (&arguments.services, Nudge::Pause), terminal, env)
}

/// `orchestrate unpause`.
pub fn unpause(
    arguments: &UnpauseArguments,
    terminal: &Terminal,
    env: &BTreeMap<String, String>,
) -> anyhow::Result<Exit> {
    nudge(&arguments.which, (&arguments.services, Nudge::Unpause), terminal, env)
}

fn nudge(
    which: &WhichArguments,
    (services, nudge): (&[ServiceName], Nudge),
    terminal: &Terminal,
    env: &BTreeMap<String, String>,
) -> anyhow::Result<Exit> {
    let session = Session::new(env, which.inputs.host.clone())?;
    let project = session.project(terminal, &project_request(&which.project()))?;
    let (mut warnings, mut say) = (Vec::new(), deed::say(terminal));
    let done = session.look(ops::nudge(&session.context, &project, (services, &nudge), &mut warnings, &mut say));
    terminal.warn_of(&warnings);
    done?;
    Ok(Exit::Ok)
}
