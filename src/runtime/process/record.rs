use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::directory::{Directory, Durability};
use crate::{
    name::Digest,
    observed::Identity,
    plan::{Interval, Port, RestartPolicy},
    secret::{Salt, SealError, Sealer, Text},
};

/// The version of `instance.json` that is written.
const VERSION: u32 = 1;
pub(super) const RECORD_FILE: &str = "instance.json";

/// What an instance is: the content of its `instance.json`. Secrets in it are sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    version: u32,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) identity: Identity,
    pub(super) restart: RestartPolicy,
    pub(super) program: Program,
    pub(super) launch: Launch,
    pub(super) ports: Vec<Port>,
    pub(super) document: serde_json::Value,
    pub(super) salt: Salt,
}

/// The executable that an instance runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "program")]
pub(super) enum Program {
    /// It was not there when the instance was made: a job that runs before may make it.
    Awaited,
    /// As it was when the instance was made. What is there at the first start is run, since a job
    /// that runs before may make it anew.
    Found { path: PathBuf, digest: Digest },
    /// This content and no other is run, from its copy if the original has changed.
    Pinned { path: PathBuf, digest: Digest },
}

/// How an instance is started.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Launch {
    /// The program as it is written, and its arguments.
    pub(super) command: Vec<Text>,
    /// The whole environment.
    pub(super) environment: BTreeMap<String, Text>,
    /// Absolute.
    pub(super) working_dir: PathBuf,
    pub(super) user: Option<String>,
    /// A signal's number.
    pub(super) stop_signal: i32,
    pub(super) stop_grace: Interval,
    pub(super) log: LogLimits,
}

/// How much of an instance's output is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogLimits {
    /// Of one file.
    pub(super) max_bytes: u64,
    /// With the one that is being written.
    pub(super) max_files: u32,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { max_bytes: 10 << 20, max_files: 3 }
    }
}

/// Why an `instance.json` cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("it is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    #[error("it was written by another version ({found}, this one knows {VERSION})")]
    Version { found: u32 },
}

/// What a new record says of itself.
pub(super) struct RecordParts {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) identity: Identity,
    pub(super) restart: RestartPolicy,
    pub(super) program: Program,
    pub(super) launch: Launch,
    pub(super) ports: Vec<Port>,
    pub(super) document: serde_json::Value,
    pub(super) salt: Salt,
}

impl Record {
    /// A record of these parts; the launch's secrets are sealed.
    pub(super) fn new(parts: RecordParts, sealer: &Sealer) -> Self {
        let RecordParts { id, name, identity, restart, program, mut launch, ports, document, salt } = parts;
        launch.texts_mut().for_each(|text| text.seal(sealer));
        Self { version: VERSION, id, name, identity, restart, program, launch, ports, document, salt }
    }

    pub(super) fn read(directory: &Directory) -> Result<Self, RecordError> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let content = directory.read(RECORD_FILE)?;
        let head: Head = serde_json::from_slice(&content)?;
        match head.version {
            VERSION => Ok(serde_json::from_slice(&content)?),
            found => Err(RecordError::Version { found }),
        }
    }

    pub(super) fn write(&self, directory: &Directory) -> std::io::Result<()> {
        let content = serde_json::to_vec_pretty(self).expect("a record has only string keys");
        directory.write(RECORD_FILE, &content, Durability::Whole)
    }

    /// The digest of what it runs, as far as that is known.
    pub(super) fn digest(&self) -> Option<&Digest> {
        match &self.program {
            Program::Awaited => None,
            Program::Found { digest, .. } | Program::Pinned { digest, .. } => Some(digest),
        }
    }
}

impl Launch {
    /// The launch with its secrets in the clear, for the start that needs them.
    pub(super) fn opened(&self, sealer: &Sealer) -> Result<Self, SealError> {
        let mut launch = self.clone();
        launch.texts_mut().try_for_each(|text| text.open(sealer))?;
        Ok(launch)
    }

    fn texts_mut(&mut self) -> impl Iterator<Item = &mut Text> {
        self.command.iter_mut().chain(self.environment.values_mut())
    }
}
