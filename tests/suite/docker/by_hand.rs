//! Services stopped, started and scaled by hand, beside deployments.

use crate::{engine, fixture::Fixture};

const TWO: &str = "\
services:
  db: { <<: *server, restart: always }
  web: { <<: *server, depends_on: { db: { condition: service_healthy } } }
";

fn policy(fixture: &Fixture, service_name: &str) -> String {
    fixture.inspect(service_name)["HostConfig"]["RestartPolicy"]["Name"].as_str().unwrap().to_owned()
}

/// The moments of the services' last starts and ends.
fn moment<'a>(found: &'a serde_json::Value, name: &str) -> &'a str {
    found["State"][name].as_str().unwrap()
}

#[test]
fn what_was_stopped_on_purpose_is_shown_as_that_and_applied_again() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.applied(TWO);
    let before = fixture.ids();
    fixture.run(&["stop", "db"]).exits(0).says(&["-db-1: stopped\n"]);
    assert_eq!(fixture.states(), ["db-1 exited", "web-1 running"]);
    // The engine does not revive it when it begins anew.
    assert_eq!(policy(&fixture, "db"), "unless-stopped");

    fixture.run(&["status"]).exits(0).says(&["stopped by "]);
    let status = fixture.run(&["ps", "--format", "json"]).exits(0).json();
    let instance = &status["services"][0]["instances"][0];
    assert_eq!((instance["state"].as_str(), instance["health"].as_str()), (Some("exited"), Some("none")));
    assert!(instance["stopped"]["by"].as_str().unwrap().contains('@'));
    let preview = fixture.run(&["preview"]).exits(0);
    preview.says(&["state: stopped on purpose by ", " → running", "1 service to update, 1 unchanged"]);
    // Its policy is the mark of a stop, and no other change.
    assert_eq!(fixture.changes(TWO), ["db update: state", "web none"]);

    fixture.run(&["apply"]).exits(0).says(&["warning[starts-stopped]: `db` was stopped on purpose by "]);
    assert_eq!(fixture.states(), ["db-1 running", "web-1 running"]);
    assert_eq!((policy(&fixture, "db"), fixture.ids()), ("always".to_owned(), before));
    fixture.run(&["apply"]).exits(0).says(&["unchanged: "]);
}

#[test]
fn a_start_that_fails_leaves_what_was_stopped_stopped() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.applied(TWO);
    fixture.run(&["stop"]).exits(0);
    let plan = TWO.replace("restart: always", "restart: always, environment: { A: \"1\" }");
    fixture.plan(&plan.replace("web: { <<: *server", "web: { <<: *broken"));
    fixture.run(&["apply", "-y"]).exits(3);
    assert_eq!(fixture.states(), ["db-1 exited", "web-1 exited"]);
    fixture.plan(TWO);
    fixture.run(&["status"]).exits(0).says(&["stopped by "]);
}

#[test]
fn services_stop_in_reverse_and_start_in_order() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.applied(TWO);
    let before = fixture.ids();
    fixture.run(&["stop", "-t", "0"]).exits(0);
    let (db, web) = (fixture.inspect("db"), fixture.inspect("web"));
    assert!(moment(&web, "FinishedAt") < moment(&db, "FinishedAt"));
    // What it depends on is started too, and waited for.
    fixture.run(&["start", "web", "-v"]).exits(0).says(&["-db-1: healthy", "-web-1: started"]);
    let (db, web) = (fixture.inspect("db"), fixture.inspect("web"));
    assert!(moment(&db, "StartedAt") < moment(&web, "StartedAt"));
    assert_eq!((policy(&fixture, "db"), policy(&fixture, "web")), ("always".to_owned(), "no".to_owned()));

    let started = moment(&web, "StartedAt").to_owned();
    fixture.run(&["restart", "web"]).exits(0);
    let restarted = fixture.inspect("web");
    assert!(moment(&restarted, "StartedAt") > started.as_str());
    assert_eq!((moment(&db, "StartedAt"), fixture.ids()), (moment(&fixture.inspect("db"), "StartedAt"), before));
    fixture.run(&["apply"]).exits(0).says(&["unchanged: "]);
    fixture.run(&["start", "wbe"]).exits(64).says(&["did you mean `web`?"]);
}

#[test]
fn verbs_need_no_plan_and_no_state() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.applied(TWO);
    let project = fixture.project();
    std::fs::rename(fixture.path().join("plan/plan.yaml"), fixture.path().join("plan/gone")).unwrap();
    fixture.run(&["stop", "web", "--project", &project]).exits(0);
    // Another host knows that it was meant, but not who did it.
    std::fs::rename(fixture.state(), fixture.path().join("elsewhere")).unwrap();
    fixture.run(&["ps", "--project", &project]).exits(0).says(&["stopped on purpose"]);
    fixture.run(&["start", "web", "--project", &project]).exits(0);
    assert_eq!(fixture.states(), ["db-1 running", "web-1 running"]);
    std::fs::rename(fixture.path().join("plan/gone"), fixture.path().join("plan/plan.yaml")).unwrap();
}

#[test]
fn the_plans_count_wins_again_after_a_scale() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.applied(TWO);
    fixture.run(&["scale", "web=3", "--dry-run"]).exits(0).says(&["deploy.replicas: 1 → 3"]);
    fixture.run(&["scale", "web=3"]).exits(0).says(&["the next apply goes by its counts again"]);
    assert_eq!(fixture.states(), ["db-1 running", "web-1 running", "web-2 running", "web-3 running"]);
    assert_eq!(fixture.changes(TWO), ["db none", "web update: deploy.replicas"]);
    fixture.run(&["apply", "-y"]).exits(0);
    assert_eq!(fixture.states(), ["db-1 running", "web-1 running"]);
    fixture.plan(&TWO.replace("restart: always", "restart: always, ports: [\"127.0.0.1:18999:80\"]"));
    fixture.run(&["scale", "db=2"]).exits(1).says(&["only one can have port 18999 of the host"]);
    fixture.run(&["scale", "wbe=2"]).exits(64).says(&["did you mean `web`?"]);
    fixture.run(&["scale", "web"]).exits(64).says(&["write it as SERVICE=N"]);
}

#[test]
fn what_runs_is_asked() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.applied(&TWO.replace("restart: always", "ports: [\"127.0.0.1::80\"]"));
    let published = engine::docker(&["port", &fixture.instance("db"), "80/tcp"]);
    assert_eq!(fixture.run(&["port", "db", "80"]).exits(0).data, published);
    fixture.run(&["port", "db"]).exits(0).says(&["80/tcp -> 127.0.0.1:"]);
    fixture.run(&["port", "db", "81/udp"]).exits(1).says(&["port 81/udp", "is not published"]);
    fixture.run(&["top", "web"]).exits(0).says(&["-web-1\n", "httpd -f -p 80"]);
    let stats = fixture.run(&["stats", "--no-stream", "--format", "json"]).exits(0).json();
    let instances = stats["instances"].as_array().unwrap();
    assert_eq!(instances.len(), 2);
    assert!(instances.iter().all(|line| line["memory_bytes"].as_u64() > Some(0) && line["cpu_percent"].is_f64()));
    fixture.run(&["images"]).exits(0).says(&["orchestrate-test/busybox:1"]);
    fixture.run(&["ls"]).exits(0).says(&[&fixture.project(), "applied"]);
    // There is no registry that would have it.
    fixture.run(&["pull", "--policy", "missing"]).exits(0).says(&["up to date"]);
    fixture.run(&["pause", "db"]).exits(0);
    assert_eq!(fixture.states(), ["db-1 paused", "web-1 running"]);
    fixture.run(&["unpause"]).exits(0);
    fixture.run(&["kill", "web"]).exits(0);
    fixture.run(&["start"]).exits(0);
    assert_eq!(fixture.states(), ["db-1 running", "web-1 running"]);
}
