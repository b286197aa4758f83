use std::collections::BTreeMap;

use super::{
    Exit, ExportArguments, Session, Terminal,
    written::{Overwrite, write_plan},
};
use crate::{
    ops::{self, ExportRequest},
    report::WarningReport,
};

/// `orchestrate export`.
pub fn run(arguments: &ExportArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.host.clone())?;
    let request = ExportRequest { project: arguments.project.clone(), containers: arguments.containers.clone() };
    let exported = session.look(ops::export(&session.context, &request))?;
    terminal.warn(&exported.warnings.iter().map(WarningReport::from).collect::<Vec<_>>());
    let overwrite = if arguments.force { Overwrite::Allowed } else { Overwrite::Never };
    write_plan(terminal, &exported.text, arguments.output.as_deref(), overwrite)
}
