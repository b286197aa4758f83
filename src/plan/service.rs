use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Blkio, Build, ByteSize, Check, CommandLine, Cpus, Dependency, Deploy, Device, DeviceRequest, EnvFile, ExposedPort,
    FileReference, Healthcheck, Hook, ImageReference, Interval, Link, Micros, Mount, Namespace, NetworkAttachment,
    Port, PullPolicy, RestartPolicy, SnapshotPolicy, SwapLimit, Tmpfs, VolumesFrom, Whole, Word, device,
    form::{self, ShortOrLong},
    is_default, port,
};
use crate::{name::ServiceName, secret::Text};

/// What runs a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuntimeKind {
    /// A container of a Docker Engine.
    Docker,
    /// A local process under a supervisor of its own; needs no engine.
    Process,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Keeps running.
    #[default]
    Service,
    /// Runs to completion: exit code 0 is success.
    Job,
}

/// When a job runs again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunPolicy {
    /// When its spec differs from that of its last success.
    #[default]
    OnChange,
    /// In every deployment that changes something, and in every apply.
    Always,
    /// Until it has succeeded once.
    Once,
}

/// The program that a process runs, and what decides which file that is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    /// The command's first word.
    pub word: String,
    pub working_dir: Option<String>,
    /// The service's own `PATH`; the caller's if it has none.
    pub path: Option<String>,
}

/// A soft and a hard limit of the kernel's. In a document, a number alone is short for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ShortOrLong<UlimitLong>")]
pub struct Ulimit {
    pub soft: i64,
    pub hard: i64,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[schemars(rename = "Ulimit")]
struct UlimitLong {
    /// What is in force; a process may raise it up to the hard limit.
    soft: i64,
    /// The most that it may be raised to.
    hard: i64,
}

impl TryFrom<ShortOrLong<UlimitLong>> for Ulimit {
    type Error = String;

    fn try_from(document: ShortOrLong<UlimitLong>) -> Result<Self, String> {
        match document {
            ShortOrLong::Long(UlimitLong { soft, hard }) => Ok(Self { soft, hard }),
            ShortOrLong::Short(text) => match text.parse() {
                Ok(limit) => Ok(Self { soft: limit, hard: limit }),
                Err(_) => Err(format!("`{text}` is not a limit: a number, or -1 for none")),
            },
        }
    }
}

impl schemars::JsonSchema for Ulimit {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NumberOrUlimit".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let long = generator.subschema_for::<UlimitLong>();
        schemars::json_schema!({ "anyOf": [{ "type": "integer" }, long] })
    }
}

/// Where the engine writes a container's output.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Logging {
    /// The engine's logging driver, such as `json-file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// The driver's options, such as `max-size: 10m`.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::plain_map_or_list")]
    #[schemars(schema_with = "form::scalar_map_schema")]
    pub options: BTreeMap<String, String>,
}

/// A thing to keep running, or a job to run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Service {
    /// The image to run, as `name[:tag][@digest]`. A service with an image is a container.
    #[serde(skip_serializing_if = "is_default")]
    pub image: Option<ImageReference>,
    /// What runs it; `process` makes its `command` a supervised local process. Never implied.
    #[serde(skip_serializing_if = "is_default")]
    pub runtime: Option<RuntimeKind>,
    /// `service` keeps running; `job` runs to completion.
    #[serde(skip_serializing_if = "is_default")]
    pub kind: Kind,
    /// When a job runs again.
    #[serde(skip_serializing_if = "is_default")]
    pub run: RunPolicy,
    /// A rollback stops at this job once it has run, and says so.
    #[serde(skip_serializing_if = "is_default")]
    pub irreversible: bool,
    /// Among services that could start now, higher ones start first.
    #[serde(skip_serializing_if = "is_default")]
    pub priority: i32,
    /// The command to run: a list, or a line that is split as a shell would.
    #[serde(skip_serializing_if = "is_default")]
    pub command: Option<CommandLine>,
    /// What the command is given to, instead of the image's own entrypoint.
    #[serde(skip_serializing_if = "is_default")]
    pub entrypoint: Option<CommandLine>,
    /// Environment variables. One without a value is passed on from where `orchestrate` runs.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::map_or_list")]
    #[schemars(schema_with = "form::map_or_list_schema")]
    pub environment: BTreeMap<String, Option<Text>>,
    /// Files of `NAME=value` lines that go into the environment; `environment` wins over them.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::one_or_many")]
    #[schemars(schema_with = "form::one_or_many_schema::<EnvFile>")]
    pub env_file: Vec<EnvFile>,
    /// Ports that are published on the host, as `[host_ip:][host:]container[/protocol]`.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "port::ports")]
    #[schemars(schema_with = "port::ports_schema")]
    pub ports: Vec<Port>,
    /// Ports that the service listens on.
    #[serde(skip_serializing_if = "is_default")]
    pub expose: Vec<ExposedPort>,
    /// Volumes, host directories and tmpfs, as `source:target[:ro]` or in the long form.
    #[serde(skip_serializing_if = "is_default")]
    pub volumes: Vec<Mount>,
    /// Networks that it joins; `default` if none are named.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::names_or_map")]
    #[schemars(schema_with = "form::names_or_map_schema::<NetworkAttachment>")]
    pub networks: BTreeMap<String, NetworkAttachment>,
    /// Services that have to be there before this one starts.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::names_or_map")]
    #[schemars(schema_with = "form::names_or_map_schema::<Dependency>")]
    pub depends_on: BTreeMap<ServiceName, Dependency>,
    /// The engine's own healthcheck, run inside the container.
    #[serde(skip_serializing_if = "is_default")]
    pub healthcheck: Option<Healthcheck>,
    /// Questions that are asked from outside to tell whether it works.
    #[serde(skip_serializing_if = "is_default")]
    pub checks: Vec<Check>,
    #[serde(skip_serializing_if = "is_default")]
    pub deploy: Deploy,
    /// Labels of the container.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::plain_map_or_list")]
    #[schemars(schema_with = "form::map_or_list_schema")]
    pub labels: BTreeMap<String, String>,
    /// The user to run as: `name`, `uid` or `uid:gid`.
    #[serde(skip_serializing_if = "is_default")]
    pub user: Option<String>,
    /// The working directory. That of a process is the plan's directory by default, and a relative
    /// one starts at the directory of the file that names it.
    #[serde(skip_serializing_if = "is_default")]
    pub working_dir: Option<String>,
    /// What happens when it exits: `no`, `always`, `on-failure[:attempts]`, `unless-stopped`.
    #[serde(skip_serializing_if = "is_default")]
    pub restart: Option<RestartPolicy>,
    /// The signal that asks it to stop; `SIGTERM` by default.
    #[serde(skip_serializing_if = "is_default")]
    pub stop_signal: Option<String>,
    /// How long it may take to stop before it is killed; `10s` by default.
    #[serde(skip_serializing_if = "is_default")]
    pub stop_grace_period: Option<Interval>,
    /// Runs an init inside the container that reaps processes and passes signals on.
    #[serde(skip_serializing_if = "is_default")]
    pub init: Option<bool>,
    /// Directories in memory.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::one_or_many")]
    #[schemars(schema_with = "form::one_or_many_schema::<Tmpfs>")]
    pub tmpfs: Vec<Tmpfs>,
    /// Makes the container's own file system read-only.
    #[serde(skip_serializing_if = "is_default")]
    pub read_only: bool,
    /// Security options, such as `no-new-privileges:true`.
    #[serde(skip_serializing_if = "is_default")]
    pub security_opt: Vec<String>,
    /// Capabilities that are added.
    #[serde(skip_serializing_if = "is_default")]
    pub cap_add: BTreeSet<String>,
    /// Capabilities that are taken away.
    #[serde(skip_serializing_if = "is_default")]
    pub cap_drop: BTreeSet<String>,
    /// Kernel parameters of the container's namespaces.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::plain_map_or_list")]
    #[schemars(schema_with = "form::map_or_list_schema")]
    pub sysctls: BTreeMap<String, String>,
    /// Limits such as `nofile: 65536` or `nofile: {soft: 1024, hard: 65536}`.
    #[serde(skip_serializing_if = "is_default")]
    pub ulimits: BTreeMap<String, Ulimit>,
    #[serde(skip_serializing_if = "is_default")]
    pub logging: Option<Logging>,
    /// Configs of the plan, as files in the container.
    #[serde(skip_serializing_if = "is_default")]
    pub configs: Vec<FileReference>,
    /// Secrets of the plan, as files below `/run/secrets`.
    #[serde(skip_serializing_if = "is_default")]
    pub secrets: Vec<FileReference>,
    /// Lines of `/etc/hosts`: name to address.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::hosts")]
    #[schemars(schema_with = "form::hosts_schema")]
    pub extra_hosts: BTreeMap<String, String>,
    /// The host name inside the container.
    #[serde(skip_serializing_if = "is_default")]
    pub hostname: Option<String>,
    /// The container's name, instead of `<project>-<service>-<number>`; allows one replica only.
    #[serde(skip_serializing_if = "is_default")]
    pub container_name: Option<String>,
    /// The size of `/dev/shm`.
    #[serde(skip_serializing_if = "is_default")]
    pub shm_size: Option<ByteSize>,
    /// How the image is built. Without an `image`, it is called `<project>-<service>`.
    #[serde(skip_serializing_if = "is_default")]
    pub build: Option<Build>,
    /// When the image is pulled: `missing` (the default), `always`, `never`, `build`, `daily`, `weekly`, `every_12h`.
    #[serde(skip_serializing_if = "is_default")]
    pub pull_policy: PullPolicy,
    /// The platform to run on, as in `linux/arm64`.
    #[serde(skip_serializing_if = "is_default")]
    pub platform: Option<String>,
    /// Profiles that it belongs to: it is only there if one of them is chosen.
    #[serde(skip_serializing_if = "is_default")]
    pub profiles: BTreeSet<String>,
    /// The runtime that the engine uses, as in `runc`; Compose calls it `runtime`.
    #[serde(skip_serializing_if = "is_default")]
    pub oci_runtime: Option<String>,
    /// Instances, as `deploy.replicas`.
    #[serde(skip_serializing_if = "is_default")]
    pub scale: Option<Whole>,
    /// Files of `name=value` lines that go into the labels; `labels` wins over them.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::one_or_many")]
    #[schemars(schema_with = "form::one_or_many_schema::<String>")]
    pub label_file: Vec<String>,
    /// Notes for the OCI runtime; engines before 25 ignore them.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::plain_map_or_list")]
    #[schemars(schema_with = "form::map_or_list_schema")]
    pub annotations: BTreeMap<String, String>,
    /// A network of the engine's own (`none`, `host`, `bridge`), or that of `service:NAME` or `container:NAME`.
    #[serde(skip_serializing_if = "is_default")]
    pub network_mode: Option<Namespace>,
    /// Services that it reaches by a name of its own: `service[:alias]`.
    #[serde(skip_serializing_if = "is_default")]
    pub links: Vec<Link>,
    /// Containers of others that it reaches by a name of its own: `container[:alias]`.
    #[serde(skip_serializing_if = "is_default")]
    pub external_links: Vec<String>,
    /// The container's address on the link, unless a network says one.
    #[serde(skip_serializing_if = "is_default")]
    pub mac_address: Option<String>,
    /// Name servers.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::one_or_many")]
    #[schemars(schema_with = "form::one_or_many_schema::<String>")]
    pub dns: Vec<String>,
    /// Options of the resolver.
    #[serde(skip_serializing_if = "is_default")]
    pub dns_opt: Vec<String>,
    /// Domains that names are looked for in.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::one_or_many")]
    #[schemars(schema_with = "form::one_or_many_schema::<String>")]
    pub dns_search: Vec<String>,
    /// The domain name inside the container.
    #[serde(skip_serializing_if = "is_default")]
    pub domainname: Option<String>,
    /// The process namespace: `host`, `service:NAME` or `container:NAME`.
    #[serde(skip_serializing_if = "is_default")]
    pub pid: Option<Namespace>,
    /// The IPC namespace: `shareable`, `private`, `host`, `none`, `service:NAME` or `container:NAME`.
    #[serde(skip_serializing_if = "is_default")]
    pub ipc: Option<Namespace>,
    /// The UTS namespace: `host`.
    #[serde(skip_serializing_if = "is_default")]
    pub uts: Option<String>,
    /// The user namespace: `host`.
    #[serde(skip_serializing_if = "is_default")]
    pub userns_mode: Option<String>,
    /// The cgroup namespace: `host` or `private`.
    #[serde(skip_serializing_if = "is_default")]
    pub cgroup: Option<String>,
    /// The cgroup above the container's.
    #[serde(skip_serializing_if = "is_default")]
    pub cgroup_parent: Option<String>,
    /// Volumes of other containers: `service[:ro]`, `container:NAME[:ro]`.
    #[serde(skip_serializing_if = "is_default")]
    pub volumes_from: Vec<VolumesFrom>,
    /// Devices of the host, as `source[:target[:permissions]]`.
    #[serde(skip_serializing_if = "is_default")]
    pub devices: Vec<Device>,
    /// Rules for devices that appear later.
    #[serde(skip_serializing_if = "is_default")]
    pub device_cgroup_rules: Vec<String>,
    /// GPUs: `all`, or a list of requests.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "device::gpus")]
    #[schemars(schema_with = "device::gpus_schema")]
    pub gpus: Vec<DeviceRequest>,
    /// Further groups of its user.
    #[serde(skip_serializing_if = "is_default")]
    pub group_add: Vec<Word>,
    /// All capabilities, all devices.
    #[serde(skip_serializing_if = "is_default")]
    pub privileged: bool,
    /// Keeps its standard input open.
    #[serde(skip_serializing_if = "is_default")]
    pub stdin_open: bool,
    /// Gives it a terminal.
    #[serde(skip_serializing_if = "is_default")]
    pub tty: bool,
    /// Options of the storage driver.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::plain_map_or_list")]
    #[schemars(schema_with = "form::map_or_list_schema")]
    pub storage_opt: BTreeMap<String, String>,
    /// How it is kept apart from others; only on Windows.
    #[serde(skip_serializing_if = "is_default")]
    pub isolation: Option<String>,
    /// Mounts the engine's socket, as `/var/run/docker.sock`.
    #[serde(skip_serializing_if = "is_default")]
    pub use_api_socket: bool,
    /// Processors, as `deploy.resources.limits.cpus`.
    #[serde(skip_serializing_if = "is_default")]
    pub cpus: Option<Cpus>,
    /// The processors that it runs on, as in `0-3` or `0,1`.
    #[serde(skip_serializing_if = "is_default")]
    pub cpuset: Option<String>,
    /// Its weight against others; 1024 is usual.
    #[serde(skip_serializing_if = "is_default")]
    pub cpu_shares: Option<Whole>,
    /// The period of the processor quota, in microseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub cpu_period: Option<Micros>,
    /// The processor time in each period, in microseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub cpu_quota: Option<Micros>,
    /// The real-time period, in microseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub cpu_rt_period: Option<Micros>,
    /// The real-time processor time in each period, in microseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub cpu_rt_runtime: Option<Micros>,
    /// Processors; only on Windows.
    #[serde(skip_serializing_if = "is_default")]
    pub cpu_count: Option<Whole>,
    /// A share of the processors; only on Windows.
    #[serde(skip_serializing_if = "is_default")]
    pub cpu_percent: Option<Whole>,
    /// Memory at most, as `deploy.resources.limits.memory`.
    #[serde(skip_serializing_if = "is_default")]
    pub mem_limit: Option<ByteSize>,
    /// Memory that it can count on, as `deploy.resources.reservations.memory`.
    #[serde(skip_serializing_if = "is_default")]
    pub mem_reservation: Option<ByteSize>,
    /// How readily its memory is swapped, from 0 to 100.
    #[serde(skip_serializing_if = "is_default")]
    pub mem_swappiness: Option<Whole>,
    /// Memory and swap together at most; `-1` is without end.
    #[serde(skip_serializing_if = "is_default")]
    pub memswap_limit: Option<SwapLimit>,
    /// It is not killed when memory runs out.
    #[serde(skip_serializing_if = "is_default")]
    pub oom_kill_disable: bool,
    /// How readily it is killed when memory runs out, from -1000 to 1000.
    #[serde(skip_serializing_if = "is_default")]
    pub oom_score_adj: Option<Whole>,
    /// Processes at most, as `deploy.resources.limits.pids`; -1 is without end.
    #[serde(skip_serializing_if = "is_default")]
    pub pids_limit: Option<Whole>,
    /// How it shares block devices.
    #[serde(skip_serializing_if = "is_default")]
    pub blkio_config: Blkio,
    /// Commands that run inside it after each start; it has started once they have succeeded.
    #[serde(skip_serializing_if = "is_default")]
    pub post_start: Vec<Hook>,
    /// Commands that run inside it before it is stopped.
    #[serde(skip_serializing_if = "is_default")]
    pub pre_stop: Vec<Hook>,
    /// Fields that others look after, as `deploy.replicas`, `image` or `environment.NAME`: a
    /// difference there is no change, and what runs stays as it is.
    #[serde(skip_serializing_if = "is_default")]
    pub ignore_changes: Vec<String>,
    /// How its data is saved before it is replaced or removed.
    #[serde(skip_serializing_if = "is_default")]
    pub snapshot: Option<SnapshotPolicy>,
}
