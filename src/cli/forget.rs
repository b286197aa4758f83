use std::collections::BTreeMap;

use super::{Exit, ForgetArguments, Session, Terminal, deed, session::project_request};
use crate::ops::{self, Forgetting};

/// `orchestrate forget`.
pub fn run(arguments: &ForgetArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.which.inputs.host.clone())?;
    let project = session.project(terminal, &project_request(&arguments.which.project()))?;
    let what = if arguments.undo { Forgetting::TakeBack } else { Forgetting::LetGo };
    let (mut warnings, mut say) = (Vec::new(), deed::say(terminal));
    let services = (arguments.services.as_slice(), what);
    let done = session.look(ops::forget(&session.context, &project, services, &mut warnings, &mut say));
    terminal.warn_of(&warnings);
    done?;
    Ok(Exit::Ok)
}
