//! Containers in the words of plans: only what differs from the image's and the engine's defaults.

use std::collections::BTreeMap;

use bollard::query_parameters::{ListContainersOptions, ListNetworksOptions, ListVolumesOptions};
use serde_json::{Map, Value, json};

use super::{
    Docker,
    compare::{given_hostname, is_absent, json_of, normal, strings, texts, variables},
    instance::is_short_id,
    labels::Labels,
    observe::name_of,
    ownership::is_of_compose,
};
use crate::observed::Fault;

/// A container as a service of a plan.
#[derive(Debug, Clone)]
pub struct DescribedContainer {
    pub name: String,
    /// The project that its labels name, ours or Compose's.
    pub project: Option<String>,
    /// What its labels call it; its own name where they do not.
    pub service: String,
    /// The service, with the engine's names for networks and volumes.
    pub document: Map<String, Value>,
    /// What it has and a plan would not say.
    pub left_out: Vec<String>,
}

/// What exists on an engine, in the words of plans.
#[derive(Debug, Clone, Default)]
pub struct Described {
    pub containers: Vec<DescribedContainer>,
    /// Networks and volumes by their names on the engine, and the project that they belong to.
    pub networks: BTreeMap<String, (Option<String>, Value)>,
    pub volumes: BTreeMap<String, (Option<String>, Value)>,
}

const PROJECTS: [&str; 2] = ["io.orchestrate.project", "com.docker.compose.project"];
const SERVICES: [&str; 2] = ["io.orchestrate.service", "com.docker.compose.service"];
const ONE_OFFS: [&str; 2] = ["io.orchestrate.one-off", "com.docker.compose.oneoff"];
const NEEDED: &str = "com.docker.compose.depends_on";

impl Docker {
    /// All services' containers that exist, one-offs left out.
    ///
    /// # Errors
    /// If the engine cannot be asked.
    pub async fn describe(&self) -> Result<Described, Fault> {
        let client = self.client()?;
        let options = ListContainersOptions { all: true, ..Default::default() };
        let list = self.read("list containers").run(client.list_containers(Some(options))).await?;
        let mut described = Described::default();
        let mut images: BTreeMap<String, Value> = BTreeMap::new();
        let is_service = |labels: &Labels| {
            let is_one_off =
                ONE_OFFS.iter().any(|label| labels.get(*label).is_some_and(|word| word.eq_ignore_ascii_case("true")));
            !is_one_off && !super::labels::is_vault(Some(labels)) && !super::labels::is_one_off(Some(labels))
        };
        let mut found: Vec<_> =
            list.iter().filter(|container| container.labels.as_ref().is_none_or(is_service)).collect();
        found.sort_by_key(|container| name_of(container).map(str::to_owned));
        for container in found {
            let id = container.id.as_deref().unwrap_or_default();
            let call = self.read(format!("inspect `{id}`"));
            let Some(container) = call.find(client.inspect_container(id, None)).await? else { continue };
            let image_id = container.image.clone().unwrap_or_default();
            if !images.contains_key(&image_id) {
                let call = self.read(format!("inspect the image `{image_id}`"));
                let image = call.find(client.inspect_image(&image_id)).await?;
                images.insert(image_id.clone(), json_of(image.and_then(|image| image.config)));
            }
            described.containers.push(describe(&json_of(container), &images[&image_id]));
        }
        let networks = self.read("list networks").run(client.list_networks(None::<ListNetworksOptions>)).await?;
        for network in networks {
            let network = json_of(network);
            let kept = [
                ("Driver", "driver"),
                ("Internal", "internal"),
                ("Attachable", "attachable"),
                ("Options", "driver_opts"),
            ];
            let name = network["Name"].as_str().unwrap_or_default().to_owned();
            described.networks.insert(name, (first(&network["Labels"], &PROJECTS), resource(&network, &kept)));
        }
        let volumes = self.read("list volumes").run(client.list_volumes(None::<ListVolumesOptions>)).await?;
        for volume in volumes.volumes.into_iter().flatten() {
            let volume = json_of(volume);
            let kept = [("Driver", "driver"), ("Options", "driver_opts")];
            let name = volume["Name"].as_str().unwrap_or_default().to_owned();
            described.volumes.insert(name, (first(&volume["Labels"], &PROJECTS), resource(&volume, &kept)));
        }
        Ok(described)
    }
}

fn first(labels: &Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| labels[*name].as_str()).map(str::to_owned)
}

/// A network or volume, without what it would be anyway.
fn resource(found: &Value, kept: &[(&str, &str)]) -> Value {
    let said = kept.iter().filter(|(key, _)| !is_absent(&found[*key]));
    let usual = |value: &Value| value == "bridge" || value == "local";
    let fields = said.filter(|(key, _)| *key != "Driver" || !usual(&found[*key]));
    Value::Object(fields.map(|(key, word)| ((*word).to_owned(), found[*key].clone())).collect())
}

/// Settings of the host that are written in a plan as the engine has them.
const AS_THEY_ARE: [(&str, &str); 26] = [
    ("Annotations", "annotations"),
    ("CapAdd", "cap_add"),
    ("CapDrop", "cap_drop"),
    ("CgroupParent", "cgroup_parent"),
    ("CpuPeriod", "cpu_period"),
    ("CpuQuota", "cpu_quota"),
    ("CpuShares", "cpu_shares"),
    ("CpusetCpus", "cpuset"),
    ("DeviceCgroupRules", "device_cgroup_rules"),
    ("Dns", "dns"),
    ("DnsOptions", "dns_opt"),
    ("DnsSearch", "dns_search"),
    ("ExtraHosts", "extra_hosts"),
    ("GroupAdd", "group_add"),
    ("Init", "init"),
    ("OomKillDisable", "oom_kill_disable"),
    ("OomScoreAdj", "oom_score_adj"),
    ("PidMode", "pid"),
    ("Privileged", "privileged"),
    ("ReadonlyRootfs", "read_only"),
    ("SecurityOpt", "security_opt"),
    ("StorageOpt", "storage_opt"),
    ("Sysctls", "sysctls"),
    ("UTSMode", "uts"),
    ("UsernsMode", "userns_mode"),
    ("MemorySwappiness", "mem_swappiness"),
];

/// Settings that there is no writing down of yet.
const LEFT_OUT: [&str; 10] = [
    "BlkioDeviceReadBps",
    "BlkioDeviceReadIOps",
    "BlkioDeviceWriteBps",
    "BlkioDeviceWriteIOps",
    "BlkioWeight",
    "BlkioWeightDevice",
    "CpuRealtimePeriod",
    "CpuRealtimeRuntime",
    "DeviceRequests",
    "VolumesFrom",
];

fn describe(found: &Value, image: &Value) -> DescribedContainer {
    let (config, host) = (&found["Config"], &found["HostConfig"]);
    let name = found["Name"].as_str().unwrap_or_default().trim_start_matches('/').to_owned();
    let labels = &config["Labels"];
    let project = first(labels, &PROJECTS);
    let mut fields = Map::new();
    let mut put = |key: &str, value: Value| {
        if !is_absent(&value) {
            fields.insert(key.to_owned(), value);
        }
    };
    put("image", config["Image"].clone());
    let differs = |key: &str| normal(&config[key]) != normal(&image[key]);
    for (key, word) in [("Entrypoint", "entrypoint"), ("Cmd", "command")] {
        put(
            word,
            if differs(key) || (key == "Cmd" && differs("Entrypoint")) { config[key].clone() } else { Value::Null },
        );
    }
    put("environment", without(&variables(&config["Env"]), &variables(&image["Env"])));
    let is_kept = |label: &String| !is_of_compose(label) && !label.starts_with("io.orchestrate.");
    let own: BTreeMap<String, String> = texts(labels).into_iter().filter(|(label, _)| is_kept(label)).collect();
    put("labels", without(&own, &texts(&image["Labels"])));
    for (key, word) in [
        ("User", "user"),
        ("WorkingDir", "working_dir"),
        ("StopSignal", "stop_signal"),
        ("Domainname", "domainname"),
        ("Tty", "tty"),
        ("OpenStdin", "stdin_open"),
    ] {
        put(word, if differs(key) { config[key].clone() } else { Value::Null });
    }
    put("hostname", given_hostname(found).into());
    put("stop_grace_period", seconds(&config["StopTimeout"]));
    put("healthcheck", if differs("Healthcheck") { healthcheck(&config["Healthcheck"]) } else { Value::Null });
    put("restart", restart(&host["RestartPolicy"]));
    put("ports", ports(&host["PortBindings"]));
    put("expose", expose(config, image, &host["PortBindings"]));
    put("volumes", volumes(found, image));
    put("tmpfs", tmpfs(&host["Tmpfs"]));
    networks(found, &mut put);
    put("depends_on", needed(labels[NEEDED].as_str().unwrap_or_default()));
    put("deploy", deploy(host));
    for (key, word) in AS_THEY_ARE {
        put(word, host[key].clone());
    }
    put(
        "shm_size",
        host["ShmSize"].as_i64().filter(|bytes| *bytes != 64 << 20).map_or(Value::Null, |bytes| bytes.into()),
    );
    put("ulimits", ulimits(&host["Ulimits"]));
    put("devices", devices(&host["Devices"]));
    put("logging", logging(&host["LogConfig"]));
    if project.is_none() {
        put("container_name", name.clone().into());
    }
    let left_out = LEFT_OUT.iter().filter(|key| !is_absent(&host[**key])).map(|key| (*key).to_owned()).collect();
    let service = first(labels, &SERVICES).unwrap_or_else(|| name.clone());
    DescribedContainer { name, project, service, document: fields, left_out }
}

/// What is not the same in the defaults.
fn without(found: &BTreeMap<String, String>, defaults: &BTreeMap<String, String>) -> Value {
    let own = found.iter().filter(|(name, value)| defaults.get(*name) != Some(value));
    Value::Object(own.map(|(name, value)| (name.clone(), value.as_str().into())).collect())
}

fn seconds(value: &Value) -> Value {
    value.as_i64().map_or(Value::Null, |seconds| format!("{seconds}s").into())
}

fn healthcheck(found: &Value) -> Value {
    if found["Test"][0] == "NONE" {
        return json!({ "disable": true });
    }
    let mut fields = Map::new();
    let duration = |value: &Value| match value.as_i64().filter(|nanos| *nanos > 0)? / 1_000_000 {
        millis if millis % 1000 == 0 => Some(format!("{}s", millis / 1000)),
        millis => Some(format!("{millis}ms")),
    };
    fields.insert("test".to_owned(), found["Test"].clone());
    for (key, word) in [
        ("Interval", "interval"),
        ("Timeout", "timeout"),
        ("StartPeriod", "start_period"),
        ("StartInterval", "start_interval"),
    ] {
        fields.extend(duration(&found[key]).map(|text| (word.to_owned(), text.into())));
    }
    fields
        .extend(found["Retries"].as_i64().filter(|tries| *tries > 0).map(|tries| ("retries".to_owned(), tries.into())));
    fields.retain(|_, value| !is_absent(value));
    Value::Object(fields)
}

fn restart(policy: &Value) -> Value {
    let attempts = policy["MaximumRetryCount"].as_i64().unwrap_or(0);
    match policy["Name"].as_str().unwrap_or_default() {
        "" | "no" => Value::Null,
        "on-failure" if attempts > 0 => format!("on-failure:{attempts}").into(),
        name => name.into(),
    }
}

fn ports(bindings: &Value) -> Value {
    let mut ports = Vec::new();
    for (target, bindings) in bindings.as_object().into_iter().flatten() {
        for binding in bindings.as_array().into_iter().flatten() {
            let text = |key: &str| binding[key].as_str().unwrap_or_default();
            let target = target.trim_end_matches("/tcp");
            let ip =
                if text("HostIp").contains(':') { format!("[{}]", text("HostIp")) } else { text("HostIp").to_owned() };
            ports.push(match (ip.as_str(), text("HostPort")) {
                ("", "" | "0") => target.to_owned(),
                ("", port) => format!("{port}:{target}"),
                (ip, "0") => format!("{ip}::{target}"),
                (ip, port) => format!("{ip}:{port}:{target}"),
            });
        }
    }
    ports.sort();
    json!(ports)
}

fn expose(config: &Value, image: &Value, bindings: &Value) -> Value {
    let ports = config["ExposedPorts"].as_object().into_iter().flatten().map(|(port, _)| port);
    let own = ports.filter(|port| image["ExposedPorts"][port.as_str()].is_null() && bindings[port.as_str()].is_null());
    json!(own.map(|port| port.trim_end_matches("/tcp")).collect::<Vec<_>>())
}

fn volumes(found: &Value, image: &Value) -> Value {
    let asked: BTreeMap<String, &Value> = found["HostConfig"]["Mounts"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|mount| Some((mount["Target"].as_str()?.to_owned(), mount)))
        .collect();
    let mut volumes = Vec::new();
    let mut mounts: Vec<&Value> = found["Mounts"].as_array().into_iter().flatten().collect();
    mounts.sort_by_key(|mount| mount["Destination"].as_str().map(str::to_owned));
    for mount in mounts {
        let text = |key: &str| mount[key].as_str().unwrap_or_default();
        let target = text("Destination");
        let more = if mount["RW"] == false { ":ro" } else { "" };
        let name = text("Name");
        let has_no_name = name.len() == 64 && name.bytes().all(|c| c.is_ascii_hexdigit());
        match text("Type") {
            "volume" if has_no_name && !image["Volumes"][target].is_null() => {}
            "volume" if has_no_name => volumes.push(json!(target)),
            "volume" => volumes.push(json!(format!("{name}:{target}{more}"))),
            "bind" => volumes.push(json!(format!("{}:{target}{more}", text("Source")))),
            "tmpfs" if asked.contains_key(target) => {
                let options = &asked[target]["TmpfsOptions"];
                let mut tmpfs = json!({ "type": "tmpfs", "target": target });
                let mut said = Map::new();
                said.extend(options["SizeBytes"].as_i64().map(|bytes| ("size".to_owned(), bytes.into())));
                said.extend(options["Mode"].as_i64().map(|mode| ("mode".to_owned(), format!("{mode:04o}").into())));
                if !said.is_empty() {
                    tmpfs["tmpfs"] = Value::Object(said);
                }
                volumes.push(tmpfs);
            }
            _ => {}
        }
    }
    json!(volumes)
}

fn tmpfs(found: &Value) -> Value {
    let line = |(path, options): (String, String)| if options.is_empty() { path } else { format!("{path}:{options}") };
    json!(texts(found).into_iter().map(line).collect::<Vec<_>>())
}

fn networks(found: &Value, put: &mut dyn FnMut(&str, Value)) {
    let mode = found["HostConfig"]["NetworkMode"].as_str().unwrap_or("default");
    if ["host", "none", "bridge", "default"].contains(&mode) || mode.starts_with("container:") {
        return put("network_mode", if mode == "default" { "bridge" } else { mode }.into());
    }
    let id = found["Id"].as_str().unwrap_or_default();
    let labels = &found["Config"]["Labels"];
    let own = [
        found["Name"].as_str().unwrap_or_default().trim_start_matches('/').to_owned(),
        found["Config"]["Hostname"].as_str().unwrap_or_default().to_owned(),
        first(labels, &SERVICES).unwrap_or_default(),
    ];
    let mut all = Map::new();
    for (name, endpoint) in found["NetworkSettings"]["Networks"].as_object().into_iter().flatten() {
        let mut attachment = Map::new();
        let aliases = strings(&endpoint["Aliases"]);
        let aliases: Vec<String> =
            aliases.into_iter().filter(|alias| !own.contains(alias) && !is_short_id(alias, id)).collect();
        attachment.extend((!aliases.is_empty()).then(|| ("aliases".to_owned(), json!(aliases))));
        for (key, word) in [("IPv4Address", "ipv4_address"), ("IPv6Address", "ipv6_address")] {
            let address = &endpoint["IPAMConfig"][key];
            attachment.extend((!is_absent(address)).then(|| (word.to_owned(), address.clone())));
        }
        all.insert(name.clone(), Value::Object(attachment));
    }
    // Networks without anything to say of them are no absence.
    let is_said = all.values().any(|attachment| !is_absent(attachment));
    match is_said {
        true => put("networks", Value::Object(all)),
        false => put("networks", json!(all.keys().collect::<Vec<_>>())),
    }
}

/// `db:service_healthy:false,cache:service_started:true`
fn needed(text: &str) -> Value {
    let mut needed = Map::new();
    for one in text.split(',').filter(|one| !one.is_empty()) {
        let mut parts = one.split(':');
        let name = parts.next().unwrap_or_default();
        let condition = parts.next().unwrap_or("service_started");
        let mut dependency = json!({ "condition": condition });
        if parts.next() == Some("true") {
            dependency["restart"] = true.into();
        }
        needed.insert(name.to_owned(), dependency);
    }
    Value::Object(needed)
}

fn deploy(host: &Value) -> Value {
    let mut limits = Map::new();
    let set = |key: &str| host[key].as_i64().filter(|number| *number > 0);
    let cpus = set("NanoCpus").map(|nanos| crate::plan::Cpus(nanos.unsigned_abs()).to_string());
    limits.extend(cpus.map(|cpus| ("cpus".to_owned(), cpus.into())));
    let bytes = |key: &str| set(key).map(|bytes| crate::plan::ByteSize(bytes.unsigned_abs()).to_string());
    limits.extend(bytes("Memory").map(|size| ("memory".to_owned(), size.into())));
    limits.extend(set("PidsLimit").map(|pids| ("pids".to_owned(), pids.into())));
    let mut resources = Map::new();
    resources.extend((!limits.is_empty()).then(|| ("limits".to_owned(), Value::Object(limits))));
    resources.extend(bytes("MemoryReservation").map(|size| ("reservations".to_owned(), json!({ "memory": size }))));
    if resources.is_empty() { Value::Null } else { json!({ "resources": resources }) }
}

fn ulimits(found: &Value) -> Value {
    let limit = |limit: &Value| {
        Some((limit["Name"].as_str()?.to_owned(), json!({ "soft": limit["Soft"], "hard": limit["Hard"] })))
    };
    Value::Object(found.as_array().into_iter().flatten().filter_map(limit).collect())
}

fn devices(found: &Value) -> Value {
    let device = |device: &Value| {
        let text = |key: &str| device[key].as_str().unwrap_or_default();
        format!("{}:{}:{}", text("PathOnHost"), text("PathInContainer"), text("CgroupPermissions"))
    };
    json!(found.as_array().into_iter().flatten().map(device).collect::<Vec<_>>())
}

fn logging(found: &Value) -> Value {
    let is_usual = found["Type"] == "json-file" && is_absent(&found["Config"]);
    if is_usual { Value::Null } else { normal(&json!({ "driver": found["Type"], "options": found["Config"] })) }
}
