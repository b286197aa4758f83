use std::{sync::Arc, time::Duration};

use super::{
    EngineLockError, LockHolder, OwnerLife, Standing,
    lock_standing::{Judged, judge},
    random_text, this_process,
};
use crate::{
    name::{DeploymentId, ProjectName},
    observed::{Fault, LockProcess, LockRecord, LockState, Reached, TopRecord, UnfinishedDeployment},
    runtime::{LockRegister, Put},
    time::Timestamp,
};

/// How long an owner whom nobody can see holds the lock without a word. Long enough that a slow
/// engine does not cost a living owner its lock; short enough to wait for.
pub const LEASE: Duration = Duration::from_secs(120);

/// How old the last look at the register may be when something is done under the lock. As long as its
/// lease goes on nobody takes it over; but someone may remove all records (`docker volume prune`), and
/// then who comes next finds it free.
pub const LOOK: Duration = Duration::from_secs(5);

/// How often a record is put again. Each time another owner was quicker, or the engine's answer was
/// lost.
pub(super) const TRIES: usize = 8;
/// How often a lock is given back that the engine refuses to take.
const RELEASES: usize = 2;
/// Places in a row that hold no record and never will: each needs an engine that was killed in the
/// moment of a put.
const BLOCKED_BOUND: u64 = 16;

/// Who wants a project's lock, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub project: ProjectName,
    /// A random text, this acquisition's own.
    pub owner: String,
    pub process: LockProcess,
    pub deployment: DeploymentId,
    pub message: Option<String>,
}

impl Claim {
    /// A claim of this process's.
    pub fn new(project: ProjectName, deployment: DeploymentId, message: Option<String>) -> Self {
        Self { project, owner: random_text(22), process: this_process(), deployment, message }
    }

    pub(super) fn record(&self, number: u64, state: LockState, now: Timestamp) -> LockRecord {
        LockRecord {
            project: self.project.clone(),
            number,
            state,
            owner: self.owner.clone(),
            process: self.process.clone(),
            since: now,
            deadline: now + LEASE,
            deployment: self.deployment,
            message: self.message.clone(),
            unfinished: Vec::new(),
        }
    }
}

/// A lock that was had.
#[derive(Debug)]
pub struct Acquired {
    pub lock: EngineLock,
    /// Whose lock it was, if that owner never released it: its deployment is to be put right. What
    /// it had to put right itself is among [`EngineLock::unfinished`] too.
    pub taken_over: Option<TakenOver>,
}

/// A lock that was taken from an owner who did not release it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOver {
    pub record: LockRecord,
    /// `OwnerEnded` or `Expired`.
    pub standing: Standing,
}

/// A project's lock on its engine.
///
/// The lock is a register of numbered records ([`LockRegister`]) of which the highest counts. To
/// change anything, whoever may puts the next one: who wants the lock, if the highest is free or its
/// owner is no more; the owner, to go on or to release it. A put is only believed if the record is
/// the highest when the register is read again. Records are never changed, so a crash at any point
/// leaves either the record before or the next one, and its owner's process or lease to judge by.
///
/// An owner that is late, because it was stopped or its host slept, cannot be kept from acting: it
/// has to ask [`is_still_ours`](Self::is_still_ours) before it acts when it has not looked for long,
/// and to start nothing once [`may_act`](Self::may_act) denies it.
///
/// Nothing releases the lock by itself when this is dropped: then the process's end does, or the
/// lease's.
pub struct EngineLock {
    register: Arc<dyn LockRegister>,
    /// The last record of ours that is known to be there.
    record: LockRecord,
    /// When that was seen.
    looked_at: Timestamp,
}

impl std::fmt::Debug for EngineLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineLock").field("record", &self.record).finish_non_exhaustive()
    }
}

impl EngineLock {
    /// Takes a project's lock, without waiting.
    ///
    /// # Errors
    /// If someone holds it who lives, or may live; if the engine fails. After a lost answer the lock
    /// may be ours without our knowing: it goes with our process.
    pub async fn acquire(
        register: Arc<dyn LockRegister>,
        claim: &Claim,
        owner_life: impl Fn(&LockProcess) -> OwnerLife + Send + Sync,
        now: Timestamp,
    ) -> Result<Acquired, EngineLockError> {
        let mut tries: Vec<Try> = Vec::new();
        let mut last_fault = None;
        for _ in 0..TRIES {
            let top = match register.top(&claim.project).await {
                Ok(top) => top,
                // It may be ours by now, so it is not walked away from.
                Err(fault) if !tries.is_empty() => {
                    last_fault = Some(fault);
                    continue;
                }
                Err(fault) => return Err(fault.into()),
            };
            if let Some((ours, record)) = our_try(top.as_ref(), &tries) {
                let taken_over = tries.swap_remove(ours).taken_over;
                register.forget_below(&claim.project, record.number).await;
                return Ok(Acquired { lock: Self { register, record, looked_at: now }, taken_over });
            }
            let judged = judge(register.as_ref(), top, &owner_life).await?;
            let (number, taken_over, unfinished) = free_place(claim, judged, now)?;
            let record = LockRecord { unfinished, ..claim.record(number, LockState::Held, now) };
            match put_from(register.as_ref(), &record).await {
                Ok(number) => {
                    tries.extend(number.map(|number| Try { record: LockRecord { number, ..record }, taken_over }))
                }
                Err(fault) if is_worth_a_look(&fault) => {
                    tries.push(Try { record, taken_over });
                    last_fault = Some(fault);
                }
                Err(fault) => {
                    last_fault = Some(fault);
                    break;
                }
            }
        }
        if let Some(Try { record, .. }) = tries.pop() {
            abandon(register.as_ref(), record).await;
        }
        Err(last_fault.map_or_else(|| EngineLockError::Contended { project: claim.project.clone() }, Into::into))
    }

    /// The token: later owners have higher ones.
    pub fn number(&self) -> u64 {
        self.record.number
    }

    pub fn record(&self) -> &LockRecord {
        &self.record
    }

    /// Deployments of earlier owners that are to be put right, oldest first.
    pub fn unfinished(&self) -> &[UnfinishedDeployment] {
        &self.record.unfinished
    }

    /// Notes that an earlier owner's deployment has been put right. It is written down with the next
    /// record.
    pub fn settle(&mut self, deployment: DeploymentId) {
        self.record.unfinished.retain(|left| left.deployment != deployment);
    }

    /// Less than half of the lease is left.
    pub fn needs_extending(&self, now: Timestamp) -> bool {
        self.record.deadline.since(now) < LEASE / 2
    }

    /// The lease has not run out: others leave us the lock.
    pub fn may_act(&self, now: Timestamp) -> bool {
        now < self.record.deadline
    }

    /// Makes sure that the lock is still ours, where the last look at it is old. Where all records are
    /// gone, ours is put again, for others to see.
    ///
    /// # Errors
    /// `Lost` if the lock is another's; a fault if the lease has run out, and the engine fails.
    pub async fn confirm(&mut self, now: Timestamp) -> Result<(), EngineLockError> {
        if !self.may_act(now) {
            return self.extend(now).await;
        }
        match self.look(now).await? {
            Seen::Nothing => self.extend(now).await,
            Seen::Ours | Seen::NotAsked => Ok(()),
        }
    }

    /// Looks who has the lock, if the last look is old.
    async fn look(&mut self, now: Timestamp) -> Result<Seen, EngineLockError> {
        if now.since(self.looked_at) < LOOK {
            return Ok(Seen::NotAsked);
        }
        // What cannot be asked now is asked the next time: the lease goes on.
        let Ok(top) = self.register.top(&self.record.project).await else { return Ok(Seen::NotAsked) };
        let Some(top) = top else { return Ok(Seen::Nothing) };
        let holder = top.content.ok();
        if holder.as_ref().is_none_or(|holder| holder.owner != self.record.owner) {
            return Err(self.lost(holder.map(Box::new)));
        }
        self.looked_at = now;
        Ok(Seen::Ours)
    }

    /// Begins another lease.
    ///
    /// # Errors
    /// Here and below: `Lost` if the lock is another's; a fault if the engine fails, after which the
    /// lock is as it was or as asked for, and the call may be done again.
    pub async fn extend(&mut self, now: Timestamp) -> Result<(), EngineLockError> {
        self.write(self.record.state, now).await.map_err(|unwritten| unwritten.error)
    }

    /// Begins another lease, in a register whose records were all removed: with a number that none of
    /// them had, since nobody puts more than one a second for years.
    pub async fn begin_anew(&mut self, now: Timestamp) -> Result<(), EngineLockError> {
        self.look(now).await?;
        let seconds = u64::try_from(now.as_micros() / 1_000_000).unwrap_or_default();
        self.record.number = self.record.number.max(seconds);
        self.extend(now).await
    }

    /// Writes down that a deployment is past its commit point: the claim's own, or an earlier owner's
    /// that is gone on with.
    pub async fn mark_committed(&mut self, deployment: DeploymentId, now: Timestamp) -> Result<(), EngineLockError> {
        if deployment == self.record.deployment {
            return self.write(LockState::Committed, now).await.map_err(|unwritten| unwritten.error);
        }
        self.settle(deployment);
        self.record.unfinished.push(UnfinishedDeployment { deployment, reached: Reached::Commit });
        self.extend(now).await
    }

    /// Writes down that data is about to be overwritten, and that what earlier owners left of data
    /// is overwritten, too.
    pub async fn mark_restoring(&mut self, now: Timestamp) -> Result<(), EngineLockError> {
        let left = self.record.unfinished.clone();
        self.record.unfinished.retain(|left| left.reached != Reached::Restoring);
        let marked = self.write(LockState::Restoring, now).await;
        if marked.is_err() {
            self.record.unfinished = left;
        }
        marked.map_err(|unwritten| unwritten.error)
    }

    /// Writes down that all data is whole again.
    pub async fn mark_restored(&mut self, now: Timestamp) -> Result<(), EngineLockError> {
        self.write(LockState::Held, now).await.map_err(|unwritten| unwritten.error)
    }

    /// Gives the lock back. What is still unfinished stays written down for the next owner. Answers
    /// the number of the record that says so.
    pub async fn release(mut self, now: Timestamp) -> Result<u64, EngineLockError> {
        for tries_left in (0..RELEASES).rev() {
            match self.write(LockState::Free, now).await {
                Ok(()) => break,
                // The next owner was there before we looked.
                Err(Unwritten { was_put: WasPut::Yes | WasPut::Perhaps, error: EngineLockError::Lost { .. } }) => break,
                // Others than our own host would have to wait for the lease's end.
                Err(Unwritten { error: EngineLockError::Fault(_), .. }) if tries_left > 0 => {}
                Err(unwritten) => return Err(unwritten.error),
            }
        }
        self.register.forget_below(&self.record.project, self.record.number).await;
        Ok(self.record.number)
    }

    /// Gives the lock back in the middle of its deployment, which is left to the next owner, with how
    /// far the lock says that it came. Answers as [`release`](Self::release).
    pub async fn leave(mut self, now: Timestamp) -> Result<u64, EngineLockError> {
        // A word of ours may have been put unheard. If that cannot be asked, what we know counts.
        if let Ok(Some(TopRecord { content: Ok(top), .. })) = self.register.top(&self.record.project).await
            && top.owner == self.record.owner
            && top.number > self.record.number
        {
            self.record = LockRecord { unfinished: std::mem::take(&mut self.record.unfinished), ..top };
        }
        self.record.unfinished = self.record.left_unfinished();
        self.release(now).await
    }

    /// Looks whether the lock is still ours.
    pub async fn is_still_ours(&self) -> Result<bool, EngineLockError> {
        let top = self.register.top(&self.record.project).await?;
        let holder = top.and_then(|top| top.content.ok());
        Ok(holder.is_some_and(|record| record.owner == self.record.owner && record.state != LockState::Free))
    }

    /// Puts the next record. Our own earlier tries that took effect unheard of are found, and gone on
    /// from.
    async fn write(&mut self, state: LockState, now: Timestamp) -> Result<(), Unwritten> {
        let wanted = LockRecord { state, deadline: now + LEASE, ..self.record.clone() };
        let mut last_fault = None;
        let mut was_put = WasPut::No;
        let unwritten = |was_put, error: EngineLockError| Unwritten { was_put, error };
        // A record of ours would be the highest also where another has the lock since all were removed.
        self.look(now).await.map_err(|error| unwritten(was_put, error))?;
        for _ in 0..TRIES {
            let number = after(self.record.number).map_err(|fault| unwritten(was_put, fault.into()))?;
            match put_from(self.register.as_ref(), &LockRecord { number, ..wanted.clone() }).await {
                Ok(Some(_)) => was_put = WasPut::Yes,
                Ok(None) => {}
                Err(fault) if is_worth_a_look(&fault) => {
                    was_put = was_put.max(WasPut::Perhaps);
                    last_fault = Some(fault);
                }
                Err(fault) => return Err(unwritten(was_put, fault.into())),
            }
            let holder = match self.register.top(&wanted.project).await {
                Ok(top) => top.and_then(|top| top.content.ok()),
                Err(fault) if fault.is_transient => {
                    last_fault = Some(fault);
                    continue;
                }
                Err(fault) => return Err(unwritten(was_put, fault.into())),
            };
            let Some(holder) = holder.as_ref().filter(|record| record.owner == wanted.owner) else {
                return Err(unwritten(was_put, self.lost(holder.map(Box::new))));
            };
            let is_later = holder.number > self.record.number;
            let is_wanted = holder.state == wanted.state && holder.unfinished == wanted.unfinished;
            self.record = LockRecord { unfinished: wanted.unfinished.clone(), ..holder.clone() };
            if is_later && is_wanted {
                self.looked_at = now;
                return Ok(());
            }
        }
        let contended = || EngineLockError::Contended { project: wanted.project.clone() };
        Err(unwritten(was_put, last_fault.map_or_else(contended, Into::into)))
    }

    fn lost(&self, holder: Option<Box<LockRecord>>) -> EngineLockError {
        EngineLockError::Lost { project: self.record.project.clone(), holder }
    }
}

/// What a look at the register has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Ours,
    /// There are no records any more.
    Nothing,
    NotAsked,
}

/// A record that was to be written, and is not the highest.
struct Unwritten {
    was_put: WasPut,
    error: EngineLockError,
}

/// Whether a record has been put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum WasPut {
    No,
    Perhaps,
    Yes,
}

/// A record that was put, as far as is known, and whom the lock is taken from by it.
struct Try {
    record: LockRecord,
    taken_over: Option<TakenOver>,
}

/// The highest record, if it is ours, and the try that put it: then the lock is ours. A try may have
/// gone behind places that are blocked before its answer was lost.
fn our_try(top: Option<&TopRecord>, tries: &[Try]) -> Option<(usize, LockRecord)> {
    let top = top?.content.as_ref().ok()?;
    let is_it = |tried: &Try| tried.record.owner == top.owner && tried.record.number <= top.number;
    Some((tries.iter().rposition(is_it)?, top.clone()))
}

/// Gives back what may have been taken, as far as that works: else our process's end does.
async fn abandon(register: &dyn LockRegister, record: LockRecord) {
    let number = record.number.saturating_add(1);
    drop(put_from(register, &LockRecord { number, state: LockState::Free, ..record }).await);
}

/// Where the next record goes, if the lock is to be had; whom it is taken from, and what is to be put
/// right then.
fn free_place(
    claim: &Claim,
    judged: Option<Judged>,
    now: Timestamp,
) -> Result<(u64, Option<TakenOver>, Vec<UnfinishedDeployment>), EngineLockError> {
    let project = claim.project.clone();
    let Some(Judged { top, standing, life, written }) = judged else { return Ok((1, None, Vec::new())) };
    let record = match top.content {
        Ok(record) => record,
        Err(source) => return Err(EngineLockError::Unreadable { project, name: top.name, source }),
    };
    let number = after(top.number)?;
    match standing {
        Standing::Free => Ok((number, None, record.unfinished)),
        Standing::OwnerEnded | Standing::Expired => {
            let unfinished = record.left_unfinished();
            Ok((number, Some(TakenOver { record, standing }), unfinished))
        }
        // What is unreadable has left above.
        Standing::Held | Standing::Unreadable => {
            Err(EngineLockError::Held(Box::new(LockHolder::new(&record, life, written, now))))
        }
    }
}

/// Puts a record in its place, or in the first behind it that is not blocked. Answers its number;
/// `None` if another record has the place.
pub(super) async fn put_from(register: &dyn LockRegister, record: &LockRecord) -> Result<Option<u64>, Fault> {
    let numbers = record.number..record.number.saturating_add(BLOCKED_BOUND);
    for number in numbers {
        match register.put(&LockRecord { number, ..record.clone() }).await? {
            Put::Done => return Ok(Some(number)),
            Put::Taken => return Ok(None),
            Put::Blocked => {}
        }
    }
    Ok(None)
}

/// A put that failed may be done again: it is put-if-absent.
pub(super) fn is_worth_a_look(fault: &Fault) -> bool {
    fault.is_outcome_unknown || fault.is_transient
}

fn after(number: u64) -> Result<u64, Fault> {
    // Nobody counts that far; somebody else's record might say so.
    number.checked_add(1 + BLOCKED_BOUND).map(|_| number + 1).ok_or_else(|| {
        let text = format!("the lock's record {number} is the last that there can be");
        Fault::new(crate::diagnostic::Class::Resource, "lock-exhausted", text)
    })
}
