//! Two at once, signals, and sudden death.

use rustix::process::Signal;

use crate::scene::{PATIENCE, Scene, assert_text, kill, wait_until};

/// A job that runs until the file `go` is there, and a service behind it.
const WAITING: &str = r#"
services:
  job:
    kind: job
    command: ["sh", "-c", "until [ -e go ]; do sleep 0.02; done"]
  web:
    command: [sleep, "1000"]
    depends_on: { job: { condition: service_completed_successfully } }
"#;

#[test]
fn a_second_apply_is_told_who_holds_the_lock() {
    let scene = Scene::new(WAITING);
    let first = scene.until("apply -m night-shift", "job: starting");
    let held = "\
error: project `fleet` is locked by process PID on `HOST`, for TIME: deployment `ID` (night-shift)
  hint: wait until it is done, or end it with `kill PID`: the lock goes with its process
";
    for line in ["apply --yes", "destroy --yes"] {
        let second = scene.run(line);
        assert_eq!((second.code, second.data.as_str()), (5, ""), "{line}");
        assert_text(&second.talk, held);
    }
    // Whoever only looks is not held up.
    scene.ok("preview");
    scene.write("go", "");
    assert_eq!(scene.ended(first).code, 0);
    assert_text(&scene.ok("apply").data, "unchanged: `fleet` on local processes, TIME\n\n2 services unchanged\n");
}

#[test]
fn a_signal_takes_the_deployment_back() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 143)] {
        let scene = Scene::new(WAITING);
        let child = scene.until("apply", "job: starting");
        kill(&child, signal);
        let ran = scene.ended(child);
        assert_eq!(ran.code, code, "{ran:#?}");
        assert!(ran.data.starts_with("rolled back: `fleet` on local processes"), "{}", ran.data);
        assert!(ran.data.contains("error[interrupted]: the deployment was interrupted\n"), "{}", ran.data);
        assert!(scene.instances().is_empty());
    }
}

#[test]
fn a_signal_lets_no_further_plan_begin() {
    let scene = Scene::new(WAITING);
    let next =
        "apiVersion: orchestrate/v1\nname: next\nruntime: process\nservices: { web: { command: [sleep, \"1000\"] } }\n";
    scene.write("next.yaml", next);
    let child = scene.until("apply plan.yaml next.yaml", "job: starting");
    kill(&child, Signal::INT);
    let ran = scene.ended(child);
    assert_eq!(ran.code, 130, "{ran:#?}");
    assert!(ran.data.contains("rolled back: `fleet`") && ran.data.contains("\nnext   interrupted"), "{}", ran.data);
    assert!(scene.instances().is_empty());
}

#[test]
fn a_second_signal_leaves_at_once_and_nothing_wedges() {
    // The way back takes as long as this job's grace.
    let stubborn =
        WAITING.replace("kind: job", "kind: job\n    stop_grace_period: 30s").replace("until", "trap '' TERM; until");
    let scene = Scene::new(&stubborn);
    let child = scene.until("apply", "job: starting");
    wait_until("the job runs", || scene.pids().len() == 1);
    kill(&child, Signal::INT);
    wait_until("the way back has begun", || scene.instances().len() == 1);
    kill(&child, Signal::INT);
    let begun = std::time::Instant::now();
    let ran = scene.ended(child);
    assert_eq!((ran.code, ran.data.as_str()), (130, ""));
    assert!(begun.elapsed() < PATIENCE);
    scene.write("go", "");
    scene.ok("apply");
    assert_eq!(scene.pids().len(), 1);
}

#[test]
fn sudden_death_leaves_what_runs_alone_and_the_next_apply_goes_on() {
    let scene = Scene::new(&format!("{WAITING}  other: {{ command: [sleep, \"1000\"] }}\n"));
    scene.write("go", "");
    scene.ok("apply");
    let before = scene.pids();
    std::fs::remove_file(scene.path("go")).unwrap();
    scene.plan(&format!("{}  other: {{ command: [sleep, \"1000\"] }}\n", WAITING.replace("0.02", "0.03")));
    let child = scene.until("apply", "job: starting");
    kill(&child, Signal::KILL);
    assert_eq!(scene.ended(child).code, 128 + 9);
    let survivors = scene.pids();
    assert!(before.iter().all(|(instance, pid)| survivors.get(instance) == Some(pid)), "{before:?} {survivors:?}");
    scene.ok("preview");
    scene.write("go", "");
    scene.ok("apply");
    assert_text(&scene.ok("apply").data, "unchanged: `fleet` on local processes, TIME\n\n3 services unchanged\n");
    assert!(before.iter().all(|(instance, pid)| scene.pids().get(instance) == Some(pid)));
}
