use std::collections::BTreeMap;

use super::{Exit, RestartArguments, Session, Terminal, deed, session::project_request};
use crate::ops::{self, RestartRequest};

/// `orchestrate restart`.
pub fn run(arguments: &RestartArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.which.inputs.host.clone())?;
    let project = session.project(terminal, &project_request(&arguments.which.project()))?;
    let request = RestartRequest {
        services: arguments.services.clone(),
        no_dependencies: arguments.no_deps,
        timeout: arguments.timeout,
    };
    let (mut warnings, mut say) = (Vec::new(), deed::say(terminal));
    let done = session.look(ops::restart(&session.context, &project, &request, &mut warnings, &mut say));
    terminal.warn_of(&warnings);
    done?;
    Ok(Exit::Ok)
}
