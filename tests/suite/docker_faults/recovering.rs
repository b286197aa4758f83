//! What a recovery asks of the engine, beside what its undo needs.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, process::Stdio};

use orchestrate::{
    journal::Journal,
    runtime::{Runtime as _, docker::Docker},
    store::{SqliteStore, Store as _},
};
use tokio::process::Command;

use super::{daemon::Daemon, endpoint::Endpoint, matrix::numbered, stage::patience, world::World};

/// Half of them wait for the other half.
const SERVICES: usize = 50;
/// The network, all creates and some starts: the middle.
const KILLED_AFTER: &str = "after-perform:70";

fn plan() -> String {
    let mut text = "apiVersion: orchestrate/v1\nname: fleet\nservices:\n".to_owned();
    for number in 0..SERVICES {
        let needs = match number.checked_sub(SERVICES / 2) {
            Some(needed) => format!("depends_on: {{ s{needed}: {{ condition: service_healthy }} }}, "),
            None => String::new(),
        };
        writeln!(
            text,
            "  s{number}: {{ {needs}image: \"test/app:1\", command: [sleep, \"600\"], stop_grace_period: 0s, \
             checks: [{{ command: [\"true\"], interval: 50ms }}] }}"
        )
        .unwrap();
    }
    text
}

async fn run(directory: &Path, daemon: &Daemon, words: &[&str], fail_point: &str) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrate"));
    command.args(words).current_dir(directory).env_clear().stdin(Stdio::null()).env("HOME", directory);
    command.env("ORCHESTRATE_STATE_DIR", directory.join("state")).env("DOCKER_HOST", daemon.address().to_string());
    command.env("ORCHESTRATE_FAIL_POINT", fail_point).output().await.unwrap()
}

/// The calls of the undo alone, each action after the other, on an engine like that one.
async fn needed(world: &World, database: &Path) -> (usize, Vec<Endpoint>) {
    let store = SqliteStore::open_copy(database).unwrap();
    let deployment = store.last_deployment(&"fleet".parse().unwrap()).unwrap().unwrap();
    let undo = Journal::replay(&store.entries(deployment.id).unwrap()).unwrap().inverse();
    let daemon = Daemon::new(world.clone());
    let docker: Docker = daemon.docker(patience());
    for undo in &undo {
        docker.perform(undo.runtime, &undo.action, &|_| {}).await.unwrap();
    }
    (undo.len(), daemon.called())
}

fn counted(calls: &[Endpoint]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    calls.iter().for_each(|call| *counts.entry(format!("{call:?}")).or_default() += 1);
    counts
}

#[tokio::test]
async fn recovering_fifty_services_takes_hardly_more_calls_than_their_undo() {
    let (directory, daemon) = (tempfile::tempdir().unwrap(), Daemon::new(World::new()));
    let path = directory.path();
    std::fs::write(path.join("plan.yaml"), plan()).unwrap();
    let killed = run(path, &daemon, &["apply", "-y"], KILLED_AFTER).await;
    assert_eq!(killed.status.code(), None, "{}", String::from_utf8_lossy(&killed.stderr));
    let world = daemon.world().clone();
    let (steps, needed) = needed(&world, &path.join("state/state.db")).await;
    assert!(steps > SERVICES, "{steps} steps to undo are no middle");

    daemon.rules([]);
    let recovered = run(path, &daemon, &["recover"], "").await;
    assert!(recovered.status.success(), "{}", String::from_utf8_lossy(&recovered.stderr));
    let called = daemon.called();
    assert!(!daemon.world().summary().iter().any(|line| line.starts_with("container fleet-")));
    println!("{steps} steps, {} calls need {:?}", needed.len(), counted(&needed));
    println!("recovery: {} calls {:?}", called.len(), counted(&called));
    assert!(
        called.len() * 10 <= needed.len() * 12,
        "{} calls where the undo needs {}: {:?}, {:?}",
        called.len(),
        needed.len(),
        counted(&called),
        counted(&needed)
    );
}

const REPLACED: &str = "\
apiVersion: orchestrate/v1
name: fleet
services:
  web:
    image: test/app:1
    command: [sleep, \"600\"]
    environment: { VERSION: \"{version}\" }
    restart: always
    stop_grace_period: 0s
    checks: [{ command: [\"true\"], interval: 50ms }]
";

#[tokio::test]
async fn what_the_dead_one_called_last_is_put_right_though_it_comes_late() {
    let (directory, daemon) = (tempfile::tempdir().unwrap(), Daemon::new(World::new()));
    let path = directory.path();
    let plan = |version: &str| std::fs::write(path.join("plan.yaml"), REPLACED.replace("{version}", version)).unwrap();
    plan("1");
    let applied = run(path, &daemon, &["apply", "-y"], "").await;
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    plan("2");
    let killed = run(path, &daemon, &["apply", "-y"], "before-lock-commit").await;
    assert_eq!(killed.status.code(), None, "{}", String::from_utf8_lossy(&killed.stderr));
    // Another host recovers; first one to see after which call all is done that it does at first.
    std::fs::remove_dir_all(path.join("state")).unwrap();
    let rehearsal = Daemon::new(daemon.world().clone());
    rehearsal.rules([]);
    let recovered = run(path, &rehearsal, &["recover"], "").await;
    assert!(recovered.status.success(), "{}", String::from_utf8_lossy(&recovered.stderr));
    let calls = numbered(&rehearsal.called());
    let is_of_instance = |endpoint: Endpoint| {
        matches!(
            endpoint,
            Endpoint::StartContainer
                | Endpoint::UpdateContainer
                | Endpoint::RenameContainer
                | Endpoint::RemoveContainer
        )
    };
    let last = calls.into_iter().rfind(|(endpoint, _)| is_of_instance(*endpoint)).unwrap();
    std::fs::remove_dir_all(path.join("state")).unwrap();
    daemon.rules([]);
    daemon.late(last, |world| {
        let web = world.container("fleet-web-1").unwrap().id.clone();
        world.with(&web, |web| web.asked["HostConfig"]["RestartPolicy"]["Name"] = "no".into());
    });
    let recovered = run(path, &daemon, &["recover"], "").await;
    let web = daemon.world().container("fleet-web-1").unwrap().asked.clone();
    let said = String::from_utf8_lossy(&recovered.stderr).into_owned();
    assert_eq!(web["HostConfig"]["RestartPolicy"]["Name"], "always", "{said}");
    assert!(web["Env"].to_string().contains("VERSION=1"), "{web:#}");
    // It did come late: after all that the rehearsal did.
    let updates =
        |daemon: &Daemon| daemon.called().iter().filter(|endpoint| **endpoint == Endpoint::UpdateContainer).count();
    assert_eq!(updates(&daemon), updates(&rehearsal) + 1, "{:?}", daemon.called());
}
