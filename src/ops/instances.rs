use std::collections::{BTreeMap, BTreeSet};

use super::{OpsError, past::warn_of_unreachable};
use crate::{
    diagnostic::Diagnostics,
    load::nearest,
    name::{ProjectName, ServiceName},
    observed::{Fault, Instance, Wanted},
    plan::RuntimeKind,
    runtime::Observe,
};

/// A project's instances by service.
pub(super) type Instances = BTreeMap<ServiceName, Vec<Instance>>;

/// What a project has: its instances, and its one-offs beside them.
pub(super) struct Found {
    pub instances: Instances,
    pub one_offs: Vec<Instance>,
}

/// All instances of a project, those of services that its plan no longer names too. What could not
/// be looked at is added to `warnings`.
///
/// # Errors
/// If a runtime that is needed cannot be asked.
pub(super) async fn instances(
    runtime: &dyn Observe,
    project: &ProjectName,
    needed: &BTreeSet<RuntimeKind>,
    warnings: &mut Diagnostics,
) -> Result<Instances, Fault> {
    Ok(found(runtime, project, needed, warnings).await?.instances)
}

/// [`instances`], with the project's one-offs.
///
/// # Errors
/// As [`instances`].
pub(super) async fn found(
    runtime: &dyn Observe,
    project: &ProjectName,
    needed: &BTreeSet<RuntimeKind>,
    warnings: &mut Diagnostics,
) -> Result<Found, Fault> {
    let wanted = Wanted {
        project: project.clone(),
        instance_names: BTreeSet::new(),
        images: BTreeSet::new(),
        executables: BTreeSet::new(),
        networks: BTreeSet::new(),
        volumes: BTreeSet::new(),
        runtimes: needed.clone(),
    };
    let observed = runtime.observe(&wanted).await?;
    warnings.extend(warn_of_unreachable(&observed));
    let mut by_service = Instances::new();
    for instance in observed.instances {
        by_service.entry(instance.identity.service.clone()).or_default().push(instance);
    }
    for instances in by_service.values_mut() {
        instances.sort_by(|a, b| (a.identity.number, &a.name).cmp(&(b.identity.number, &b.name)));
    }
    Ok(Found { instances: by_service, one_offs: observed.one_offs })
}

/// Refuses the first name that is not among the known ones.
pub(super) fn refuse_unknown<'a>(
    wanted: impl IntoIterator<Item = &'a ServiceName>,
    known: &BTreeSet<&ServiceName>,
) -> Result<(), OpsError> {
    let Some(unknown_name) = wanted.into_iter().find(|name| !known.contains(name)) else { return Ok(()) };
    let known: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
    let otherwise = "`orchestrate graph` lists the plan's services, `orchestrate status` those that run";
    Err(unknown("service", unknown_name.as_str(), &known, otherwise))
}

/// The error for a name that is not among the known ones: with the nearest of them, or what else
/// there is to say.
pub(super) fn unknown(what: &str, name: &str, known: &[&str], otherwise: &str) -> OpsError {
    let hint = match nearest(name, known.iter().copied()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => otherwise.to_owned(),
    };
    OpsError::UnknownName { text: format!("there is no {what} `{name}`"), hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_service_is_refused_with_the_nearest() {
        let names: Vec<ServiceName> = ["api", "web"].map(|name| name.parse().unwrap()).into();
        let known = names.iter().collect();
        let refusal = |wanted: &str| {
            let error = refuse_unknown(&[wanted.parse().unwrap()], &known).unwrap_err();
            format!("{error}; {}", error.hint().unwrap_or_default())
        };
        assert!(refuse_unknown(&names, &known).is_ok());
        assert_eq!(refusal("wbe"), "there is no service `wbe`; did you mean `web`?");
        assert_eq!(
            refusal("queue"),
            "there is no service `queue`; `orchestrate graph` lists the plan's services, `orchestrate status` those that run"
        );
    }
}
