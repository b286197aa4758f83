use std::collections::BTreeMap;

use super::{DoctorArguments, Exit, Format, Session, Terminal};
use crate::{
    ops,
    report::{doctor_text, versioned_json},
};

/// `orchestrate doctor`.
pub fn run(arguments: &DoctorArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.host.clone())?;
    let report = session.look(ops::doctor(&session.context));
    terminal.print(&match arguments.format {
        Format::Text => doctor_text(&report, terminal.data_ink),
        Format::Json => versioned_json(&report),
    })?;
    Ok(if report.ok { Exit::Ok } else { Exit::Failed })
}
