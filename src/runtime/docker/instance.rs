//! A container as the engine describes it, read as one of our instances.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use bollard::models::{
    ContainerInspectResponse, ContainerState, ContainerStateStatusEnum as Status, HealthStatusEnum, HealthcheckResult,
    HostConfig, NetworkSettings, PortMap, RestartPolicyNameEnum,
};

use super::{Docker, engine::Engine, labels, ownership::Ownership};
use crate::{
    diagnostic::Class,
    observed::{Fault, Health, Instance, InstanceState, PublishedPort, Reach},
    plan::{ByteSize, Cpus, Limits, Protocol, RestartPolicy, RuntimeKind},
    time::Timestamp,
};

/// How much is kept of what a healthcheck wrote, in characters: the engine keeps 4,096 bytes.
const LONGEST_OUTPUT: usize = 1000;

/// One instance as it is now; `None` if it is gone.
pub(super) async fn inspect(docker: &Docker, id: &str) -> Result<Option<Instance>, Fault> {
    let engine = docker.engine().await?;
    match owned(docker, id).await? {
        Some(container) => read(container, engine, docker.ownership()).map(Some).ok_or_else(|| not_ours(id)),
        None => Ok(None),
    }
}

/// The container of that id or name, if it is there and ours: whoever changes one has to come by
/// here first.
pub(super) async fn owned(docker: &Docker, id_or_name: &str) -> Result<Option<ContainerInspectResponse>, Fault> {
    let call = docker.read(format!("inspect `{id_or_name}`"));
    let Some(container) = call.find(docker.client()?.inspect_container(id_or_name, None)).await? else {
        return Ok(None);
    };
    let labels = container.config.as_ref().and_then(|config| config.labels.as_ref());
    if docker.ownership().is_ours(labels) { Ok(Some(container)) } else { Err(not_ours(id_or_name)) }
}

pub(super) fn not_ours(what: &str) -> Fault {
    let text = format!("`{what}` has no label of ours, so it is left alone");
    Fault::new(Class::Permission, "not-ours", text).hint("remove or rename it yourself if it is in the way")
}

/// Reads a description; `None` if its labels do not say which instance it is.
pub(super) fn read(container: ContainerInspectResponse, engine: &Engine, ownership: &Ownership) -> Option<Instance> {
    let labels = container.config.as_ref()?.labels.as_ref()?;
    let identity = ownership.identity(labels)?;
    let is_adopted = ownership.is_adopted(labels);
    let (spec, salt) = (labels::spec(labels), labels::salt(labels));
    let settings = container.network_settings.unwrap_or_default();
    let state = container.state.unwrap_or_default();
    let host = container.host_config.unwrap_or_default();
    let started_at = state.started_at.as_deref().and_then(moment);
    let instance_state = read_state(&state);
    let id = container.id?;
    Some(Instance {
        runtime: RuntimeKind::Docker,
        name: container.name?.trim_start_matches('/').to_owned(),
        identity,
        spec: spec.filter(|_| !is_adopted).map(Arc::new),
        adopted: is_adopted.then(Vec::new),
        salt,
        state: instance_state,
        health: health(&state, started_at),
        health_output: health_output(&state, started_at),
        started_at,
        log_since: state.finished_at.as_deref().and_then(moment),
        restart_count: container.restart_count.and_then(|count| count.try_into().ok()).unwrap_or(0),
        image_id: container.image.unwrap_or_default(),
        limits: limits(&host),
        memory_reservation: host
            .memory_reservation
            .filter(|bytes| *bytes > 0)
            .map(|bytes| ByteSize(bytes.unsigned_abs())),
        files: BTreeMap::new(),
        shares: shares(&host),
        restart_policy: restart_policy(&host),
        networks: networks(&settings, &id),
        ports: settings.ports.as_ref().map(ports).unwrap_or_default(),
        reach: reach(&settings, &host, instance_state, engine),
        id,
    })
}

/// An engine's moment; its zero time (`0001-01-01T00:00:00Z`) is none.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    if text.starts_with("0001-") { None } else { Timestamp::parse(text) }
}

fn read_state(state: &ContainerState) -> InstanceState {
    let exited = InstanceState::Exited {
        code: state.exit_code.unwrap_or(0),
        killed_for_memory: state.oom_killed.unwrap_or(false),
    };
    match state.status.unwrap_or(Status::EMPTY) {
        Status::CREATED => InstanceState::Created,
        Status::RUNNING | Status::STOPPING => InstanceState::Running,
        Status::PAUSED => InstanceState::Paused,
        Status::RESTARTING => InstanceState::Restarting,
        Status::EXITED | Status::EMPTY => exited,
        Status::REMOVING | Status::DEAD => InstanceState::Dead,
    }
}

/// The health of a running container. The engine keeps the word and the log of the run before:
/// what is older than the start says nothing of this run.
fn health(state: &ContainerState, started_at: Option<Timestamp>) -> Health {
    let Some(health) = state.health.as_ref().filter(|_| state.status == Some(Status::RUNNING)) else {
        return Health::None;
    };
    let last = health.log.iter().flatten().filter_map(|result| moment(result.end.as_ref()?)).max();
    let is_stale = last.is_some_and(|last| started_at.is_some_and(|start| last < start));
    match health.status.unwrap_or(HealthStatusEnum::NONE) {
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => Health::None,
        HealthStatusEnum::STARTING => Health::Starting,
        HealthStatusEnum::HEALTHY | HealthStatusEnum::UNHEALTHY if is_stale => Health::Starting,
        HealthStatusEnum::HEALTHY => Health::Healthy,
        HealthStatusEnum::UNHEALTHY => Health::Unhealthy,
    }
}

/// What the healthcheck wrote when it was last asked in this run.
fn health_output(state: &ContainerState, started_at: Option<Timestamp>) -> Option<String> {
    let results = state.health.as_ref()?.log.iter().flatten();
    let ended = |result: &&HealthcheckResult| moment(result.end.as_ref()?);
    let is_of_this_run = |result: &&HealthcheckResult| ended(result) >= started_at;
    let last = results.filter(is_of_this_run).max_by_key(ended)?;
    let output = last.output.as_ref()?.trim();
    // What went wrong tends to stand at the end.
    let start = output.char_indices().rev().nth(LONGEST_OUTPUT - 1).map_or(0, |(start, _)| start);
    (!output.is_empty()).then(|| output[start..].to_owned())
}

/// The limits in force; 0, and -1 for processes, is none.
pub(super) fn limits(host: &HostConfig) -> Limits {
    let set = |value: Option<i64>| value.filter(|value| *value > 0);
    let unsigned = |value: Option<i64>| set(value).map(i64::unsigned_abs);
    Limits {
        cpus: unsigned(host.nano_cpus).map(Cpus),
        memory: unsigned(host.memory).map(ByteSize),
        pids: set(host.pids_limit),
    }
}

/// The containers that it shares something with.
fn shares(host: &HostConfig) -> BTreeMap<String, String> {
    let namespaces =
        [("network_mode", &host.network_mode), ("pid", &host.pid_mode), ("ipc", &host.ipc_mode)].into_iter();
    let namespaces = namespaces
        .filter_map(|(field, mode)| Some((field.to_owned(), mode.as_ref()?.strip_prefix("container:")?.to_owned())));
    let volumes = host.volumes_from.iter().flatten().enumerate().map(|(index, from)| {
        let id = from.split_once(':').map_or(from.as_str(), |(id, _)| id);
        (format!("volumes_from[{index}]"), id.to_owned())
    });
    namespaces.chain(volumes).collect()
}

pub(super) fn restart_policy(host: &HostConfig) -> RestartPolicy {
    let Some(policy) = &host.restart_policy else { return RestartPolicy::No };
    let max_attempts = policy.maximum_retry_count.and_then(|count| count.try_into().ok()).unwrap_or(0);
    match policy.name.unwrap_or(RestartPolicyNameEnum::NO) {
        RestartPolicyNameEnum::EMPTY | RestartPolicyNameEnum::NO => RestartPolicy::No,
        RestartPolicyNameEnum::ALWAYS => RestartPolicy::Always,
        RestartPolicyNameEnum::UNLESS_STOPPED => RestartPolicy::UnlessStopped,
        RestartPolicyNameEnum::ON_FAILURE => RestartPolicy::OnFailure { max_attempts },
    }
}

/// Whether a text is the short form of an id, as the engine gives it for a hostname and an alias. A service may be
/// called `db` or `cafe`, which many an id begins with.
pub(super) fn is_short_id(text: &str, id: &str) -> bool {
    const SHORT: usize = 12;
    text.len() == SHORT && id.starts_with(text)
}

fn networks(settings: &NetworkSettings, container_id: &str) -> BTreeMap<String, BTreeSet<String>> {
    let joined = settings.networks.iter().flatten();
    // The engine adds the container's own short id to the aliases; nobody asked for that one.
    let asked = |alias: &&String| !is_short_id(alias, container_id);
    joined
        .map(|(name, endpoint)| (name.clone(), endpoint.aliases.iter().flatten().filter(asked).cloned().collect()))
        .collect()
}

fn ports(map: &PortMap) -> BTreeSet<PublishedPort> {
    let bindings = map.iter().flat_map(|(target, bindings)| {
        bindings.iter().flatten().filter_map(move |binding| {
            let (port, protocol) = target.split_once('/').unwrap_or((target, "tcp"));
            Some(PublishedPort {
                target: port.parse().ok()?,
                protocol: protocol_of(protocol)?,
                host_ip: binding.host_ip.as_ref().and_then(|ip| ip.parse().ok()),
                host_port: binding.host_port.as_ref()?.parse().ok()?,
            })
        })
    });
    bindings.collect()
}

fn protocol_of(text: &str) -> Option<Protocol> {
    [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].into_iter().find(|protocol| protocol.as_str() == text)
}

fn reach(settings: &NetworkSettings, host: &HostConfig, state: InstanceState, engine: &Engine) -> Reach {
    let is_up = match state {
        InstanceState::Running | InstanceState::Paused => true,
        InstanceState::Created | InstanceState::Restarting | InstanceState::Exited { .. } | InstanceState::Dead => {
            false
        }
    };
    if !is_up {
        return Reach::Nowhere;
    }
    if host.network_mode.as_deref() == Some("host") {
        return match engine.dials_containers {
            true => Reach::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            false => engine.host.map_or(Reach::Nowhere, Reach::Address),
        };
    }
    let by_name: BTreeMap<_, _> = settings.networks.iter().flatten().collect();
    let address = by_name.values().find_map(|endpoint| endpoint.ip_address.as_ref()?.parse().ok());
    match address.filter(|_| engine.dials_containers) {
        Some(address) => Reach::Address(address),
        None => engine.host.map_or(Reach::Nowhere, Reach::Published),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A container of ours as the engine describes it, with some of it changed.
    fn read_with(changes: &[(&str, Value)]) -> Instance {
        let mut container = json!({
            "Id": "abcdef0123456789",
            "Name": "/app-web-1",
            "Image": "sha256:1",
            "RestartCount": 2,
            "Config": { "Labels": {
                "io.orchestrate.project": "app", "io.orchestrate.service": "web", "io.orchestrate.instance": "1",
                "io.orchestrate.deployment": "0123abcd", "io.orchestrate.salt": "s",
                "io.orchestrate.spec": "{\"version\":1}",
            } },
            "State": { "Status": "running", "StartedAt": "2026-11-20T10:00:00.5Z" },
            "HostConfig": { "NetworkMode": "app_default", "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 3 } },
            "NetworkSettings": {
                "Ports": { "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "8080" }], "81/tcp": null },
                "Networks": { "app_default": { "IPAddress": "172.18.0.2", "Aliases": ["web", "abc", "abcdef012345"] } },
            },
        });
        for (pointer, value) in changes {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            container.pointer_mut(parent).unwrap()[key] = value.clone();
        }
        let engine = Engine {
            version: "29.0".to_owned(),
            is_local: true,
            dials_containers: true,
            host: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            platform: None,
        };
        read(serde_json::from_value(container).unwrap(), &engine, &Ownership::default()).unwrap()
    }

    #[test]
    fn an_instance_is_read_whole() {
        let expected = json!({
            "runtime": "docker",
            "id": "abcdef0123456789",
            "name": "app-web-1",
            "identity": { "project": "app", "service": "web", "number": 1, "deployment": "0123abcd" },
            "spec": { "version": 1 },
            "salt": "s",
            "state": { "state": "running" },
            "health": "none",
            "started_at": 1_795_168_800_500_000_i64,
            "restart_count": 2,
            "image_id": "sha256:1",
            "limits": {},
            "restart_policy": "on-failure:3",
            "networks": { "app_default": ["abc", "web"] },
            "ports": [{ "target": 80, "protocol": "tcp", "host_ip": "127.0.0.1", "host_port": 8080 }],
            "reach": { "address": "172.18.0.2" },
        });
        assert_eq!(serde_json::to_value(read_with(&[])).unwrap(), expected);
    }

    #[test]
    fn states_are_told_apart() {
        let exited = |code, killed_for_memory| InstanceState::Exited { code, killed_for_memory };
        let table = [
            (json!({ "Status": "created", "StartedAt": "0001-01-01T00:00:00Z" }), InstanceState::Created, None),
            (json!({ "Status": "paused" }), InstanceState::Paused, None),
            (json!({ "Status": "restarting", "ExitCode": 1 }), InstanceState::Restarting, None),
            (json!({ "Status": "exited", "ExitCode": 3 }), exited(3, false), None),
            (json!({ "Status": "exited", "ExitCode": 137, "OOMKilled": true }), exited(137, true), None),
            (json!({ "Status": "removing" }), InstanceState::Dead, None),
        ];
        for (state, expected, started_at) in table {
            let instance = read_with(&[("/State", state.clone())]);
            assert_eq!((instance.state, instance.started_at), (expected, started_at), "{state}");
        }
    }

    #[test]
    fn the_health_of_an_earlier_run_is_not_believed() {
        let table = [
            ("running", "healthy", "2026-11-20T10:00:01Z", Health::Healthy),
            ("running", "unhealthy", "2026-11-20T10:00:01Z", Health::Unhealthy),
            ("running", "unhealthy", "2026-11-20T09:00:00Z", Health::Starting),
            ("running", "starting", "2026-11-20T09:00:00Z", Health::Starting),
            ("running", "none", "2026-11-20T10:00:01Z", Health::None),
            ("exited", "unhealthy", "2026-11-20T10:00:01Z", Health::None),
        ];
        for (status, word, end, expected) in table {
            let health = json!({ "Status": word, "Log": [{ "End": "2026-11-20T08:00:00+02:00" }, { "End": end }] });
            let state = json!({ "Status": status, "StartedAt": "2026-11-20T10:00:00Z", "Health": health });
            assert_eq!(read_with(&[("/State", state)]).health, expected, "{status} {word} {end}");
        }
    }

    #[test]
    fn what_a_healthcheck_wrote_in_an_earlier_run_is_not_told() {
        let before = json!({ "End": "2026-11-20T09:59:59Z", "Output": "old" });
        let now = |output: &str| json!({ "End": "2026-11-20T10:00:01Z", "Output": output });
        let long = "é".repeat(2000);
        let table = [
            (json!([before]), None),
            (json!([before, now(" no route\n")]), Some("no route")),
            (json!([now("new"), before]), Some("new")),
            (json!([now("")]), None),
            (json!([now(&long)]), Some(&long[..2 * LONGEST_OUTPUT])),
        ];
        for (log, expected) in table {
            let health = json!({ "Status": "unhealthy", "Log": log });
            let state = json!({ "Status": "running", "StartedAt": "2026-11-20T10:00:00Z", "Health": health });
            assert_eq!(read_with(&[("/State", state)]).health_output.as_deref(), expected, "{log}");
        }
    }

    #[test]
    fn limits_of_zero_are_none() {
        let host = json!({ "Memory": 0, "NanoCpus": 500_000_000, "PidsLimit": -1 });
        let limits = read_with(&[("/HostConfig", host)]).limits;
        assert_eq!(serde_json::to_value(limits).unwrap(), json!({ "cpus": "0.5" }));
    }

    #[test]
    fn a_check_gets_there_by_address_or_published_port() {
        let table = [
            (("/HostConfig/NetworkMode", json!("host")), json!({ "address": "127.0.0.1" })),
            (
                ("/NetworkSettings/Networks", json!({ "none": { "IPAddress": "" } })),
                json!({ "published": "127.0.0.1" }),
            ),
            (("/State/Status", json!("exited")), json!("nowhere")),
        ];
        for (change, expected) in table {
            let reach = read_with(std::slice::from_ref(&change)).reach;
            assert_eq!(serde_json::to_value(reach).unwrap(), expected, "{change:?}");
        }
    }
}
