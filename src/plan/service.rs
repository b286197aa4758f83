use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    ByteSize, Check, CheckKind, CommandLine, Dependency, Deploy, EnvFile, ExposedPort, FileReference, Healthcheck,
    ImageReference, Interval, Mount, NetworkAttachment, Port, RestartPolicy, SnapshotPolicy, Tmpfs,
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
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::colon_map_or_list")]
    #[schemars(schema_with = "form::map_or_list_schema")]
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
    /// How its data is saved before it is replaced or removed.
    #[serde(skip_serializing_if = "is_default")]
    pub snapshot: Option<SnapshotPolicy>,
}

impl Service {
    /// What runs it: `load` refuses a service for which this would be a guess.
    pub fn runtime(&self) -> RuntimeKind {
        self.runtime.unwrap_or(RuntimeKind::Docker)
    }

    pub fn is_job(&self) -> bool {
        self.kind == Kind::Job
    }

    /// How many instances there are to be.
    pub fn replicas(&self) -> u32 {
        self.deploy.replicas.unwrap_or(1)
    }

    /// The policy that is in force: a job is never restarted unless it says so.
    pub fn restart_policy(&self) -> RestartPolicy {
        self.restart.unwrap_or(RestartPolicy::No)
    }

    /// The program that it runs, if it is a process.
    pub fn program(&self) -> Option<Program> {
        let is_process = self.runtime() == RuntimeKind::Process;
        let word = self.command.as_ref().filter(|_| is_process)?.0.first()?.expose().to_owned();
        let path = self.environment.get("PATH").and_then(|path| path.as_ref().map(|path| path.expose().to_owned()));
        Some(Program { word, working_dir: self.working_dir.clone(), path })
    }

    /// How long it may take to stop before it is killed.
    pub fn stop_grace(&self) -> Interval {
        self.stop_grace_period.unwrap_or(Interval::from_millis(10_000))
    }

    /// The checks that gate it: its own, and its healthcheck as one of them.
    pub fn gating_checks(&self) -> Vec<Check> {
        let engine = self.healthcheck.as_ref().filter(|healthcheck| !healthcheck.disable).map(|healthcheck| match self
            .runtime()
        {
            RuntimeKind::Docker => Check::of(CheckKind::Engine, healthcheck),
            RuntimeKind::Process => Check::of(CheckKind::Command(healthcheck.as_command()), healthcheck),
        });
        engine.into_iter().chain(self.checks.iter().cloned()).collect()
    }

    /// Hands every text that may be secret to `visit`: to seal, open or fingerprint them.
    pub fn visit_texts(&mut self, visit: &mut dyn FnMut(&mut Text)) {
        let lines = [&mut self.command, &mut self.entrypoint].into_iter().flatten();
        lines.flat_map(|line| line.0.iter_mut()).for_each(&mut *visit);
        self.environment.values_mut().flatten().for_each(&mut *visit);
        self.healthcheck.iter_mut().flat_map(|healthcheck| healthcheck.test.iter_mut()).for_each(&mut *visit);
        self.checks.iter_mut().for_each(|check| check.visit_texts(visit));
        self.snapshot.iter_mut().for_each(|snapshot| snapshot.visit_texts(visit));
        let files = self.configs.iter_mut().chain(&mut self.secrets);
        files.filter_map(|file| file.digest.as_mut()).for_each(visit);
    }
}
