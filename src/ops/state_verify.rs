use std::path::Path;

use super::{Context, OpsError};
use crate::{
    journal::{DeploymentRecord, Entry, Journal},
    name::{DeploymentId, ProjectName},
    report::{DoctorReport, Finding, count, list},
    secret::{SealError, Sealer, Text},
    store::{SqliteStore, StateDirectory, Stock, Store as _, StoreError, StoreKeys, take_stock},
};

/// Names that are told of what may be many.
const MOST_NAMED: usize = 5;

/// Looks through all that is kept: the database's structure, every record, journal, setup and plan,
/// the key that opens them, who may read and write the files, and what was left over. Changes
/// nothing, and looks at the database as it is at one moment.
///
/// # Errors
/// If there is no place for state.
pub fn verify_state(context: &Context) -> Result<DoctorReport, OpsError> {
    let path = StateDirectory::locate(&context.env)?;
    if !path.join("state.db").exists() {
        let text = format!("there is none in `{}` yet", path.display());
        return Ok(DoctorReport::new(vec![Finding::good("state", text)]));
    }
    let mut findings = Vec::new();
    let key = read_key(&path.join("key"), &mut findings);
    if let Some((store, keys)) = examine(&path.join("state.db"), key, &mut findings) {
        match take_stock(&path, &store, &keys) {
            Ok(stock) => findings.extend(of_stock(stock)),
            Err(error) => findings.push(bad("directory", &error)),
        }
    }
    Ok(DoctorReport::new(findings))
}

/// The key, if it is one.
pub(super) fn read_key(path: &Path, findings: &mut Vec<Finding>) -> Option<[u8; 32]> {
    let remedy = format!("restore `{}` from a backup: without it what was sealed cannot be opened", path.display());
    let content = match std::fs::read(path) {
        Ok(content) => content,
        Err(error) => {
            findings.push(Finding::bad("key", format!("`{}` cannot be read: {error}", path.display()), remedy));
            return None;
        }
    };
    let length = content.len();
    match content.try_into() {
        Ok(key) => {
            findings.push(Finding::good("key", "there"));
            Some(key)
        }
        Err(_) => {
            findings.push(Finding::bad("key", format!("it has {length} bytes, not 32"), remedy));
            None
        }
    }
}

/// What is to be said of a database and of all that is in it. `None` if it is too damaged to tell.
pub(super) fn examine(
    database: &Path,
    key: Option<[u8; 32]>,
    findings: &mut Vec<Finding>,
) -> Option<(SqliteStore, StoreKeys)> {
    let opened = SqliteStore::open_copy(database).and_then(|store| {
        store.examine()?;
        let keys = store.keys()?;
        Ok((store, keys))
    });
    let (store, keys) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            findings.push(bad("database", &error));
            return None;
        }
    };
    findings.push(Finding::good("database", format!("whole, with {}", count(keys.deployments.len(), "deployment"))));
    let mut problems = Vec::new();
    for id in &keys.deployments {
        if let Err(reason) = examine_deployment(&store, id, key) {
            problems.push(format!("`{id}`: {reason}"));
        }
    }
    if problems.is_empty() && key.is_some() {
        findings.push(Finding::good("deployments", "every record, journal, setup and plan can be read"));
    }
    let remedy = "`orchestrate state restore` puts a backup in its place; what runs is not touched by that";
    findings.extend(problems.into_iter().map(|problem| Finding::bad("deployment", problem, remedy)));
    findings.extend(examine_made_values(&store, &keys, key));
    Some((store, keys))
}

fn examine_deployment(store: &SqliteStore, id: &str, key: Option<[u8; 32]>) -> Result<(), String> {
    let id: DeploymentId = id.parse().map_err(|_| "its id is none".to_owned())?;
    let text = |error: StoreError| match error {
        StoreError::Damaged { reason, .. } => reason,
        error => error.to_string(),
    };
    let record = store.deployment(id).map_err(text)?.ok_or("it has no record")?;
    let mut entries = store.entries(id).map_err(text)?;
    examine_journal(&record, &entries)?;
    store.evidence(id).map_err(text)?;
    let mut setup = store.setup(id).map_err(text)?;
    let plan = store.plan(id).map_err(text)?;
    let plan = plan.map(serde_json::from_value::<crate::plan::Plan>).transpose();
    let mut plan = plan.map_err(|error| format!("its plan cannot be read: {error}"))?;
    let Some(sealer) = key.map(Sealer::new) else { return Ok(()) };
    let mut sealed: Result<(), SealError> = Ok(());
    let mut open = |text: &mut Text| {
        if let Err(error) = text.open(&sealer) {
            sealed = Err(error);
        }
    };
    if let Some(plan) = &mut plan {
        plan.visit_texts(&mut open);
    }
    if let Some(setup) = &mut setup {
        setup.visit_texts(&mut open);
    }
    entries.iter_mut().for_each(|entry| entry.visit_texts(&mut open));
    sealed.map_err(|error| error.to_string())
}

fn examine_journal(record: &DeploymentRecord, entries: &[Entry]) -> Result<(), String> {
    let journal = Journal::replay(entries).map_err(|error| error.to_string())?;
    match (record.outcome, journal.outcome()) {
        (Some(recorded), Some(journaled)) if recorded != journaled => {
            Err(format!("its record says `{}`, its journal `{}`", recorded.as_str(), journaled.as_str()))
        }
        (Some(_) | None, _) => Ok(()),
    }
}

fn examine_made_values(store: &SqliteStore, keys: &StoreKeys, key: Option<[u8; 32]>) -> Vec<Finding> {
    let Some(sealer) = key.map(Sealer::new) else { return Vec::new() };
    let mut findings = Vec::new();
    for project in keys.projects.iter().filter_map(|name| name.parse::<ProjectName>().ok()) {
        match store.made_values(&project) {
            Ok(values) => {
                let closed = values.iter().filter(|(_, value)| sealer.open(value).is_err()).map(|(place, _)| place);
                findings.extend(closed.map(|place| {
                    let text = format!("the value made once for `{place}` of `{project}` cannot be opened");
                    Finding::bad("made values", text, "restore the key that it was sealed with from a backup")
                }));
            }
            Err(error) => findings.push(bad("made values", &error)),
        }
    }
    findings
}

fn of_stock(stock: Stock) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        stock.troubles.iter().map(|error| Finding::bad("permissions", error.to_string(), error.hint())).collect();
    findings.extend(stock.readable.iter().map(|(path, mode)| {
        let path = path.display();
        Finding::doubtful(
            "permissions",
            format!("others may use `{path}` (mode {mode:o})"),
            format!("`chmod go= {path}`"),
        )
    }));
    if findings.is_empty() {
        findings.push(Finding::good("permissions", "all is its owner's alone"));
    }
    findings.extend(stock.leftovers.into_iter().map(|(kind, paths)| {
        let more = paths.len().saturating_sub(MOST_NAMED);
        let named = list(paths.iter().take(MOST_NAMED).map(|path| format!("`{}`", path.display())));
        let more = if more == 0 { String::new() } else { format!(", and {}", count(more, "other")) };
        let text = format!("{} {kind}: {named}{more}", paths.len());
        Finding::doubtful("leftovers", text, "they do no harm, and can be removed while nobody deploys")
    }));
    findings
}

fn bad(subject: &'static str, error: &StoreError) -> Finding {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        text.push_str(&format!(": {source}"));
        cause = source.source();
    }
    Finding::bad(subject, text, error.hint())
}
