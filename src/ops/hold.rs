use std::sync::Arc;

use super::{Context, OpsError, Project, context::State, shared::Shared};
use crate::{
    diagnostic::Diagnostics,
    driver::{Clock, FailPoint, LockKeeper, fail_point},
    name::{DeploymentId, ProjectName},
    observed::UnfinishedDeployment,
    runtime::Runtimes,
    store::{Claim, EngineLock, LOOK, LockOwner, ProjectLock, SqliteStore, Store as _, host_name, owner_life},
};

/// A project's lock, taken: on this host always, and on its engine if it has one. It has to be
/// [released](Self::release); if it never is, it goes with this process.
pub(super) struct Hold {
    _local: ProjectLock,
    project: ProjectName,
    deployment: DeploymentId,
    store: Arc<SqliteStore>,
    pub keeper: Option<LockKeeper>,
    /// Something was brought in when the lock was taken: what was read of the state before is old.
    pub has_news: bool,
    /// There was no record before it, or all were removed, and with them what they said.
    pub is_first: bool,
}

impl Hold {
    /// Takes the lock, without waiting.
    ///
    /// # Errors
    /// If someone else holds it, or an engine that is needed cannot be asked.
    pub async fn take(
        state: &State,
        runtimes: &Runtimes,
        project: &ProjectName,
        deployment: DeploymentId,
        message: Option<&String>,
    ) -> Result<Self, OpsError> {
        let now = Clock::start().now();
        let owner =
            LockOwner { pid: std::process::id(), host: host_name(), since: now, deployment, message: message.cloned() };
        fail_point(FailPoint::BeforeLock);
        let local = state.directory.lock(project, &owner)?;
        fail_point(FailPoint::HostLockTaken);
        // Damage is found before anything is changed that only the state would know of.
        state.store.check()?;
        let mut hold = Self {
            _local: local,
            project: project.clone(),
            deployment,
            store: state.store.clone(),
            keeper: None,
            has_news: false,
            is_first: false,
        };
        let Some((register, _)) = runtimes.lock_of(project).await? else { return Ok(hold) };
        let claim = Claim::new(project.clone(), deployment, message.cloned());
        let acquired = EngineLock::acquire(register, &claim, owner_life, now).await?;
        fail_point(FailPoint::LockTaken);
        let before = acquired.lock.number() - 1;
        hold.is_first = before == 0;
        hold.keeper = Some(LockKeeper::new(acquired.lock));
        match hold.bring_in(state, runtimes, before).await {
            Ok(has_news) => Ok(Self { has_news, ..hold }),
            Err(error) => {
                hold.release_unseen().await;
                Err(error)
            }
        }
    }

    /// Brings in what others have written since the record of this number. From here on nobody else
    /// writes: it is all there is.
    async fn bring_in(&self, state: &State, runtimes: &Runtimes, before: u64) -> Result<bool, OpsError> {
        let Some(shared) = Shared::of(state, runtimes, &self.project) else { return Ok(false) };
        if before == 0 && shared.is_there().await? {
            self.outwait().await?;
        } else if before == 0 || state.store.seen_lock(&self.project)? == Some(before) {
            return Ok(false);
        }
        shared.pull_under_lock().await
    }

    /// The first record of a project that is no new one: all others were removed, perhaps from under an
    /// owner, who notices when it next acts under the lock, or has shown itself by then.
    async fn outwait(&self) -> Result<(), OpsError> {
        let Some(keeper) = &self.keeper else { return Ok(()) };
        tokio::time::sleep(LOOK + LOOK / 5).await;
        Ok(keeper.begin_anew().await?)
    }

    /// Takes the lock of a project that is looked after without a plan.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub async fn of_project(
        context: &Context,
        project: &Project,
        deployment: DeploymentId,
        message: Option<&String>,
    ) -> Result<(Self, Runtimes), OpsError> {
        let known = project.plan(&mut Diagnostics::new());
        let runtimes = project.runtimes(context, &project.needed(&known))?;
        let hold = Self::take(&project.state, &runtimes, &project.name, deployment, message).await?;
        Ok((hold, runtimes))
    }

    /// Deployments whose owners ended in the middle of them, as the engine knows.
    pub async fn unfinished(&self) -> Vec<UnfinishedDeployment> {
        match &self.keeper {
            Some(keeper) => keeper.unfinished().await,
            None => Vec::new(),
        }
    }

    /// Notes that one of them has been put right.
    pub async fn settle(&self, deployment: DeploymentId) {
        if let Some(keeper) = &self.keeper {
            keeper.settle(deployment).await;
        }
    }

    /// Notes that data is about to be overwritten, for other hosts.
    ///
    /// # Errors
    /// If the lock is another's, or the engine fails: then nothing may be overwritten.
    pub async fn mark_restoring(&self) -> Result<(), OpsError> {
        match &self.keeper {
            Some(keeper) => Ok(keeper.mark_restoring().await?),
            None => Ok(()),
        }
    }

    /// Notes that it is whole.
    ///
    /// # Errors
    /// As [`mark_restoring`](Self::mark_restoring): then it counts as half restored.
    pub async fn mark_restored(&self) -> Result<(), OpsError> {
        match &self.keeper {
            Some(keeper) => Ok(keeper.mark_restored().await?),
            None => Ok(()),
        }
    }

    /// Gives the lock back. Where that fails it goes with this process: that is no reason to call
    /// what was done a failure.
    pub async fn release(self) {
        fail_point(FailPoint::BeforeRelease);
        let Some(keeper) = self.keeper else { return };
        // A deployment that was cut off is left to the next owner. What cannot be told is one.
        let is_over = match self.store.deployment(self.deployment) {
            Ok(record) => record.is_none_or(|record| record.outcome.is_some()),
            Err(_) => false,
        };
        let given_back = if is_over { keeper.release().await } else { keeper.leave().await };
        fail_point(FailPoint::AfterRelease);
        if let Ok(number) = given_back {
            // Else the engine is asked once more than it had to be.
            drop(self.store.note_seen_lock(&self.project, number));
        }
    }

    /// Gives the lock back in the middle of what it was taken for, which is left written down.
    pub async fn leave(self) {
        let Some(keeper) = self.keeper else { return };
        if let Ok(number) = keeper.leave().await {
            drop(self.store.note_seen_lock(&self.project, number));
        }
    }

    async fn release_unseen(self) {
        if let Some(keeper) = self.keeper {
            drop(keeper.release().await);
        }
    }
}
