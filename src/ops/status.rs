use std::collections::BTreeMap;

use super::{
    Context, OpsError, Project,
    checks::{Asked, Asking, GLANCE, ask_checks},
    instances::{Found, found},
    snapshot::cut_off::doubt_warning,
    stop_notes::stops,
    unfinished::unfinished,
};
use crate::{
    driver::Clock,
    health::Monitor,
    name::ServiceName,
    observed::{Instance, InstanceState, StopNote},
    plan::{Importance, Plan},
    report::{HealthWord, InstanceStatus, OneOffStatus, ServiceStatus, StatusReport, WarningReport},
    runtime::Observe,
    time::Timestamp,
};

/// Says what runs, beside what should, and asks each check once to tell how it is.
///
/// # Errors
/// If a runtime that its plan needs cannot be asked.
pub async fn status(context: &Context, project: &Project) -> Result<StatusReport, OpsError> {
    let mut warnings = project.warnings.clone();
    let known = project.plan(&mut warnings);
    let (plan, needed) = (known.plan(), project.needed(&known));
    let runtimes = project.runtimes(context, &needed)?;
    let runtime: &dyn Observe = &runtimes;
    let Found { instances: found, one_offs } = found(runtime, &project.name, &needed, &mut warnings).await?;
    let stops = stops(&project.state, &project.name);
    let scrubber = known.scrubber();
    let asking = Asking { runtime, plan, directory: &project.directory, scrubber, patience: GLANCE };
    let asked = ask_checks(&asking, found.values().flatten(), |_| true).await;
    let services = services(plan, (&found, &stops), &asked, Clock::start().now());
    let unfinished = unfinished(project)?;
    warnings.extend(doubt_warning(&project.state, &project.name)?);
    let one_off = |instance: &Instance| {
        let word = if instance.is_running() { instance.health.into() } else { HealthWord::None };
        OneOffStatus {
            service: instance.identity.service.clone(),
            instance: InstanceStatus::new(instance, image(instance), word),
        }
    };
    let one_offs = one_offs.iter().map(one_off).collect();
    Ok(StatusReport { services, one_offs, warnings: warnings.iter().map(WarningReport::from).collect(), unfinished })
}

fn services(
    plan: &Plan,
    (found, stops): (&BTreeMap<ServiceName, Vec<Instance>>, &BTreeMap<String, StopNote>),
    asked: &[Asked<'_>],
    now: Timestamp,
) -> Vec<ServiceStatus> {
    let mut by_instance: BTreeMap<&str, Vec<&Asked<'_>>> = BTreeMap::new();
    for asked in asked {
        by_instance.entry(&asked.instance.id).or_default().push(asked);
    }
    let statuses = |instances: Option<&Vec<Instance>>| -> Vec<InstanceStatus> {
        let status = |instance: &Instance| {
            let asked = by_instance.get(instance.id.as_str()).map(Vec::as_slice).unwrap_or_default();
            let note = stops.get(&instance.id).filter(|note| note.is_about(instance));
            InstanceStatus::new(instance, image(instance), health(plan, instance, asked, now)).stopped_by(note)
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
    services
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
        InstanceState::Exited { .. } if instance.is_stopped_on_purpose() => return HealthWord::None,
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::health::Answer;

    fn plan() -> Plan {
        let check = |severity: &str| serde_json::json!({ "tcp": { "port": 1 }, "severity": severity });
        serde_json::from_value(serde_json::json!({
            "name": "shop", "project": "shop", "parallelism": 1,
            "services": {
                "job": { "kind": "job" },
                "web": { "checks": [check("critical"), check("warning")] },
            }
        }))
        .unwrap()
    }

    /// An instance that was started at the epoch.
    fn instance(service: &str, state: InstanceState, health: &str) -> Instance {
        let mut document = serde_json::json!({
            "runtime": "docker", "id": "c0ffee", "name": "shop-web-1", "spec": null, "salt": "",
            "identity": { "project": "shop", "service": service, "number": 1, "deployment": "abcd1234" },
            "state": { "state": "running" }, "health": health, "started_at": 0, "restart_count": 0,
            "image_id": "sha256:0", "limits": {}, "restart_policy": "no", "networks": {}, "ports": [],
            "reach": "nowhere",
        });
        document["state"] = serde_json::to_value(state).unwrap();
        serde_json::from_value(document).unwrap()
    }

    /// The service, its state, the engine's word, whether its checks pass (the first is critical, the
    /// other is not), and the seconds since it was started; it may take thirty.
    type Case = (&'static str, InstanceState, &'static str, &'static [bool], u64, HealthWord);

    #[test]
    fn checks_and_the_engine_say_together_how_it_is() {
        use HealthWord::{Completed, Healthy, None, Starting, Unhealthy};
        use InstanceState::{Created, Exited, Restarting, Running};

        let plan = plan();
        let exited = |code| Exited { code, killed_for_memory: false };
        let table: [Case; 14] = [
            ("web", Running, "none", &[true, true], 5, Healthy),
            ("web", Running, "none", &[true, false], 5, Healthy),
            ("web", Running, "none", &[false, true], 29, Starting),
            ("web", Running, "none", &[false, true], 30, Unhealthy),
            ("web", Running, "starting", &[true, true], 5, Starting),
            ("web", Running, "unhealthy", &[true, true], 5, Unhealthy),
            ("web", Running, "unhealthy", &[false, true], 5, Unhealthy),
            ("web", Running, "healthy", &[], 5, Healthy),
            ("web", exited(0), "none", &[], 5, Unhealthy),
            ("web", Restarting, "none", &[], 5, Unhealthy),
            ("web", Created, "none", &[], 5, None),
            ("job", exited(0), "none", &[], 5, Completed),
            ("job", exited(1), "none", &[], 5, Unhealthy),
            ("gone", exited(1), "unhealthy", &[], 5, None),
        ];
        for (service, state, engine, passes, seconds, expected) in table {
            let instance = instance(service, state, engine);
            let checks = plan.services["web"].gating_checks();
            let asked: Vec<Asked<'_>> = checks
                .into_iter()
                .zip(passes)
                .map(|(check, has_passed)| Asked {
                    service_name: &instance.identity.service,
                    instance: &instance,
                    check,
                    answer: Answer { has_passed: *has_passed, text: String::new(), is_final: false },
                    took: Duration::ZERO,
                })
                .collect();
            let now = Timestamp::EPOCH + Duration::from_secs(seconds);
            let word = health(&plan, &instance, &asked.iter().collect::<Vec<_>>(), now);
            assert_eq!(word, expected, "{service} {state:?} {engine} {passes:?} {seconds}s");
        }
    }
}
