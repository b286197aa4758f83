use std::collections::BTreeMap;

use super::{
    ExecArguments, Exit, Session, Terminal,
    attached::{OnSignal, Signals, connect, streams},
    session::project_request,
};
use crate::{ops, runtime::ExecRequest};

/// `orchestrate exec`.
pub fn run(arguments: &ExecArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.which.inputs.host.clone())?;
    let project = session.project(terminal, &project_request(&arguments.which.project()))?;
    let passed_on = variables(&arguments.variables).filter_map(|(name, value)| {
        let value = value.or_else(|| env.get(&name).cloned())?;
        Some((name, value))
    });
    let streams = streams(arguments.no_terminal, arguments.detach);
    let request = ExecRequest {
        command: arguments.command.clone(),
        user: arguments.user.clone(),
        working_dir: arguments.workdir.clone(),
        environment: passed_on.collect(),
        is_privileged: arguments.privileged,
        streams,
    };
    let which = (&arguments.service, arguments.index);
    session.look(async {
        let mut warnings = Vec::new();
        let attached = ops::exec(&session.context, &project, which, &request, &mut warnings).await;
        terminal.warn_of(&warnings);
        connect(attached?, streams, Signals::new()?, OnSignal::Leave).await
    })
}

/// `NAME=value`, or a name alone.
pub fn variables(texts: &[String]) -> impl Iterator<Item = (String, Option<String>)> + '_ {
    texts.iter().map(|text| match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (text.clone(), None),
    })
}
