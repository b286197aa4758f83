//! In what a container that Compose made differs from the one that we would make: both in the
//! engine's words, defaults of the image and of the engine filled in. What cannot be seen by looking
//! is taken for equal: contents that Compose wrote into the container, and its hooks.

use std::collections::{BTreeMap, BTreeSet};

use bollard::models::ContainerInspectResponse;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Map, Value, json};

use super::{Docker, compare_mounts, instance, ownership::is_of_compose, settings};
use crate::{
    action::InstanceSpec,
    observed::{Difference, Fault, Instance},
    plan::NetworkAttachment,
};

/// Containers that are asked for at the same time.
const CONCURRENT_READS: usize = 16;

/// In what each of these differs from what its spec would make.
pub(super) async fn differences(
    docker: &Docker,
    adopted: &[(Instance, InstanceSpec)],
) -> Result<Vec<Vec<Difference>>, Fault> {
    let image_ids: BTreeSet<String> = adopted.iter().map(|(instance, _)| instance.image_id.clone()).collect();
    let images = stream::iter(image_ids).map(|id| async move {
        let call = docker.read(format!("inspect the image `{id}`"));
        let image = call.find(docker.client()?.inspect_image(&id)).await?;
        Ok((id, json_of(image.and_then(|image| image.config))))
    });
    let images: BTreeMap<String, Value> = images.buffer_unordered(CONCURRENT_READS).try_collect().await?;
    let ids: Vec<String> = adopted.iter().map(|(instance, _)| instance.id.clone()).collect();
    let found = stream::iter(ids).map(|id| async move { instance::owned(docker, &id).await });
    let found: Vec<_> = found.buffered(CONCURRENT_READS).try_collect().await?;
    let pairs = adopted.iter().zip(found);
    let compared = pairs.map(|((instance, spec), container)| {
        container.map(|container| compare(spec, container, &images[&instance.image_id])).unwrap_or_default()
    });
    Ok(compared.collect())
}

/// As the engine writes it; what is not there is null.
pub(super) fn json_of<T: serde::Serialize>(value: T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn compare(spec: &InstanceSpec, container: ContainerInspectResponse, image: &Value) -> Vec<Difference> {
    let found = json_of(container);
    let wanted = json_of(settings::container(spec));
    let mut comparing = Comparing { spec, found, wanted, image, differences: Vec::new() };
    comparing.image();
    comparing.command();
    comparing.words();
    comparing.environment();
    comparing.labels();
    comparing.healthcheck();
    comparing.ports();
    comparing.mounts();
    comparing.host();
    comparing.networks();
    comparing.differences.sort_by(|a, b| a.field.cmp(&b.field));
    comparing.differences
}

struct Comparing<'a> {
    spec: &'a InstanceSpec,
    found: Value,
    wanted: Value,
    /// The configuration that the image brings.
    image: &'a Value,
    differences: Vec<Difference>,
}

/// What the engine calls a field, and what a plan does.
const CONFIG: [(&str, &str); 7] = [
    ("Domainname", "domainname"),
    ("User", "user"),
    ("WorkingDir", "working_dir"),
    ("Tty", "tty"),
    ("OpenStdin", "stdin_open"),
    ("StopSignal", "stop_signal"),
    ("StopTimeout", "stop_grace_period"),
];

/// As [`CONFIG`], for what there is no default of the image for.
const HOST: [(&str, &str); 42] = [
    ("Annotations", "annotations"),
    ("BlkioDeviceReadBps", "blkio_config.device_read_bps"),
    ("BlkioDeviceReadIOps", "blkio_config.device_read_iops"),
    ("BlkioDeviceWriteBps", "blkio_config.device_write_bps"),
    ("BlkioDeviceWriteIOps", "blkio_config.device_write_iops"),
    ("BlkioWeight", "blkio_config.weight"),
    ("BlkioWeightDevice", "blkio_config.weight_device"),
    ("CapAdd", "cap_add"),
    ("CapDrop", "cap_drop"),
    ("CgroupParent", "cgroup_parent"),
    ("CpuCount", "cpu_count"),
    ("CpuPercent", "cpu_percent"),
    ("CpuPeriod", "cpu_period"),
    ("CpuQuota", "cpu_quota"),
    ("CpuRealtimePeriod", "cpu_rt_period"),
    ("CpuRealtimeRuntime", "cpu_rt_runtime"),
    ("CpuShares", "cpu_shares"),
    ("CpusetCpus", "cpuset"),
    ("DeviceCgroupRules", "device_cgroup_rules"),
    ("DeviceRequests", "gpus"),
    ("Devices", "devices"),
    ("Dns", "dns"),
    ("DnsOptions", "dns_opt"),
    ("DnsSearch", "dns_search"),
    ("ExtraHosts", "extra_hosts"),
    ("GroupAdd", "group_add"),
    ("Init", "init"),
    ("MemorySwappiness", "mem_swappiness"),
    ("OomKillDisable", "oom_kill_disable"),
    ("OomScoreAdj", "oom_score_adj"),
    ("PidMode", "pid"),
    ("Privileged", "privileged"),
    ("ReadonlyRootfs", "read_only"),
    ("SecurityOpt", "security_opt"),
    ("StorageOpt", "storage_opt"),
    ("Sysctls", "sysctls"),
    ("Tmpfs", "tmpfs"),
    ("UTSMode", "uts"),
    ("Ulimits", "ulimits"),
    ("UsernsMode", "userns_mode"),
    ("VolumesFrom", "volumes_from"),
    ("Isolation", "isolation"),
];

/// Settings for which the engine has a default of its own, that it writes down: they are only compared
/// if the plan says something.
const WITH_DEFAULT: [(&str, &str); 5] = [
    ("CgroupnsMode", "cgroup"),
    ("IpcMode", "ipc"),
    ("LogConfig", "logging"),
    ("MemorySwap", "memswap_limit"),
    ("Runtime", "oci_runtime"),
];

/// What `/dev/shm` has without anybody asking.
const USUAL_SHM_BYTES: i64 = 64 << 20;

impl Comparing<'_> {
    fn differ(&mut self, field: impl Into<String>, before: Option<String>, after: Option<String>) {
        self.differences.push(Difference { field: field.into(), before, after });
    }

    /// Notes a difference of two settings, if it is one.
    fn compare(&mut self, field: &str, before: &Value, after: &Value) {
        let (before, after) = (normal(before), normal(after));
        if before != after {
            self.differ(field, shown(&before), shown(&after));
        }
    }

    fn image(&mut self) {
        let before = self.found["Config"]["Image"].as_str().unwrap_or_default().to_owned();
        let Some(after) = self.spec.service.image.as_ref().map(ToString::to_string) else { return };
        if whole_reference(&before) != whole_reference(&after) {
            self.differ("image", Some(before), Some(after));
        }
    }

    /// Without its own, a container has the image's; one with an entrypoint of its own has no command
    /// of the image's.
    fn command(&mut self) {
        let or_of_image =
            |wanted: &Value, key: &str| if is_absent(wanted) { self.image[key].clone() } else { wanted.clone() };
        let entrypoint = or_of_image(&self.wanted["Entrypoint"], "Entrypoint");
        let command = match is_absent(&self.wanted["Entrypoint"]) {
            true => or_of_image(&self.wanted["Cmd"], "Cmd"),
            false => self.wanted["Cmd"].clone(),
        };
        let config = self.found["Config"].clone();
        let service = self.spec.service.clone();
        for (field, before, after, line) in [
            ("entrypoint", &config["Entrypoint"], entrypoint, &service.entrypoint),
            ("command", &config["Cmd"], command, &service.command),
        ] {
            let is_secret = line.iter().flat_map(|line| &line.0).any(|word| word.is_secret());
            match is_secret && normal(before) != normal(&after) {
                true => self.differ(field, Some("***".to_owned()), Some("***".to_owned())),
                false => self.compare(field, before, &after),
            }
        }
    }

    fn words(&mut self) {
        for (key, field) in CONFIG {
            let after = match is_absent(&self.wanted[key]) {
                true => self.image[key].clone(),
                false => self.wanted[key].clone(),
            };
            let before = self.found["Config"][key].clone();
            self.compare(field, &before, &after);
        }
        let after = self.wanted["Hostname"].clone();
        let before = match is_absent(&after) {
            true => given_hostname(&self.found).into(),
            false => self.found["Config"]["Hostname"].clone(),
        };
        self.compare("hostname", &before, &after);
        let name = self.found["Name"].as_str().unwrap_or_default().trim_start_matches('/').to_owned();
        if let Some(wanted) = self.spec.service.container_name.clone().filter(|wanted| *wanted != name) {
            self.differ("container_name", Some(name), Some(wanted));
        }
    }

    fn environment(&mut self) {
        let before = variables(&self.found["Config"]["Env"]);
        let mut after = variables(&self.image["Env"]);
        for (name, value) in &self.spec.service.environment {
            match value {
                Some(value) => drop(after.insert(name.clone(), value.expose().to_owned())),
                None => drop(after.remove(name)),
            }
        }
        let service = self.spec.service.clone();
        let is_secret =
            |name: &str| service.environment.get(name).and_then(Option::as_ref).is_some_and(|text| text.is_secret());
        self.maps("environment", &before, &after, &is_secret);
    }

    fn labels(&mut self) {
        let mut before = texts(&self.found["Config"]["Labels"]);
        let mut after = texts(&self.image["Labels"]);
        after.extend(self.spec.service.labels.clone());
        for labels in [&mut before, &mut after] {
            labels.retain(|label, _| !is_of_compose(label));
        }
        self.maps("labels", &before, &after, &|_| false);
    }

    fn maps(
        &mut self,
        field: &str,
        before: &BTreeMap<String, String>,
        after: &BTreeMap<String, String>,
        is_secret: &dyn Fn(&str) -> bool,
    ) {
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names.into_iter().filter(|name| before.get(*name) != after.get(*name)) {
            let show = |value: Option<&String>| match is_secret(name) {
                true => value.map(|_| "***".to_owned()),
                false => value.cloned(),
            };
            self.differ(format!("{field}.{name}"), show(before.get(name)), show(after.get(name)));
        }
    }

    /// A healthcheck takes from the image what it does not say, also one that says that there is none.
    fn healthcheck(&mut self) {
        let wanted = normal(&self.wanted["Healthcheck"]);
        let before = normal(&self.found["Config"]["Healthcheck"]);
        let mut after = normal(&self.image["Healthcheck"]).as_object().cloned().unwrap_or_default();
        after.extend(wanted.as_object().cloned().unwrap_or_default());
        let after = Value::Object(after);
        let is_secret = self.spec.service.healthcheck.iter().flat_map(|check| &check.test).any(|word| word.is_secret());
        let fields = [
            ("Test", "test"),
            ("Interval", "interval"),
            ("Timeout", "timeout"),
            ("Retries", "retries"),
            ("StartPeriod", "start_period"),
            ("StartInterval", "start_interval"),
        ];
        for (key, field) in fields {
            let field = format!("healthcheck.{field}");
            match is_secret && key == "Test" && before[key] != after[key] {
                true => self.differ(field, Some("***".to_owned()), Some("***".to_owned())),
                false => self.compare(&field, &before[key].clone(), &after[key].clone()),
            }
        }
    }

    fn ports(&mut self) {
        let keys = |value: &Value| -> BTreeSet<String> {
            value.as_object().into_iter().flatten().flat_map(|(key, _)| exposed(key)).collect()
        };
        let wanted = &self.wanted["ExposedPorts"];
        let named = strings(wanted).into_iter().flat_map(|port| exposed(&port));
        let mut after: BTreeSet<String> = keys(wanted).into_iter().chain(named).collect();
        after.extend(keys(&self.image["ExposedPorts"]));
        let before = keys(&self.found["Config"]["ExposedPorts"]);
        let bindings = |value: &Value| -> BTreeMap<String, Value> {
            let map = value.as_object().into_iter().flatten();
            map.map(|(target, list)| (target.clone(), bindings(list))).filter(|(_, list)| !is_absent(list)).collect()
        };
        let (bound, wanted) =
            (bindings(&self.found["HostConfig"]["PortBindings"]), bindings(&self.wanted["HostConfig"]["PortBindings"]));
        let targets: BTreeSet<&String> = bound.keys().chain(wanted.keys()).collect();
        let differing: Vec<&String> =
            targets.iter().copied().filter(|target| bound.get(*target) != wanted.get(*target)).collect();
        for target in &differing {
            let show =
                |of: &BTreeMap<String, Value>| of.get(*target).map(|list| format!("{}:{target}", published(list)));
            self.differ("ports", show(&bound), show(&wanted));
        }
        for port in before.symmetric_difference(&after).filter(|port| !targets.contains(port)) {
            let show = |of: &BTreeSet<String>| of.get(port).cloned();
            self.differ("expose", show(&before), show(&after));
        }
    }

    fn mounts(&mut self) {
        let (found, wanted) = (&self.found["HostConfig"], &self.wanted["HostConfig"]);
        let files: BTreeSet<&str> = self.spec.files.iter().map(|file| file.target.as_str()).collect();
        let differences = compare_mounts::compare(found, wanted, &files);
        self.differences.extend(differences);
    }

    fn host(&mut self) {
        let (found, wanted) = (self.found["HostConfig"].clone(), self.wanted["HostConfig"].clone());
        for (key, field) in HOST {
            self.compare(
                field,
                &unordered(key, &found[key], &wanted[key]),
                &unordered(key, &wanted[key], &wanted[key]),
            );
        }
        for (key, field) in WITH_DEFAULT {
            if !is_absent(&wanted[key]) {
                self.compare(field, &found[key], &wanted[key]);
            }
        }
        let shm = |host: &Value| json!(host["ShmSize"].as_i64().filter(|bytes| *bytes > 0).unwrap_or(USUAL_SHM_BYTES));
        self.compare("shm_size", &shm(&found), &shm(&wanted));
        let mode = |host: &Value| host["NetworkMode"].as_str().unwrap_or("default").to_owned();
        let (before, after) = (mode(&found), mode(&wanted));
        // Any of its networks may be the first one.
        let is_network = |mode: &str| self.spec.networks.contains_key(mode);
        let is_usual = |mode: &str| ["default", "bridge"].contains(&mode);
        let are_both = |is: &dyn Fn(&str) -> bool| is(&before) && is(&after);
        let is_same = before == after || are_both(&is_network) || are_both(&is_usual);
        if !is_same && self.spec.service.network_mode.is_some() {
            self.differ("network_mode", Some(before), Some(after));
        }
    }

    fn networks(&mut self) {
        let joined: BTreeMap<String, Value> = self.found["NetworkSettings"]["Networks"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, endpoint)| (name.clone(), endpoint.clone()))
            .filter(|(name, _)| {
                !["bridge", "host", "none"].contains(&name.as_str()) || self.spec.networks.contains_key(name)
            })
            .collect();
        let wanted = self.spec.networks.clone();
        let names: BTreeSet<&String> = joined.keys().chain(wanted.keys()).collect();
        for name in names {
            let field = format!("networks.{name}");
            let word = |is_in: bool| Some(if is_in { "connected" } else { "not connected" }.to_owned());
            match (joined.get(name), wanted.get(name)) {
                (Some(endpoint), Some(attachment)) => self.endpoint(&field, endpoint, attachment),
                (before, after) => self.differ(field, word(before.is_some()), word(after.is_some())),
            }
        }
    }

    fn endpoint(&mut self, field: &str, endpoint: &Value, attachment: &NetworkAttachment) {
        let asked = settings::attached(attachment);
        let mut asked = json_of(asked);
        let names: BTreeSet<String> = strings(&endpoint["Aliases"]).into_iter().collect();
        let aliases: BTreeSet<String> = attachment.aliases.iter().cloned().collect();
        let id = self.found["Id"].as_str().unwrap_or_default();
        let own = [
            self.found["Name"].as_str().unwrap_or_default().trim_start_matches('/'),
            self.found["Config"]["Hostname"].as_str().unwrap_or_default(),
            self.spec.identity.service.as_str(),
        ];
        let is_own = |alias: &str| instance::is_short_id(alias, id) || own.contains(&alias);
        let extra =
            |set: &BTreeSet<String>| -> Vec<String> { set.iter().filter(|alias| !is_own(alias)).cloned().collect() };
        let (before, after) = (json!(extra(&names)), json!(extra(&aliases)));
        self.compare(&format!("{field}.aliases"), &before, &after);
        let address = |of: &Value, key: &str| of["IPAMConfig"][key].clone();
        for (key, name) in [("IPv4Address", "ipv4_address"), ("IPv6Address", "ipv6_address")] {
            self.compare(&format!("{field}.{name}"), &address(endpoint, key), &address(&asked, key));
        }
        let asked_options = asked["DriverOpts"].take();
        self.compare(&format!("{field}.driver_opts"), &endpoint["DriverOpts"], &asked_options);
    }
}

/// The hostname that somebody asked for. Without that it is the beginning of the container's id, or that of whom the
/// network is shared with.
pub(super) fn given_hostname(found: &Value) -> Option<&str> {
    let hostname = found["Config"]["Hostname"].as_str().filter(|hostname| !hostname.is_empty())?;
    let mode = found["HostConfig"]["NetworkMode"].as_str().unwrap_or_default();
    let is_shared = mode == "host" || mode.starts_with("container:");
    let is_own = instance::is_short_id(hostname, found["Id"].as_str().unwrap_or_default());
    (!is_shared && !is_own).then_some(hostname)
}

/// The engine adds this by itself to what may see all of the host.
const UNCONFINED: &str = "label=disable";

/// A list whose order means nothing, in one order, without what the engine adds to what was `asked`.
fn unordered(key: &str, list: &Value, asked: &Value) -> Value {
    let Some(items) = list.as_array().filter(|_| !key.starts_with("Dns")) else { return list.clone() };
    let is_asked = |word: &str| strings(asked).iter().any(|known| known == word);
    let mut items: Vec<Value> = items
        .iter()
        .filter(|item| key != "SecurityOpt" || *item != UNCONFINED || is_asked(UNCONFINED))
        .map(|item| match item.as_str() {
            Some(word) if key.starts_with("Cap") => word.trim_start_matches("CAP_").into(),
            Some(word) if key == "VolumesFrom" => word.trim_end_matches(":rw").into(),
            Some(_) | None => item.clone(),
        })
        .collect();
    items.sort_by_key(Value::to_string);
    items.into()
}

/// Whether a setting is as if nobody had said anything.
pub(super) fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is) => !is,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_absent),
    }
}

/// A setting as it is compared: without what says nothing.
pub(super) fn normal(value: &Value) -> Value {
    match value {
        _ if is_absent(value) => Value::Null,
        Value::Object(fields) => {
            let said = fields.iter().filter(|(_, value)| !is_absent(value));
            Value::Object(said.map(|(key, value)| (key.clone(), normal(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(normal).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

pub(super) fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// `NAME=value` lines by their names; a name alone is no variable.
pub(super) fn variables(lines: &Value) -> BTreeMap<String, String> {
    let split = |line: String| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    strings(lines).into_iter().filter_map(split).collect()
}

pub(super) fn texts(map: &Value) -> BTreeMap<String, String> {
    let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    map.as_object().into_iter().flatten().filter_map(text).collect()
}

/// The ports that `8000-8002/udp` exposes, each by itself; without a protocol they are TCP's.
fn exposed(key: &str) -> Vec<String> {
    let (ports, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    match (first.parse::<u16>(), last.parse::<u16>()) {
        (Ok(first), Ok(last)) => (first..=last).map(|port| format!("{port}/{protocol}")).collect(),
        _ => vec![format!("{ports}/{protocol}")],
    }
}

/// Where a port is published, in one way of writing it.
fn bindings(list: &Value) -> Value {
    let binding = |binding: &Value| {
        let text = |key: &str| binding[key].as_str().unwrap_or_default().to_owned();
        let port = Some(text("HostPort")).filter(|port| port != "0").unwrap_or_default();
        format!("{} {port}", text("HostIp"))
    };
    let mut all: Vec<String> = list.as_array().into_iter().flatten().map(binding).collect();
    all.sort();
    json!(all)
}

/// The same for people.
fn published(list: &Value) -> String {
    let one = |text: String| text.trim().replace(' ', ":");
    strings(list).into_iter().map(one).collect::<Vec<_>>().join(",")
}

/// A reference with all that is usually left out.
fn whole_reference(reference: &str) -> String {
    let name = reference.trim_start_matches("docker.io/").trim_start_matches("library/");
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains([':', '@']) { name.to_owned() } else { format!("{name}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_is_as_if_it_were_not_there() {
        let table = [
            (json!({ "A": 0, "B": "", "C": [], "D": { "E": false }, "F": null }), Value::Null),
            (json!({ "A": 1, "B": "" }), json!({ "A": 1 })),
            (json!(["", { "A": 0, "B": 2 }]), json!([null, { "B": 2 }])),
        ];
        for (value, expected) in table {
            assert_eq!(normal(&value), expected, "{value}");
        }
    }

    #[test]
    fn a_hostname_that_nobody_gave_is_none() {
        const ID: &str = "cafe01234567";
        let table =
            [("a", "cafe", Some("cafe")), ("a", ID, None), ("host", "lab", None), ("container:4567", "web", None)];
        for (mode, hostname, expected) in table {
            let found = json!({ "Id": format!("{ID}0123"), "Config": { "Hostname": hostname }, "HostConfig": { "NetworkMode": mode } });
            assert_eq!(given_hostname(&found), expected, "{hostname} in {mode}");
        }
    }

    #[test]
    fn ports_are_exposed_one_by_one() {
        let table = [
            ("80", vec!["80/tcp"]),
            ("53/udp", vec!["53/udp"]),
            ("8000-8002/sctp", vec!["8000/sctp", "8001/sctp", "8002/sctp"]),
        ];
        for (key, expected) in table {
            assert_eq!(exposed(key), expected, "{key}");
        }
    }

    #[test]
    fn lists_without_an_order_are_compared_without_one() {
        let table = [
            ("ExtraHosts", json!(["b:1", "a:2"]), json!(["a:2", "b:1"]), true),
            ("Dns", json!(["2.2.2.2", "1.1.1.1"]), json!(["1.1.1.1", "2.2.2.2"]), false),
            ("CapAdd", json!(["CAP_SYS_TIME", "NET_ADMIN"]), json!(["NET_ADMIN", "SYS_TIME"]), true),
            ("SecurityOpt", json!(["label=disable"]), json!([]), true),
            ("SecurityOpt", json!([]), json!(["label=disable"]), false),
            ("VolumesFrom", json!(["abc:rw"]), json!(["abc"]), true),
        ];
        for (key, found, wanted, is_same) in table {
            let same = unordered(key, &found, &wanted) == unordered(key, &wanted, &wanted);
            assert_eq!(same, is_same, "{key} {found} {wanted}");
        }
    }

    #[test]
    fn references_are_the_same_however_short() {
        let table =
            [("busybox", "docker.io/library/busybox:latest"), ("a/b", "a/b:latest"), ("r:5000/a:1", "r:5000/a:1")];
        for (short, long) in table {
            assert_eq!(whole_reference(short), whole_reference(long));
        }
        assert_ne!(whole_reference("a:1"), whole_reference("a:2"));
    }
}
