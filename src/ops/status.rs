use std::collections::BTreeMap;

use super::{
    Context, OpsError, PlanRequest,
    checks::{Asked, Asking, GLANCE, ask_checks},
    instances::instances,
    open::open_with_kept,
    preview::runtimes,
};
use crate::{
    driver::Clock,
    health::Monitor,
    name::ServiceName,
    observed::{Instance, InstanceState},
    plan::{Importance, Plan},
    report::{HealthWord, InstanceStatus, ServiceStatus, StatusReport},
    runtime::Observe,
    time::Timestamp,
};

/// Says what runs, beside what should, and asks each check once to tell how it is.
///
/// # Errors
/// If the plan is not valid, or a runtime that it needs cannot be asked.
pub async fn status(context: &Context, request: &PlanRequest) -> Result<StatusReport, OpsError> {
    let state = context.state()?;
    let opened = open_with_kept(context, request, &state)?;
    let runtimes = runtimes(context, &state, &opened)?;
    let runtime: &dyn Observe = &runtimes;
    let plan = &opened.loaded.plan;
    let found = instances(runtime, plan).await?;
    let asking = Asking { runtime, plan, directory: &opened.directory, scrubber: &opened.scrubber, patience: GLANCE };
    let asked = ask_checks(&asking, found.values().flatten(), |_| true).await;
    Ok(report(plan, &found, &asked, Clock::start().now()))
}

fn report(
    plan: &Plan,
    found: &BTreeMap<ServiceName, Vec<Instance>>,
    asked: &[Asked<'_>],
    now: Timestamp,
) -> StatusReport {
    let mut by_instance: BTreeMap<&str, Vec<&Asked<'_>>> = BTreeMap::new();
    for asked in asked {
        by_instance.entry(&asked.instance.id).or_default().push(asked);
    }
    let statuses = |instances: Option<&Vec<Instance>>| -> Vec<InstanceStatus> {
        let status = |instance: &Instance| {
            let asked = by_instance.get(instance.id.as_str()).map(Vec::as_slice).unwrap_or_default();
            InstanceStatus::new(instance, image(instance), health(plan, instance, asked, now))
        };
        instances.into_iter().flatten().map(status).collect()
    };
    let planned = plan.services.iter().map(|(name, service)| ServiceStatus {
        name: name.clone(),
        runtime: service.runtime(),
        desired: service.replicas(),
        instances: statuses(found.get(name)),
    });
    let orphans =
        found.iter().filter(|(name, _)| !plan.services.contains_key(*name)).filter_map(|(name, instances)| {
            let runtime = instances.first()?.runtime;
            Some(ServiceStatus { name: name.clone(), runtime, desired: 0, instances: statuses(Some(instances)) })
        });
    let mut services: Vec<ServiceStatus> = planned.chain(orphans).collect();
    services.sort_by(|a, b| a.name.cmp(&b.name));
    StatusReport { services }
}

/// What its checks and the engine say together. Of what the plan does not name, only the engine.
fn health(plan: &Plan, instance: &Instance, asked: &[&Asked<'_>], now: Timestamp) -> HealthWord {
    let Some(service) = plan.services.get(&instance.identity.service) else {
        return if instance.is_running() { instance.health.into() } else { HealthWord::None };
    };
    match instance.state {
        InstanceState::Running => {}
        InstanceState::Exited { code: 0, .. } if service.is_job() => return HealthWord::Completed,
        InstanceState::Created => return HealthWord::None,
        InstanceState::Paused | InstanceState::Restarting | InstanceState::Exited { .. } | InstanceState::Dead => {
            return HealthWord::Unhealthy;
        }
    }
    let mut word = instance.health.into();
    for asked in asked.iter().filter(|asked| asked.check.severity == Importance::Critical) {
        let started_at = instance.started_at.unwrap_or(now);
        word = match (asked.answer.has_passed, word) {
            (true, HealthWord::None) => HealthWord::Healthy,
            (true, word) => word,
            (false, HealthWord::Unhealthy) => HealthWord::Unhealthy,
            (false, _) if now < Monitor::new(asked.check.clone(), started_at).deadline() => HealthWord::Starting,
            (false, _) => HealthWord::Unhealthy,
        };
    }
    word
}

/// What it runs, as the plan that it was made from named it.
fn image(instance: &Instance) -> String {
    let service = instance.spec.as_ref().map(|spec| &spec["service"]);
    let named = service.and_then(|service| service["image"].as_str().or_else(|| service["command"][0].as_str()));
    named.map_or_else(|| instance.image_id.clone(), str::to_owned)
}
