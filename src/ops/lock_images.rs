use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    Context, OpsError, PlanRequest,
    image_lock::{ImageLock, is_lockable},
    look::wanted,
    open::{open_with_kept, shown},
    preview::runtimes,
};
use crate::{diagnostic::Class, observed::Fault, plan::ImageReference, report::ImageLockReport, runtime::Observe as _};

/// Registries that are asked at the same time.
const SIDE_BY_SIDE: usize = 4;

/// Asks the registries what the plan's images are now, and writes that beside the plan: what is
/// applied from then on is exactly that. An image that was made on the engine and that no registry gives
/// has no digest: it is left out, and named.
///
/// # Errors
/// If the plan is not valid, a registry does not have another one, cannot be asked, or the file cannot
/// be written: then nothing is.
pub async fn lock_images(context: &Context, request: &PlanRequest) -> Result<ImageLockReport, OpsError> {
    let state = context.state()?;
    let request = PlanRequest { is_unlocked: true, ..request.clone() };
    let opened = open_with_kept(context, &request, &state)?;
    let services = opened.loaded.plan.services.values();
    let images: BTreeSet<ImageReference> =
        services.filter_map(|service| service.image.clone().filter(|image| is_lockable(service, image))).collect();
    let path = ImageLock::path(&opened.plan_directory);
    let before = ImageLock::read(&path)?.map(|lock| lock.images).unwrap_or_default();
    let runtimes = runtimes(context, &state, &opened)?;
    let runtimes = &runtimes;
    let observed = &runtimes.observe(&wanted(&opened.loaded.plan)).await?;
    let asked = stream::iter(images).map(|image| async move {
        match runtimes.registry_digest(&image).await {
            Ok(digest) => Ok((image, digest)),
            Err(_) if observed.images.get(&image).is_some_and(|facts| facts.digests.is_empty()) => Ok((image, None)),
            Err(fault) => Err(fault),
        }
    });
    let found: BTreeMap<ImageReference, Option<String>> = asked.buffer_unordered(SIDE_BY_SIDE).try_collect().await?;
    let skipped = found.iter().filter(|(_, digest)| digest.is_none()).map(|(image, _)| image.clone()).collect();
    let pins = found.into_iter().filter_map(|(image, digest)| Some((image, digest?)));
    let lock = ImageLock::new(pins.collect::<BTreeMap<_, _>>());
    std::fs::write(&path, lock.to_text()).map_err(|error| {
        let text = format!("cannot write `{}`: {error}", path.display());
        Fault::new(Class::Permission, "lock-file", text)
    })?;
    let report = ImageLockReport::new(shown(context, &path), before, lock.images);
    Ok(ImageLockReport { skipped, ..report })
}
