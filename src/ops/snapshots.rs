use std::collections::{BTreeMap, BTreeSet};

use super::{OpsError, context::State, stored::stored_plan};
use crate::{
    action::InstanceSpec,
    change::{Changes, InstanceChange},
    name::DeploymentId,
    observed::Instance,
    store::Store as _,
};

/// What the instances that changes touch were made from, by their ids: each by the plan of the
/// deployment that made it. One whose deployment is not known here, or whose secrets cannot be
/// opened any more, has none.
pub(super) fn snapshots(state: &State, changes: &Changes) -> Result<BTreeMap<String, InstanceSpec>, OpsError> {
    let touched: Vec<&Instance> =
        changes.services.iter().flat_map(|change| &change.instances).filter_map(old).collect();
    specs(state, &touched)
}

/// What these instances were made from, as [`snapshots`] says it.
pub(super) fn specs(state: &State, touched: &[&Instance]) -> Result<BTreeMap<String, InstanceSpec>, OpsError> {
    let deployments: BTreeSet<DeploymentId> = touched.iter().map(|instance| instance.identity.deployment).collect();
    let files = state.directory.files().display().to_string();
    let mut snapshots = BTreeMap::new();
    for deployment in deployments {
        let Some(record) = state.store.deployment(deployment)? else { continue };
        let Ok(stored) = stored_plan(state, &record) else { continue };
        let made = touched.iter().filter(|instance| instance.identity.deployment == deployment);
        let specs =
            made.filter_map(|made| Some((made.id.clone(), InstanceSpec::snapshot(&stored.plan, made, &files)?)));
        snapshots.extend(specs);
    }
    Ok(snapshots)
}

/// The instance that a change touches, if there is one.
fn old(change: &InstanceChange) -> Option<&Instance> {
    match change {
        InstanceChange::Replace { old }
        | InstanceChange::Update { old, .. }
        | InstanceChange::Start { old, .. }
        | InstanceChange::Remove { old } => Some(old),
        InstanceChange::Keep { .. } | InstanceChange::Create { .. } => None,
    }
}
