use std::collections::BTreeSet;

use super::open::{Collected, Plans};
use crate::{
    change::Coming,
    name::PlanName,
    ops::{Context, OpsError, Preview, PreviewRequest, preview},
};

/// The plans that are given together, by their names.
pub(super) fn given(plans: &Plans) -> BTreeSet<PlanName> {
    plans.opened.iter().map(|opened| opened.loaded.plan.name.clone()).collect()
}

/// Compares each plan with the world as it will be by its turn. Where `is_left_out`, nothing is looked
/// at, and there is no preview. Positions are those of the requests.
///
/// # Errors
/// All that stands in the way of any of them.
pub(super) async fn look_ahead(
    context: &Context,
    plans: &Plans,
    requests: &[PreviewRequest],
    is_left_out: impl Fn(usize) -> bool,
) -> Result<Vec<Option<Preview>>, OpsError> {
    let mut previews: Vec<Option<Preview>> = requests.iter().map(|_| None).collect();
    let mut obstacles = Collected::default();
    for &position in plans.order.sequence() {
        if is_left_out(position) {
            continue;
        }
        let mut request = requests[position].clone();
        request.changes.coming = coming(plans, &previews, position);
        match preview(context, &request).await {
            Ok(preview) => previews[position] = Some(preview),
            Err(OpsError::InTheWay { sources, diagnostics }) => drop(obstacles.add(&sources, diagnostics)),
            Err(other) => return Err(other),
        }
    }
    let Collected { sources, diagnostics } = obstacles;
    match diagnostics.is_empty() {
        true => Ok(previews),
        false => Err(OpsError::InTheWay { sources, diagnostics }),
    }
}

/// What the plans before one bring, as far as it is known.
pub(super) fn coming(plans: &Plans, previews: &[Option<Preview>], position: usize) -> Coming {
    let mut coming = Coming { plans: given(plans), ..Coming::default() };
    for before in plans.order.all_before(position) {
        let changes = previews[before].as_ref().map(|preview| &preview.look.changes);
        coming.add(&plans.opened[before].loaded.plan, changes);
    }
    coming
}
