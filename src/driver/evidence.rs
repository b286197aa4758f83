//! What shows why an instance failed, kept before it is taken away.

use futures_util::StreamExt as _;

use crate::{
    action::Action,
    journal::Evidence,
    name::ServiceName,
    observed::{Fault, InstanceState},
    plan::RuntimeKind,
    runtime::{LogQuery, Observe},
    secret::Scrubber,
};

/// The lines of its log that are kept.
const LOG_LINES: usize = 50;

/// Gathers what can be had: what is missing is left out, since the way back is not to wait for it.
pub async fn gather(
    runtime: &dyn Observe,
    kind: RuntimeKind,
    service_name: ServiceName,
    id: &str,
    probes: Vec<String>,
    scrubber: &Scrubber,
) -> Evidence {
    let instance = runtime.inspect(kind, id).await.ok().flatten();
    let (exit_code, killed_for_memory) = match instance.as_ref().map(|instance| instance.state) {
        Some(InstanceState::Exited { code, killed_for_memory }) => (Some(code), killed_for_memory),
        Some(
            InstanceState::Created
            | InstanceState::Running
            | InstanceState::Paused
            | InstanceState::Restarting
            | InstanceState::Dead,
        )
        | None => (None, false),
    };
    Evidence {
        service: service_name,
        instance: instance.as_ref().map_or_else(|| id.to_owned(), |instance| instance.name.clone()),
        exit_code,
        killed_for_memory,
        log: log(runtime, kind, id, scrubber).await,
        probes: probes.iter().map(|probe| scrubber.line(probe)).collect(),
        inspect: instance.map_or(serde_json::Value::Null, |instance| {
            serde_json::to_value(instance).unwrap_or(serde_json::Value::Null)
        }),
    }
}

/// What a build that failed wrote last.
pub fn of_build(action: &Action, fault: &Fault) -> Option<Evidence> {
    let Action::BuildImage { service, image, .. } = action else { return None };
    (!fault.output.is_empty()).then(|| Evidence {
        service: service.clone(),
        instance: image.to_string(),
        exit_code: None,
        killed_for_memory: false,
        log: fault.output.clone(),
        probes: Vec::new(),
        inspect: serde_json::Value::Null,
    })
}

async fn log(runtime: &dyn Observe, kind: RuntimeKind, id: &str, scrubber: &Scrubber) -> Vec<String> {
    let query = LogQuery { tail: Some(LOG_LINES), ..LogQuery::default() };
    let Ok(lines) = runtime.logs(kind, id, query).await else { return Vec::new() };
    lines.take(LOG_LINES).filter_map(async |line| Some(scrubber.line(&line.ok()?.text))).collect().await
}
