//! Instances that Compose made: they have no spec, so they are compared with what the runtime would
//! make.

use super::{Cause, instance::Desired};
use crate::observed::Difference;

/// What differs, with the places where it was written.
pub(super) fn causes(desired: &Desired<'_>, differences: &[Difference]) -> Vec<Cause> {
    let cause = |difference: &Difference| {
        let Difference { field, before, after } = difference.clone();
        let path = ["services", desired.service_name.as_str()].into_iter().chain(field.split('.'));
        let origin = desired.origins.origin(&path.collect::<Vec<_>>());
        Cause { field, before, after, origin }
    };
    differences.iter().map(cause).collect()
}

/// Whether it was made from the reference that the plan has.
pub(super) fn has_same_image(differences: &[Difference]) -> bool {
    differences.iter().all(|difference| difference.field != "image")
}
