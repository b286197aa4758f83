//! Hooks and tests of a plan, on this host.

use std::{fs, process::Stdio};

use rustix::process::Signal;

use crate::scene::{Scene, kill, wait_until};

/// A service whose hooks and tests write down that they ran, and what they were told.
fn plan(version: u32, commands: &str) -> String {
    format!(
        r#"
services:
  web:
    command: ["sh", "-c", "echo version {version} ready; exec sleep 1000"]
    checks: [{{ log: {{ matches: ready }}, interval: 1s, retries: 3 }}]
{commands}"#
    )
}

const EVERYWHERE: &str = r#"
hooks:
  pre_deploy: [{ command: [sh, -c, "echo pre_deploy $ORCHESTRATE_PROJECT $ORCHESTRATE_PHASE >>ran"] }]
  pre_service_deployment: [{ command: [sh, -c, "echo pre_service_deployment >>ran"] }]
  pre_health_validation: [{ command: [sh, -c, "echo pre_health_validation >>ran"] }]
  pre_integration_testing: [{ command: [sh, -c, "echo pre_integration_testing >>ran"] }]
  post_deploy:
    - { name: once, run_once: true, command: [sh, -c, "echo once >>ran"] }
    - { command: [sh, -c, "echo $WORD >>ran"], environment: { WORD: post_deploy } }
  pre_cleanup: [{ command: [sh, -c, "echo pre_cleanup >>ran"] }]
  on_failure: [{ command: [sh, -c, "echo on_failure $ORCHESTRATE_OUTCOME: $ORCHESTRATE_ERROR >>ran"] }]
tests:
  - { name: smoke, command: [sh, -c, "echo smoke >>ran"] }
"#;

fn ran(scene: &Scene) -> Vec<String> {
    let text = fs::read_to_string(scene.path("ran")).unwrap_or_default();
    drop(fs::remove_file(scene.path("ran")));
    text.lines().map(str::to_owned).collect()
}

#[test]
fn hooks_run_at_their_points_and_tests_when_all_is_healthy() {
    let scene = Scene::new(&plan(1, EVERYWHERE));
    let preview = scene.ok("preview");
    assert!(preview.data.contains("  > run hook once (post_deploy, on this host, once)\n"), "{}", preview.data);
    assert!(preview.data.contains("  > run test smoke (on this host)\n"), "{}", preview.data);
    assert!(ran(&scene).is_empty());

    let up = scene.ok("apply");
    let order = [
        "pre_deploy fleet environment_setup",
        "pre_service_deployment",
        "pre_health_validation",
        "pre_integration_testing",
        "smoke",
        "once",
        "post_deploy",
        "pre_cleanup",
    ];
    assert_eq!(ran(&scene), order);
    assert!(up.data.contains("test     smoke                       passed"), "{}", up.data);

    scene.ok("apply");
    assert!(ran(&scene).is_empty(), "nothing changed, so nothing runs");

    scene.plan(&plan(2, EVERYWHERE));
    scene.ok("apply");
    assert_eq!(ran(&scene), order.into_iter().filter(|line| *line != "once").collect::<Vec<_>>());
}

#[test]
fn a_hook_that_fails_before_anything_changed_changes_nothing() {
    let commands = "
hooks:
  pre_deploy: [{ name: gate, command: [sh, -c, 'echo not today; exit 3'] }]
  on_failure: [{ command: [sh, -c, 'echo $ORCHESTRATE_OUTCOME: $ORCHESTRATE_ERROR >>ran'] }]
";
    let scene = Scene::new(&plan(1, commands));
    let failed = scene.run("apply");
    assert_eq!(failed.code, 1, "{}", failed.data);
    let text = "error[hook-failed]: hook `gate` failed: it ended with exit code 3: not today\n";
    assert!(failed.data.contains(text), "{}", failed.data);
    assert_eq!(ran(&scene), ["failed: hook `gate` failed: it ended with exit code 3: not today"]);
    assert!(scene.pids().is_empty());
}

#[test]
fn a_test_that_fails_takes_the_deployment_back_and_is_told_of() {
    let scene = Scene::new(&plan(1, ""));
    scene.ok("apply");
    let commands = r#"
hooks:
  on_failure: [{ command: [sh, -c, 'echo $ORCHESTRATE_OUTCOME >>ran; echo the teller fails; exit 1'] }]
tests:
  - { name: good, command: ['true'] }
  - { name: bad, command: [sh, -c, 'echo try >>tries; echo "<wrong>" 1>&2; exit 1'], retries: 2 }
"#;
    scene.plan(&plan(2, commands));
    let failed = scene.run("apply --junit junit.xml");
    assert_eq!(failed.code, 3, "{}", failed.data);
    assert!(
        failed.data.contains("error[test-failed]: test `bad` failed: it ended with exit code 1: <wrong>"),
        "{}",
        failed.data
    );
    assert_eq!(fs::read_to_string(scene.path("tries")).unwrap(), "try\ntry\ntry\n");
    assert_eq!(ran(&scene), ["rolled_back"]);
    assert_eq!(scene.log("web"), "version 1 ready\nversion 1 ready\n");
    let junit = fs::read_to_string(scene.path("junit.xml")).unwrap();
    assert!(junit.contains(r#"<testsuite name="fleet" tests="2" skipped="0" errors="0" failures="1">"#), "{junit}");
    assert!(junit.contains("&lt;wrong&gt;"), "{junit}");
}

#[test]
fn a_hook_takes_no_longer_than_it_may_and_nothing_of_it_is_left() {
    let commands = "
hooks:
  post_deploy: [{ name: slow, timeout: 200ms, command: [sh, -c, 'sleep 1000 & echo $! >pid; wait'] }]
";
    let scene = Scene::new(&plan(1, commands));
    let failed = scene.run("apply");
    assert_eq!(failed.code, 3);
    let text = "error[hook-timeout]: hook `slow` did not end within TIME, and was killed";
    assert!(failed.data.contains(text), "{}", failed.data);
    let pid = fs::read_to_string(scene.path("pid")).unwrap();
    wait_until("its child has ended", || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    });
}

#[test]
fn secrets_of_hooks_are_never_seen() {
    let commands = "
secrets: { token: {} }
hooks:
  post_deploy: [{ name: leak, command: [sh, -c, 'echo $TOKEN; exit 1'], environment: { TOKEN: '{{ secrets.token }}' } }]
";
    let scene = Scene::new(&plan(1, commands)).env("TOKEN", "hunter2hunter2");
    scene.write("environments/test.yaml", "secrets: { token: { env: TOKEN } }\n");
    let failed = scene.run("apply -e test --events events.jsonl");
    assert_eq!(failed.code, 3, "{}", failed.data);
    assert!(failed.data.contains("it ended with exit code 1: ***"), "{}", failed.data);
    let events = fs::read_to_string(scene.path("events.jsonl")).unwrap();
    for text in [&failed.data, &failed.talk, &events] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    for file in scene.state_files() {
        let bytes = fs::read(&file).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&bytes).contains("hunter2"), "{}", file.display());
    }
}

/// Killed while a hook runs: whoever goes on does not run it a second time, unless it may.
#[test]
fn a_hook_that_may_have_run_is_not_run_again_unless_it_may() {
    for (idempotent, runs, code) in [("false", 1, 3), ("true", 2, 0)] {
        let commands = format!(
            "
hooks:
  post_deploy: [{{ name: migrate, idempotent: {idempotent}, command: [sh, -c, 'echo ran >>ran; test -e go || sleep 1000'] }}]
"
        );
        let scene = Scene::new(&plan(1, &commands));
        let mut command = scene.command("apply");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("the hook runs", || scene.path("ran").exists());
        kill(&child, Signal::KILL);
        child.wait().unwrap();
        scene.write("go", "");
        let recovered = scene.run("recover --resume");
        assert_eq!(recovered.code, code, "{}", recovered.data);
        assert_eq!(ran(&scene).len(), runs, "{}", recovered.data);
        if code != 0 {
            let text = "error[command-unknown]: nobody knows whether the hook `migrate` ran to its end";
            assert!(recovered.data.contains(text), "{}", recovered.data);
        }
    }
}
