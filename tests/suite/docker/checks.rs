//! Each kind of check, asked of a real container.

use crate::fixture::Fixture;

#[test]
fn every_kind_of_check_gates_what_depends_on_it() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.write("there.txt", "all is well\n");
    fixture.applied(
        "\
services:
  healthcheck:
    <<: *server
    checks: []
    healthcheck: { test: [CMD, test, -e, /up], interval: 300ms, retries: 50 }
    command: [sh, -c, \"sleep 1; touch /up; exec httpd -f -p 80\"]
  http:
    <<: *server
    command: [sh, -c, \"mkdir -p /www; echo '{\\\"state\\\": {\\\"ok\\\": true}}' > /www/s.html; exec httpd -f -p 80 -h /www\"]
    checks:
      - http: { port: 80, path: /s.html, status: [200], body: state, json: { $.state.ok: true }, response_headers: { Content-Type: html } }
        interval: 200ms
        retries: 50
      - http: { port: 80, path: /none, status: [404] }
        interval: 200ms
        retries: 50
  command: { <<: *idle, checks: [{ command: [\"true\"], interval: 200ms, retries: 50 }] }
  file: { <<: *idle, checks: [{ file: { path: there.txt, contains: well, min_size: 5, max_age: 1h } }, { file: { path: gone, exists: false } }] }
  log: { <<: *idle, command: [sh, -c, \"echo listening on 80; exec sleep 600\"], checks: [{ log: { matches: \"^listening on \\\\d+$\" }, interval: 200ms, retries: 50 }] }
  last:
    <<: *server
    depends_on:
      healthcheck: { condition: service_healthy }
      http: { condition: service_healthy }
      command: { condition: service_healthy }
      file: { condition: service_healthy }
      log: { condition: service_healthy }
",
    );
    assert!(fixture.states().iter().all(|state| state.ends_with(" running")));
    fixture.run(&["apply"]).exits(0).says(&["unchanged: "]);
}

#[test]
fn what_a_check_answered_is_said() {
    let Some(fixture) = Fixture::new() else { return };
    let timing = "interval: 100ms, retries: 3";
    let broken = "<<: *server, command: [sh, -c, \"echo up; echo something > /page.txt; exec httpd -f -p 80 -h /\"]";
    let table = [
        (format!("checks: [{{ http: {{ port: 80, path: /none }}, {timing} }}]"), "status 404, expected 200 to 399"),
        (format!("checks: [{{ http: {{ port: 80, path: /page.txt, body: nothing }}, {timing} }}]"), "nothing"),
        (format!("checks: [{{ tcp: {{ port: 81 }}, {timing} }}]"), "connection refused"),
        (format!("checks: [{{ command: [sh, -c, \"echo not yet; exit 4\"], {timing} }}]"), "not yet"),
        (format!("checks: [{{ file: {{ path: gone.txt }}, {timing} }}]"), "gone.txt"),
        (format!("checks: [{{ log: {{ matches: down }}, {timing} }}]"), "none of "),
        (
            format!("checks: [], healthcheck: {{ test: \"echo sick; exit 1\", {timing} }}"),
            "the engine's healthcheck says unhealthy: sick",
        ),
    ];
    for (checks, answer) in table {
        fixture.plan(&format!("services: {{ web: {{ {broken}, {checks} }} }}\n"));
        let report = fixture.run(&["apply", "-y", "--format", "json"]).exits(3).json();
        let summary = report["error"]["summary"].as_str().unwrap();
        assert!(summary.contains(answer), "`{answer}` is not in: {summary}");
        assert_eq!(report["error"]["class"], "health_check", "{checks}");
    }
    assert_eq!(fixture.states(), Vec::<String>::new());
}

#[test]
fn a_warning_only_warns() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.plan(
        "services: { web: { <<: *server, checks: [{ tcp: { port: 80 } }, { name: spare, tcp: { port: 81 }, severity: warning, interval: 100ms, retries: 2 }] } }\n",
    );
    let ran = fixture.run(&["apply", "-v"]).exits(0);
    ran.says(&["applied: ", "check spare failed: connection refused"]);
    assert_eq!(fixture.states(), ["web-1 running"]);
    fixture.run(&["apply"]).exits(0).says(&["unchanged: ", "spare"]);
}
