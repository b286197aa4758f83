use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ByteSize, CommandLine, Healthcheck, Interval, is_default};
use crate::secret::Text;

/// What a check's failure means for the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Importance {
    /// The service has failed.
    #[default]
    Critical,
    /// It is reported.
    Warning,
}

/// A health question, and how often and how patiently it is asked.
///
/// While an instance has not been ready yet, probes follow each other quickly (from 10 ms up to
/// `interval`); it has `start_period` plus `retries` × `interval` to become ready. From then on
/// `failure_threshold` failed probes in a row make it unhealthy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "CheckDocument", into = "CheckDocument")]
pub struct Check {
    pub name: Option<String>,
    pub kind: CheckKind,
    pub interval: Interval,
    pub timeout: Interval,
    pub retries: u32,
    pub start_period: Interval,
    pub success_threshold: u32,
    pub failure_threshold: u32,
    pub severity: Importance,
    pub tags: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum CheckKind {
    Http(HttpCheck),
    Tcp(TcpCheck),
    Command(CommandCheck),
    File(FileCheck),
    Log(LogCheck),
    /// What the engine's own healthcheck says.
    Engine,
}

/// An HTTP request, and what its answer has to be.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HttpCheck {
    /// The port that the service listens on, inside the container.
    pub port: u16,
    /// The path, with its query.
    #[serde(default = "root", skip_serializing_if = "is_root")]
    #[schemars(default = "root")]
    pub path: Text,
    #[serde(default = "get", skip_serializing_if = "is_get")]
    #[schemars(default = "get")]
    pub method: String,
    /// Request headers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub headers: BTreeMap<String, Text>,
    /// Statuses that are accepted; any from 200 to 399 if none are named.
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: BTreeSet<u16>,
    /// A text that has to be in the answer's body.
    #[serde(default, skip_serializing_if = "is_default")]
    pub body: Option<Text>,
    /// JSON paths (RFC 9535) into the body, and the value that each has to have.
    #[serde(default, skip_serializing_if = "is_default")]
    pub json: BTreeMap<String, serde_json::Value>,
    /// Headers that the answer has to have, each with a text that has to be in it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub response_headers: BTreeMap<String, String>,
}

fn root() -> Text {
    "/".into()
}

fn is_root(path: &Text) -> bool {
    *path == root()
}

fn get() -> String {
    "GET".to_owned()
}

fn is_get(method: &String) -> bool {
    method == "GET"
}

/// A port that has to accept a connection.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TcpCheck {
    /// The port that the service listens on, inside the container.
    pub port: u16,
}

/// A command that has to exit with 0: inside the container, or on the host for a process.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "CommandCheckDocument", into = "CommandLine")]
pub struct CommandCheck {
    pub command: CommandLine,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
struct CommandCheckDocument(CommandLine);

impl From<CommandCheckDocument> for CommandCheck {
    fn from(document: CommandCheckDocument) -> Self {
        Self { command: document.0 }
    }
}

impl From<CommandCheck> for CommandLine {
    fn from(check: CommandCheck) -> CommandLine {
        check.command
    }
}

/// What has to be true of a file on the host.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct FileCheck {
    /// The path on the host; a relative one starts at the directory of the file that names it.
    pub path: String,
    /// Whether it has to exist (the default) or must not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// The longest time since it was last changed.
    #[serde(skip_serializing_if = "is_default")]
    pub max_age: Option<Interval>,
    #[serde(skip_serializing_if = "is_default")]
    pub min_size: Option<ByteSize>,
    #[serde(skip_serializing_if = "is_default")]
    pub max_size: Option<ByteSize>,
    /// A text that has to be in its first megabyte.
    #[serde(skip_serializing_if = "is_default")]
    pub contains: Option<Text>,
    /// The free space that its file system has to have.
    #[serde(skip_serializing_if = "is_default")]
    pub min_free: Option<ByteSize>,
}

/// A line that the instance has to have written since it started.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct LogCheck {
    /// A regular expression that a line has to match.
    #[schemars(extend("format" = "regex"))]
    pub matches: String,
}

impl Check {
    /// The healthcheck of an image. The engine itself says when it has failed: the image may give it
    /// any time to start.
    pub fn inherited() -> Self {
        let start_period = Some(Interval::from_millis(15 * 60 * 1000));
        Self::of(CheckKind::Engine, &Healthcheck { start_period, ..Healthcheck::default() })
    }

    /// A check of this kind with the timing of an engine's healthcheck.
    pub(super) fn of(kind: CheckKind, healthcheck: &Healthcheck) -> Self {
        let defaults = CheckDocument::default();
        Self {
            name: None,
            kind,
            interval: healthcheck.interval.unwrap_or(Healthcheck::INTERVAL),
            timeout: healthcheck.timeout.unwrap_or(Healthcheck::TIMEOUT),
            retries: healthcheck.retries.unwrap_or(Healthcheck::RETRIES),
            start_period: healthcheck.start_period.unwrap_or_default(),
            success_threshold: defaults.success_threshold,
            failure_threshold: defaults.failure_threshold,
            severity: Importance::Critical,
            tags: BTreeSet::new(),
        }
    }

    /// What to call it: its name, or what it does (`http :8000/health`).
    pub fn label(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        match &self.kind {
            CheckKind::Http(http) => format!("http :{}{}", http.port, http.path),
            CheckKind::Tcp(tcp) => format!("tcp :{}", tcp.port),
            CheckKind::Command(command) => format!("command `{}`", command.command),
            CheckKind::File(file) => format!("file `{}`", file.path),
            CheckKind::Log(log) => format!("log `{}`", log.matches),
            CheckKind::Engine => "healthcheck".to_owned(),
        }
    }

    pub fn visit_texts(&mut self, visit: &mut dyn FnMut(&mut Text)) {
        match &mut self.kind {
            CheckKind::Http(http) => {
                visit(&mut http.path);
                http.headers.values_mut().for_each(&mut *visit);
                http.body.iter_mut().for_each(visit);
            }
            CheckKind::Command(command) => command.command.0.iter_mut().for_each(visit),
            CheckKind::File(file) => file.contains.iter_mut().for_each(visit),
            CheckKind::Tcp(_) | CheckKind::Log(_) | CheckKind::Engine => {}
        }
    }
}

/// A check as it is written: exactly one of `http`, `tcp`, `command`, `file`, `log` and `use`.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
#[schemars(rename = "Check")]
struct CheckDocument {
    /// What to call it in messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The name of one of the plan's `checks`; what is written here is put over it.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<HttpCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp: Option<TcpCheck>,
    /// A command that has to exit with 0: inside the container, or on the host for a process.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<CommandCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<FileCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<LogCheck>,
    /// The longest time between two probes.
    interval: Interval,
    /// How long one probe may take.
    timeout: Interval,
    /// With `interval`, how long it may take to become ready once `start_period` is over.
    retries: u32,
    /// Time to start up in which failures do not count.
    start_period: Interval,
    /// Probes in a row that have to pass.
    success_threshold: u32,
    /// Probes in a row that have to fail before what was ready is unhealthy.
    failure_threshold: u32,
    /// `critical` fails the service, `warning` is reported.
    severity: Importance,
    /// Words to pick checks by.
    tags: BTreeSet<String>,
}

impl Default for CheckDocument {
    fn default() -> Self {
        Self {
            name: None,
            reference: None,
            http: None,
            tcp: None,
            command: None,
            file: None,
            log: None,
            interval: Interval::from_millis(10_000),
            timeout: Interval::from_millis(5_000),
            retries: 3,
            start_period: Interval::default(),
            success_threshold: 1,
            failure_threshold: 3,
            severity: Importance::Critical,
            tags: BTreeSet::new(),
        }
    }
}

impl TryFrom<CheckDocument> for Check {
    type Error = &'static str;

    fn try_from(document: CheckDocument) -> Result<Self, &'static str> {
        let kinds = [
            document.http.map(CheckKind::Http),
            document.tcp.map(CheckKind::Tcp),
            document.command.map(CheckKind::Command),
            document.file.map(CheckKind::File),
            document.log.map(CheckKind::Log),
        ];
        let mut kinds = kinds.into_iter().flatten();
        let (Some(kind), None) = (kinds.next(), kinds.next()) else {
            return Err("a check is exactly one of `http`, `tcp`, `command`, `file` and `log`");
        };
        Ok(Self {
            name: document.name,
            kind,
            interval: document.interval,
            timeout: document.timeout,
            retries: document.retries,
            start_period: document.start_period,
            success_threshold: document.success_threshold.max(1),
            failure_threshold: document.failure_threshold.max(1),
            severity: document.severity,
            tags: document.tags,
        })
    }
}

impl From<Check> for CheckDocument {
    fn from(check: Check) -> Self {
        let mut document = Self {
            name: check.name,
            interval: check.interval,
            timeout: check.timeout,
            retries: check.retries,
            start_period: check.start_period,
            success_threshold: check.success_threshold,
            failure_threshold: check.failure_threshold,
            severity: check.severity,
            tags: check.tags,
            ..Self::default()
        };
        match check.kind {
            CheckKind::Http(http) => document.http = Some(http),
            CheckKind::Tcp(tcp) => document.tcp = Some(tcp),
            CheckKind::Command(command) => document.command = Some(command),
            CheckKind::File(file) => document.file = Some(file),
            CheckKind::Log(log) => document.log = Some(log),
            CheckKind::Engine => {}
        }
        document
    }
}
