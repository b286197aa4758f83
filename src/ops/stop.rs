use std::time::Duration;

use futures_util::{StreamExt as _, stream};

use super::{
    Context, OpsError, Project,
    standing::{Deed, OnDeed, Standing, first_trouble, handle, hold_whole},
};
use crate::{
    action::{Action, Effect},
    diagnostic::Diagnostics,
    driver::Clock,
    name::ServiceName,
    observed::{Fault, Instance, StopNote},
    plan::{Interval, RestartPolicy},
    runtime::Runtime as _,
};

/// Calls under way at most: stopping waits for programs to end, and hardly uses the engine.
pub(super) const SIDE_BY_SIDE: usize = 16;

/// What to stop.
#[derive(Debug, Clone, Default)]
pub struct StopRequest {
    /// All if it is empty.
    pub services: Vec<ServiceName>,
    /// How long each may take before it is killed; as its plan says by default.
    pub timeout: Option<Duration>,
}

/// Whether what is stopped is to stay so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    OnPurpose,
    ForAMoment,
}

/// Stops services on purpose, those that depend on others first. They stay stopped until someone
/// starts or applies them, also when the engine begins anew.
///
/// # Errors
/// If someone else holds the lock, a deployment is half done, or one does not stop: the others of
/// its wave have been stopped by then.
pub async fn stop(
    context: &Context,
    project: &Project,
    request: &StopRequest,
    warnings: &mut Diagnostics,
    on: &mut OnDeed<'_>,
) -> Result<(), OpsError> {
    let (hold, _) = hold_whole(context, project).await?;
    let stopped = async {
        let standing = Standing::look(context, project, warnings).await?;
        stop_all(context, &standing, request, Stop::OnPurpose, on).await
    };
    let stopped = stopped.await;
    hold.release().await;
    stopped
}

/// Stops the services of a request. The caller holds the lock.
pub(super) async fn stop_all(
    context: &Context,
    standing: &Standing<'_>,
    request: &StopRequest,
    how: Stop,
    on: &mut OnDeed<'_>,
) -> Result<(), OpsError> {
    let selected = standing.selected(&request.services)?;
    let timeout = request.timeout.map(Interval);
    let notes = standing.project.state.directory.stop_notes(&standing.project.name);
    notes.forget_others(&standing.ids());
    for wave in standing.waves(&selected).into_iter().rev() {
        let mut stopping = Vec::new();
        for service_name in &wave {
            let is_job = standing.is_job(service_name);
            for instance in standing.instances_of(service_name).iter().filter(|found| found.is_active() || !is_job) {
                on(&instance.name, Deed::Stopping);
                stopping.push((instance, if is_job { Stop::ForAMoment } else { how }));
            }
        }
        let calls = stream::iter(stopping)
            .map(|(instance, how)| async move { (instance, how, stop_one(standing, instance, timeout, how).await) });
        let mut calls = calls.buffer_unordered(SIDE_BY_SIDE);
        let mut results = Vec::new();
        while let Some((instance, how, result)) = calls.next().await {
            if let Ok(effect) = &result {
                on(&instance.name, if *effect == Effect::AlreadySo { Deed::AlreadySo } else { Deed::Stopped });
                if how == Stop::OnPurpose && !instance.is_stopped_on_purpose() {
                    let note =
                        StopNote { started_at: instance.started_at, by: context.author(), at: Clock::start().now() };
                    // It is stopped all the same; only who did it would not be known.
                    drop(notes.write(instance, &note));
                }
            }
            results.push(result);
        }
        drop(first_trouble(results)?);
    }
    Ok(())
}

async fn stop_one(
    standing: &Standing<'_>,
    instance: &Instance,
    timeout: Option<Interval>,
    how: Stop,
) -> Result<Effect, Fault> {
    let handle = handle(instance);
    let runtimes = &standing.runtimes;
    let perform = |action: Action| async move { runtimes.perform(instance.runtime, &action, &|_| {}).await };
    // First, so that nothing revives it; and it says from then on that this was meant.
    if how == Stop::OnPurpose && instance.restart_policy != RestartPolicy::UnlessStopped {
        let (from, to) = (instance.restart_policy, RestartPolicy::UnlessStopped);
        perform(Action::SetRestartPolicy { instance: handle.clone(), from, to }).await?;
    }
    perform(Action::Stop { instance: handle, grace: standing.grace(instance, timeout) }).await
}
