//! A spec in the engine's words.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig,
    NetworkingConfig, PortBinding, PortMap, ResourcesUlimits, RestartPolicy as EngineRestartPolicy,
    RestartPolicyNameEnum,
};

use super::{labels, mounts, resources, sharing};
use crate::{
    action::InstanceSpec,
    plan::{
        ByteSize, Cpus, Healthcheck, Interval, Limits, Logging, NetworkAttachment, Port, RestartPolicy, Service,
        Ulimit, Whole,
    },
};

/// Networks of the engine's own, on which there are no aliases.
const BUILT_IN_NETWORKS: [&str; 4] = ["bridge", "default", "host", "none"];

/// The container to make. It joins the first network at birth; engines before API 1.44 take only
/// one, so the others are joined after.
pub(super) fn container(spec: &InstanceSpec) -> ContainerCreateBody {
    let service = spec.service.as_ref();
    let image = spec.image_id.clone().or_else(|| service.image.as_ref().map(ToString::to_string));
    let first = first_network(&spec.networks);
    let endpoints = first.filter(|(name, _)| !BUILT_IN_NETWORKS.contains(&name.as_str()));
    let shared = service.network_mode.as_ref().map(|mode| sharing::mode(spec, mode));
    let network_mode = shared.or_else(|| first.map(|(name, _)| name.clone()));
    ContainerCreateBody {
        hostname: service.hostname.clone(),
        domainname: service.domainname.clone(),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(service.tty),
        open_stdin: Some(service.stdin_open),
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
        host_config: Some(HostConfig { network_mode, ..host(spec) }),
        networking_config: endpoints.map(|(name, attachment)| NetworkingConfig {
            endpoints_config: Some(HashMap::from([(name.clone(), first_endpoint(spec, attachment))])),
        }),
        ..Default::default()
    }
}

/// The network that is joined at birth: the highest priority, then the name that comes first.
pub(super) fn first_network(networks: &BTreeMap<String, NetworkAttachment>) -> Option<(&String, &NetworkAttachment)> {
    networks.iter().min_by_key(|(_, attachment)| std::cmp::Reverse(attachment.priority))
}

/// How the container of a spec joins its first network: a service's address of hardware is meant for that one.
fn first_endpoint(spec: &InstanceSpec, attachment: &NetworkAttachment) -> EndpointSettings {
    let mac_address = attachment.mac_address.clone().or_else(|| spec.service.mac_address.clone());
    EndpointSettings { mac_address, ..endpoint(spec, attachment) }
}

/// How the container of a spec joins a network. Links are given in all of them: the engine passes over those
/// that lead to a container which is not there.
pub(super) fn endpoint(spec: &InstanceSpec, attachment: &NetworkAttachment) -> EndpointSettings {
    let links = sharing::links(spec);
    EndpointSettings { links: (!links.is_empty()).then_some(links), ..attached(attachment) }
}

/// What a network's attachment says by itself.
pub(super) fn attached(attachment: &NetworkAttachment) -> EndpointSettings {
    let NetworkAttachment { ipv4_address, ipv6_address, link_local_ips, .. } = attachment;
    let has_address = ipv4_address.is_some() || ipv6_address.is_some() || !link_local_ips.is_empty();
    let mut options: HashMap<String, String> = attachment.driver_opts.clone().into_iter().collect();
    let interface = attachment.interface_name.iter();
    options.extend(interface.map(|name| ("com.docker.network.endpoint.ifname".to_owned(), name.clone())));
    EndpointSettings {
        aliases: Some(attachment.aliases.iter().cloned().collect()),
        ipam_config: has_address.then(|| EndpointIpamConfig {
            ipv4_address: ipv4_address.clone(),
            ipv6_address: ipv6_address.clone(),
            link_local_ips: (!link_local_ips.is_empty()).then(|| link_local_ips.clone()),
        }),
        mac_address: attachment.mac_address.clone(),
        driver_opts: (!options.is_empty()).then_some(options),
        gw_priority: attachment.gw_priority.map(|Whole(priority)| priority),
        ..Default::default()
    }
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

pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn host(spec: &InstanceSpec) -> HostConfig {
    let service = spec.service.as_ref();
    let EngineLimits { nano_cpus, memory, pids } = limits(&service.deploy.resources.limits);
    let reservation = service.deploy.resources.reservations.memory;
    HostConfig {
        nano_cpus,
        memory,
        memory_reservation: reservation.map(|ByteSize(bytes)| signed(bytes)),
        pids_limit: pids,
        init: service.init,
        binds: list(mounts::binds(spec)),
        annotations: (!service.annotations.is_empty()).then(|| service.annotations.clone().into_iter().collect()),
        dns: list(service.dns.clone()),
        dns_options: list(service.dns_opt.clone()),
        dns_search: list(service.dns_search.clone()),
        group_add: list(service.group_add.iter().map(ToString::to_string).collect()),
        privileged: Some(service.privileged),
        runtime: service.oci_runtime.clone(),
        storage_opt: (!service.storage_opt.is_empty()).then(|| service.storage_opt.clone().into_iter().collect()),
        ulimits: Some(service.ulimits.iter().map(ulimit).collect()),
        log_config: service.logging.as_ref().map(logging),
        port_bindings: Some(port_bindings(service)),
        restart_policy: Some(restart_policy(service.restart_policy())),
        mounts: Some(mounts::mounts(spec)),
        tmpfs: Some(mounts::tmpfs(spec)),
        cap_add: list(service.cap_add.iter().cloned().collect()),
        cap_drop: list(service.cap_drop.iter().cloned().collect()),
        extra_hosts: list(hosts(service)),
        readonly_rootfs: Some(service.read_only),
        security_opt: list(service.security_opt.clone()),
        shm_size: service.shm_size.map(|ByteSize(bytes)| signed(bytes)),
        sysctls: Some(service.sysctls.clone().into_iter().collect()),
        ..resources::fill(service, sharing::namespaces(spec))
    }
}

pub(super) fn list(items: Vec<String>) -> Option<Vec<String>> {
    if items.is_empty() { None } else { Some(items) }
}

/// A name may have several addresses, parted by commas.
fn hosts(service: &Service) -> Vec<String> {
    let lines = |(name, addresses): (&String, &String)| {
        addresses.split(',').map(|address| format!("{name}:{address}")).collect::<Vec<_>>()
    };
    service.extra_hosts.iter().flat_map(lines).collect()
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

/// The engine's words: nothing is any that is free, `8000-8010` any of these.
fn host_port(port: &Port) -> String {
    match (port.published, port.published_to) {
        (None, _) => String::new(),
        (Some(first), None) => first.to_string(),
        (Some(first), Some(last)) => format!("{first}-{last}"),
    }
}

fn port_bindings(service: &Service) -> PortMap {
    let mut bindings = PortMap::new();
    for port in &service.ports {
        let binding = PortBinding { host_ip: port.host_ip.map(|ip| ip.to_string()), host_port: Some(host_port(port)) };
        let target = format!("{}/{}", port.target, port.protocol.as_str());
        bindings.entry(target).or_default().get_or_insert_default().push(binding);
    }
    bindings
}

fn healthcheck(healthcheck: &Healthcheck) -> HealthConfig {
    if healthcheck.is_off() {
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
        start_interval: nanos(healthcheck.start_interval),
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
    use std::sync::Arc;

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
            peers: BTreeMap::new(),
            linked: BTreeMap::new(),
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
            "Image": "a:1", "Env": [], "ExposedPorts": {}, "AttachStdout": true, "AttachStderr": true, "Tty": false,
            "OpenStdin": false,
            "HostConfig": {
                "Mounts": [], "PortBindings": {}, "Privileged": false, "ReadonlyRootfs": false,
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
        let numbers =
            ["NanoCpus", "Memory", "MemoryReservation", "PidsLimit", "ShmSize"].map(|key| host[key].as_i64().unwrap());
        assert_eq!(numbers, [500_000_000, 64 << 20, 32 << 20, 9, 1 << 20]);
    }
}
