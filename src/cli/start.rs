use std::collections::BTreeMap;

use super::{Exit, Session, StartArguments, Terminal, deed, session::project_request};
use crate::ops::{self, StartRequest};

/// `orchestrate start`.
pub fn run(arguments: &StartArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.which.inputs.host.clone())?;
    let project = session.project(terminal, &project_request(&arguments.which.project()))?;
    let request = StartRequest { services: arguments.services.clone() };
    let (mut warnings, mut say) = (Vec::new(), deed::say(terminal));
    let done = session.look(ops::start(&session.context, &project, &request, &mut warnings, &mut say));
    terminal.warn_of(&warnings);
    done?;
    Ok(Exit::Ok)
}
