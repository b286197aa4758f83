use super::{
    ahead::{coming, given, look_ahead},
    open::{Plans, open_plans},
    sequence::{Named, PlanEnd, in_order},
};
use crate::{
    change::Coming,
    ops::{
        ApplyRequest, Builds, Context, OpsError, Preview, PreviewRequest, Watcher, apply, apply::build_ahead, simulate,
        unfinished::unfinished_of,
    },
};

/// Whether it is done or only played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deeds {
    Real,
    Simulated,
}

/// Applies several plans, a deployment each, in the order of their `after`; otherwise as they are given.
/// One that is not applied holds back those that come after it.
///
/// # Errors
/// If nothing was begun with any: a plan is not valid, two want what only one can have, something
/// stands in the way of one, or someone declined. How each ended that had its turn is in its
/// [`PlanEnd`].
pub async fn apply_plans(
    context: &Context,
    requests: &[ApplyRequest],
    deeds: Deeds,
    watcher: &mut dyn Watcher,
) -> Result<Vec<PlanEnd>, OpsError> {
    let (plans, previews) = examine(context, requests, watcher).await?;
    let is_agreed = requests.iter().all(|request| request.is_agreed) || deeds == Deeds::Simulated;
    agree(&previews, is_agreed, watcher)?;
    let names: Vec<Named> =
        plans.opened.iter().map(|opened| Named::new(&opened.loaded.plan, &opened.shown_file)).collect();
    let turn = |(position, request): (usize, &ApplyRequest)| {
        // What was built before the previews is there.
        let mut turn = ApplyRequest { builds: Builds::AsPlanned, ..request.clone() };
        turn.agreed = previews[position].as_ref().map(|preview| preview.report().digest);
        turn.changes.coming = match deeds {
            Deeds::Real => Coming { plans: given(&plans), ..Coming::default() },
            // Nothing of it will be there.
            Deeds::Simulated => coming(&plans, &previews, position),
        };
        turn
    };
    let turns: Vec<ApplyRequest> = requests.iter().enumerate().map(turn).collect();
    drop(previews);
    let go = async |position: usize, watcher: &mut dyn Watcher| match deeds {
        Deeds::Real => apply(context, &turns[position], watcher).await,
        Deeds::Simulated => simulate(context, &turns[position], watcher).await,
    };
    Ok(in_order(&plans.order, &names, || context.interrupt.is_cancelled(), watcher, go).await)
}

/// Loads and looks at all, before anything is done with the first. A project whose last deployment was
/// cut off is only looked at once that has come to its end.
async fn examine(
    context: &Context,
    requests: &[ApplyRequest],
    watcher: &mut dyn Watcher,
) -> Result<(Plans, Vec<Option<Preview>>), OpsError> {
    let state = context.state()?;
    let plan_requests: Vec<_> = requests.iter().map(|request| request.plan.clone()).collect();
    let plans = open_plans(context, &plan_requests, Some(&state))?;
    let mut is_cut_off = Vec::new();
    for (opened, request) in plans.opened.iter().zip(requests) {
        is_cut_off.push(unfinished_of(&state, &opened.loaded.plan.project)?.is_some());
        build_ahead(context, &state, opened, request, watcher).await?;
    }
    let looks: Vec<PreviewRequest> = requests
        .iter()
        .map(|request| PreviewRequest {
            plan: request.plan.clone(),
            changes: request.changes.clone(),
            scale: request.scale.clone(),
        })
        .collect();
    let previews = look_ahead(context, &plans, &looks, |position| is_cut_off[position]).await?;
    Ok((plans, previews))
}

/// Asks once for all, if something of one is replaced or removed.
fn agree(previews: &[Option<Preview>], is_agreed: bool, watcher: &mut dyn Watcher) -> Result<(), OpsError> {
    let disruptive: Vec<&Preview> =
        previews.iter().flatten().filter(|preview| preview.look.changes.is_disruptive()).collect();
    if is_agreed || disruptive.is_empty() {
        return Ok(());
    }
    let all: Vec<&Preview> = previews.iter().flatten().collect();
    match watcher.confirm_all(&all) {
        Some(false) => Err(OpsError::Declined),
        Some(true) | None => Ok(()),
    }
}
