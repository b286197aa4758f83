//! The Docker Engine is restarted while services are being replaced.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::process::Signal;

use super::own_engine::OwnEngine;
use crate::scene::wait_until;

fn plan(version: u32) -> String {
    let service = |name: &str| {
        format!(
            "  {name}:\n    image: orchestrate-test/busybox:1\n    command: [sleep, \"600\"]\n    restart: always\n    \
             stop_grace_period: 0s\n    environment: {{ VERSION: \"{version}\" }}\n    \
             checks: [{{ command: [\"true\"], interval: 200ms, retries: 100 }}]\n"
        )
    };
    let services: String = ["a", "b", "c", "d"].map(service).concat();
    format!(
        "apiVersion: orchestrate/v1\nname: fleet\nparallelism: 2\nretry: {{ attempts: 6, initial: 200ms, max: 1s }}\nservices:\n{services}"
    )
}

fn apply(directory: &Path, engine: &OwnEngine) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrate"));
    command
        .args(["apply", "-y", "--events", "events"])
        .current_dir(directory)
        .env_clear()
        .env("HOME", directory)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("ORCHESTRATE_STATE_DIR", directory.join("state"))
        .env("DOCKER_HOST", engine.address())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// How it ended: its exit code, and what it said.
fn ended(child: Child) -> (i32, String) {
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

/// `fleet-a-1 2`: the containers that run, with their version.
fn running(engine: &OwnEngine) -> Vec<String> {
    engine.lines(&["ps", "--format", "{{.Label \"io.orchestrate.service\"}}"])
}

fn restarted(signal: Signal, stage: &str) {
    let Some(mut engine) = OwnEngine::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::fs::write(path.join("plan.yaml"), plan(1)).unwrap();
    let (code, said) = ended(apply(path, &engine).spawn().unwrap());
    assert_eq!(code, 0, "{said}");

    std::fs::write(path.join("plan.yaml"), plan(2)).unwrap();
    std::fs::write(path.join("events"), "").unwrap();
    let child = apply(path, &engine).spawn().unwrap();
    wait_until(stage, || std::fs::read_to_string(path.join("events")).unwrap_or_default().contains(stage));
    engine.end(signal);
    engine.run();
    let (code, said) = ended(child);
    assert!([0, 1, 3, 4].contains(&code), "exit code {code}: {said}");
    println!("{signal:?} at {stage}: exit code {code}");
    let mut services = running(&engine);
    services.dedup();
    assert_eq!(services, running(&engine), "a predecessor runs beside its successor: {said}");

    let (again, said_again) = ended(apply(path, &engine).spawn().unwrap());
    assert_eq!(again, 0, "after exit code {code}: {said}\n{said_again}");
    let mut containers = engine.lines(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]);
    containers.retain(|container| container != "orchestrate-state-fleet created");
    assert_eq!(containers, ["a", "b", "c", "d"].map(|name| format!("fleet-{name}-1 running")), "{said}\n{said_again}");
    for name in ["a", "b", "c", "d"] {
        let version = engine.lines(&["exec", &format!("fleet-{name}-1"), "sh", "-c", "echo $VERSION"]);
        assert_eq!(version, ["2"], "{said}\n{said_again}");
    }
    let networks =
        engine.lines(&["network", "ls", "--filter", "label=io.orchestrate.project", "--format", "{{.Name}}"]);
    assert_eq!(networks, ["fleet_default"]);
}

#[test]
fn an_engine_that_is_stopped_and_started_loses_no_service() {
    restarted(Signal::TERM, "stopping");
}

#[test]
fn an_engine_that_is_killed_and_started_loses_no_service() {
    restarted(Signal::KILL, "service_starting");
}
