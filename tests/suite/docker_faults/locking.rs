//! The lock on the engine, each of its calls, each fault: nobody ever holds it twice, what was put
//! unheard is found again, and nothing but the last record is left.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use orchestrate::{
    diagnostic::Class,
    name::ProjectName,
    observed::{Fault, LockProcess, LockRecord, LockState, TopRecord},
    runtime::{LockRegister, Put, docker::Docker},
    store::{Claim, EngineLock, EngineLockError, OwnerLife},
    time::Timestamp,
};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    daemon::{Daemon, Rule},
    injected::Injected,
    matrix::{numbered, run},
    stage::{patience, patience_for, project},
    world::World,
};

const NEVER: Duration = Duration::from_secs(120);
const AT_ONCE: usize = 48;
const NOW: Timestamp = Timestamp::EPOCH;
/// Process ids of owners.
const FIRST: u32 = 1;
const SECOND: u32 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    AcquireFirst,
    Acquire,
    TakeOver,
    BeRefused,
    Extend,
    MarkCommitted,
    Release,
    Leave,
}

const ALL: [What; 8] = [
    What::AcquireFirst,
    What::Acquire,
    What::TakeOver,
    What::BeRefused,
    What::Extend,
    What::MarkCommitted,
    What::Release,
    What::Leave,
];

fn claim(pid: u32) -> Claim {
    let deployment = format!("0000000{pid}").parse().unwrap();
    let claim = Claim::new(project(), deployment, None);
    Claim { process: LockProcess { pid, ..claim.process }, ..claim }
}

/// Takes the lock as that process, while only `living` live.
async fn acquire(register: Arc<dyn LockRegister>, pid: u32, living: &[u32]) -> Result<EngineLock, EngineLockError> {
    let life = |process: &LockProcess| match living.contains(&process.pid) {
        true => OwnerLife::Lives,
        false => OwnerLife::Ended,
    };
    EngineLock::acquire(register, &claim(pid), life, NOW).await.map(|acquired| acquired.lock)
}

/// The register through a client that can be changed for one with another patience.
struct Changing(Mutex<Arc<Docker>>);

impl Changing {
    fn to(&self, docker: Docker) {
        *self.0.lock().unwrap() = Arc::new(docker);
    }

    fn docker(&self) -> Arc<Docker> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl LockRegister for Changing {
    async fn top(&self, project: &ProjectName) -> Result<Option<TopRecord>, Fault> {
        self.docker().top(project).await
    }

    async fn put(&self, record: &LockRecord) -> Result<Put, Fault> {
        self.docker().put(record).await
    }

    async fn forget_below(&self, project: &ProjectName, number: u64) {
        self.docker().forget_below(project, number).await;
    }

    async fn now(&self) -> Result<Timestamp, Fault> {
        self.docker().now().await
    }
}

/// A daemon where everything is ready for it, and the first owner's lock if it has one.
async fn stage(what: What) -> (Daemon, Arc<Changing>, Option<EngineLock>) {
    let daemon = Daemon::new(World::new());
    let changing = Arc::new(Changing(Mutex::new(Arc::new(daemon.docker(patience())))));
    let register: Arc<dyn LockRegister> = changing.clone();
    let held = match what {
        What::AcquireFirst => None,
        What::Acquire | What::TakeOver => {
            let lock = acquire(register, SECOND, &[]).await.unwrap();
            if what == What::Acquire {
                lock.release(NOW).await.unwrap();
            }
            None
        }
        What::BeRefused => Some(acquire(register, SECOND, &[]).await.unwrap()),
        What::Extend | What::MarkCommitted | What::Release | What::Leave => {
            Some(acquire(register, FIRST, &[]).await.unwrap())
        }
    };
    (daemon, changing, held)
}

/// Does it as the first owner. Answers the lock that it has then, and how it went.
async fn act(
    what: What,
    register: Arc<dyn LockRegister>,
    held: Option<EngineLock>,
) -> (Option<EngineLock>, Result<(), EngineLockError>) {
    let of = |acquired: Result<EngineLock, EngineLockError>| match acquired {
        Ok(lock) => (Some(lock), Ok(())),
        Err(error) => (None, Err(error)),
    };
    match (what, held) {
        (What::AcquireFirst | What::Acquire | What::TakeOver, _) => of(acquire(register, FIRST, &[FIRST]).await),
        (What::BeRefused, _) => of(acquire(register, FIRST, &[FIRST, SECOND]).await),
        (What::Extend, Some(mut lock)) => {
            let done = lock.extend(NOW).await;
            (Some(lock), done)
        }
        (What::MarkCommitted, Some(mut lock)) => {
            let done = lock.mark_committed(lock.record().deployment, NOW).await;
            (Some(lock), done)
        }
        (What::Release, Some(lock)) => (None, lock.release(NOW).await.map(drop)),
        (What::Leave, Some(lock)) => (None, lock.leave(NOW).await.map(drop)),
        (What::Extend | What::MarkCommitted | What::Release | What::Leave, None) => unreachable!("it was staged"),
    }
}

#[test]
fn the_lock_survives_every_fault_at_each_of_its_calls() {
    run(async {
        let (mut cases, mut problems) = (JoinSet::new(), Vec::new());
        let room = Arc::new(Semaphore::new(AT_ONCE));
        for what in ALL {
            let (daemon, register, held) = stage(what).await;
            daemon.rules([]);
            let (_held, done) = act(what, register, held).await;
            assert_eq!(done.is_ok(), what != What::BeRefused, "{what:?}: {done:?}");
            for (endpoint, nth) in numbered(&daemon.called()) {
                let fitting = Injected::ALL.into_iter().filter(|fault| fault.fits(endpoint));
                // What differs from another in nothing but the record that is found needs a sample.
                let step = if matches!(what, What::Acquire | What::Extend) { 4 } else { 1 };
                for fault in fitting.skip(nth % step).step_by(step) {
                    let (rule, room) = (Rule { endpoint, nth, fault }, room.clone());
                    cases.spawn(async move {
                        let _room = room.acquire().await.unwrap();
                        let found = tokio::time::timeout(NEVER, case(what, rule)).await;
                        let found = found.unwrap_or_else(|_| vec!["it never ends".to_owned()]);
                        let place = format!("{what:?}: {endpoint:?} {nth} {fault:?}");
                        found.into_iter().map(move |problem| format!("{place}: {problem}")).collect::<Vec<_>>()
                    });
                }
            }
        }
        let count = cases.len();
        while let Some(ended) = cases.join_next().await {
            problems.extend(ended.unwrap());
        }
        problems.sort();
        assert!(problems.is_empty(), "{} of {count} cases:\n{}", problems.len(), problems.join("\n"));
        println!("{count} cases");
    });
}

/// One fault at one call: what went wrong.
async fn case(what: What, rule: Rule) -> Vec<String> {
    let mut problems = Vec::new();
    let (daemon, register, held) = stage(what).await;
    register.to(daemon.docker(patience_for(rule.fault)));
    daemon.rules([rule]);
    let (held, done) = act(what, register.clone(), held).await;
    assert_eq!(daemon.injected(), 1, "{what:?} comes to {rule:?}");
    daemon.rules([]);
    register.to(daemon.docker(patience()));
    match (&done, what) {
        (Err(EngineLockError::Held(_)), What::BeRefused) => {}
        (Ok(()), What::BeRefused) => problems.push("it is had by two".to_owned()),
        (Ok(()), _) => {}
        (Err(EngineLockError::Fault(fault)), _) => problems.extend(wrong_class(rule, fault)),
        (Err(other), _) => problems.push(format!("is {other:?}")),
    }
    let held = match (held, what) {
        (held, What::BeRefused) => held,
        (Some(lock), _) => match again(what, lock, done.is_ok()).await {
            Ok(lock) => Some(lock),
            Err(problem) => return [problems, vec![problem]].concat(),
        },
        (None, _) => None,
    };
    if let Some(lock) = held {
        let other = acquire(register.clone(), SECOND + 1, &[FIRST, SECOND]).await;
        if !matches!(other, Err(EngineLockError::Held(_))) {
            problems.push(format!("another can have it, too: {other:?}"));
        }
        lock.release(NOW).await.unwrap();
    } else if done.is_ok() && matches!(what, What::Release | What::Leave) {
        let top = register.top(&project()).await.unwrap().unwrap().content.unwrap();
        let left = top.unfinished.len();
        if top.state != LockState::Free || left != usize::from(what == What::Leave) {
            problems.push(format!("it is not given back: {top:?}"));
        }
    }
    // It is given back, or was never had, though its process lives.
    let living = match what {
        What::BeRefused | What::TakeOver => &[FIRST][..],
        _ => &[FIRST, SECOND],
    };
    match acquire(register, SECOND + 1, living).await {
        Ok(lock) => drop(lock.release(NOW).await.unwrap()),
        Err(error) => problems.push(format!("nobody gets it any more: {error:?}")),
    }
    let left: Vec<String> = daemon.world().locks().map(|(name, _)| name.clone()).collect();
    if left.len() != 1 {
        problems.push(format!("there are left {left:?}"));
    }
    problems
}

/// What the owner does next: again what failed, and then it is as it was to be.
async fn again(what: What, mut lock: EngineLock, was_done: bool) -> Result<EngineLock, String> {
    let state = match what {
        What::MarkCommitted => LockState::Committed,
        _ => LockState::Held,
    };
    if !was_done {
        let done = match what {
            What::MarkCommitted => lock.mark_committed(lock.record().deployment, NOW).await,
            _ => lock.extend(NOW).await,
        };
        done.map_err(|error| format!("again it is {error:?}"))?;
    }
    match (lock.record().state == state, lock.is_still_ours().await) {
        (true, Ok(true)) => Ok(lock),
        found => Err(format!("is {found:?}: {:?}", lock.record())),
    }
}

fn wrong_class(rule: Rule, fault: &Fault) -> Option<String> {
    let class = match rule.fault {
        Injected::Hang | Injected::HangAfter | Injected::SlowBody => Class::Timeout,
        Injected::Status(404) => Class::Dependency,
        Injected::Status(409 | 500) => Class::Deployment,
        _ => Class::Network,
    };
    (fault.class != class).then(|| format!("is {fault:?}, not {class:?}"))
}
