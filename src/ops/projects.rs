use std::collections::BTreeMap;

use super::{Context, OpsError};
use crate::{
    name::ProjectName,
    report::ProjectLine,
    store::{DeploymentRecord, Store as _},
};

/// The projects that were deployed from here, each with its last deployment.
///
/// # Errors
/// If the state cannot be read.
pub fn projects(context: &Context) -> Result<Vec<ProjectLine>, OpsError> {
    let records = context.state()?.store.deployments(None)?;
    let mut last: BTreeMap<ProjectName, DeploymentRecord> = BTreeMap::new();
    // The newest comes first.
    for record in records {
        last.entry(record.project.clone()).or_insert(record);
    }
    Ok(last.into_values().map(|record| ProjectLine::new(&record)).collect())
}
