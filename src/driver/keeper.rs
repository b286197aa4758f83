use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{sync::Mutex, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    name::DeploymentId,
    observed::UnfinishedDeployment,
    store::{EngineLock, EngineLockError},
    time::Timestamp,
};

/// How often it is looked whether the lease has to be extended: far more often than one runs out.
const ROUND: Duration = Duration::from_secs(10);

/// Keeps a project's lock on its engine while it is used: extends its lease in the background, and
/// tells when it is lost.
///
/// Leases are measured by the wall clock, which goes on while a host sleeps.
pub struct LockKeeper {
    lock: Arc<Mutex<EngineLock>>,
    /// Cancelled once the lock is another's.
    lost: CancellationToken,
    rounds: JoinHandle<()>,
}

impl LockKeeper {
    /// Has to be called on a tokio runtime.
    pub fn new(lock: EngineLock) -> Self {
        let (lock, lost) = (Arc::new(Mutex::new(lock)), CancellationToken::new());
        let rounds = tokio::spawn(make_rounds(lock.clone(), lost.clone()));
        Self { lock, lost, rounds }
    }

    /// Ends when the lock is another's.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Makes sure that the lock is still ours, where that is in doubt.
    ///
    /// # Errors
    /// If it is not, or cannot be told.
    pub async fn before_acting(&self) -> Result<(), EngineLockError> {
        self.lock.lock().await.confirm(now()).await
    }

    /// Goes on with a register whose records were all removed.
    ///
    /// # Errors
    /// If the lock is another's, or the engine fails.
    pub async fn begin_anew(&self) -> Result<(), EngineLockError> {
        self.lock.lock().await.begin_anew(now()).await
    }

    /// Writes down that the commit point is reached: whoever takes the lock over from now on
    /// finishes the cleanup.
    ///
    /// # Errors
    /// If the lock is another's, or the engine fails: then it is not known whether it was written.
    pub async fn mark_committed(&self, deployment: DeploymentId) -> Result<(), EngineLockError> {
        self.lock.lock().await.mark_committed(deployment, now()).await
    }

    /// Writes down that data is about to be overwritten: nobody builds on it until it is whole.
    ///
    /// # Errors
    /// As [`mark_committed`](Self::mark_committed).
    pub async fn mark_restoring(&self) -> Result<(), EngineLockError> {
        self.lock.lock().await.mark_restoring(now()).await
    }

    /// Writes down that it is whole.
    ///
    /// # Errors
    /// As [`mark_committed`](Self::mark_committed).
    pub async fn mark_restored(&self) -> Result<(), EngineLockError> {
        self.lock.lock().await.mark_restored(now()).await
    }

    /// Which deployments of earlier owners are to be put right.
    pub async fn unfinished(&self) -> Vec<UnfinishedDeployment> {
        self.lock.lock().await.unfinished().to_vec()
    }

    /// Notes that one of them has been put right.
    pub async fn settle(&self, deployment: DeploymentId) {
        self.lock.lock().await.settle(deployment);
    }

    /// The lock itself, for who needs it as proof.
    pub async fn lock(&self) -> tokio::sync::MutexGuard<'_, EngineLock> {
        self.lock.lock().await
    }

    /// Gives it back. Answers the number of the record that says so.
    ///
    /// # Errors
    /// If the engine fails: then the lock goes with this process.
    pub async fn release(self) -> Result<u64, EngineLockError> {
        self.into_lock().await.release(now()).await
    }

    /// Gives it back in the middle of its deployment, which is left to the next owner. Answers as
    /// [`release`](Self::release).
    ///
    /// # Errors
    /// As there.
    pub async fn leave(self) -> Result<u64, EngineLockError> {
        self.into_lock().await.leave(now()).await
    }

    async fn into_lock(self) -> EngineLock {
        self.rounds.abort();
        let Self { lock, rounds, .. } = self;
        drop(rounds.await);
        match Arc::try_unwrap(lock) {
            Ok(lock) => lock.into_inner(),
            Err(_) => unreachable!("the rounds have ended, and nobody else has it"),
        }
    }
}

async fn make_rounds(lock: Arc<Mutex<EngineLock>>, lost: CancellationToken) {
    loop {
        tokio::time::sleep(ROUND).await;
        let mut lock = lock.lock().await;
        if !lock.needs_extending(now()) {
            continue;
        }
        // An engine that fails now is asked again in the next round; the lease goes on meanwhile.
        if let Err(EngineLockError::Lost { .. }) = lock.extend(now()).await {
            lost.cancel();
            return;
        }
    }
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH + since_epoch
}
