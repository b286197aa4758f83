use std::collections::BTreeMap;

use super::{
    Exit, ImportArguments, Session, Terminal,
    session::plan_request,
    written::{Overwrite, write_plan},
};
use crate::{ops, report::diagnostics_text};

/// `orchestrate import`.
pub fn run(arguments: &ImportArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, None)?;
    let request = plan_request(&arguments.plan);
    let imported = ops::import(&session.context, &request, arguments.output.as_ref())?;
    if !imported.notes.is_empty() {
        terminal.say(&diagnostics_text(&imported.notes, &imported.sources, terminal.talk_ink, terminal.width));
    }
    let overwrite = if arguments.force { Overwrite::Allowed } else { Overwrite::Never };
    write_plan(terminal, &imported.text, arguments.output.as_deref(), overwrite)
}
