//! What is done to a container that exists.

use std::time::Duration;

use bollard::{
    models::{
        ContainerInspectResponse, ContainerStateStatusEnum as Status, ContainerUpdateBody, EndpointSettings,
        HostConfig, NetworkConnectRequest, NetworkDisconnectRequest,
    },
    query_parameters::{RemoveContainerOptions, RenameContainerOptions, StartContainerOptions, StopContainerOptions},
};

use super::{Docker, call::Call, create, fault, hooks, instance, labels, settings};
use crate::{
    action::{Effect, InstanceHandle},
    diagnostic::Class,
    name::DeploymentId,
    observed::Fault,
    plan::{Interval, Limits, RestartPolicy},
};

/// Starts it, and says what it is like after that; also if it ran already.
pub(super) async fn start(docker: &Docker, handle: &InstanceHandle) -> Result<Effect, Fault> {
    let (id, container) = existing(docker, handle, "start").await?;
    let call = docker.change(format!("start `{}`", handle.name)).within(docker.patience().start);
    match status(&container) {
        Status::RUNNING => {}
        Status::EXITED if has_run_as_job(&container) => {}
        Status::PAUSED => call.run(docker.client()?.unpause_container(&id)).await?,
        Status::CREATED
        | Status::RESTARTING
        | Status::REMOVING
        | Status::EXITED
        | Status::DEAD
        | Status::STOPPING
        | Status::EMPTY => {
            join_missing(docker, &id, handle, &container).await?;
            let started = start_once(docker, &id, &call).await;
            match started {
                Err(fault) if fault.code == fault::NETWORK_NOT_FOUND => {
                    rejoin(docker, &id, &container, &call).await?;
                    start_once(docker, &id, &call).await?;
                }
                started => started?,
            }
            if let Err(fault) = hooks::after_start(docker, &id, &container).await {
                return Err(not_started(docker, &id, &handle.name, fault).await);
            }
        }
    }
    // It has been started: only what it is like is not known.
    let found = instance::inspect(docker, &id).await.map_err(Fault::outcome_unknown)?;
    let instance = found.ok_or_else(|| gone(handle, "start").outcome_unknown())?;
    Ok(Effect::Started { instance: Box::new(instance) })
}

/// Stops again what has run but failed after its start. If that fails too, it may be running.
async fn not_started(docker: &Docker, id: &str, name: &str, fault: Fault) -> Fault {
    let Ok(client) = docker.client() else { return fault.outcome_unknown() };
    let options = StopContainerOptions { t: Some(0), ..Default::default() };
    let call = docker.change(format!("stop `{name}` again"));
    match call.find(client.stop_container(id, Some(options))).await {
        Ok(_) => Fault { text: format!("cannot start `{name}`: {}", fault.text), ..fault },
        Err(_) => fault.outcome_unknown(),
    }
}

/// A job's container runs once: if nobody heard of its start, it may have ended meanwhile.
fn has_run_as_job(container: &ContainerInspectResponse) -> bool {
    let labels = container.config.as_ref().and_then(|config| config.labels.as_ref());
    let started_at = container.state.as_ref().and_then(|state| state.started_at.as_deref());
    labels::is_job(labels) && started_at.and_then(instance::moment).is_some()
}

/// Joins a stopped container to those of its networks that it is not in: joining it again may have
/// been cut off when it was in neither the old nor the new one.
async fn join_missing(
    docker: &Docker,
    id: &str,
    handle: &InstanceHandle,
    container: &ContainerInspectResponse,
) -> Result<(), Fault> {
    let labels = container.config.as_ref().and_then(|config| config.labels.as_ref());
    let settings = container.network_settings.as_ref();
    let joined = settings.and_then(|settings| settings.networks.as_ref());
    let is_joined = |network_name: &String| joined.is_some_and(|joined| joined.contains_key(network_name));
    let missing = labels::networks(labels).into_iter().filter(|(network_name, _)| !is_joined(network_name));
    let missing = missing.map(|(network_name, attachment)| (network_name, settings::attached(&attachment))).collect();
    create::join(docker, id, &handle.name, missing).await
}

async fn start_once(docker: &Docker, id: &str, call: &Call) -> Result<(), Fault> {
    call.run(docker.client()?.start_container(id, None::<StartContainerOptions>)).await
}

/// Joins a stopped container to its networks again. It remembers them by their ids, so one that was
/// removed and made again under its name is another one to it.
async fn rejoin(docker: &Docker, id: &str, container: &ContainerInspectResponse, call: &Call) -> Result<(), Fault> {
    let client = docker.client()?;
    let networks = container.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    for (network_name, endpoint) in networks.into_iter().flatten() {
        let look = docker.read(format!("inspect the network `{network_name}`"));
        let Some(network) = look.find(client.inspect_network(network_name, None)).await? else { continue };
        if network.id == endpoint.network_id {
            continue;
        }
        let leave = NetworkDisconnectRequest { container: id.to_owned(), force: Some(true) };
        call.find(client.disconnect_network(network_name, leave)).await?;
        let endpoint_config = EndpointSettings {
            aliases: endpoint.aliases.clone(),
            ipam_config: endpoint.ipam_config.clone(),
            links: endpoint.links.clone(),
            driver_opts: endpoint.driver_opts.clone(),
            ..Default::default()
        };
        let join = NetworkConnectRequest { container: id.to_owned(), endpoint_config: Some(endpoint_config) };
        // It has left: it is not as it was, and the next start finds out by its label.
        call.run(client.connect_network(network_name, join)).await.map_err(Fault::outcome_unknown)?;
    }
    Ok(())
}

/// Stops it; kills it after `grace`.
pub(super) async fn stop(docker: &Docker, handle: &InstanceHandle, grace: Interval) -> Result<Effect, Fault> {
    let Some((id, container)) = find(docker, handle).await? else { return Ok(Effect::AlreadySo) };
    match status(&container) {
        Status::CREATED | Status::EXITED | Status::DEAD | Status::REMOVING => return Ok(Effect::AlreadySo),
        Status::RUNNING | Status::PAUSED | Status::RESTARTING | Status::STOPPING | Status::EMPTY => {}
    }
    if status(&container) == Status::RUNNING {
        hooks::before_stop(docker, &id, &container).await;
    }
    let seconds = if grace.0 < Duration::from_secs(1) { 0 } else { settings::whole_seconds(grace) };
    let options = StopContainerOptions { t: Some(seconds), ..Default::default() };
    let call = docker.change(format!("stop `{}`", handle.name)).within(grace.0.saturating_add(docker.patience().usual));
    call.run(docker.client()?.stop_container(&id, Some(options))).await?;
    Ok(Effect::Done)
}

/// Removes it with its anonymous volumes, running or not.
pub(super) async fn remove(
    docker: &Docker,
    handle: &InstanceHandle,
    made_by: Option<DeploymentId>,
) -> Result<Effect, Fault> {
    let Some((id, container)) = find(docker, handle).await? else { return Ok(Effect::AlreadySo) };
    let identity = container.config.as_ref().and_then(|config| config.labels.as_ref()).and_then(labels::identity);
    if let (Some(deployment), Some(identity)) = (made_by, identity)
        && identity.deployment != deployment
    {
        return Ok(Effect::AlreadySo);
    }
    let options = RemoveContainerOptions { force: true, v: true, ..Default::default() };
    let call = docker.change(format!("remove `{}`", handle.name));
    let removed = call.find(docker.client()?.remove_container(&id, Some(options))).await?;
    Ok(if removed.is_some() { Effect::Done } else { Effect::AlreadySo })
}

/// Gives it another name.
pub(super) async fn rename(docker: &Docker, handle: &InstanceHandle, to: &str) -> Result<Effect, Fault> {
    let (id, container) = existing(docker, handle, "rename").await?;
    if container.name.as_deref().map(|name| name.trim_start_matches('/')) == Some(to) {
        return Ok(Effect::AlreadySo);
    }
    let call = docker.change(format!("rename `{}` to `{to}`", handle.name));
    let renamed =
        call.run(docker.client()?.rename_container(&id, RenameContainerOptions { name: to.to_owned() })).await;
    match renamed {
        Ok(()) => Ok(Effect::Done),
        Err(fault) if fault.code == "name-taken" => {
            let look = docker.read(format!("inspect `{to}`"));
            let holder = look.find(docker.client()?.inspect_container(to, None)).await?;
            Err(holder.map_or(fault, |holder| create::taken(to, &holder)))
        }
        Err(fault) => Err(fault),
    }
}

/// Changes its restart policy in place.
pub(super) async fn set_restart_policy(
    docker: &Docker,
    handle: &InstanceHandle,
    to: RestartPolicy,
) -> Result<Effect, Fault> {
    let (id, container) = existing(docker, handle, "set the restart policy of").await?;
    if instance::restart_policy(&container.host_config.unwrap_or_default()) == to {
        return Ok(Effect::AlreadySo);
    }
    let update = ContainerUpdateBody { restart_policy: Some(settings::restart_policy(to)), ..Default::default() };
    let call = docker.change(format!("set the restart policy of `{}`", handle.name));
    call.run(docker.client()?.update_container(&id, update)).await?;
    Ok(Effect::Done)
}

/// Changes its limits in place. The engine cannot take one away, save that of processes.
pub(super) async fn set_limits(docker: &Docker, handle: &InstanceHandle, to: &Limits) -> Result<Effect, Fault> {
    let (id, container) = existing(docker, handle, "set the limits of").await?;
    let host = container.host_config.unwrap_or_default();
    let now = instance::limits(&host);
    if now == *to {
        return Ok(Effect::AlreadySo);
    }
    let cannot = |what| {
        let text = format!("cannot take away the {what} limit of `{}` in place", handle.name);
        Fault::new(Class::Deployment, "limit-stays", text).hint("replace the instance")
    };
    if now.memory.is_some() && to.memory.is_none() {
        return Err(cannot("memory"));
    }
    if now.cpus.is_some() && to.cpus.is_none() {
        return Err(cannot("processor"));
    }
    let limits = settings::limits(to);
    let update = ContainerUpdateBody {
        nano_cpus: limits.nano_cpus,
        memory: limits.memory,
        memory_swap: limits.memory.map(|memory| swap_with(&host, memory)),
        pids_limit: limits.pids.or(now.pids.map(|_| -1)),
        ..Default::default()
    };
    let call = docker.change(format!("set the limits of `{}`", handle.name));
    call.run(docker.client()?.update_container(&id, update)).await?;
    Ok(Effect::Done)
}

/// Memory and swap together, for another amount of memory: the same share of swap as now. The engine
/// gives as much swap as memory if nothing is said, and lets neither be above the other.
fn swap_with(host: &HostConfig, memory: i64) -> i64 {
    match (host.memory.unwrap_or(0), host.memory_swap.unwrap_or(0)) {
        (_, -1) => -1,
        (now, swap) if swap == now && now > 0 => memory,
        (now, swap) if swap == now.saturating_mul(2) || swap == 0 => memory.saturating_mul(2),
        (_, swap) => swap.max(memory),
    }
}

/// The container that is meant, by its id once that is known: its id, and what it is like.
async fn find(docker: &Docker, handle: &InstanceHandle) -> Result<Option<(String, ContainerInspectResponse)>, Fault> {
    let container = instance::owned(docker, handle.id.as_deref().unwrap_or(&handle.name)).await?;
    Ok(container.and_then(|container| Some((container.id.clone()?, container))))
}

/// [`find`], for what makes no sense without it.
pub(super) async fn existing(
    docker: &Docker,
    handle: &InstanceHandle,
    doing: &str,
) -> Result<(String, ContainerInspectResponse), Fault> {
    find(docker, handle).await?.ok_or_else(|| gone(handle, doing))
}

pub(super) fn gone(handle: &InstanceHandle, doing: &str) -> Fault {
    let text = format!("cannot {doing} `{}`: it does not exist any more", handle.name);
    Fault::new(Class::Dependency, Fault::INSTANCE_NOT_FOUND, text).hint("someone may have removed it: apply again")
}

pub(super) fn status(container: &ContainerInspectResponse) -> Status {
    container.state.as_ref().and_then(|state| state.status).unwrap_or(Status::EMPTY)
}
