use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    change::{Request, selection},
    graph::Graph,
    observed::{Fault, ImageFacts, Observed},
    plan::{ImageReference, Plan, PullPolicy, RuntimeKind},
    runtime::Observe,
    time::Timestamp,
};

/// Registries that are asked at the same time.
const SIDE_BY_SIDE: usize = 4;

/// The images that are there, but not as their registries have them now, and the digests there.
/// Only those are asked for whose services want that.
///
/// # Errors
/// If a registry does not have one, or cannot be asked.
pub(super) async fn outdated(
    runtime: &dyn Observe,
    plan: &Plan,
    graph: &Graph,
    observed: &Observed,
    request: &Request,
    now: Timestamp,
) -> Result<BTreeMap<ImageReference, String>, Fault> {
    let selected = selection(plan, graph, request);
    let services = plan.services.iter().filter(|(name, service)| {
        selected.contains(*name) && !request.contents.contains_key(*name) && service.runtime() == RuntimeKind::Docker
    });
    let wanted: BTreeMap<&ImageReference, &ImageFacts> = services
        .filter_map(|(_, service)| {
            let image = service.image.as_ref().filter(|image| !image.is_pinned())?;
            let facts = observed.images.get(image)?;
            is_to_be_asked(request.pull_policy(service), facts, now).then_some((image, facts))
        })
        .collect();
    let asked = stream::iter(wanted).map(|(image, facts)| async move {
        let digest = runtime.registry_digest(image).await?;
        Ok(digest.filter(|digest| !facts.digests.contains(digest)).map(|digest| (image.clone(), digest)))
    });
    let answers: Vec<Option<(ImageReference, String)>> = asked.buffer_unordered(SIDE_BY_SIDE).try_collect().await?;
    Ok(answers.into_iter().flatten().collect())
}

fn is_to_be_asked(policy: PullPolicy, facts: &ImageFacts, now: Timestamp) -> bool {
    match policy {
        PullPolicy::Always => true,
        PullPolicy::Every(interval) => facts.tagged_at.is_none_or(|at| now.since(at) >= interval.0),
        PullPolicy::Missing | PullPolicy::Never | PullPolicy::Build => false,
    }
}
