//! The operator at night, with containers: without a plan, with another one, and without state.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use crate::{
    engine,
    fixture::{Fixture, Ran},
};

const DEAD: &str = "unix:///nonexistent.sock";

/// Runs with another engine than the one that is there.
fn run_with(fixture: &Fixture, words: &[&str], name: &str, value: &str) -> Ran {
    Ran::of(fixture.command(words).env(name, value).output().unwrap())
}

/// A plan of the same project that has a process and no container.
fn processes(fixture: &Fixture) {
    let project = fixture.project();
    fixture.write(
        "plan.yaml",
        &format!(
            "apiVersion: orchestrate/v1\nname: {project}\nruntime: process\n\
             services: {{ local: {{ command: [sleep, \"1000\"] }} }}\n"
        ),
    );
}

#[test]
fn without_a_plan_the_project_is_named() {
    let Some(fixture) = Fixture::new() else { return };
    let web = |text: &str| format!("services: {{ web: {{ <<: *server, environment: {{ A: {text} }} }} }}\n");
    fixture.applied(&web("one"));
    fixture.applied(&web("two"));
    let project = fixture.project();
    let status = |ran: Ran| {
        let json = ran.exits(0).json();
        let web = &json["services"][0];
        format!("{} {} {}", web["name"], web["desired"], web["instances"][0]["health"])
    };
    std::fs::remove_file(fixture.path().join("plan/plan.yaml")).unwrap();
    fixture.run(&["status"]).exits(1).says(&[&format!("known here are `{project}`")]);
    assert_eq!(status(fixture.run(&["status", "--project", &project, "--format", "json"])), "\"web\" 1 \"healthy\"");
    fixture.run(&["check", "--project", &project]).exits(0);
    fixture.run(&["history", "--project", &project]).exits(0).says(&["applied"]);
    fixture.run(&["rollback", "-y", "--project", &project]).exits(0);
    assert!(fixture.inspect("web")["Config"]["Env"].to_string().contains("A=one"));
    fixture.run(&["destroy", "-y", "--project", &project]).exits(0);
    assert_eq!(fixture.states(), Vec::<String>::new());
    assert_eq!(engine::labelled("network ls -q", &project), Vec::<String>::new());
}

#[test]
fn with_the_state_lost_labels_suffice() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.applied("services: { web: { <<: *server, volumes: [\"data:/data\"] } }\nvolumes: { data: {} }\n");
    let project = fixture.project();
    let elsewhere = fixture.path().join("elsewhere").display().to_string();
    let lost = |words: &[&str]| run_with(&fixture, words, "ORCHESTRATE_STATE_DIR", &elsewhere);
    std::fs::remove_file(fixture.path().join("plan/plan.yaml")).unwrap();
    lost(&["status", "--project", &project])
        .exits(0)
        .says(&["was never deployed from here", "running, not in the plan"]);
    // A volume that is not the project's is no volume of it, whatever it is called.
    lost(&["destroy", "-y", "--project", &project, "--volumes", "other"]).exits(1).says(&["is not a volume of"]);
    let destroyed = lost(&["destroy", "-y", "--project", &project, "--volumes", "data"]).exits(0);
    destroyed.says(&["applied: ", " on docker "]);
    assert_eq!(engine::labelled("volume ls -q", &project), Vec::<String>::new());
    assert_eq!(fixture.states(), Vec::<String>::new());
    assert_eq!(engine::labelled("network ls -q", &project), Vec::<String>::new());
    let again = lost(&["destroy", "-y", "--project", &project]).exits(0);
    assert!(again.data.contains(" on docker ") && !again.data.contains("local processes"), "{}", again.data);
}

#[test]
fn a_plan_that_needs_no_engine_still_sees_what_an_earlier_one_left_there() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.applied("services: { web: *server }\n");
    processes(&fixture);
    fixture.run(&["preview"]).exits(0).says(&["`web` runs and is no longer in the plan"]);
    fixture.run(&["status"]).exits(0).says(&["running, not in the plan"]);

    // The engine is not there: whoever looks or goes on is told, whoever takes away has to stop.
    for words in [&["preview"][..], &["status"], &["logs"], &["apply", "-y"]] {
        run_with(&fixture, words, "DOCKER_HOST", DEAD).exits(0).says(&["warning[engine-out-of-reach]"]);
    }
    run_with(&fixture, &["destroy", "-y"], "DOCKER_HOST", DEAD).exits(1).says(&["/nonexistent.sock", "hint: "]);
    run_with(&fixture, &["rollback", "-y"], "DOCKER_HOST", DEAD).exits(1).says(&["/nonexistent.sock"]);
    assert_eq!(fixture.states(), ["web-1 running"]);

    // That nobody saw it does not make it forgotten.
    fixture.run(&["apply", "-y", "--remove-orphans"]).exits(0);
    assert_eq!(fixture.states(), Vec::<String>::new());
    fixture.run(&["preview"]).exits(0).says(&["on local processes\n"]);
    fixture.run(&["destroy", "-y"]).exits(0);
    assert_eq!(engine::labelled("network ls -q", &fixture.project()), Vec::<String>::new());

    // One deployment later, nobody asks the engine any more.
    fixture.run(&["apply"]).exits(0);
    let quiet = run_with(&fixture, &["status"], "DOCKER_HOST", DEAD).exits(0);
    assert_eq!(quiet.talk, "");
}

#[test]
fn a_plan_of_processes_asks_no_engine() {
    let Some(fixture) = Fixture::new() else { return };
    processes(&fixture);
    for words in [&["apply"][..], &["status"], &["apply"], &["preview"], &["destroy", "-y"]] {
        let ran = run_with(&fixture, words, "DOCKER_HOST", DEAD).exits(0);
        assert!(!ran.talk.contains("warning"), "{words:?}: {}", ran.talk);
        assert!(!ran.data.contains("docker"), "{words:?}: {}", ran.data);
    }
}

#[test]
fn a_plan_of_containers_does_not_speak_of_processes() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.plan("services: { web: *server }\n");
    let rounds: [&[&str]; 6] = [
        &["preview"],
        &["apply"],
        &["apply"],
        &["history", "--format", "json"],
        &["destroy", "-y"],
        &["destroy", "-y"],
    ];
    for words in rounds {
        let ran = fixture.run(words).exits(0);
        assert!(ran.data.contains("docker 20.") || ran.data.contains("docker "), "{words:?}: {}", ran.data);
        assert!(!ran.data.contains("local processes"), "{words:?}: {}", ran.data);
    }
}

#[test]
fn the_engine_of_a_plan_that_does_not_load_is_remembered() {
    let Some(fixture) = Fixture::new() else { return };
    let socket = fixture.path().join("engine.sock");
    let real = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    let Some(real) = real.strip_prefix("unix://") else { return };
    std::os::unix::fs::symlink(real, &socket).unwrap();
    fixture.environment(&format!("target: {{ host: \"unix://{}\" }}\n", socket.display()));
    let plan = "vars: { a: { type: string, required: true } }\nservices: { web: *server }\n";
    fixture.plan(plan);
    let run = |words: &[&str]| {
        let mut command = fixture.command(words);
        // Without the environment's word nobody would know which engine is meant.
        command.env_remove("DOCKER_HOST").env("DOCKER_CONTEXT", "nowhere");
        Ran::of(command.output().unwrap())
    };
    run(&["apply", "--var", "a=1"]).exits(0);
    run(&["status"]).exits(0).says(&["warning[plan-not-loaded]", "running  healthy"]);
    run(&["destroy", "-y"]).exits(0);
    assert_eq!(fixture.states(), Vec::<String>::new());
}

#[test]
fn followed_logs_go_on_with_the_container_that_replaces_another() {
    let Some(fixture) = Fixture::new() else { return };
    let plan = |word: &str| {
        format!("services: {{ web: {{ <<: *idle, command: [sh, -c, \"echo {word}; exec sleep 600\"] }}, db: *idle }}\n")
    };
    fixture.applied(&plan("one"));
    let mut command = fixture.command(&["logs", "--follow", "web"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "one");
    fixture.applied(&plan("two"));
    assert_eq!(lines.next().unwrap(), "two");
    fixture.run(&["destroy", "-y"]).exits(0);
    assert!(child.wait().unwrap().success());
    assert_eq!(lines.next(), None);
}
