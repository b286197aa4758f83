use std::time::Duration;

use super::{
    Claim, EngineLockError, LEASE, LockHolder, OwnerLife,
    engine_lock::{TRIES, is_worth_a_look, put_from},
};
use crate::{
    name::ProjectName,
    observed::{Fault, LockProcess, LockRecord, LockState, Reached, TopRecord, UnfinishedDeployment},
    runtime::LockRegister,
    time::Timestamp,
};

/// What a register's highest record means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Free,
    /// By an owner who lives, or may live.
    Held,
    /// By an owner whose process has ended: the next one takes it over.
    OwnerEnded,
    /// By an owner who has not been heard of for longer than a lease.
    Expired,
    /// By nobody knows whom.
    Unreadable,
}

/// The highest record, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockStatus {
    pub top: TopRecord,
    pub standing: Standing,
}

/// Whether a lock is only given back where its owner is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseMode {
    IfAbandoned,
    /// Someone has seen to it that nobody deploys.
    Force,
}

/// Engines say when a record was made in whole seconds.
const CLOCK_GRAIN: Duration = Duration::from_secs(1);

/// A highest record that was judged.
pub(super) struct Judged {
    pub top: TopRecord,
    pub standing: Standing,
    pub life: OwnerLife,
    /// How long ago the record was written.
    pub written: Duration,
}

/// Whose a project's lock is; `None` if it was never taken. Changes nothing.
///
/// # Errors
/// If the register cannot be read.
pub async fn lock_status(
    register: &dyn LockRegister,
    project: &ProjectName,
    owner_life: impl Fn(&LockProcess) -> OwnerLife + Send + Sync,
) -> Result<Option<LockStatus>, Fault> {
    let judged = judge(register, register.top(project).await?, owner_life).await?;
    Ok(judged.map(|Judged { top, standing, .. }| LockStatus { top, standing }))
}

/// Gives back a lock that is not the caller's. What its owner leaves unfinished stays written down
/// for the next owner; by `Force` all but data that was being overwritten, which is called good so.
/// Answers whose it was; `None` if it was free, or nobody knows.
///
/// # Errors
/// `Held` or `Unreadable` if that is so and it is not forced; a fault if the engine fails.
pub async fn release_by_hand(
    register: &dyn LockRegister,
    claim: &Claim,
    owner_life: impl Fn(&LockProcess) -> OwnerLife + Send + Sync,
    now: Timestamp,
    mode: ReleaseMode,
) -> Result<Option<LockRecord>, EngineLockError> {
    let mut last_fault = None;
    for _ in 0..TRIES {
        let top = register.top(&claim.project).await?;
        let Some(Judged { top, standing, life, written }) = judge(register, top, &owner_life).await? else {
            return Ok(None);
        };
        match (standing, &top.content, mode) {
            (Standing::Free, content, _) if mode == ReleaseMode::IfAbandoned || !leaves_data(content.as_ref().ok()) => {
                return Ok(None);
            }
            (Standing::OwnerEnded | Standing::Expired, ..) | (_, _, ReleaseMode::Force) => {}
            (_, Ok(record), ReleaseMode::IfAbandoned) => {
                return Err(EngineLockError::Held(Box::new(LockHolder::new(record, life, written, now))));
            }
            (_, Err(source), ReleaseMode::IfAbandoned) => {
                let (project, source) = (claim.project.clone(), source.clone());
                return Err(EngineLockError::Unreadable { project, name: top.name, source });
            }
        }
        let owner = top.content.ok();
        let free = claim.record(top.number.saturating_add(1), LockState::Free, now);
        let free = match &owner {
            Some(owner) => LockRecord { deployment: owner.deployment, unfinished: left_by(owner, mode), ..free },
            None => free,
        };
        match put_from(register, &free).await {
            Ok(Some(number)) => {
                register.forget_below(&claim.project, number).await;
                return Ok(owner);
            }
            // Its owner has gone on meanwhile, or someone has taken it.
            Ok(None) => {}
            Err(fault) if is_worth_a_look(&fault) => last_fault = Some(fault),
            Err(fault) => return Err(fault.into()),
        }
    }
    Err(last_fault.map_or_else(|| EngineLockError::Contended { project: claim.project.clone() }, Into::into))
}

fn leaves_data(record: Option<&LockRecord>) -> bool {
    record.is_some_and(|record| record.unfinished.iter().any(|left| left.reached == Reached::Restoring))
}

/// What the next owner has to put right after a lock was given back by hand.
fn left_by(owner: &LockRecord, mode: ReleaseMode) -> Vec<UnfinishedDeployment> {
    let mut left = owner.left_unfinished();
    left.retain(|left| mode == ReleaseMode::IfAbandoned || left.reached != Reached::Restoring);
    left
}

/// What the highest record means. The register's clock is only asked where it matters: it
/// costs a call, and is the same for all, whatever the hosts' clocks say.
pub(super) async fn judge(
    register: &dyn LockRegister,
    top: Option<TopRecord>,
    owner_life: impl Fn(&LockProcess) -> OwnerLife + Send + Sync,
) -> Result<Option<Judged>, Fault> {
    let Some(top) = top else { return Ok(None) };
    let (standing, life, written) = match &top.content {
        Err(_) => (Standing::Unreadable, OwnerLife::OutOfSight, Duration::ZERO),
        Ok(record) if record.state == LockState::Free => (Standing::Free, OwnerLife::OutOfSight, Duration::ZERO),
        Ok(record) => match owner_life(&record.process) {
            OwnerLife::Ended => (Standing::OwnerEnded, OwnerLife::Ended, Duration::ZERO),
            life @ (OwnerLife::Lives | OwnerLife::OutOfSight) => {
                let written = age(&top, record, register.now().await?);
                let is_over = written > LEASE + CLOCK_GRAIN;
                (if is_over { Standing::Expired } else { Standing::Held }, life, written)
            }
        },
    };
    Ok(Some(Judged { top, standing, life, written }))
}

/// How long ago a record was written. Where the register does not say, the owner's own clock has to
/// do, with a lease more for its being wrong.
fn age(top: &TopRecord, record: &LockRecord, register_now: Timestamp) -> Duration {
    top.age(register_now).unwrap_or_else(|| register_now.since(record.deadline))
}
