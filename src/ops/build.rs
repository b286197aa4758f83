use std::collections::BTreeSet;

use super::{
    Context, Opened, OpsError, PlanRequest, instances::refuse_unknown, open::open_with_kept, preview::runtimes,
};
use crate::{
    action::{Action, build_image},
    name::ServiceName,
    observed::Fault,
    plan::{ImageReference, Plan, RuntimeKind},
    runtime::{Progress, Runtime, Runtimes},
    secret::Scrubber,
};

/// What to build, and how.
#[derive(Debug, Clone, Default)]
pub struct BuildRequest {
    pub plan: PlanRequest,
    /// All that are built if it is empty.
    pub services: Vec<ServiceName>,
    /// Pull the images that they start from, also if they are there.
    pub pull: bool,
    /// Take nothing out of the engine's cache.
    pub no_cache: bool,
}

/// Builds the images of a plan's services, and touches nothing that runs: the next apply finds what
/// has changed. `on` is told of each before it begins. Answers how many were built.
///
/// # Errors
/// If the plan is not valid, there is no such service, or a build fails: those before it stay.
pub async fn build(
    context: &Context,
    request: &BuildRequest,
    progress: &(dyn Fn(Progress) + Send + Sync),
    on: &mut (dyn FnMut(&ServiceName, &ImageReference) + Send),
) -> Result<usize, OpsError> {
    let state = context.state()?;
    let opened = open_with_kept(context, &request.plan, &state)?;
    let plan = &opened.loaded.plan;
    refuse_unknown(&request.services, &plan.services.keys().collect())?;
    let runtimes = runtimes(context, &state, &opened)?;
    let is_chosen = |name: &ServiceName| request.services.is_empty() || request.services.contains(name);
    let mut actions = builds(plan, is_chosen);
    for action in &mut actions {
        if let Action::BuildImage { build, .. } = action {
            build.0.pull |= request.pull;
            build.0.no_cache |= request.no_cache;
        }
    }
    perform(&runtimes, &actions, &opened.scrubber, progress, on).await?;
    Ok(actions.len())
}

/// Builds what is to be built anew before a plan is compared with the world.
pub(super) async fn build_before(
    runtimes: &Runtimes,
    opened: &Opened,
    is_chosen: impl Fn(&ServiceName) -> bool,
    on: &mut (dyn FnMut(&ServiceName, &ImageReference) + Send),
) -> Result<(), OpsError> {
    let actions = builds(&opened.loaded.plan, is_chosen);
    Ok(perform(runtimes, &actions, &opened.scrubber, &|_| {}, on).await?)
}

/// What builds the images of these services, each image once.
fn builds(plan: &Plan, is_chosen: impl Fn(&ServiceName) -> bool) -> Vec<Action> {
    let mut known = BTreeSet::new();
    let chosen = plan.services.iter().filter(|(name, service)| {
        is_chosen(name) && service.runtime() == RuntimeKind::Docker && service.build.is_some()
    });
    let first = chosen.filter(|(_, service)| known.insert(service.image.clone()));
    first.filter_map(|(name, _)| build_image(plan, name)).collect()
}

/// One after the other: a build takes all of an engine that it can get.
async fn perform(
    runtimes: &Runtimes,
    actions: &[Action],
    scrubber: &Scrubber,
    progress: &(dyn Fn(Progress) + Send + Sync),
    on: &mut (dyn FnMut(&ServiceName, &ImageReference) + Send),
) -> Result<(), Fault> {
    for action in actions {
        if let Action::BuildImage { service, image, .. } = action {
            on(service, image);
        }
        runtimes.perform(RuntimeKind::Docker, action, progress).await.map_err(|fault| Fault {
            text: scrubber.line(&fault.text),
            output: fault.output.iter().map(|line| scrubber.line(line)).collect(),
            ..fault
        })?;
    }
    Ok(())
}
