use std::{collections::BTreeMap, sync::Arc};

use super::{Context, Opened, OpsError, PlanRequest, look::wanted, open::open_with_kept, preview::runtimes};
use crate::{
    diagnostic::{Diagnostics, Severity},
    load::nearest,
    name::ServiceName,
    observed::{Instance, Observed, Reach},
    plan::{Plan, RuntimeKind, Service},
    report::OutputReport,
    runtime::Observe as _,
};

/// What a plan gives out, with what runs now. Changes nothing.
///
/// # Errors
/// If the plan is not valid, it has no output of that name, or that has no value now: it is said
/// why, and where it stands. Without a name, what has no value now is left out, with a warning.
pub async fn output(
    context: &Context,
    request: &PlanRequest,
    name: Option<&str>,
) -> Result<(Vec<OutputReport>, Diagnostics), OpsError> {
    let state = context.state()?;
    let opened = open_with_kept(context, request, &state)?;
    let outputs = &opened.loaded.outputs;
    if let Some(unknown) = name.filter(|name| !outputs.names().any(|known| known == *name)) {
        let known: Vec<&str> = outputs.names().collect();
        let hint = match (nearest(unknown, known.iter().copied()), known.is_empty()) {
            (Some(nearest), _) => format!("did you mean `{nearest}`?"),
            (None, true) => "the plan has no `outputs`".to_owned(),
            (None, false) => format!("it has {}", known.join(", ")),
        };
        return Err(OpsError::UnknownName { text: format!("the plan has no output `{unknown}`"), hint });
    }
    let observed = runtimes(context, &state, &opened)?.observe(&wanted(&opened.loaded.plan)).await?;
    let (mut found, mut problems) = outputs_now(&opened, &observed);
    let Some(name) = name else { return Ok((found, problems)) };
    found.retain(|output| output.name == name);
    if !found.is_empty() {
        return Ok((found, Diagnostics::new()));
    }
    let place = format!("`outputs.{name}`:");
    problems.retain(|problem| problem.summary.starts_with(&place));
    problems.iter_mut().for_each(|problem| problem.severity = Severity::Error);
    Err(OpsError::InTheWay { sources: opened.loaded.document.sources().clone(), diagnostics: problems })
}

/// The outputs with what was observed, and a warning for each that has no value.
pub(super) fn outputs_now(opened: &Opened, observed: &Observed) -> (Vec<OutputReport>, Diagnostics) {
    let outputs = &opened.loaded.outputs;
    if outputs.is_empty() {
        return (Vec::new(), Diagnostics::new());
    }
    let (values, mut problems) = outputs.evaluate(&Arc::new(running(&opened.loaded.plan, observed)));
    problems.iter_mut().for_each(|problem| problem.severity = Severity::Warning);
    (values.into_iter().map(OutputReport::from).collect(), problems)
}

/// What is known of each service of the plan, as `services.NAME` in an output.
fn running(plan: &Plan, observed: &Observed) -> BTreeMap<String, serde_json::Value> {
    let mut instances: BTreeMap<&ServiceName, Vec<&Instance>> = BTreeMap::new();
    for instance in observed.instances.iter().filter(|instance| instance.is_active()) {
        instances.entry(&instance.identity.service).or_default().push(instance);
    }
    instances.values_mut().for_each(|all| all.sort_by_key(|instance| instance.identity.number));
    let known = |(name, service): (&ServiceName, &Arc<Service>)| {
        let instances = instances.get(name).map(Vec::as_slice).unwrap_or_default();
        (name.to_string(), running_service(service, instances))
    };
    plan.services.iter().map(known).collect()
}

fn running_service(service: &Service, instances: &[&Instance]) -> serde_json::Value {
    let first = instances.first();
    let each = instances.iter().map(|instance| {
        serde_json::json!({
            "name": instance.name,
            "number": instance.identity.number,
            "id": instance.id,
            "address": address(instance),
            "ports": ports(service, instance),
        })
    });
    serde_json::json!({
        "address": first.and_then(|instance| address(instance)),
        "host": first.and_then(|instance| host(instance)),
        "ports": first.map(|instance| ports(service, instance)).unwrap_or_default(),
        "replicas": instances.len(),
        "instances": each.collect::<Vec<_>>(),
        "image": service.image.as_ref().map(ToString::to_string),
    })
}

/// Where an instance can be dialled at any of its own ports.
fn address(instance: &Instance) -> Option<String> {
    match &instance.reach {
        Reach::Address(address) => Some(address.to_string()),
        Reach::Published(_) | Reach::Nowhere => None,
    }
}

/// Where its published ports are.
fn host(instance: &Instance) -> Option<String> {
    let own = instance.ports.iter().find_map(|port| port.host_ip.filter(|ip| !ip.is_unspecified()));
    let of_engine = match &instance.reach {
        Reach::Published(host) => Some(host.to_string()),
        Reach::Address(_) => Some("127.0.0.1".to_owned()),
        Reach::Nowhere => None,
    };
    own.map(|ip| ip.to_string()).or(of_engine)
}

/// The host's port for each of its own that can be reached there. A process listens on the host.
fn ports(service: &Service, instance: &Instance) -> serde_json::Map<String, serde_json::Value> {
    let is_process = service.runtime() == RuntimeKind::Process;
    let exposed = service.expose.iter().filter(|_| is_process).map(|port| (port.port, port.protocol, port.port));
    let published = instance.ports.iter().map(|port| (port.target, port.protocol, port.host_port));
    let mut ports = serde_json::Map::new();
    for (own, protocol, on_host) in exposed.chain(published) {
        ports.entry(format!("{own}/{}", protocol.as_str())).or_insert_with(|| on_host.into());
    }
    ports
}
