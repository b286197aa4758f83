use std::collections::BTreeMap;

use super::{Exit, Format, OutputArguments, Session, Terminal, session::project_request};
use crate::{
    ops,
    report::{WarningReport, outputs_json, outputs_table},
};

/// `orchestrate output`.
pub fn run(arguments: &OutputArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.which.inputs.host.clone())?;
    let request = project_request(&arguments.which.project()).plan;
    let name = arguments.name.as_deref();
    let (outputs, warnings) = session.look(ops::output(&session.context, &request, name))?;
    terminal.warn(&warnings.iter().map(WarningReport::from).collect::<Vec<_>>());
    let text = match (name.and(outputs.first()), arguments.format) {
        (Some(output), _) if arguments.raw => output.text(),
        (Some(output), Format::Text) => format!("{}\n", output.text()),
        (Some(output), Format::Json) => output.to_json(),
        (None, Format::Text) => outputs_table(&outputs, terminal.data_ink),
        (None, Format::Json) => outputs_json(&outputs),
    };
    terminal.print(&text)?;
    Ok(Exit::Ok)
}
