use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};

use super::{Context, OpsError, Project, instances::refuse_unknown};
use crate::{
    action::Effect,
    name::ServiceName,
    observed::Fault,
    plan::ImageReference,
    runtime::{Progress, PullPolicy, Runtime as _},
};

/// Pulls under way at most: a registry is asked gently.
const SIDE_BY_SIDE: usize = 4;

/// What became of one image.
#[derive(Debug, Clone, PartialEq)]
pub enum Pulled {
    New,
    UpToDate,
    Failed(Fault),
}

/// Pulls the images of a plan's services, and touches nothing that runs: the next apply finds what
/// has changed.
///
/// # Errors
/// If there is no such service. What becomes of each image is told by itself.
pub async fn pull(
    context: &Context,
    project: &Project,
    (services, policy): (&[ServiceName], PullPolicy),
    progress: &(dyn Fn(Progress) + Send + Sync),
    told: &mut (dyn FnMut(&ImageReference, &Pulled) + Send),
) -> Result<BTreeMap<ImageReference, Pulled>, OpsError> {
    let known = project.plan(&mut Vec::new());
    let plan = known.plan();
    refuse_unknown(services, &plan.services.keys().collect())?;
    let runtimes = project.runtimes(context, &project.needed(&known))?;
    let is_chosen = |name: &ServiceName| services.is_empty() || services.contains(name);
    let chosen = plan.services.iter().filter(|(name, service)| is_chosen(name) && service.build.is_none());
    let chosen = chosen.filter_map(|(_, service)| service.image.clone());
    let images: std::collections::BTreeSet<ImageReference> = chosen.collect();
    let runtimes = &runtimes;
    let pulls = stream::iter(images).map(|image| async move {
        let pulled = match runtimes.pull(&image, policy, progress).await {
            Ok(Effect::AlreadySo) => Pulled::UpToDate,
            Ok(
                Effect::Done
                | Effect::Created { .. }
                | Effect::Started { .. }
                | Effect::Saved { .. }
                | Effect::Ran { .. },
            ) => Pulled::New,
            Err(fault) => Pulled::Failed(fault),
        };
        (image, pulled)
    });
    let mut pulls = Box::pin(pulls.buffer_unordered(SIDE_BY_SIDE));
    let mut all = BTreeMap::new();
    while let Some((image, pulled)) = pulls.next().await {
        told(&image, &pulled);
        all.insert(image, pulled);
    }
    Ok(all)
}
