//! What a deployment fails of, and what is said of it.

use crate::fixture::Fixture;

#[test]
fn killed_for_memory_is_named() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.plan(
        "\
services:
  web:
    <<: *server
    command: [sh, -c, \"tail /dev/zero; echo $?; exec tail /dev/zero\"]
    deploy: { resources: { limits: { memory: 16M } } }
",
    );
    fixture.run(&["apply", "-y"]).exits(3).says(&["out of memory", "exit code 137"]);
    assert_eq!(fixture.states(), Vec::<String>::new());
}

#[test]
fn a_failing_job_fails_the_deployment() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.plan(
        "\
services:
  migrate: { <<: *idle, kind: job, command: [sh, -c, \"echo no such table; exit 3\"] }
  web: { <<: *server, depends_on: { migrate: { condition: service_completed_successfully } } }
",
    );
    let ran = fixture.run(&["apply", "-y"]).exits(3);
    ran.says(&["migrate", "exit code 3", "| no such table"]);
    assert_eq!(fixture.states(), Vec::<String>::new());
}

#[test]
fn a_job_runs_once_again_on_a_change_and_always_if_it_says_so() {
    let Some(fixture) = Fixture::new() else { return };
    let text = |word: &str, run: &str| {
        format!(
            "\
services:
  seed: {{ <<: *idle, kind: job, run: {run}, command: [sh, -c, \"echo {word} >> /data/runs\"], volumes: [\"data:/data\"] }}
  web:
    <<: *server
    volumes: [\"data:/data\"]
    depends_on: {{ seed: {{ condition: service_completed_successfully }} }}
volumes: {{ data: {{}} }}
"
        )
    };
    let runs = || fixture.exec("web", &["cat", "/data/runs"]).replace('\n', " ");
    fixture.applied(&text("a", "on_change"));
    fixture.applied(&text("a", "on_change")).says(&["unchanged: "]);
    assert_eq!(runs(), "a ");
    let web = fixture.id("web");
    fixture.applied(&text("b", "on_change"));
    assert_eq!(runs(), "a b ");
    assert_eq!(fixture.states(), ["seed-1 exited", "web-1 running"]);
    fixture.applied(&text("b", "always"));
    fixture.applied(&text("b", "always"));
    assert_eq!(runs(), "a b b b ");
    fixture.applied(&text("c", "once"));
    assert_eq!(runs(), "a b b b ");
    assert_eq!(fixture.id("web"), web);
}

#[test]
fn a_deployment_that_takes_too_long_is_put_back() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.plan("services: { web: { <<: *broken, checks: [{ tcp: { port: 80 }, retries: 100 }] } }\n");
    let report = fixture.run(&["apply", "-y", "--timeout", "2s", "--format", "json"]).exits(3).json();
    assert_eq!(report["error"]["class"], "timeout");
    assert_eq!(fixture.states(), Vec::<String>::new());
}

#[test]
fn a_program_that_is_not_in_the_image_is_said() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.plan("services: { web: { <<: *server, command: [no-such-program] } }\n");
    fixture.run(&["apply", "-y"]).exits(3).says(&["no-such-program", "error["]);
    assert_eq!(fixture.states(), Vec::<String>::new());
}
