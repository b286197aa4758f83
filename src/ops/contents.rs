use std::collections::BTreeMap;

use super::{OpsError, context::State};
use crate::{
    action::Effect,
    journal::{DeploymentRecord, Outcome, Record},
    name::ServiceName,
    plan::Plan,
    store::Store as _,
};

/// What a plan's services ran once a deployment of it had succeeded: ids of images and digests of
/// programs, which tags and paths may no longer lead to. A service that it left alone is found in
/// the deployment that started it.
pub(super) fn contents(
    state: &State,
    of: &DeploymentRecord,
    plan: &Plan,
) -> Result<BTreeMap<ServiceName, String>, OpsError> {
    let deployments = state.store.deployments(Some(&of.project))?;
    let until = deployments.into_iter().skip_while(|record| record.id != of.id);
    let mut contents = BTreeMap::new();
    for record in until.filter(|record| record.outcome == Some(Outcome::Applied)) {
        if plan.services.keys().all(|service_name| contents.contains_key(service_name)) {
            break;
        }
        let mut started = BTreeMap::new();
        for entry in state.store.entries(record.id)? {
            if let Record::Succeeded { effect: Effect::Started { instance }, .. } = entry.record
                && plan.services.contains_key(&instance.identity.service)
                && !instance.image_id.is_empty()
            {
                started.insert(instance.identity.service, instance.image_id);
            }
        }
        started.extend(contents);
        contents = started;
    }
    Ok(contents)
}
