use std::collections::BTreeSet;

use super::{OpsError, context::State, hold::Hold, shared::Shared};
use crate::{
    journal::{DeploymentKind, DeploymentRecord, Outcome},
    name::{DeploymentId, ProjectName},
    observed::Observed,
    plan::{Plan, RuntimeKind},
    runtime::{Observe as _, Runtimes},
    store::Store as _,
};

/// The images that are held for a project and that nobody goes back to any more, once a deployment
/// of this kind has succeeded: neither what runs nor the deployments that are retained need them.
///
/// # Errors
/// If the engine or the state fails.
pub(super) async fn released_images(
    state: &State,
    runtimes: &Runtimes,
    (plan, kind): (&Plan, DeploymentKind),
    observed: &Observed,
) -> Result<BTreeSet<String>, OpsError> {
    let mut held = runtimes.held_images(&plan.project).await?;
    if held.is_empty() || kind == DeploymentKind::Destroy {
        return Ok(held);
    }
    let present = observed.images.values().map(|image| &image.id);
    let running = observed.instances.iter().map(|instance| &instance.image_id);
    for id in present.chain(running) {
        held.remove(id);
    }
    // The one that is about to succeed is retained, too.
    let records = state.store.deployments(Some(&plan.project))?;
    for record in retained(&records, plan.retain.saturating_sub(1)) {
        held.retain(|id| record.contents.values().all(|content| content != id));
    }
    // What is only being pulled has no id yet: it may be one of them.
    let is_settled = plan
        .services
        .values()
        .filter(|service| service.runtime() == RuntimeKind::Docker)
        .filter_map(|service| service.image.as_ref())
        .all(|image| observed.images.contains_key(image));
    Ok(if is_settled { held } else { BTreeSet::new() })
}

/// The newest deployments, down to the last of so many that succeeded.
fn retained(records: &[DeploymentRecord], most: u32) -> &[DeploymentRecord] {
    let succeeded = records.iter().enumerate().filter(|(_, record)| record.outcome == Some(Outcome::Applied));
    let first_too_old = succeeded.map(|(index, _)| index).nth(most as usize);
    first_too_old.map_or(records, |index| &records[..index])
}

/// Forgets the deployments that are not retained any more, here and on the engine. The caller holds
/// the lock. What fails is done the next time.
pub(super) async fn forget_old(
    state: &State,
    runtimes: &Runtimes,
    hold: &Hold,
    (project, most): (&ProjectName, u32),
) -> Result<(), OpsError> {
    let records = state.store.deployments(Some(project))?;
    let old = &records[retained(&records, most).len()..];
    if old.is_empty() {
        return Ok(());
    }
    let ids: Vec<DeploymentId> = old.iter().map(|record| record.id).collect();
    if let Some(shared) = Shared::of(state, runtimes, project).filter(|_| hold.keeper.is_some()) {
        shared.forget(&ids).await?;
    }
    for id in ids {
        state.store.forget(id)?;
        // What stays is found by `state verify`, and does no harm.
        drop(state.directory.forget_events(id));
    }
    forget_programs(state)
}

/// Removes the copies of programs that no deployment of any project has run. While one is under way
/// it is not known what it will have run.
fn forget_programs(state: &State) -> Result<(), OpsError> {
    let records = state.store.deployments(None)?;
    if records.iter().any(|record| record.outcome.is_none()) {
        return Ok(());
    }
    let needed: BTreeSet<&str> =
        records.iter().flat_map(|record| record.contents.values()).map(String::as_str).collect();
    state.directory.forget_programs(&needed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::deployment;

    #[test]
    fn the_last_successes_are_retained_and_what_came_between() {
        use Outcome::{Applied, RolledBack};
        let outcomes = [RolledBack, Applied, RolledBack, Applied, Applied, RolledBack];
        let record = |(index, outcome): (usize, &Outcome)| {
            let id = format!("aaaaaaa{index}");
            DeploymentRecord { outcome: Some(*outcome), ..deployment(&id, "shop", 100 - index as i64) }
        };
        let records: Vec<DeploymentRecord> = outcomes.iter().enumerate().map(record).collect();
        let counts: Vec<usize> = (0..5).map(|most| retained(&records, most).len()).collect();
        assert_eq!(counts, [1, 3, 4, 6, 6]);
    }
}
