use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    Context, OpsError, PlanRequest,
    image_lock::{ImageLock, is_lockable},
    open::{open_with_kept, shown},
    preview::runtimes,
};
use crate::{diagnostic::Class, observed::Fault, plan::ImageReference, report::ImageLockReport, runtime::Observe as _};

/// Registries that are asked at the same time.
const SIDE_BY_SIDE: usize = 4;

/// Asks the registries what the plan's images are now, and writes that beside the plan: what is
/// applied from then on is exactly that.
///
/// # Errors
/// If the plan is not valid, a registry does not have one, cannot be asked, or the file cannot be
/// written: then nothing is.
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
    let asked = stream::iter(images).map(|image| async move {
        let digest = runtimes.registry_digest(&image).await?;
        Ok::<_, Fault>(digest.map(|digest| (image, digest)))
    });
    let found: Vec<_> = asked.buffer_unordered(SIDE_BY_SIDE).try_collect().await?;
    let lock = ImageLock::new(found.into_iter().flatten().collect::<BTreeMap<_, _>>());
    std::fs::write(&path, lock.to_text()).map_err(|error| {
        let text = format!("cannot write `{}`: {error}", path.display());
        Fault::new(Class::Permission, "lock-file", text)
    })?;
    Ok(ImageLockReport::new(shown(context, &path), before, lock.images))
}
