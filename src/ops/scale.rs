use std::{collections::BTreeMap, sync::Arc};

use super::{Opened, OpsError, instances::refuse_unknown};
use crate::{
    diagnostic::Class,
    name::ServiceName,
    observed::Fault,
    plan::{Port, RuntimeKind},
};

/// Puts other counts of instances in the place of those that a plan says, for one deployment: the
/// plan's own count again by the next one.
pub(super) fn scaled(mut opened: Opened, counts: &BTreeMap<ServiceName, u32>) -> Result<Opened, OpsError> {
    refuse_unknown(counts.keys(), &opened.loaded.plan.services.keys().collect())?;
    for (service_name, count) in counts {
        let Some(service) = opened.loaded.plan.services.get_mut(service_name) else { continue };
        let refuse = |why: String| {
            let text = format!("`{service_name}` cannot have {count} instances: {why}");
            Fault::new(Class::Configuration, "cannot-scale", text)
        };
        if *count > 1 {
            if let Some(name) = &service.container_name {
                return Err(refuse(format!("all would be called `{name}`")).hint("take out `container_name`").into());
            }
            let fixed = service.ports.iter().find_map(Port::fixed);
            if let (Some(port), RuntimeKind::Docker) = (fixed, service.runtime()) {
                let hint = "publish the port without a number on the host: any that is free";
                return Err(refuse(format!("only one can have port {port} of the host")).hint(hint).into());
            }
        }
        let service = Arc::make_mut(service);
        service.deploy.replicas = Some(*count);
        // Asked for by hand: that is what it is left to.
        service.ignore_changes.retain(|path| path != "deploy.replicas");
    }
    Ok(opened)
}
