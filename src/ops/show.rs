use super::{Context, OpsError, context::State};
use crate::{
    diagnostic::Class,
    journal::Entry,
    observed::Fault,
    report::{count, list},
    store::{DeploymentRecord, Evidence, Store as _},
};

/// A deployment of the past, with all that is kept of it.
pub struct Shown {
    pub record: DeploymentRecord,
    pub entries: Vec<Entry>,
    pub evidence: Vec<Evidence>,
}

/// Names of deployments that are listed where several are meant.
const MOST_NAMED: usize = 5;

/// Finds the one deployment whose id begins with `id`. Asks no engine.
///
/// # Errors
/// If none begins so, or several; or if the state cannot be read.
pub fn show(context: &Context, id: &str) -> Result<Shown, OpsError> {
    let state = context.state()?;
    let record = find_deployment(&state, id)?;
    let store = &state.store;
    let (entries, evidence) = (store.entries(record.id)?, store.evidence(record.id)?);
    Ok(Shown { record, entries, evidence })
}

/// The one deployment that this host knows of whose id begins so.
pub(super) fn find_deployment(state: &State, id: &str) -> Result<DeploymentRecord, OpsError> {
    one_of(state.store.deployments(None)?, id)
}

/// The one whose id begins so.
pub(super) fn one_of(mut records: Vec<DeploymentRecord>, id: &str) -> Result<DeploymentRecord, OpsError> {
    records.retain(|record| record.id.as_str().starts_with(id));
    match records.len() {
        1 => Ok(records.remove(0)),
        _ => Err(OpsError::Fault(not_one(id, &records))),
    }
}

fn not_one(id: &str, records: &[DeploymentRecord]) -> Fault {
    let refuse = |text: String| Fault::new(Class::Configuration, "unknown-deployment", text);
    if records.is_empty() {
        return refuse(format!("there is no deployment `{id}`")).hint("`orchestrate history --all` lists them");
    }
    let named = list(records.iter().take(MOST_NAMED).map(|record| format!("`{}`", record.id)));
    let more = records.len().saturating_sub(MOST_NAMED);
    let more = if more == 0 { String::new() } else { format!(", and {}", count(more, "other")) };
    refuse(format!("`{id}` could be {} deployments: {named}{more}", records.len())).hint("write more of the id")
}
