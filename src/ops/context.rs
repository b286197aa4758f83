use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use tokio_util::sync::CancellationToken;

use super::OpsError;
use crate::{
    plan::{RuntimeKind, TargetDocument},
    runtime::{
        Runtime, Runtimes,
        docker::{Docker, Patience, resolve_host},
        process::Processes,
    },
    secret::Sealer,
    store::{SqliteStore, StateDirectory},
};

/// The process's surroundings, as use cases see them.
#[derive(Debug, Clone)]
pub struct Context {
    /// The process environment.
    pub env: Arc<BTreeMap<String, String>>,
    /// Absolute.
    pub working_directory: PathBuf,
    /// `--host`.
    pub host: Option<String>,
    /// How long a Docker Engine is waited for.
    pub patience: Patience,
    /// Cancelled when someone wants what is under way to stop and go back.
    pub interrupt: CancellationToken,
}

/// The state that outlives a run.
pub(super) struct State {
    pub directory: StateDirectory,
    pub store: Arc<SqliteStore>,
    pub key: [u8; 32],
}

impl State {
    pub fn sealer(&self) -> Sealer {
        Sealer::new(self.key)
    }
}

impl Context {
    /// The surroundings of this process.
    ///
    /// # Errors
    /// If the working directory is gone.
    pub fn of_process() -> std::io::Result<Self> {
        let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
        Ok(Self {
            env: Arc::new(std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()),
            working_directory: std::env::current_dir()?,
            host: None,
            patience: Patience::default(),
            interrupt: CancellationToken::new(),
        })
    }

    pub(super) fn state(&self) -> Result<State, OpsError> {
        let directory = StateDirectory::open(&self.env)?;
        let store = Arc::new(directory.store()?);
        let key = directory.sealing_key()?;
        Ok(State { directory, store, key })
    }

    /// The runtimes that are needed. An engine is only looked for if one is.
    pub(super) fn runtimes(
        &self,
        state: &State,
        target: &TargetDocument,
        needed: &BTreeSet<RuntimeKind>,
    ) -> Result<Runtimes, OpsError> {
        let docker = match needed.contains(&RuntimeKind::Docker) {
            true => {
                let address = resolve_host(self.host.as_deref(), target.host.as_deref(), &self.env)?;
                Some(Arc::new(Docker::with_patience(address, self.patience.clone())) as Arc<dyn Runtime>)
            }
            false => None,
        };
        let processes = Processes::new(state.directory.path().to_owned(), state.key);
        Ok(Runtimes { docker, process: Arc::new(processes) })
    }
}
