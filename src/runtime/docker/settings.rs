//! A spec in the engine's words.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig, NetworkingConfig,
    PortBinding, PortMap, ResourcesUlimits, RestartPolicy as EngineRestartPolicy, RestartPolicyNameEnum,
};

use super::{labels, mounts};
use crate::{
    action::InstanceSpec,
    plan::{ByteSize, Cpus, Healthcheck, Interval, Limits, Logging, NetworkAttachment, RestartPolicy, Service, Ulimit},
};

/// Networks of the engine's own, on which there are no aliases.
const BUILT_IN_NETWORKS: [&str; 4] = ["bridge", "default", "host", "none"];

/// The container to make. It joins the first network at birth; engines before API 1.44 take only
/// one, so the others are joined after.
pub(super) fn container(spec: &InstanceSpec) -> ContainerCreateBody {
    let service = spec.service.as_ref();
    let image = spec.image_id.clone().or_else(|| service.image.as_ref().map(ToString::to_string));
    let first = spec.networks.first_key_value();
    let endpoints = first.filter(|(name, _)| !BUILT_IN_NETWORKS.contains(&name.as_str()));
    ContainerCreateBody {
        hostname: service.hostname.clone(),
        user: service.user.clone(),
        exposed_ports: Some(exposed_ports(service)),
        env: Some(environment(service)),
        cmd: service.command.as_ref().map(|line| line.expose()),
        entrypoint: service.entrypoint.as_ref().map(|line| line.expose()),
        healthcheck: service.healthcheck.as_ref().map(healthcheck),
        image,
        working_dir: service.working_dir.clone(),
        labels: Some(labels::of_instance(spec)),
        stop_signal: service.stop_signal.clone(),
        stop_timeout: service.stop_grace_period.map(|grace| i64::from(whole_seconds(grace))),
        host_config: Some(HostConfig { network_mode: first.map(|(name, _)| name.clone()), ..host(spec) }),
        networking_config: endpoints.map(|(name, attachment)| NetworkingConfig {
            endpoints_config: Some(HashMap::from([(name.clone(), endpoint(attachment))])),
        }),
        ..Default::default()
    }
}

/// How a container joins a network.
pub(super) fn endpoint(attachment: &NetworkAttachment) -> EndpointSettings {
    EndpointSettings { aliases: Some(attachment.aliases.iter().cloned().collect()), ..Default::default() }
}

pub(super) fn restart_policy(policy: RestartPolicy) -> EngineRestartPolicy {
    let (name, maximum_retry_count) = match policy {
        RestartPolicy::No => (RestartPolicyNameEnum::NO, None),
        RestartPolicy::Always => (RestartPolicyNameEnum::ALWAYS, None),
        RestartPolicy::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
        RestartPolicy::OnFailure { max_attempts } => (RestartPolicyNameEnum::ON_FAILURE, Some(max_attempts.into())),
    };
    EngineRestartPolicy { name: Some(name), maximum_retry_count }
}

/// Limits as the engine takes them: processors, memory, processes.
pub(super) struct EngineLimits {
    pub nano_cpus: Option<i64>,
    /// Goes for memory and for memory with swap: what is over is killed, not swapped. The engine
    /// would otherwise allow as much swap again, and refuse to raise the one above the other.
    pub memory: Option<i64>,
    pub pids: Option<i64>,
}

pub(super) fn limits(limits: &Limits) -> EngineLimits {
    EngineLimits {
        nano_cpus: limits.cpus.map(|Cpus(billionths)| signed(billionths)),
        memory: limits.memory.map(|ByteSize(bytes)| signed(bytes)),
        pids: limits.pids,
    }
}

/// Full seconds, as the engine counts them: part of one is one, none at all is none.
pub(super) fn whole_seconds(interval: Interval) -> i32 {
    let up = interval.0.as_secs() + u64::from(interval.0.subsec_nanos() > 0);
    i32::try_from(up).unwrap_or(i32::MAX)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn host(spec: &InstanceSpec) -> HostConfig {
    let service = spec.service.as_ref();
    let resources = &service.deploy.resources;
    let EngineLimits { nano_cpus, memory, pids } = limits(&resources.limits);
    let list = |items: Vec<String>| if items.is_empty() { None } else { Some(items) };
    HostConfig {
        nano_cpus,
        memory,
        memory_swap: memory,
        memory_reservation: resources.reservations.memory.map(|ByteSize(bytes)| signed(bytes)),
        pids_limit: pids,
        init: service.init,
        ulimits: Some(service.ulimits.iter().map(ulimit).collect()),
        log_config: service.logging.as_ref().map(logging),
        port_bindings: Some(port_bindings(service)),
        restart_policy: Some(restart_policy(service.restart_policy())),
        mounts: Some(mounts::mounts(spec)),
        tmpfs: Some(mounts::tmpfs(spec)),
        cap_add: list(service.cap_add.iter().cloned().collect()),
        cap_drop: list(service.cap_drop.iter().cloned().collect()),
        extra_hosts: list(service.extra_hosts.iter().map(|(name, address)| format!("{name}:{address}")).collect()),
        readonly_rootfs: Some(service.read_only),
        security_opt: list(service.security_opt.clone()),
        shm_size: service.shm_size.map(|ByteSize(bytes)| signed(bytes)),
        sysctls: Some(service.sysctls.clone().into_iter().collect()),
        ..Default::default()
    }
}

/// `NAME=value`; a name without a value takes the image's value away.
fn environment(service: &Service) -> Vec<String> {
    let line = |(name, value): (&String, &Option<crate::secret::Text>)| match value {
        Some(value) => format!("{name}={}", value.expose()),
        None => name.clone(),
    };
    service.environment.iter().map(line).collect()
}

fn exposed_ports(service: &Service) -> Vec<String> {
    let published = service.ports.iter().map(|port| format!("{}/{}", port.target, port.protocol.as_str()));
    let mut ports: Vec<String> = published.chain(service.expose.iter().map(ToString::to_string)).collect();
    ports.sort();
    ports.dedup();
    ports
}

fn port_bindings(service: &Service) -> PortMap {
    let mut bindings = PortMap::new();
    for port in &service.ports {
        let binding = PortBinding {
            host_ip: port.host_ip.map(|ip| ip.to_string()),
            // An empty one is any that is free.
            host_port: Some(port.published.map_or_else(String::new, |port| port.to_string())),
        };
        let target = format!("{}/{}", port.target, port.protocol.as_str());
        bindings.entry(target).or_default().get_or_insert_default().push(binding);
    }
    bindings
}

fn healthcheck(healthcheck: &Healthcheck) -> HealthConfig {
    if healthcheck.disable {
        return HealthConfig { test: Some(vec!["NONE".to_owned()]), ..Default::default() };
    }
    let test: Vec<String> = healthcheck.test.iter().map(|word| word.expose().to_owned()).collect();
    let nanos =
        |interval: Option<Interval>| interval.map(|interval| interval.0.as_nanos().try_into().unwrap_or(i64::MAX));
    HealthConfig {
        test: (!test.is_empty()).then_some(test),
        interval: nanos(healthcheck.interval),
        timeout: nanos(healthcheck.timeout),
        retries: healthcheck.retries.map(i64::from),
        start_period: nanos(healthcheck.start_period),
        start_interval: None,
    }
}

fn ulimit((name, limit): (&String, &Ulimit)) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.clone()), soft: Some(limit.soft), hard: Some(limit.hard) }
}

fn logging(logging: &Logging) -> HostConfigLogConfig {
    HostConfigLogConfig { typ: logging.driver.clone(), config: Some(logging.options.clone().into_iter().collect()) }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use serde_json::{Value, json};

    use super::*;
    use crate::{observed::Identity, secret::Salt};

    /// What is sent for a service, less the labels.
    fn sent(service: Value, networks: &[&str]) -> Value {
        let service: Service = serde_json::from_value(service).unwrap();
        let attachment = NetworkAttachment { aliases: ["web".to_owned()].into(), ..NetworkAttachment::default() };
        let spec = InstanceSpec {
            identity: Identity {
                project: "app".parse().unwrap(),
                service: "web".parse().unwrap(),
                number: 1,
                environment: None,
                deployment: "0123abcd".parse().unwrap(),
            },
            service: Arc::new(service),
            image_id: None,
            networks: networks.iter().map(|name| ((*name).to_owned(), attachment.clone())).collect::<BTreeMap<_, _>>(),
            files: vec![],
            document: Arc::new(json!({ "version": 1 })),
            salt: Salt("s".to_owned()),
        };
        let mut body = serde_json::to_value(container(&spec)).unwrap();
        body.as_object_mut().unwrap().remove("Labels");
        body
    }

    #[test]
    fn a_plain_service_asks_for_nothing() {
        let expected = json!({
            "Image": "a:1", "Env": [], "ExposedPorts": {},
            "HostConfig": {
                "Mounts": [], "PortBindings": {}, "ReadonlyRootfs": false,
                "RestartPolicy": { "Name": "no" }, "Sysctls": {}, "Tmpfs": {}, "Ulimits": [],
            },
        });
        assert_eq!(sent(json!({ "image": "a:1" }), &[]), expected);
    }

    #[test]
    fn the_first_network_is_joined_at_birth() {
        let body = sent(json!({ "image": "a:1" }), &["b", "a"]);
        assert_eq!(body["HostConfig"]["NetworkMode"], "a");
        assert_eq!(body["NetworkingConfig"], json!({ "EndpointsConfig": { "a": { "Aliases": ["web"] } } }));
        let body = sent(json!({ "image": "a:1" }), &["host"]);
        assert_eq!((&body["HostConfig"]["NetworkMode"], &body["NetworkingConfig"]), (&json!("host"), &Value::Null));
    }

    #[test]
    fn the_engine_is_told_in_its_units() {
        let body = sent(
            json!({
                "image": "a:1",
                "stop_grace_period": "1500ms",
                "restart": "on-failure:3",
                "healthcheck": { "test": ["CMD", "true"], "interval": "1s500ms", "retries": 2 },
                "deploy": { "resources": { "limits": { "cpus": "0.5", "memory": "64M", "pids": 9 }, "reservations": { "memory": "32M" } } },
                "shm_size": "1M",
                "environment": { "A": "1", "B": null },
            }),
            &[],
        );
        assert_eq!(body["StopTimeout"], 2);
        assert_eq!(body["Env"], json!(["A=1", "B"]));
        assert_eq!(body["Healthcheck"], json!({ "Test": ["CMD", "true"], "Interval": 1_500_000_000, "Retries": 2 }));
        let host = &body["HostConfig"];
        assert_eq!(host["RestartPolicy"], json!({ "Name": "on-failure", "MaximumRetryCount": 3 }));
        let numbers = ["NanoCpus", "Memory", "MemorySwap", "MemoryReservation", "PidsLimit", "ShmSize"]
            .map(|key| host[key].as_i64().unwrap());
        assert_eq!(numbers, [500_000_000, 64 << 20, 64 << 20, 32 << 20, 9, 1 << 20]);
    }
}
