use std::collections::{BTreeMap, BTreeSet};

use super::{OpsError, look::runtimes_of};
use crate::{
    diagnostic::Class,
    load::nearest,
    name::ServiceName,
    observed::{Fault, Instance, Wanted},
    plan::Plan,
    runtime::Observe,
};

/// All instances of a plan's project by service, those of services that it no longer names too.
///
/// # Errors
/// If a runtime that the plan needs cannot be asked.
pub(super) async fn instances(
    runtime: &dyn Observe,
    plan: &Plan,
) -> Result<BTreeMap<ServiceName, Vec<Instance>>, Fault> {
    let wanted = Wanted {
        project: plan.project.clone(),
        instance_names: BTreeSet::new(),
        images: BTreeSet::new(),
        executables: BTreeSet::new(),
        networks: BTreeSet::new(),
        volumes: BTreeSet::new(),
        runtimes: runtimes_of(plan),
    };
    let mut by_service: BTreeMap<ServiceName, Vec<Instance>> = BTreeMap::new();
    for instance in runtime.observe(&wanted).await?.instances {
        by_service.entry(instance.identity.service.clone()).or_default().push(instance);
    }
    for instances in by_service.values_mut() {
        instances.sort_by(|a, b| (a.identity.number, &a.name).cmp(&(b.identity.number, &b.name)));
    }
    Ok(by_service)
}

/// Refuses the first name that is not among the known ones.
pub(super) fn refuse_unknown<'a>(
    wanted: impl IntoIterator<Item = &'a ServiceName>,
    known: &BTreeSet<&ServiceName>,
) -> Result<(), OpsError> {
    let Some(unknown) = wanted.into_iter().find(|name| !known.contains(name)) else { return Ok(()) };
    let fault = Fault::new(Class::Configuration, "unknown-service", format!("there is no service `{unknown}`"));
    Err(OpsError::Fault(match nearest(unknown.as_str(), known.iter().map(|name| name.as_str())) {
        Some(nearest) => fault.hint(format!("did you mean `{nearest}`?")),
        None => fault.hint("`orchestrate graph` lists the plan's services, `orchestrate status` those that run"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_service_is_refused_with_the_nearest() {
        let names: Vec<ServiceName> = ["api", "web"].map(|name| name.parse().unwrap()).into();
        let known = names.iter().collect();
        let refusal = |wanted: &str| {
            let OpsError::Fault(fault) = refuse_unknown(&[wanted.parse().unwrap()], &known).unwrap_err() else {
                panic!("not a fault")
            };
            format!("{fault}; {}", fault.hint.as_deref().unwrap_or_default())
        };
        assert!(refuse_unknown(&names, &known).is_ok());
        assert_eq!(refusal("wbe"), "there is no service `wbe`; did you mean `web`?");
        assert_eq!(
            refusal("queue"),
            "there is no service `queue`; `orchestrate graph` lists the plan's services, `orchestrate status` those that run"
        );
    }
}
