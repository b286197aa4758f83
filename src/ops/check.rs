use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    Context, OpsError, Project,
    checks::{Asked, Asking, ask_checks},
    instances::{instances, refuse_unknown},
    project::ProjectPlan,
};
use crate::{
    name::ServiceName,
    observed::{Instance, InstanceState},
    plan::{Check, Plan, Service},
    report::{CheckResult, ChecksReport},
    runtime::Observe,
};

/// Which checks to run.
#[derive(Debug, Clone, Default)]
pub struct CheckRequest {
    /// Only these services; all if it is empty.
    pub only: Vec<ServiceName>,
    /// Only checks with one of these tags; all if it is empty.
    pub tags: Vec<String>,
}

/// Runs the checks of what should run, once, now. A check of what does not run fails.
///
/// # Errors
/// If nobody knows its plan, it has not such a service, or a runtime that it needs cannot be asked.
pub async fn check(context: &Context, project: &Project, request: &CheckRequest) -> Result<ChecksReport, OpsError> {
    let known = project.plan(&mut Vec::new());
    if let ProjectPlan::Nothing(_) = known {
        let text = format!("no plan of `{}` is known, so there is nothing to check it by", project.name);
        return Err(OpsError::Missing(text));
    }
    let (plan, needed) = (known.plan(), project.needed(&known));
    refuse_unknown(&request.only, &plan.services.keys().collect())?;
    let runtimes = project.runtimes(context, &needed)?;
    let runtime: &dyn Observe = &runtimes;
    // What may be where nobody can look is no service of the plan: there is nothing to ask it.
    let mut found = instances(runtime, &project.name, &needed, &mut Vec::new()).await?;
    found.retain(|name, _| request.only.is_empty() || request.only.contains(name));

    let tags: BTreeSet<&str> = request.tags.iter().map(String::as_str).collect();
    let is_wanted = |check: &Check| tags.is_empty() || check.tags.iter().any(|tag| tags.contains(tag.as_str()));
    let (directory, scrubber) = (project.directory.as_path(), known.scrubber());
    let asking = Asking { runtime, plan, directory, scrubber, patience: Duration::MAX };
    let asked = ask_checks(&asking, found.values().flatten(), is_wanted).await;
    let mut results: Vec<CheckResult> = asked.into_iter().map(result).collect();
    let only = |name: &&ServiceName| request.only.is_empty() || request.only.contains(name);
    for name in plan.services.keys().filter(only) {
        results.extend(absent(plan, name, &found, &is_wanted));
    }
    results.sort_by(|a, b| (&a.service, &a.instance).cmp(&(&b.service, &b.instance)));
    Ok(ChecksReport::new(results))
}

fn result(asked: Asked<'_>) -> CheckResult {
    CheckResult {
        service: asked.service_name.clone(),
        instance: asked.instance.name.clone(),
        check: asked.check.label(),
        passed: asked.answer.has_passed,
        severity: asked.check.severity,
        text: asked.answer.text,
        duration_ms: u64::try_from(asked.took.as_millis()).unwrap_or(u64::MAX),
    }
}

/// The checks of those instances of a service that should run and do not.
fn absent(
    plan: &Plan,
    service_name: &ServiceName,
    found: &BTreeMap<ServiceName, Vec<Instance>>,
    is_wanted: &dyn Fn(&Check) -> bool,
) -> Vec<CheckResult> {
    let service: &Service = &plan.services[service_name];
    let here = found.get(service_name).map(Vec::as_slice).unwrap_or_default();
    let checks: Vec<Check> = service.gating_checks().into_iter().filter(is_wanted).collect();
    let mut results = Vec::new();
    for number in 1..=service.replicas() {
        let name = plan.instance_name(service_name, number);
        let instance = here.iter().find(|instance| instance.name == name);
        let Some(text) = trouble(service, instance) else { continue };
        results.extend(checks.iter().map(|check| CheckResult {
            service: service_name.clone(),
            instance: name.clone(),
            check: check.label(),
            passed: false,
            severity: check.severity,
            text: text.clone(),
            duration_ms: 0,
        }));
    }
    results
}

/// Why nothing can be asked; `None` if it runs, or has run to its end as a job should.
fn trouble(service: &Service, instance: Option<&Instance>) -> Option<String> {
    let Some(instance) = instance else { return Some("it is not there".to_owned()) };
    match instance.state {
        InstanceState::Running => None,
        InstanceState::Exited { code: 0, .. } if service.is_job() => None,
        InstanceState::Created => Some("it was never started".to_owned()),
        InstanceState::Paused => Some("it is paused".to_owned()),
        InstanceState::Restarting => Some("it is being restarted".to_owned()),
        InstanceState::Exited { code, killed_for_memory } => {
            let why = if killed_for_memory { ", killed for memory" } else { "" };
            Some(format!("it does not run: exit code {code}{why}"))
        }
        InstanceState::Dead => Some("the engine could not remove it".to_owned()),
    }
}
