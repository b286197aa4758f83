//! The first deployment, and the same again.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::{engine, fixture::Fixture};

const THREE_LAYERS: &str = "\
services:
  db-1: *server
  db-2: *server
  api-1: { <<: *server, depends_on: { db-1: { condition: service_healthy }, db-2: { condition: service_healthy } } }
  api-2: { <<: *server, depends_on: { db-2: { condition: service_healthy } } }
  web: { <<: *server, depends_on: { api-1: { condition: service_healthy }, api-2: { condition: service_healthy } } }
";

fn moments(path: &std::path::Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("{}.{:09}", since.as_secs(), since.subsec_nanos())
}

/// What was done to a project's objects, as the engine tells it.
fn told_by_engine(project: &str, since: &str) -> String {
    let label = format!("label=io.orchestrate.project={project}");
    let format = "{{.Type}} {{.Action}}";
    engine::docker(&["events", "--since", since, "--until", &now(), "--filter", &label, "--format", format])
}

#[test]
fn three_layers_come_up_in_order_and_the_same_again_changes_nothing() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.plan(THREE_LAYERS);
    let report = fixture.run(&["apply", "--events", "events.json", "--format", "json"]).exits(0).json();
    assert_eq!((&report["format_version"], &report["outcome"]), (&json!(1), &json!("applied")));
    let phases = report["phases"].as_array().unwrap().iter().map(|phase| phase["name"].as_str().unwrap());
    assert_eq!(
        phases.collect::<Vec<_>>().join(" "),
        "pre_validation dependency_resolution environment_setup service_deployment health_validation \
         integration_testing post_deployment cleanup"
    );

    let moments = moments(&fixture.path().join("plan/events.json"));
    let place = |event: &str, service: &str| {
        let found = moments.iter().position(|moment| moment["event"] == event && moment["service"] == service);
        found.unwrap_or_else(|| panic!("no {event} of {service}"))
    };
    for (dependency, dependent) in
        [("db-1", "api-1"), ("db-2", "api-1"), ("db-2", "api-2"), ("api-1", "web"), ("api-2", "web")]
    {
        let (ready, starting) = (place("service_ready", dependency), place("service_starting", dependent));
        assert!(ready < starting, "{dependent} starts before {dependency} is ready");
    }
    let states = ["api-1-1", "api-2-1", "db-1-1", "db-2-1", "web-1"].map(|name| format!("{name} running"));
    assert_eq!(fixture.states(), states);

    let (before, since) = (fixture.containers(), now());
    let again = fixture.run(&["apply"]).exits(0);
    assert!(again.data.starts_with("unchanged: "), "{}", again.data);
    assert_eq!(told_by_engine(&fixture.project(), &since), "");
    assert_eq!(fixture.containers(), before);
}

#[test]
fn a_preview_says_what_would_be_done_and_does_nothing() {
    let Some(fixture) = Fixture::new() else { return };
    let text = "\
services:
  db: { <<: *server, volumes: [\"data:/data\"] }
  web: { <<: *server, depends_on: { db: { condition: service_healthy } } }
volumes: { data: {} }
";
    fixture.plan(text);
    let mut preview = fixture.run(&["preview", "--format", "json"]).exits(0).json();
    for volatile in ["engine", "digest"] {
        assert!(preview[volatile].is_string());
        preview[volatile] = Value::Null;
    }
    let created = |service: &str| json!({ "service": service, "op": "create", "causes": [], "downtime": "none" });
    let project = fixture.project();
    let expected = json!({
        "format_version": 1,
        "plan": project,
        "environment": null,
        "engine": null,
        "digest": null,
        "groups": [["db"], ["web"]],
        "changes": [created("db"), created("web")],
        "summary": { "create": 2, "replace": 0, "update": 0, "remove": 0, "none": 0 },
        "resources": [format!("create network {project}_default"), format!("create volume {project}_data")],
        "commands": [],
        "orphans": [],
        "warnings": [],
        "unfinished": null,
    });
    assert_eq!(preview, expected);
    fixture.run(&["preview", "--detailed-exitcode"]).exits(2);
    fixture.run(&["apply", "--dry-run"]).exits(0).says(&["2 services to create"]);
    assert_eq!(fixture.states(), Vec::<String>::new());
    assert_eq!(engine::labelled("network ls -q", &project), Vec::<String>::new());
    assert_eq!(engine::labelled("volume ls -q", &project), Vec::<String>::new());
}
