use std::collections::BTreeMap;

use super::{Exit, Format, Session, Terminal, ValidateArguments, session::plan_request};
use crate::{
    ops::{self, ValidPlan, Validation},
    report::{count, diagnostics_json, diagnostics_text},
};

/// `orchestrate validate`.
pub fn run(arguments: &ValidateArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, None)?;
    let validation = ops::validate(&session.context, &plan_request(&arguments.plan))?;
    let Validation { diagnostics, sources, valid } = &validation;
    match arguments.format {
        Format::Json => terminal.print(&diagnostics_json(diagnostics, sources))?,
        Format::Text => {
            if !diagnostics.is_empty() {
                terminal.say(&diagnostics_text(diagnostics, sources, terminal.talk_ink, terminal.width));
            }
            if let Some(ValidPlan { file, services, groups }) = valid {
                let size = format!("{} in {}", count(*services, "service"), count(*groups, "group"));
                terminal.print(&format!("{file} is valid: {size}\n"))?;
            }
        }
    }
    Ok(if valid.is_some() { Exit::Ok } else { Exit::InvalidDocument })
}
