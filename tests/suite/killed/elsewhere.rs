//! What other hosts know of a project, whoever brought its deployments to their ends.

use std::os::unix::process::ExitStatusExt as _;

use orchestrate::driver::FailPoint;

use crate::{
    engine,
    fixture::{Fixture, Ran},
};

fn plan(version: u32) -> String {
    format!(
        "services: {{ web: {{ <<: *idle, environment: {{ VERSION: \"{version}\", MADE: \"{{{{ random_string(12) }}}}\" }} }} }}\n"
    )
}

/// Runs the program as another host does: with a state of its own.
fn on(host: &str, fixture: &Fixture, line: &str) -> Ran {
    let mut command = fixture.command(&line.split(' ').collect::<Vec<_>>());
    Ran::of(command.env("ORCHESTRATE_STATE_DIR", fixture.path().join(host)).output().unwrap())
}

fn variable(fixture: &Fixture, name: &str) -> String {
    fixture.exec("web", &["sh", "-c", &format!("echo ${name}")]).trim().to_owned()
}

fn locks(fixture: &Fixture) -> Vec<String> {
    let label = format!("label=io.orchestrate.project={}", fixture.project());
    let listed = engine::docker(&["volume", "ls", "--filter", &label, "--format", "{{.Name}}"]);
    listed.lines().filter(|name| name.starts_with("orchestrate-lock-")).map(str::to_owned).collect()
}

#[test]
fn the_plan_of_a_deployment_that_another_host_ended_gets_to_all() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.applied(&plan(1));
    fixture.plan(&plan(2));
    let mut apply = fixture.command(&["apply", "-y"]);
    let killed = apply.env("ORCHESTRATE_FAIL_POINT", FailPoint::AfterCommit.name()).output().unwrap();
    assert_eq!(killed.status.signal(), Some(9), "{killed:?}");
    on("second", &fixture, "recover").exits(0);
    // This host hears of the end before it comes to it by itself.
    fixture.run(&["history"]).exits(0);
    fixture.applied(&plan(3));
    on("third", &fixture, "rollback -y").exits(0);
    assert_eq!(variable(&fixture, "VERSION"), "2");
}

#[test]
fn what_was_made_once_outlives_a_prune_of_the_lock() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.applied(&plan(1));
    let made = variable(&fixture, "MADE");
    for name in locks(&fixture) {
        engine::docker(&["volume", "rm", &name]);
    }
    on("second", &fixture, "apply -y").exits(0).says(&["unchanged"]);
    fixture.plan(&plan(2));
    on("second", &fixture, "apply -y").exits(0);
    assert_eq!((variable(&fixture, "VERSION").as_str(), variable(&fixture, "MADE")), ("2", made));
    // Numbers that this host has seen do not come again.
    let numbers: Vec<u64> =
        locks(&fixture).iter().map(|name| name.rsplit('.').next().unwrap().parse().unwrap()).collect();
    assert!(numbers.len() == 1 && numbers[0] > 1_700_000_000, "{numbers:?}");
    fixture.run(&["rollback", "-y"]).exits(0);
    assert_eq!(variable(&fixture, "VERSION"), "1");
}
