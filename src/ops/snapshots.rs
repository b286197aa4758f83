use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use super::{OpsError, context::State, stored::stored_plan};
use crate::{
    action::InstanceSpec,
    change::{Changes, InstanceChange},
    name::{DeploymentId, ServiceName},
    observed::Instance,
    plan::{Moved, Moves, Plan},
    store::Store as _,
};

/// What the instances that changes touch were made from, by their ids: each by the plan of the
/// deployment that made it. One whose deployment is not known here, or whose secrets cannot be
/// opened any more, has none.
pub(super) fn snapshots(
    state: &State,
    changes: &Changes,
    moved: &[Moved],
) -> Result<BTreeMap<String, InstanceSpec>, OpsError> {
    let touched: Vec<&Instance> =
        changes.services.iter().flat_map(|change| &change.instances).filter_map(old).collect();
    specs(state, &touched, moved)
}

/// What these instances were made from, as [`snapshots`] says it.
pub(super) fn specs(
    state: &State,
    touched: &[&Instance],
    moved: &[Moved],
) -> Result<BTreeMap<String, InstanceSpec>, OpsError> {
    let deployments: BTreeSet<DeploymentId> = touched.iter().map(|instance| instance.identity.deployment).collect();
    let files = state.directory.files().display().to_string();
    let moves = Moves::of(moved);
    let mut snapshots = BTreeMap::new();
    for deployment in deployments {
        let Some(record) = state.store.deployment(deployment)? else { continue };
        let Ok(stored) = stored_plan(state, &record) else { continue };
        let made = touched.iter().filter(|instance| instance.identity.deployment == deployment);
        let specs = made.filter_map(|made| {
            let then = called_then(made, &stored.plan, &moves);
            Some((made.id.clone(), InstanceSpec::snapshot(&stored.plan, &then, &files)?))
        });
        snapshots.extend(specs);
    }
    Ok(snapshots)
}

/// The instance under the name that its service had when it was made.
fn called_then<'i>(made: &'i Instance, plan: &Plan, moves: &Moves) -> Cow<'i, Instance> {
    let today = &made.identity.service;
    let is_then = |name: &&ServiceName| moves.service(name) == Some(today) && plan.services.contains_key(*name);
    match moves.services.keys().find(is_then) {
        Some(then) if !plan.services.contains_key(today) => {
            let mut made = made.clone();
            made.identity.service = then.clone();
            Cow::Owned(made)
        }
        Some(_) | None => Cow::Borrowed(made),
    }
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
