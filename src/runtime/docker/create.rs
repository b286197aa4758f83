use std::collections::{BTreeMap, BTreeSet};

use bollard::{
    models::{ContainerInspectResponse, EndpointSettings, NetworkConnectRequest},
    query_parameters::{CreateContainerOptions, RemoveContainerOptions},
};

use super::{Docker, fault, labels, settings};
use crate::{
    action::{Effect, InstanceHandle, InstanceSpec},
    diagnostic::Class,
    observed::Fault,
};

/// Makes a container and lets it join its networks. If one of the same name is there that this
/// deployment made for the same place, that is the one: an earlier try that nobody heard the end of.
pub(super) async fn create(docker: &Docker, handle: &InstanceHandle, spec: &InstanceSpec) -> Result<Effect, Fault> {
    let name = &handle.name;
    let call = docker.change(format!("create `{name}`")).within(docker.patience().create);
    let options = CreateContainerOptions {
        name: Some(name.clone()),
        platform: spec.service.platform.clone().unwrap_or_default(),
    };
    let made = call.run(docker.client()?.create_container(Some(options), settings::container(spec))).await;
    match made {
        Ok(answer) => match join(docker, &answer.id, name, after_birth(spec)).await {
            Ok(()) => Ok(Effect::Created { id: answer.id }),
            Err(fault) if fault.is_outcome_unknown => Err(fault),
            Err(fault) => Err(discard(docker, &answer.id, name, fault).await),
        },
        Err(fault) if matches!(fault.code.as_str(), "name-taken" | fault::CONFLICT) => {
            let Some((id, joined)) = adopt(docker, name, spec).await? else {
                return Err(if fault.code == fault::CONFLICT { fault } else { freed(name) });
            };
            join(docker, &id, name, missing(spec, &joined)).await?;
            Ok(Effect::Created { id })
        }
        Err(fault) => Err(fault),
    }
}

fn freed(name: &str) -> Fault {
    let text = format!("cannot create `{name}`: its name was taken a moment ago, and is free now");
    Fault::new(Class::Deployment, "name-taken", text).transient()
}

/// The container that has the name already, if it is the one to be made, and its networks.
async fn adopt(docker: &Docker, name: &str, spec: &InstanceSpec) -> Result<Option<(String, BTreeSet<String>)>, Fault> {
    let call = docker.read(format!("inspect `{name}`"));
    let Some(container) = call.find(docker.client()?.inspect_container(name, None)).await? else { return Ok(None) };
    let labels = container.config.as_ref().and_then(|config| config.labels.as_ref());
    let is_it = labels.and_then(labels::identity).is_some_and(|identity| {
        let wanted = &spec.identity;
        (&identity.project, &identity.service, identity.number, identity.deployment)
            == (&wanted.project, &wanted.service, wanted.number, wanted.deployment)
    });
    if !is_it {
        return Err(taken(name, &container));
    }
    let networks = container.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let id = container.id.ok_or_else(|| fault::incomplete(&call, "id"))?;
    Ok(Some((id, networks.into_keys().collect())))
}

/// The name that someone else has.
pub(super) fn taken(name: &str, container: &ContainerInspectResponse) -> Fault {
    let labels = container.config.as_ref().and_then(|config| config.labels.as_ref());
    let owner = labels::owner(labels).map_or_else(String::new, |owner| format!(", which belongs to {owner}"));
    let id = container.id.as_deref().unwrap_or_default();
    let short_id = id.get(..12).unwrap_or(id);
    let text = format!("the container `{short_id}`{owner} has the name `{name}` already");
    Fault::new(Class::Deployment, "name-taken", text)
        .hint(format!("remove or rename it (`docker rename {short_id} …`), or give the plan another `name`"))
}

/// The networks that a container joins after its birth.
pub(super) fn after_birth(spec: &InstanceSpec) -> BTreeMap<String, EndpointSettings> {
    let first = settings::first_network(&spec.networks).map(|(name, _)| name.clone());
    missing(spec, &first.into_iter().collect())
}

/// Those of a container's networks that it has not joined.
fn missing(spec: &InstanceSpec, joined: &BTreeSet<String>) -> BTreeMap<String, EndpointSettings> {
    let missing = spec.networks.iter().filter(|(network_name, _)| !joined.contains(*network_name));
    missing.map(|(name, attachment)| (name.clone(), settings::endpoint(spec, attachment))).collect()
}

/// Joins networks.
pub(super) async fn join(
    docker: &Docker,
    id: &str,
    name: &str,
    endpoints: BTreeMap<String, EndpointSettings>,
) -> Result<(), Fault> {
    for (network_name, endpoint) in endpoints {
        let call = docker.change(format!("connect `{name}` to the network `{network_name}`"));
        let request = NetworkConnectRequest { container: id.to_owned(), endpoint_config: Some(endpoint) };
        call.run(docker.client()?.connect_network(&network_name, request)).await?;
    }
    Ok(())
}

/// Takes back a container that was made just now, because of `fault`. If that fails too, it may be
/// there: then the outcome is not known any more.
async fn discard(docker: &Docker, id: &str, name: &str, fault: Fault) -> Fault {
    let Ok(client) = docker.client() else { return fault.outcome_unknown() };
    let options = RemoveContainerOptions { force: true, v: true, ..Default::default() };
    let call = docker.change(format!("take `{name}` back"));
    match call.find(client.remove_container(id, Some(options))).await {
        Ok(_) => fault,
        Err(_) => fault.outcome_unknown(),
    }
}
