//! What counts as a change, and what is said of it.

use crate::{engine, fixture::Fixture};

#[test]
fn another_form_of_the_same_plan_is_no_change() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.applied(
        "\
services:
  db: *server
  web:
    <<: *server
    environment: { B: \"2\", A: \"1\" }
    depends_on: { db: { condition: service_healthy } }
    labels: { tier: front, team: a }
",
    );
    let before = fixture.containers();
    let again = fixture.applied(
        "
# Reordered, in other words.
services:
  web:
    labels:
    - team=a
    - tier=front
    depends_on:
      db:
        condition: service_healthy
    environment:
    - A=1
    - \"B=2\"
    checks:
    - retries: 50
      interval: 0.2s
      tcp:
        port: 80
    stop_grace_period: 0s
    command: \"httpd -f -p 80 -h /\"
    image: 'orchestrate-test/busybox:1'
  db:
    <<: *server
",
    );
    assert!(again.data.starts_with("unchanged: "), "{}", again.data);
    assert_eq!(fixture.containers(), before);
}

#[test]
fn one_byte_of_an_env_file_replaces_and_says_where() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.write("web.env", "# the port\nMODE=a\n");
    let text = "services: { web: { <<: *server, env_file: web.env }, db: *server }\n";
    fixture.applied(text);
    let before = (fixture.id("web"), fixture.id("db"));
    fixture.write("web.env", "# the port\nMODE=b\n");
    let preview = fixture.run(&["preview", "--format", "json"]).exits(0).json();
    let cause = &preview["changes"][1]["causes"];
    assert_eq!(
        cause.to_string(),
        r#"[{"field":"environment.MODE","before":"a","after":"b","file":"web.env","line":2,"from":null}]"#
    );
    fixture.run(&["apply", "-y"]).exits(0);
    assert_ne!(fixture.id("web"), before.0);
    assert_eq!(fixture.id("db"), before.1);
    assert_eq!(fixture.exec("web", &["sh", "-c", "echo $MODE"]), "b\n");
}

#[test]
fn an_image_rebuilt_under_its_tag_replaces_and_says_so() {
    let Some(fixture) = Fixture::new() else { return };
    let image = fixture.build_image("a", "first");
    let text = format!("services: {{ web: {{ <<: *server, image: \"{image}\" }} }}\n");
    fixture.applied(&text);
    let before = fixture.id("web");
    fixture.build_image("a", "second");
    let preview = fixture.run(&["preview"]).exits(0);
    preview.says(&["web  replace", "rebuilt under the same tag", "plan.yaml:17"]);
    fixture.run(&["apply", "-y"]).exits(0);
    assert_ne!(fixture.id("web"), before);
    assert_eq!(fixture.inspect("web")["Config"]["Labels"]["text"], "second");
}

#[test]
fn limits_and_restart_policy_change_in_place_and_a_new_limit_replaces() {
    let Some(fixture) = Fixture::new() else { return };
    let text = |limits: &str, restart: &str| {
        format!(
            "services: {{ web: {{ <<: *server, restart: {restart}, deploy: {{ resources: {{ limits: {limits} }} }} }} }}\n"
        )
    };
    fixture.applied(&text("{ memory: 64M, cpus: \"0.5\" }", "no"));
    let before = fixture.containers();
    let changed = text("{ memory: 96M, cpus: \"0.7\" }", "unless-stopped");
    assert_eq!(
        fixture.changes(&changed),
        ["web update: deploy.resources.limits.cpus, deploy.resources.limits.memory, restart"]
    );
    fixture.applied(&changed);
    assert_eq!(fixture.containers(), before);
    let host = &fixture.inspect("web")["HostConfig"];
    assert_eq!((host["Memory"].as_i64(), host["NanoCpus"].as_i64()), (Some(96 << 20), Some(700_000_000)));
    assert_eq!(host["RestartPolicy"]["Name"], "unless-stopped");
    fixture.run(&["apply"]).exits(0).says(&["unchanged: "]);

    let more = text("{ memory: 96M, cpus: \"0.7\", pids: 50 }", "unless-stopped");
    assert_eq!(fixture.changes(&more), ["web replace: deploy.resources.limits.pids"]);
    fixture.applied(&more);
    assert_ne!(fixture.containers(), before);
    assert_eq!(fixture.inspect("web")["HostConfig"]["PidsLimit"], 50);
}

#[test]
fn what_was_stopped_or_removed_by_hand_comes_back() {
    let Some(fixture) = Fixture::new() else { return };
    let text = "services: { web: *server, db: *server }\n";
    fixture.applied(text);
    let before = fixture.ids();
    engine::docker(&["stop", "-t", "0", &fixture.instance("web")]);
    assert_eq!(fixture.changes(text), ["db none", "web update: state"]);
    fixture.applied(text);
    assert_eq!(fixture.ids(), before);
    assert_eq!(fixture.states(), ["db-1 running", "web-1 running"]);
    engine::docker(&["rm", "-f", &fixture.instance("db")]);
    fixture.applied(text);
    assert_eq!(fixture.states(), ["db-1 running", "web-1 running"]);
}
