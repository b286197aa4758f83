//! A deployment that fails puts everything back.

use serde_json::{Value, json};

use crate::{
    engine::{self, free_port},
    fixture::Fixture,
};

/// What a rollback has to bring back, as the engine tells it.
fn lasting(found: &Value) -> Value {
    let networks = found["NetworkSettings"]["Networks"].as_object().unwrap().iter();
    let networks: serde_json::Map<String, Value> = networks
        .map(|(name, network)| (name.clone(), json!([network["Aliases"], network["IPAddress"], network["MacAddress"]])))
        .collect();
    json!({
        "id": found["Id"],
        "name": found["Name"],
        "image": found["Image"],
        "running": found["State"]["Running"],
        "config": found["Config"],
        "host": found["HostConfig"],
        "mounts": found["Mounts"],
        "ports": found["NetworkSettings"]["Ports"],
        "networks": networks,
    })
}

#[test]
fn the_same_container_runs_again_though_its_tag_and_its_plan_are_gone() {
    let Some(fixture) = Fixture::new() else { return };
    let (first, second) = (fixture.build_image("one", "first"), fixture.build_image("two", "second"));
    let port = free_port();
    fixture.applied(&format!(
        "\
services:
  client: *idle
  web:
    <<: *server
    image: \"{first}\"
    restart: unless-stopped
    ports: [\"127.0.0.1:{port}:80\"]
    networks: {{ default: {{ aliases: [front] }} }}
    volumes: [\"data:/data\"]
    deploy: {{ resources: {{ limits: {{ memory: 64M, cpus: \"0.5\", pids: 40 }} }} }}
volumes: {{ data: {{}} }}
"
    ));
    fixture.exec("web", &["sh", "-c", "echo kept > /data/kept"]);
    let before = lasting(&fixture.inspect("web"));
    let client = fixture.ids()[0].clone();

    // Only the name goes: the container that runs from it holds the layers.
    engine::docker(&["rmi", "--no-prune", &first]);
    fixture.plan(&format!(
        "services: {{ client: *idle, web: {{ <<: *broken, image: \"{second}\", ports: [\"127.0.0.1:{port}:80\"] }} }}\n"
    ));
    let report = fixture.run(&["apply", "-y", "--format", "json"]).exits(3).json();
    assert_eq!(report["outcome"], "rolled_back");
    assert_eq!(report["error"]["class"], "health_check");

    assert_eq!(lasting(&fixture.inspect("web")), before);
    assert_eq!(fixture.ids()[0], client);
    assert_eq!(fixture.states(), ["client-1 running", "web-1 running"]);
    std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    for name in ["front", "web"] {
        assert_eq!(fixture.exec("client", &["wget", "-q", "-O-", &format!("http://{name}/data/kept")]), "kept\n");
    }
    // And there is nothing left that the next look would stumble over.
    let again = fixture.run(&["preview", "--format", "json"]).exits(0).json();
    assert_eq!(again["summary"], json!({ "create": 0, "replace": 1, "update": 0, "remove": 0, "none": 1 }));
}

#[test]
fn ten_services_are_put_back_when_the_last_fails() {
    let Some(fixture) = Fixture::new() else { return };
    let text = |version: &str, last: &str| {
        let mut text = "services:\n".to_owned();
        for number in 0..9 {
            text.push_str(&format!("  s{number}: {{ <<: *server, environment: {{ V: \"{version}\" }} }}\n"));
        }
        let needs: Vec<String> = (0..9).map(|number| format!("s{number}: {{ condition: service_healthy }}")).collect();
        text.push_str(&format!(
            "  s9: {{ <<: *{last}, environment: {{ V: \"{version}\" }}, depends_on: {{ {} }} }}\n",
            needs.join(", ")
        ));
        text
    };
    fixture.applied(&text("1", "server"));
    let before = fixture.ids();
    fixture.plan(&text("2", "broken"));
    let report = fixture.run(&["apply", "-y", "--format", "json"]).exits(3).json();
    let restored = report["services"].as_array().unwrap().iter().filter(|service| service["status"] == "restored");
    assert_eq!(restored.count(), 10);
    assert_eq!(fixture.ids(), before);
    assert!(fixture.states().iter().all(|state| state.ends_with(" running")), "{:?}", fixture.states());
    fixture.plan(&text("1", "server"));
    fixture.run(&["apply"]).exits(0).says(&["unchanged: "]);
}

#[test]
fn a_service_that_crashes_after_its_check_passed_is_caught() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.applied("services: { steady: *server }\n");
    let before = fixture.ids();
    fixture.plan(
        "\
services:
  steady: { <<: *server, environment: { V: \"2\" } }
  crasher: { <<: *server, command: [sh, -c, \"httpd -p 80; echo up; sleep 2; echo going down; exit 7\"] }
  slow:
    <<: *idle
    command: [sh, -c, \"sleep 5; echo ready; exec sleep 600\"]
    checks: [{ log: { matches: ^ready$ }, interval: 200ms, retries: 60 }]
",
    );
    let ran = fixture.run(&["apply", "-y", "--events", "events.json"]).exits(3);
    ran.says(&[
        "crasher",
        "exit code 7",
        "| up",
        "| going down",
        "It failed, and all that it had changed was put back",
    ]);
    let events = std::fs::read_to_string(fixture.path().join("plan/events.json")).unwrap();
    let ready = events.find("\"service_ready\",\"service\":\"crasher\"").expect("it was ready");
    let failed = events.find("\"service_failed\",\"service\":\"crasher\"").expect("it failed");
    assert!(ready < failed);
    assert_eq!(fixture.ids(), before);
    assert_eq!(fixture.states(), ["steady-1 running"]);
}

#[test]
fn without_a_rollback_it_says_what_is_left_and_the_next_apply_goes_on() {
    let Some(fixture) = Fixture::new() else { return };
    let good = "services: { web: { <<: *server, environment: { V: \"2\" } }, db: *server }\n";
    let bad = "services: { web: { <<: *broken, environment: { V: \"2\" } }, db: *server }\n";
    fixture.applied("services: { web: *server, db: *server }\n");
    for (plan, flag) in [(bad.to_owned(), "--no-rollback"), (format!("rollback: {{ strategy: manual }}\n{bad}"), "-v")]
    {
        fixture.plan(&plan);
        fixture.run(&["apply", "-y", flag]).exits(4).says(&["needs attention", "left behind", "done and left: start"]);
        // What failed is as the plan says; its predecessor lies about until the next apply.
        let preview = fixture.run(&["preview", "--detailed-exitcode"]).exits(2);
        preview.says(&["2 services unchanged", "web-1.old-", "left by an earlier deployment"]);
        fixture.applied(good);
        assert_eq!(fixture.states(), ["db-1 running", "web-1 running"]);
        fixture.run(&["apply"]).exits(0).says(&["unchanged: "]);
    }
}

#[test]
fn the_body_of_what_failed_is_kept_until_the_next_apply() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.applied("services: { web: *server }\n");
    let before = fixture.ids();
    fixture.plan("services: { web: *broken }\n");
    let report = fixture.run(&["apply", "-y", "--keep-failed", "--format", "json"]).exits(3).json();
    let deployment = report["deployment"].as_str().unwrap();
    let kept = format!("web-1.failed-{deployment} exited");
    assert_eq!(fixture.states(), ["web-1 running", kept.as_str()]);
    assert_eq!(fixture.ids()[0], before[0]);
    fixture.applied("services: { web: { <<: *server, environment: { V: \"2\" } } }\n");
    assert_eq!(fixture.states(), ["web-1 running"]);
}

#[test]
fn the_command_goes_back_to_the_deployment_before() {
    let Some(fixture) = Fixture::new() else { return };
    let text = |version: &str| format!("services: {{ web: {{ <<: *server, environment: {{ V: \"{version}\" }} }} }}\n");
    let version = || fixture.exec("web", &["sh", "-c", "echo $V"]);
    fixture.plan(&text("1"));
    fixture.run(&["rollback", "-y"]).exits(1).says(&["nothing to go back to"]);
    fixture.applied(&text("1"));
    fixture.applied("services: { web: { <<: *server, environment: { V: \"2\" } }, more: *server }\n");
    assert_eq!(version(), "2\n");
    fixture.run(&["rollback", "--dry-run"]).exits(0).says(&["1 service to replace, 1 to remove"]);
    assert_eq!(version(), "2\n");
    fixture.run(&["rollback", "-y", "--format", "json"]).exits(0);
    assert_eq!(version(), "1\n");
    assert_eq!(fixture.states(), ["web-1 running"]);
    // The plan file still says what it said: applying it goes forth again.
    fixture.run(&["apply", "-y"]).exits(0);
    assert_eq!(version(), "2\n");
}
