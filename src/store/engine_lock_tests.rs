//! The lock on the register in memory: what it answers, and that of many owners at once, who crash
//! at any point and whose calls lose their answers, never two hold it.

use std::{
    collections::BTreeSet,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;

use super::*;
use crate::{
    diagnostic::Class,
    name::{DeploymentId, ProjectName},
    observed::{Fault, LockProcess, LockRecord, LockState, Reached, TopRecord, UnreadableLock},
    runtime::{LockRegister, Put, simulated::MemoryRegister},
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::EPOCH;

fn project() -> ProjectName {
    "app".parse().unwrap()
}

fn deployment(pid: u32) -> DeploymentId {
    DeploymentId::from_random(pid.into())
}

fn claim(pid: u32) -> Claim {
    let process = LockProcess {
        host: "laptop".to_owned(),
        machine: String::new(),
        boot: String::new(),
        pid_namespace: String::new(),
        pid,
        started: 1,
    };
    Claim { project: project(), owner: format!("owner {pid}"), process, deployment: deployment(pid), message: None }
}

/// Pids from 900 have ended, those from 500 are out of sight.
fn life(process: &LockProcess) -> OwnerLife {
    match process.pid {
        900.. => OwnerLife::Ended,
        500.. => OwnerLife::OutOfSight,
        _ => OwnerLife::Lives,
    }
}

async fn acquire(register: &Arc<MemoryRegister>, pid: u32) -> Result<Acquired, EngineLockError> {
    EngineLock::acquire(register.clone(), &claim(pid), life, NOW).await
}

fn unfinished(lock: &EngineLock) -> Vec<(DeploymentId, Reached)> {
    lock.unfinished().iter().map(|left| (left.deployment, left.reached)).collect()
}

#[tokio::test]
async fn a_lock_is_had_by_one_and_given_back() {
    let register = Arc::new(MemoryRegister::default());
    let mut first = acquire(&register, 1).await.unwrap();
    assert_eq!((first.lock.number(), first.taken_over.take()), (1, None));
    let held = acquire(&register, 2).await.unwrap_err();
    let text = format!("project `app` is locked by process 1 on `laptop`, for 0s: deployment `{}`", deployment(1));
    assert_eq!(held.to_string(), text);
    assert_eq!(held.hint().unwrap(), "wait until it is done, or end it with `kill 1`: the lock goes with its process");
    first.lock.mark_committed(first.lock.record().deployment, NOW).await.unwrap();
    assert!(matches!(acquire(&register, 2).await, Err(EngineLockError::Held(_))));
    first.lock.release(NOW).await.unwrap();
    let top = register.top(&project()).await.unwrap().unwrap().content.unwrap();
    assert_eq!((top.state, top.deployment), (LockState::Free, deployment(1)));
    let second = acquire(&register, 2).await.unwrap();
    assert_eq!((second.lock.number(), unfinished(&second.lock)), (4, vec![]));
}

#[tokio::test]
async fn an_owner_that_ended_is_taken_over_with_what_it_left() {
    let register = Arc::new(MemoryRegister::default());
    let mut dead = acquire(&register, 900).await.unwrap().lock;
    dead.mark_committed(dead.record().deployment, NOW).await.unwrap();
    // It takes over, and ends before it has put anything right.
    acquire(&register, 901).await.unwrap();
    let mut third = acquire(&register, 3).await.unwrap();
    let taken_over = third.taken_over.unwrap();
    assert_eq!((taken_over.standing, taken_over.record.deployment), (Standing::OwnerEnded, deployment(901)));
    let both = vec![(deployment(900), Reached::Commit), (deployment(901), Reached::BeforeCommit)];
    assert_eq!(unfinished(&third.lock), both);
    assert!(matches!(dead.extend(NOW).await, Err(EngineLockError::Lost { holder: Some(_), .. })));
    assert!(!dead.is_still_ours().await.unwrap() && third.lock.is_still_ours().await.unwrap());
    // What is not settled goes to the next owner.
    third.lock.settle(deployment(900));
    third.lock.release(NOW).await.unwrap();
    assert_eq!(unfinished(&acquire(&register, 4).await.unwrap().lock), both[1..]);
}

#[tokio::test]
async fn what_an_owner_leaves_is_the_next_ones_with_how_far_it_came() {
    let register = Arc::new(MemoryRegister::default());
    acquire(&register, 1).await.unwrap().lock.leave(NOW).await.unwrap();
    let mut second = acquire(&register, 2).await.unwrap().lock;
    assert_eq!(unfinished(&second), vec![(deployment(1), Reached::BeforeCommit)]);
    // It goes on with that one, past its commit point, and not with its own.
    second.mark_committed(deployment(1), NOW).await.unwrap();
    second.leave(NOW).await.unwrap();
    let both = vec![(deployment(1), Reached::Commit), (deployment(2), Reached::BeforeCommit)];
    assert_eq!(unfinished(&acquire(&register, 3).await.unwrap().lock), both);
}

#[tokio::test]
async fn an_owner_out_of_sight_holds_it_for_a_lease_by_the_registers_clock() {
    let register = Arc::new(MemoryRegister::default());
    let mut far = acquire(&register, 500).await.unwrap().lock;
    register.advance(LEASE);
    let held = acquire(&register, 2).await.unwrap_err();
    assert_eq!(
        held.hint().unwrap(),
        "wait until it is done; if its process is gone, the lock is free in 0s, or at once with \
         `orchestrate lock release --force`"
    );
    // Its own clock is wrong by an hour, and that does not matter.
    far.extend(NOW - Duration::from_secs(3600)).await.unwrap();
    register.advance(LEASE);
    assert!(matches!(acquire(&register, 2).await, Err(EngineLockError::Held(_))));
    register.advance(Duration::from_secs(2));
    let taken_over = acquire(&register, 2).await.unwrap().taken_over.unwrap();
    assert_eq!((taken_over.standing, taken_over.record.deployment), (Standing::Expired, deployment(500)));
    let lost = far.extend(NOW).await.unwrap_err();
    let text = format!(
        "the lock of project `app` was lost: process 2 on `laptop` took it, for deployment `{}`",
        deployment(2)
    );
    assert_eq!(lost.to_string(), text);
}

#[tokio::test]
async fn a_lease_is_extended_before_it_runs_out() {
    let register = Arc::new(MemoryRegister::default());
    let mut lock = acquire(&register, 1).await.unwrap().lock;
    let at = |seconds| NOW + Duration::from_secs(seconds);
    assert!(!lock.needs_extending(at(60)) && lock.needs_extending(at(61)));
    assert!(lock.may_act(at(119)) && !lock.may_act(at(120)));
    lock.extend(at(61)).await.unwrap();
    assert!(!lock.needs_extending(at(121)) && lock.may_act(at(180)));
    assert_eq!((lock.number(), lock.record().since), (2, NOW));
}

#[tokio::test]
async fn what_cannot_be_read_is_not_free() {
    let register = Arc::new(MemoryRegister::default());
    acquire(&register, 900).await.unwrap();
    register.spoil_top(&project(), |top| top.content = Err(UnreadableLock::Newer { found: 2, known: 1 }));
    let error = acquire(&register, 1).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "nobody can tell who holds the lock of project `app`: its record `app.1` cannot be read"
    );
    let status = lock_status(register.as_ref(), &project(), life).await.unwrap().unwrap();
    assert_eq!(status.standing, Standing::Unreadable);
    let release = |mode| release_by_hand(register.as_ref(), &DUMMY, life, NOW, mode);
    static DUMMY: std::sync::LazyLock<Claim> = std::sync::LazyLock::new(|| claim(7));
    assert!(matches!(release(ReleaseMode::IfAbandoned).await, Err(EngineLockError::Unreadable { .. })));
    assert_eq!(release(ReleaseMode::Force).await.unwrap(), None);
    assert_eq!(acquire(&register, 1).await.unwrap().lock.number(), 3);
}

#[tokio::test]
async fn a_person_can_give_back_another_ones_lock() {
    let register = Arc::new(MemoryRegister::default());
    let hand = claim(7);
    let release = async |mode| release_by_hand(register.as_ref(), &hand, life, NOW, mode).await;
    assert_eq!(release(ReleaseMode::Force).await.unwrap(), None);
    let mut lock = acquire(&register, 500).await.unwrap().lock;
    assert!(matches!(release(ReleaseMode::IfAbandoned).await, Err(EngineLockError::Held(_))));
    assert_eq!(release(ReleaseMode::Force).await.unwrap().unwrap().deployment, deployment(500));
    assert_eq!(release(ReleaseMode::Force).await.unwrap(), None);
    assert!(matches!(lock.extend(NOW).await, Err(EngineLockError::Lost { .. })));
    let next = acquire(&register, 1).await.unwrap();
    assert_eq!((next.taken_over, unfinished(&next.lock)), (None, vec![(deployment(500), Reached::BeforeCommit)]));
    drop(acquire(&register, 1).await);
}

#[tokio::test]
async fn places_that_are_no_records_are_passed_over() {
    let register = Arc::new(MemoryRegister::default());
    register.obstruct(&project(), 1);
    register.obstruct(&project(), 2);
    register.obstruct(&project(), 4);
    let mut lock = acquire(&register, 1).await.unwrap().lock;
    assert_eq!(lock.number(), 3);
    lock.extend(NOW).await.unwrap();
    assert_eq!(lock.number(), 5);
    lock.release(NOW).await.unwrap();
    for number in 1..100 {
        register.obstruct(&project(), number);
    }
    assert!(matches!(acquire(&register, 1).await, Err(EngineLockError::Contended { .. })));
}

#[tokio::test]
async fn records_that_were_pruned_are_a_lock_that_is_lost_to_who_comes_next() {
    let is_lost = |result: Result<(), EngineLockError>| matches!(result, Err(EngineLockError::Lost { .. }));
    let register = Arc::new(MemoryRegister::default());
    let mut lock = acquire(&register, 1).await.unwrap().lock;
    lock.extend(NOW).await.unwrap();
    register.prune();
    let mut next = acquire(&register, 2).await.unwrap().lock;
    assert!(!lock.is_still_ours().await.unwrap());
    // Whatever the old owner does now, it has lost the lock, and the next one has it.
    let later = NOW + LOOK;
    assert!(is_lost(lock.confirm(later).await));
    assert!(is_lost(lock.extend(later).await));
    assert!(is_lost(lock.mark_committed(deployment(1), later).await));
    assert!(is_lost(lock.release(later).await.map(drop)));
    next.confirm(later).await.unwrap();
    next.begin_anew(later).await.unwrap();
    assert!(next.is_still_ours().await.unwrap());
}

#[tokio::test]
async fn an_owner_whose_records_were_pruned_shows_itself_when_it_acts() {
    let register = Arc::new(MemoryRegister::default());
    let mut lock = acquire(&register, 1).await.unwrap().lock;
    register.prune();
    // The last look is a moment old: the lock is taken for ours.
    lock.confirm(NOW).await.unwrap();
    assert!(!lock.is_still_ours().await.unwrap());
    lock.confirm(NOW + LOOK).await.unwrap();
    assert!(lock.is_still_ours().await.unwrap());
    assert!(matches!(acquire(&register, 2).await, Err(EngineLockError::Held(_))));
}

#[tokio::test]
async fn numbers_do_not_begin_again() {
    let register = Arc::new(MemoryRegister::default());
    let mut lock = acquire(&register, 1).await.unwrap().lock;
    let then = NOW + Duration::from_secs(1_700_000_000);
    lock.begin_anew(then).await.unwrap();
    assert_eq!(lock.number(), 1_700_000_001);
    lock.begin_anew(then).await.unwrap();
    assert_eq!(lock.release(then).await.unwrap(), 1_700_000_003);
}

/// Chooses: the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // xorshift64*, which is random enough to choose by.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }
}

/// What is wrong with a register, to see that the test would notice.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    None,
    /// Puts overwrite.
    Overwrites,
    /// What is forgotten takes the highest with it.
    ForgetsAll,
}

/// A register whose calls take a while, so that others come between, and may lose their answers.
struct Stage {
    register: MemoryRegister,
    flaw: Flaw,
    inner: Mutex<Inner>,
}

struct Inner {
    dice: Dice,
    ended: BTreeSet<u32>,
    holder: Option<u32>,
    last_token: u64,
    /// Puts that nobody waits for any more, and that take effect some time.
    late: Vec<LockRecord>,
    /// Deployments of owners that crashed while they held the lock, not put right yet.
    owed: BTreeSet<DeploymentId>,
    violation: Option<String>,
    acquired: u32,
}

impl Stage {
    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.inner.lock().unwrap())
    }

    fn lost(&self) -> Result<(), Fault> {
        match self.with(|inner| inner.dice.roll(12)) {
            0 => Err(Fault::new(Class::Timeout, "engine-timeout", "no answer").transient().outcome_unknown()),
            _ => Ok(()),
        }
    }

    /// The engine gets to a put whose caller has given up, or to none.
    async fn catch_up(&self) {
        let late = self.with(|inner| match inner.dice.roll(4) {
            0 => inner.late.pop(),
            _ => None,
        });
        if let Some(record) = late {
            drop(self.register.put(&record).await);
        }
    }

    fn enter(&self, pid: u32, lock: &EngineLock) {
        self.with(|inner| {
            inner.acquired += 1;
            let left: BTreeSet<_> = lock.unfinished().iter().map(|left| left.deployment).collect();
            let token = lock.number();
            if let Some(holder) = inner.holder {
                inner.violation = Some(format!("{pid} has the lock by {token} while {holder} has it"));
            } else if token <= inner.last_token {
                inner.violation = Some(format!("{pid} has the token {token} after {}", inner.last_token));
            } else if !inner.owed.is_subset(&left) {
                inner.violation = Some(format!("{pid} is not told of {:?}", inner.owed.difference(&left)));
            }
            inner.holder = Some(pid);
            inner.last_token = token;
        });
    }

    fn leave(&self, pid: u32) {
        self.with(|inner| inner.holder = inner.holder.filter(|holder| *holder != pid));
    }

    /// The process ends, wherever it is.
    fn crash(&self, pid: u32) {
        self.with(|inner| {
            if inner.holder == Some(pid) {
                inner.holder = None;
                inner.owed.insert(deployment(pid));
            }
            inner.ended.insert(pid);
        });
    }
}

/// Lets others go on.
async fn pause() {
    let mut has_paused = false;
    std::future::poll_fn(|_| match std::mem::replace(&mut has_paused, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

#[async_trait]
impl LockRegister for Stage {
    async fn top(&self, project: &ProjectName) -> Result<Option<TopRecord>, Fault> {
        pause().await;
        let top = self.register.top(project).await;
        pause().await;
        self.lost()?;
        top
    }

    async fn put(&self, record: &LockRecord) -> Result<Put, Fault> {
        pause().await;
        self.catch_up().await;
        if let Err(fault) = self.lost() {
            self.with(|inner| inner.late.push(record.clone()));
            return Err(fault);
        }
        if self.flaw == Flaw::Overwrites {
            self.register.spoil_top(&record.project, |top| {
                if top.number == record.number {
                    top.content = Ok(record.clone());
                }
            });
        }
        let put = self.register.put(record).await;
        pause().await;
        self.lost()?;
        put
    }

    async fn forget_below(&self, project: &ProjectName, number: u64) {
        pause().await;
        self.register.forget_below(project, number + u64::from(self.flaw == Flaw::ForgetsAll)).await;
    }

    async fn now(&self) -> Result<Timestamp, Fault> {
        self.register.now().await
    }
}

/// A process that deploys once.
async fn deploy(stage: Arc<Stage>, pid: u32) {
    let ended = stage.clone();
    let life = move |process: &LockProcess| match ended.with(|inner| inner.ended.contains(&process.pid)) {
        true => OwnerLife::Ended,
        false => OwnerLife::Lives,
    };
    let mut lock = match EngineLock::acquire(stage.clone(), &claim(pid), life, NOW).await {
        Ok(acquired) => acquired.lock,
        Err(EngineLockError::Held(holder)) if holder.pid == pid => {
            return stage.with(|inner| inner.violation = Some(format!("{pid} is kept from the lock by itself")));
        }
        Err(_) => return,
    };
    stage.enter(pid, &lock);
    pause().await;
    for left in lock.unfinished().to_vec() {
        lock.settle(left.deployment);
        stage.with(|inner| inner.owed.remove(&left.deployment));
    }
    let wrote =
        [lock.extend(NOW).await, lock.mark_committed(lock.record().deployment, NOW).await, lock.extend(NOW).await];
    for error in wrote.into_iter().filter_map(Result::err) {
        if matches!(error, EngineLockError::Lost { .. }) {
            stage.with(|inner| inner.violation = Some(format!("{pid} holds the lock, and: {error}")));
        }
    }
    stage.leave(pid);
    if let Err(error @ EngineLockError::Lost { .. }) = lock.release(NOW).await {
        stage.with(|inner| inner.violation = Some(format!("{pid} gives the lock back, and: {error}")));
    }
}

type Running = Pin<Box<dyn Future<Output = ()>>>;

/// Plays processes that come between each other, crash and lose answers as the seed has it. Answers
/// how often the lock was had.
fn play(seed: u64, flaw: Flaw) -> Result<u32, String> {
    let inner = Inner {
        dice: Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
        ended: BTreeSet::new(),
        holder: None,
        last_token: 0,
        late: Vec::new(),
        owed: BTreeSet::new(),
        violation: None,
        acquired: 0,
    };
    let stage = Arc::new(Stage { register: MemoryRegister::default(), flaw, inner: Mutex::new(inner) });
    for number in 1..400 {
        if stage.with(|inner| inner.dice.roll(8)) == 0 {
            stage.register.obstruct(&project(), number);
        }
    }
    let mut running: Vec<(u32, Running)> = Vec::new();
    let mut next_pid = 0;
    for _ in 0..400 {
        while running.len() < 4 {
            next_pid += 1;
            running.push((next_pid, Box::pin(deploy(stage.clone(), next_pid))));
        }
        let chosen = stage.with(|inner| inner.dice.roll(running.len() as u64)) as usize;
        let pid = running[chosen].0;
        if stage.with(|inner| inner.dice.roll(40)) == 0 {
            drop(running.swap_remove(chosen));
            stage.crash(pid);
        } else if running[chosen].1.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            drop(running.swap_remove(chosen));
            // It ended; what it could not give back is taken over.
            stage.with(|inner| inner.ended.insert(pid));
        }
        if let Some(violation) = stage.with(|inner| inner.violation.take()) {
            return Err(violation);
        }
    }
    Ok(stage.with(|inner| inner.acquired))
}

#[test]
fn of_many_owners_that_crash_and_lose_answers_one_holds_the_lock() {
    let mut acquired = 0;
    for seed in 0..2_000 {
        acquired += play(seed, Flaw::None).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
    }
    // They get it, too.
    assert!(acquired > 2_000 * 4, "{acquired}");
}

#[test]
fn a_register_that_breaks_its_promise_is_noticed() {
    for flaw in [Flaw::Overwrites, Flaw::ForgetsAll] {
        assert!((0..500).any(|seed| play(seed, flaw).is_err()), "{flaw:?}");
    }
}
