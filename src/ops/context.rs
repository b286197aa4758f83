use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use tokio_util::sync::CancellationToken;

use super::{OpsError, past::Past};
use crate::{
    name::ProjectName,
    observed::Fault,
    plan::{RuntimeKind, TargetDocument},
    runtime::{
        ContainerEngine, Runtime, Runtimes,
        docker::{Docker, Logins, Patience, resolve_host},
        process::{Processes, own_name},
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

    /// Who does what is done: `user@host`.
    pub(super) fn author(&self) -> String {
        let said = ["USER", "LOGNAME"].into_iter().find_map(|name| self.env.get(name).filter(|user| !user.is_empty()));
        let user = said.cloned().or_else(own_name);
        format!("{}@{}", user.as_deref().unwrap_or("unknown"), crate::store::host_name())
    }

    pub(super) fn state(&self) -> Result<State, OpsError> {
        let directory = StateDirectory::open(&self.env)?;
        let store = Arc::new(directory.store()?);
        let key = directory.sealing_key()?;
        Ok(State { directory, store, key })
    }

    /// The runtimes that may hold something of a project: those that its plan needs, and those
    /// that its last deployment used. An engine is only looked for if it is one of them.
    pub(super) fn runtimes(
        &self,
        state: &State,
        project: &ProjectName,
        target: &TargetDocument,
        needed: &BTreeSet<RuntimeKind>,
    ) -> Result<Runtimes, OpsError> {
        let (docker, missing_engine) = match needed.contains(&RuntimeKind::Docker) {
            true => (Some(self.engine_of(project, target, target.host.as_deref())?), None),
            false => match Past::of(state, project)? {
                Past { runtimes, target: past } if runtimes.contains(&RuntimeKind::Docker) => {
                    match self.engine_of(project, target, target.host.as_deref().or(past.host.as_deref())) {
                        Ok(docker) => (Some(docker), None),
                        Err(fault) => (None, Some(fault)),
                    }
                }
                Past { .. } => (None, None),
            },
        };
        let is_engine_needed = needed.contains(&RuntimeKind::Docker);
        Ok(Runtimes {
            docker,
            is_engine_needed,
            missing_engine,
            process: self.processes(state),
            moves: Default::default(),
            sees_forgotten: false,
        })
    }

    /// All runtimes, for a project of which nothing is known.
    pub(super) fn all_runtimes(&self, state: &State) -> Result<Runtimes, OpsError> {
        let (docker, missing_engine) = match self.engine(None) {
            Ok(docker) => (Some(docker), None),
            Err(fault) => (None, Some(fault)),
        };
        Ok(Runtimes {
            docker,
            is_engine_needed: false,
            missing_engine,
            process: self.processes(state),
            moves: Default::default(),
            sees_forgotten: false,
        })
    }

    /// The engine that is meant, given what the plan's environment names.
    pub(super) fn engine(&self, target: Option<&str>) -> Result<Arc<dyn ContainerEngine>, Fault> {
        Ok(Arc::new(self.docker(target)?))
    }

    fn docker(&self, target: Option<&str>) -> Result<Docker, Fault> {
        let address = resolve_host(self.host.as_deref(), target, &self.env)?;
        let logins = Logins::of(self.env.clone());
        Ok(Docker::with_patience(address, self.patience.clone()).with_logins(logins))
    }

    /// The engine of a project, with what Compose made there if that is the project's.
    fn engine_of(
        &self,
        project: &ProjectName,
        target: &TargetDocument,
        host: Option<&str>,
    ) -> Result<Arc<dyn ContainerEngine>, Fault> {
        let docker = self.docker(host)?;
        Ok(Arc::new(if target.adopts { docker.adopting(project.clone()) } else { docker }))
    }

    fn processes(&self, state: &State) -> Arc<dyn Runtime> {
        Arc::new(Processes::new(state.directory.path().to_owned(), state.key))
    }
}
