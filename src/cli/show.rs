use std::collections::BTreeMap;

use super::{Exit, Format, Session, ShowArguments, Terminal};
use crate::{
    diagnostic::Class,
    name::ServiceName,
    observed::Fault,
    ops::{self, Shown},
    report::{list, show_json, show_text},
    store::Evidence,
};

/// `orchestrate show`.
pub fn run(arguments: &ShowArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, None)?;
    let Shown { record, entries, evidence } = ops::show(&session.context, &arguments.deployment)?;
    terminal.print(&match (&arguments.logs, arguments.format) {
        (Some(service_name), _) => kept_log(&evidence, service_name)?,
        (None, Format::Text) => show_text(&record, &entries, &evidence, terminal.data_ink),
        (None, Format::Json) => show_json(&record, &entries, &evidence),
    })?;
    Ok(Exit::Ok)
}

/// What is kept of what a service's failed instances wrote, as they wrote it.
fn kept_log(evidence: &[Evidence], service_name: &ServiceName) -> Result<String, Fault> {
    let of_service: Vec<&Evidence> = evidence.iter().filter(|kept| kept.service == *service_name).collect();
    if of_service.is_empty() {
        let text = format!("no log of `{service_name}` is kept: only that of an instance that failed is");
        let mut kept: Vec<&ServiceName> = evidence.iter().map(|kept| &kept.service).collect();
        kept.dedup();
        let fault = Fault::new(Class::Configuration, "no-log-kept", text);
        return Err(match kept.is_empty() {
            true => fault.hint(format!("`orchestrate logs {service_name}` shows what it writes now")),
            false => fault.hint(format!("there is one of {}", list(kept))),
        });
    }
    Ok(of_service.iter().flat_map(|kept| &kept.log).map(|line| format!("{line}\n")).collect())
}
