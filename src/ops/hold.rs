use std::sync::Arc;

use super::{Context, OpsError, Project, context::State, shared::Shared};
use crate::{
    diagnostic::Diagnostics,
    driver::{Clock, FailPoint, LockKeeper, fail_point},
    name::{DeploymentId, ProjectName},
    observed::UnfinishedDeployment,
    runtime::Runtimes,
    store::{Claim, EngineLock, LockOwner, ProjectLock, SqliteStore, Store as _, host_name, owner_life},
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
        };
        let Some((register, _)) = runtimes.lock_of(project).await? else { return Ok(hold) };
        let claim = Claim::new(project.clone(), deployment, message.cloned());
        let acquired = EngineLock::acquire(register, &claim, owner_life, now).await?;
        fail_point(FailPoint::LockTaken);
        let before = acquired.lock.number() - 1;
        hold.keeper = Some(LockKeeper::new(acquired.lock));
        // From here on nobody else writes: what is brought in now is all there is.
        if before > 0
            && state.store.seen_lock(project)? != Some(before)
            && let Some(shared) = Shared::of(state, runtimes, project)
        {
            match shared.pull_under_lock().await {
                Ok(has_news) => hold.has_news = has_news,
                Err(error) => {
                    hold.release_unseen().await;
                    return Err(error);
                }
            }
        }
        Ok(hold)
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
