use std::{collections::BTreeSet, time::Duration};

use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use super::{
    Context, OpsError, Project,
    checks::{Asking, GLANCE, ask_checks},
    instances::Instances,
    standing::{Deed, OnDeed, Standing, first_trouble, handle, hold_whole, no_instance},
    stop::SIDE_BY_SIDE,
};
use crate::{
    action::{Action, Effect},
    diagnostic::{Class, Diagnostics},
    driver::Clock,
    health::Monitor,
    name::ServiceName,
    observed::{Fault, Instance},
    plan::{Condition, Importance, RestartPolicy},
    runtime::{Observe as _, Runtime as _},
};

/// What to start.
#[derive(Debug, Clone, Default)]
pub struct StartRequest {
    /// All if it is empty; what they depend on is started too.
    pub services: Vec<ServiceName>,
}

/// Starts services that were stopped, in the graph's order, each once the conditions of its
/// dependencies hold. What is not there is not made: that is for an apply.
///
/// # Errors
/// If someone else holds the lock, a deployment is half done, one cannot be started, or what others
/// wait for does not become healthy: what was started stays so.
pub async fn start(
    context: &Context,
    project: &Project,
    request: &StartRequest,
    warnings: &mut Diagnostics,
    on: &mut OnDeed<'_>,
) -> Result<(), OpsError> {
    let (hold, _) = hold_whole(context, project).await?;
    let started = async {
        let standing = Standing::look(context, project, warnings).await?;
        let selected = standing.selected(&request.services)?;
        // What the plan does not name, or where there is none, depends on nothing that is known.
        let planned = selected.iter().filter(|name| standing.plan().services.contains_key(*name)).cloned().collect();
        let needed = standing.graph().with_dependencies(&planned);
        let selected = selected.into_iter().chain(needed).collect();
        start_all(&standing, &request.services, &selected, on).await
    };
    let started = started.await;
    hold.release().await;
    started
}

/// Starts these services. The caller holds the lock.
pub(super) async fn start_all(
    standing: &Standing<'_>,
    named: &[ServiceName],
    selected: &BTreeSet<ServiceName>,
    on: &mut OnDeed<'_>,
) -> Result<(), OpsError> {
    refuse_jobs(standing, named)?;
    if let Some(missing) = named.iter().find(|name| standing.instances_of(name).is_empty()) {
        return Err(no_instance(missing).into());
    }
    for wave in standing.waves(selected) {
        let mut starting = Vec::new();
        for service_name in wave.iter().filter(|name| !standing.is_job(name)) {
            let instances = standing.instances_of(service_name);
            if instances.iter().any(|instance| !instance.is_running()) {
                dependencies_hold(standing, service_name, on).await?;
            }
            for instance in instances.iter().filter(|instance| !instance.is_running() || is_marked(standing, instance))
            {
                on(&instance.name, Deed::Starting);
                starting.push(instance);
            }
        }
        let calls =
            stream::iter(starting).map(|instance| async move { (instance, start_one(standing, instance).await) });
        let mut calls = calls.buffer_unordered(SIDE_BY_SIDE);
        let mut results = Vec::new();
        while let Some((instance, result)) = calls.next().await {
            if result.is_ok() {
                on(&instance.name, Deed::Started);
            }
            results.push(result);
        }
        drop(first_trouble(results)?);
    }
    Ok(())
}

/// Refuses jobs: they run to their end, and are not kept running.
pub(super) fn refuse_jobs(standing: &Standing<'_>, named: &[ServiceName]) -> Result<(), Fault> {
    let Some(job) = named.iter().find(|name| standing.is_job(name)) else { return Ok(()) };
    let fault = Fault::new(Class::Configuration, "is-a-job", format!("`{job}` is a job: it runs to its end"));
    Err(fault.hint(format!("`orchestrate apply --force-recreate={job}` runs it again")))
}

/// Whether it runs, and still has the policy that a stop gave it.
fn is_marked(standing: &Standing<'_>, instance: &Instance) -> bool {
    let is_other =
        |wanted| instance.restart_policy == RestartPolicy::UnlessStopped && wanted != instance.restart_policy;
    wanted_policy(standing, instance).is_some_and(is_other)
}

fn wanted_policy(standing: &Standing<'_>, instance: &Instance) -> Option<RestartPolicy> {
    standing.service(&instance.identity.service).map(|service| service.restart_policy())
}

/// The policy comes back last: one that cannot be started still says that it was stopped.
async fn start_one(standing: &Standing<'_>, instance: &Instance) -> Result<Effect, Fault> {
    let runtimes = &standing.runtimes;
    let perform = |action: Action| async move { runtimes.perform(instance.runtime, &action, &|_| {}).await };
    let grace = standing.grace(instance, None);
    let effect = perform(Action::Start { instance: handle(instance), grace }).await?;
    if instance.restart_policy == RestartPolicy::UnlessStopped
        && let Some(to) = wanted_policy(standing, instance).filter(|to| *to != instance.restart_policy)
    {
        let from = instance.restart_policy;
        perform(Action::SetRestartPolicy { instance: handle(instance), from, to }).await?;
    }
    Ok(effect)
}

/// Waits until what a service depends on is as it has to be.
async fn dependencies_hold(
    standing: &Standing<'_>,
    service_name: &ServiceName,
    on: &mut OnDeed<'_>,
) -> Result<(), OpsError> {
    if !standing.plan().services.contains_key(service_name) {
        return Ok(());
    }
    for (needed, condition) in standing.graph().dependencies(service_name) {
        match condition {
            Condition::ServiceStarted => {}
            Condition::ServiceHealthy => healthy(standing, needed, on).await?,
            Condition::ServiceCompletedSuccessfully => {
                let instances = standing.instances_of(needed);
                if instances.is_empty() || !instances.iter().all(Instance::has_completed) {
                    let text = format!("`{service_name}` waits for the job `{needed}`, which has not succeeded");
                    let fault = Fault::new(Class::Dependency, "job-not-completed", text);
                    return Err(fault.hint("`orchestrate apply` runs it").into());
                }
            }
        }
    }
    Ok(())
}

/// Asks a service's critical checks until they pass, as long as they may take.
async fn healthy(standing: &Standing<'_>, service_name: &ServiceName, on: &mut OnDeed<'_>) -> Result<(), OpsError> {
    /// As a deployment waits between two probes: a tenth of what has passed, within bounds.
    const SHORTEST: Duration = Duration::from_millis(20);
    const LONGEST: Duration = Duration::from_secs(1);
    let begun_at = Instant::now();
    let patience = patience(standing, service_name);
    let names: Vec<String> = standing.instances_of(service_name).iter().map(|instance| instance.name.clone()).collect();
    names.iter().for_each(|name| on(name, Deed::Awaited));
    loop {
        let Some(trouble) = unhealthy(standing, service_name).await? else { break };
        if begun_at.elapsed() >= patience {
            let text = format!("`{service_name}` does not become healthy: {trouble}");
            let hint = format!("`orchestrate logs {service_name}` shows what it wrote");
            return Err(Fault::new(Class::HealthCheck, "unhealthy", text).hint(hint).into());
        }
        tokio::time::sleep((begun_at.elapsed() / 10).clamp(SHORTEST, LONGEST)).await;
    }
    names.iter().for_each(|name| on(name, Deed::Healthy));
    Ok(())
}

/// How long the slowest of its critical checks may take.
fn patience(standing: &Standing<'_>, service_name: &ServiceName) -> Duration {
    let now = Clock::start().now();
    let checks = standing.service(service_name).map(|service| service.gating_checks()).unwrap_or_default();
    checks.into_iter().map(|check| Monitor::new(check, now).deadline().since(now)).max().unwrap_or_default()
}

/// Why a service is not healthy, if it is not.
async fn unhealthy(standing: &Standing<'_>, service_name: &ServiceName) -> Result<Option<String>, OpsError> {
    let mut now = Instances::new();
    for instance in standing.instances_of(service_name) {
        match standing.runtimes.inspect(instance.runtime, &instance.id).await? {
            Some(found) if found.is_running() => now.entry(service_name.clone()).or_default().push(found),
            Some(_) | None => return Ok(Some(format!("`{}` does not run", instance.name))),
        }
    }
    let asking = Asking {
        runtime: &standing.runtimes,
        plan: standing.plan(),
        directory: &standing.project.directory,
        scrubber: standing.known.scrubber(),
        patience: GLANCE,
    };
    let asked = ask_checks(&asking, now.values().flatten(), |check| check.severity == Importance::Critical).await;
    let failed = asked.iter().find(|asked| !asked.answer.has_passed);
    Ok(failed.map(|asked| format!("check `{}`: {}", asked.check.label(), asked.answer.text)))
}
