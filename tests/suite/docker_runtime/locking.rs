use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use bollard::{
    models::{Volume, VolumeCreateRequest},
    query_parameters::{ListVolumesOptions, RemoveVolumeOptions},
};
use orchestrate::{
    name::DeploymentId,
    observed::{LockProcess, Reached},
    runtime::{LockRegister, docker::Docker},
    store::{
        Acquired, Claim, EngineLock, EngineLockError, OwnerLife, ReleaseMode, Standing, lock_status, owner_life,
        release_by_hand,
    },
    time::Timestamp,
};

use super::{
    bench::{Bench, SOCKET, TEST_LABEL, run},
    proxy::{Proxy, Trick},
};

const NOW: Timestamp = Timestamp::EPOCH;

fn engine() -> Arc<Docker> {
    Arc::new(Docker::new(format!("unix://{SOCKET}").parse().unwrap()))
}

fn claim(bench: &Bench, deployment: u64) -> Claim {
    let message = Some(format!("the \"{deployment}\"th"));
    Claim::new(bench.project.clone(), DeploymentId::from_random(deployment), message)
}

/// A claim of a process that has ended: another one has its pid.
fn dead_claim(bench: &Bench, deployment: u64) -> Claim {
    let claim = claim(bench, deployment);
    let started = claim.process.started + 1;
    Claim { process: LockProcess { started, ..claim.process }, ..claim }
}

async fn records(bench: &Bench) -> Vec<Volume> {
    let filters = Some(HashMap::from([("label".to_owned(), vec![format!("io.orchestrate.lock={}", bench.project)])]));
    bench.client.list_volumes(Some(ListVolumesOptions { filters })).await.unwrap().volumes.unwrap_or_default()
}

async fn make_volume(bench: &Bench, name: &str, labels: &[(&str, &str)]) {
    let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
    let request = VolumeCreateRequest { name: Some(name.to_owned()), labels: Some(labels), ..Default::default() };
    bench.client.create_volume(request).await.unwrap();
}

#[test]
fn a_lock_lives_on_the_engine() {
    run(|bench| async move {
        let mut first = EngineLock::acquire(engine(), &claim(&bench, 1), owner_life, NOW).await.unwrap().lock;
        let held = EngineLock::acquire(engine(), &claim(&bench, 2), owner_life, NOW).await.unwrap_err();
        let EngineLockError::Held(holder) = &held else { panic!("{held}") };
        assert_eq!((holder.pid, holder.life), (std::process::id(), OwnerLife::Lives));
        assert_eq!(holder.message.as_deref(), Some("the \"1\"th"));
        assert!(holder.free_in.as_secs() > 60, "{holder:?}");
        first.mark_committed(first.record().deployment, NOW).await.unwrap();
        assert!(first.is_still_ours().await.unwrap());
        let status = lock_status(engine().as_ref(), &bench.project, owner_life).await.unwrap().unwrap();
        assert_eq!(
            (status.standing, status.top.name),
            (Standing::Held, format!("orchestrate-lock-{}.2", bench.project))
        );
        assert_eq!(status.top.content.as_ref(), Ok(first.record()));

        let observed = bench.observe(|_| {}).await;
        assert_eq!((observed.instances, observed.foreign), (vec![], vec![]));
        first.release(NOW).await.unwrap();
        assert_eq!(records(&bench).await.len(), 1, "a lock that is free is one record");
        let second = EngineLock::acquire(engine(), &claim(&bench, 2), owner_life, NOW).await.unwrap();
        assert_eq!((second.lock.number(), second.taken_over), (4, None));
        assert_eq!(records(&bench).await.len(), 1);
    });
}

#[test]
fn a_dead_owners_lock_is_taken_over() {
    run(|bench| async move {
        let mut dead = EngineLock::acquire(engine(), &dead_claim(&bench, 1), owner_life, NOW).await.unwrap().lock;
        dead.mark_committed(dead.record().deployment, NOW).await.unwrap();
        let Acquired { lock, taken_over } =
            EngineLock::acquire(engine(), &claim(&bench, 2), owner_life, NOW).await.unwrap();
        let taken_over = taken_over.unwrap();
        assert_eq!((taken_over.standing, &taken_over.record), (Standing::OwnerEnded, dead.record()));
        let unfinished: Vec<_> = lock.unfinished().iter().map(|left| (left.deployment, left.reached)).collect();
        assert_eq!(unfinished, [(DeploymentId::from_random(1), Reached::Commit)]);
        assert!(!dead.is_still_ours().await.unwrap());
        assert!(matches!(dead.extend(NOW).await, Err(EngineLockError::Lost { holder: Some(_), .. })));
        let hand = claim(&bench, 3);
        let release = release_by_hand(&bench.docker, &hand, owner_life, NOW, ReleaseMode::IfAbandoned).await;
        assert!(matches!(release, Err(EngineLockError::Held(_))));
        let release = release_by_hand(&bench.docker, &hand, owner_life, NOW, ReleaseMode::Force).await;
        assert_eq!(release.unwrap().as_ref(), Some(lock.record()));
        assert!(matches!(lock.release(NOW).await, Err(EngineLockError::Lost { .. })));
    });
}

/// Three in four acquisitions are given back; the others end with their process.
async fn deploy_in_turns(
    bench: Arc<Bench>,
    holder: Arc<AtomicU32>,
    dead: Arc<Mutex<BTreeSet<u32>>>,
    task: u32,
) -> Vec<u64> {
    let register = engine();
    let mut tokens = Vec::new();
    for turn in 0..5 {
        let pid = task * 100 + turn + 1;
        let claim = claim(&bench, pid.into());
        let claim = Claim { process: LockProcess { pid, ..claim.process }, ..claim };
        let life = |process: &LockProcess| match dead.lock().unwrap().contains(&process.pid) {
            true => OwnerLife::Ended,
            false => OwnerLife::Lives,
        };
        let lock = loop {
            match EngineLock::acquire(register.clone(), &claim, life, NOW).await {
                Ok(acquired) => break acquired.lock,
                Err(EngineLockError::Held(_) | EngineLockError::Contended { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(holder.swap(pid, Ordering::SeqCst), 0, "two have the lock");
        tokens.push(lock.number());
        assert!(lock.is_still_ours().await.unwrap());
        assert_eq!(holder.swap(0, Ordering::SeqCst), pid, "two had the lock");
        match turn % 4 {
            3 => drop(dead.lock().unwrap().insert(pid)),
            _ => drop(lock.release(NOW).await.unwrap()),
        }
    }
    tokens
}

#[test]
fn of_many_that_want_the_lock_one_has_it() {
    run(|bench| async move {
        let (holder, dead) = (Arc::new(AtomicU32::new(0)), Arc::default());
        let tasks: Vec<_> = (1..=8)
            .map(|task| tokio::spawn(deploy_in_turns(bench.clone(), holder.clone(), Arc::clone(&dead), task)))
            .collect();
        let mut tokens = Vec::new();
        for task in tasks {
            let own = task.await.unwrap();
            assert!(own.is_sorted(), "tokens rise: {own:?}");
            tokens.extend(own);
        }
        let distinct: BTreeSet<u64> = tokens.iter().copied().collect();
        assert_eq!((tokens.len(), distinct.len()), (40, 40), "each token is one owner's");
    });
}

#[test]
fn what_is_no_record_is_left_alone_and_what_is_damaged_is_said() {
    run(|bench| async move {
        let name = |number: u32| format!("orchestrate-lock-{}.{number}", bench.project);
        let foreign = [(TEST_LABEL, bench.project.as_str())];
        make_volume(&bench, &name(1), &foreign).await;
        let before = bench.client.inspect_volume(&name(1)).await.unwrap();
        let lock = EngineLock::acquire(engine(), &claim(&bench, 1), owner_life, NOW).await.unwrap().lock;
        assert_eq!(lock.number(), 2);
        lock.release(NOW).await.unwrap();
        assert_eq!(bench.client.inspect_volume(&name(1)).await.unwrap(), before);

        let damaged =
            [("io.orchestrate.project", bench.project.as_str()), ("io.orchestrate.lock", bench.project.as_str())];
        make_volume(&bench, &name(9), &damaged).await;
        let error = EngineLock::acquire(engine(), &claim(&bench, 2), owner_life, NOW).await.unwrap_err();
        let text = format!(
            "nobody can tell who holds the lock of project `{}`: its record `{}` cannot be read",
            bench.project,
            name(9)
        );
        assert_eq!(error.to_string(), text);
        bench.client.remove_volume(&name(9), None::<RemoveVolumeOptions>).await.unwrap();
        EngineLock::acquire(engine(), &claim(&bench, 2), owner_life, NOW).await.unwrap();
    });
}

#[test]
fn an_answer_that_never_came_is_settled_by_looking() {
    run(|bench| async move {
        let proxy = Proxy::new(Trick::Hangup("POST /volumes/create"));
        let Proxy { docker, .. } = &proxy;
        let fault = docker.put(&record_of(&bench).await).await.unwrap_err();
        assert!(fault.is_outcome_unknown, "{fault}");
        let deaf = Arc::new(Docker::new(docker.address().clone()));
        let mut lock = EngineLock::acquire(deaf, &claim(&bench, 2), owner_life, NOW).await.unwrap().lock;
        assert!(lock.is_still_ours().await.unwrap());
        lock.extend(NOW).await.unwrap();
        lock.release(NOW).await.unwrap();
        let status = lock_status(&bench.docker, &bench.project, owner_life).await.unwrap().unwrap();
        assert_eq!(status.standing, Standing::Free);
    });
}

/// A record that is free, behind the ones that there are.
async fn record_of(bench: &Bench) -> orchestrate::observed::LockRecord {
    let lock = EngineLock::acquire(engine(), &claim(bench, 1), owner_life, NOW).await.unwrap().lock;
    let record = lock.record().clone();
    lock.release(NOW).await.unwrap();
    orchestrate::observed::LockRecord {
        number: record.number + 2,
        state: orchestrate::observed::LockState::Free,
        ..record
    }
}
