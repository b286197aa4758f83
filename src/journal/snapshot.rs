use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    name::{DeploymentId, Digest, ProjectName, ServiceName, SnapshotId},
    plan::{RuntimeKind, Service},
    secret::Text,
    time::Timestamp,
};

/// Why a snapshot was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotReason {
    /// Someone asked for it.
    Manual,
    /// A deployment was about to put data at stake.
    BeforeDeployment,
    /// Data was about to be overwritten by that of another snapshot.
    BeforeRestore,
}

impl SnapshotReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::BeforeDeployment => "before_deployment",
            Self::BeforeRestore => "before_restore",
        }
    }
}

/// What a snapshot says of itself: its `snapshot.json`. Secrets in it are sealed, and so is what it
/// keeps of files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotRecord {
    pub version: u32,
    pub id: SnapshotId,
    pub project: ProjectName,
    /// The deployment that was in force.
    pub deployment: Option<DeploymentId>,
    pub created_at: Timestamp,
    /// `user@host`.
    pub author: String,
    pub message: Option<String>,
    pub reason: SnapshotReason,
    pub engine: String,
    pub services: BTreeMap<ServiceName, SavedService>,
    /// The contents of the plan's configs.
    pub configs: BTreeMap<String, Text>,
    /// Files of the host that are mounted into containers.
    pub files: Vec<SavedFile>,
    pub data: Vec<SavedData>,
}

impl SnapshotRecord {
    pub const VERSION: u32 = 1;

    /// Hands every text that may be secret to `visit`: to seal or open them.
    pub fn visit_texts(&mut self, visit: &mut dyn FnMut(&mut Text)) {
        self.services.values_mut().for_each(|saved| Arc::make_mut(&mut saved.spec).visit_texts(visit));
        self.configs.values_mut().for_each(&mut *visit);
        self.files.iter_mut().filter_map(|file| file.content.as_mut()).for_each(visit);
    }

    /// What the data in it takes.
    pub fn bytes(&self) -> u64 {
        self.data.iter().map(|data| data.bytes).sum()
    }
}

/// A service as it was: what it was made from, and what it ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedService {
    pub spec: Arc<Service>,
    /// Ids of images, which a tag holds, or digests of programs.
    pub contents: BTreeSet<String>,
}

/// A file of the host as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedFile {
    pub service: ServiceName,
    /// Absolute.
    pub path: String,
    pub mode: u32,
    pub bytes: u64,
    pub digest: Digest,
    /// In base64; `None` if it is too large to be kept.
    pub content: Option<Text>,
}

/// Data in a file of the snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedData {
    pub service: ServiceName,
    pub runtime: RuntimeKind,
    pub source: DataSource,
    /// Its path in the snapshot.
    pub file: String,
    pub bytes: u64,
    pub digest: Digest,
}

/// Where data comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum DataSource {
    /// All that a volume held: its name on the engine.
    Volume { name: String },
    /// What the service's `dump` wrote.
    Dump,
}

/// A snapshot as it lies there.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundSnapshot {
    pub id: SnapshotId,
    pub state: SnapshotState,
}

#[derive(Debug, Clone, PartialEq)]
pub enum SnapshotState {
    Whole(Box<SnapshotRecord>),
    /// It is being made, or was cut off.
    Unfinished,
    /// It cannot be used, or not all of it; why.
    Damaged {
        record: Option<Box<SnapshotRecord>>,
        problem: String,
    },
}

impl FoundSnapshot {
    /// What it says of itself, if that can be read.
    pub fn record(&self) -> Option<&SnapshotRecord> {
        match &self.state {
            SnapshotState::Whole(record) | SnapshotState::Damaged { record: Some(record), .. } => Some(record),
            SnapshotState::Unfinished | SnapshotState::Damaged { record: None, .. } => None,
        }
    }
}

/// What is being done to a project's data: kept while it is, so that a crash is noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataWork {
    pub version: u32,
    /// The name under which it holds the project's lock.
    pub id: SnapshotId,
    pub kind: DataWorkKind,
    /// What is made, or what is restored from.
    pub snapshot: SnapshotId,
    /// Where the data as it was before is, if it was saved.
    pub backup: Option<SnapshotId>,
    /// Services that are stopped meanwhile.
    pub stopped: BTreeSet<ServiceName>,
    pub begun_at: Timestamp,
    /// What is restored, and is not yet; all of the snapshot's data if nothing is said.
    #[serde(default)]
    pub pending: Option<Vec<DataPart>>,
    /// Whether files are written back, and are not yet.
    #[serde(default)]
    pub files: bool,
}

/// Data of one service, by where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataPart {
    pub service: ServiceName,
    pub source: DataSource,
}

impl DataWork {
    pub const VERSION: u32 = 2;

    /// Whether something may be neither what it was nor what it was to be.
    pub fn is_in_doubt(&self) -> bool {
        match self.kind {
            DataWorkKind::Create => false,
            DataWorkKind::Restore => self.files || self.pending.as_ref().is_none_or(|pending| !pending.is_empty()),
        }
    }

    /// Whether this data is still to be restored.
    pub fn is_pending(&self, data: &SavedData) -> bool {
        self.pending.as_ref().is_none_or(|pending| pending.iter().any(|part| part.is_of(data)))
    }

    /// Notes that this data is restored.
    pub fn note_restored(&mut self, data: &SavedData) {
        self.pending.iter_mut().for_each(|pending| pending.retain(|part| !part.is_of(data)));
    }
}

impl DataPart {
    pub fn of(data: &SavedData) -> Self {
        Self { service: data.service.clone(), source: data.source.clone() }
    }

    fn is_of(&self, data: &SavedData) -> bool {
        self.service == data.service && self.source == data.source
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataWorkKind {
    Create,
    Restore,
}
