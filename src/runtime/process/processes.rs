use std::{path::PathBuf, sync::Arc};

use super::{executable::Executables, registry::Registry};
use crate::secret::Sealer;

/// The processes of this host that were started from one state directory.
#[derive(Clone)]
pub struct Processes {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) registry: Registry,
    pub(super) executables: Executables,
    pub(super) sealer: Sealer,
    pub(super) supervisor: PathBuf,
}

/// This program itself, by its content: still there when its file has been replaced.
const THIS_PROGRAM: &str = "/proc/self/exe";

impl Processes {
    /// The processes below this directory, which is made when the first one is; `key` seals the
    /// secrets that they need to be started again.
    ///
    /// The supervisor is this program, so its `main` has to begin with
    /// [`supervise_if_asked`](super::supervise_if_asked).
    pub fn new(state_dir: PathBuf, key: [u8; 32]) -> Self {
        Self::with_supervisor(state_dir, key, PathBuf::from(THIS_PROGRAM))
    }

    /// [`new`](Self::new), with another program as the supervisor, such as `orchestrate` itself.
    pub fn with_supervisor(state_dir: PathBuf, key: [u8; 32], supervisor: PathBuf) -> Self {
        // Supervisors work in another directory; a relative path would mean another one there.
        let state_dir = std::path::absolute(&state_dir).unwrap_or(state_dir);
        let shared = Shared {
            registry: Registry::new(state_dir),
            executables: Executables::default(),
            sealer: Sealer::new(key),
            supervisor,
        };
        Self { shared: Arc::new(shared) }
    }
}
