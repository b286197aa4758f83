//! What is kept through changes, and what a plan gives out.

use crate::fixture::Fixture;

#[test]
fn outputs_tell_what_runs_and_hide_what_is_sensitive() {
    let Some(fixture) = Fixture::new() else { return };
    let plan = "\
vars: { token: { default: hunter2, sensitive: true }, tier: { default: front } }
services: { web: { <<: *server, ports: [\"127.0.0.1::80\"] } }
outputs:
  url: { value: \"http://{{ services.web.host }}:{{ services.web.port(80) }}\", description: where it is }
  port: \"{{ services.web.ports['80/tcp'] }}\"
  replicas: \"{{ services.web.replicas }}\"
  token: \"{{ vars.tier }}-{{ vars.token }}\"
";
    fixture.plan(plan);
    let applied = fixture.run(&["apply", "-y", "--format", "json"]).exits(0).json();
    let port = fixture.inspect("web")["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"].as_str().unwrap().to_owned();
    let outputs = &applied["outputs"];
    assert_eq!(outputs["url"]["value"], format!("http://127.0.0.1:{port}"));
    // Its type is that of the expression.
    assert_eq!((outputs["port"]["value"].to_string(), &outputs["replicas"]["value"]), (port.clone(), &1.into()));
    assert_eq!(outputs["token"].to_string(), r#"{"value":"***","sensitive":true}"#);

    let again = fixture.run(&["apply"]).exits(0);
    again.says(&["unchanged: ", &format!("url       http://127.0.0.1:{port}  where it is\n")]);
    assert!(!again.data.contains("hunter2"), "{}", again.data);
    assert_eq!(fixture.run(&["output", "token"]).exits(0).data, "front-hunter2\n");
    assert_eq!(fixture.run(&["output", "-raw", "port"]).exits(0).data, port);
    assert!(!fixture.run(&["output", "--format", "json"]).exits(0).data.contains("hunter2"));
    fixture.run(&["output", "prot"]).exits(64).says(&["the plan has no output `prot`", "did you mean `port`?"]);

    fixture.run(&["stop"]).exits(0);
    let stopped = fixture.run(&["output", "url"]).exits(1);
    stopped.says(&["`web` has no `host`: it does not run", "plan.yaml:20:"]);
    fixture.run(&["output"]).exits(0).says(&["replicas  0", "warning[undefined-name]"]);
}

#[test]
fn what_is_ignored_is_left_to_others_and_survives_other_changes() {
    let Some(fixture) = Fixture::new() else { return };
    let text = |environment: &str, ignored: &str| {
        format!(
            "services: {{ web: {{ <<: *server, environment: {{ {environment} }}, deploy: {{ replicas: 1 }}, \
             ignore_changes: [{ignored}] }} }}\n"
        )
    };
    fixture.applied(&text("A: \"1\", B: \"1\"", "deploy.replicas, environment.A"));
    fixture.run(&["scale", "web=2", "-y"]).exits(0);
    let before = fixture.ids();
    assert_eq!(before.len(), 2);
    let plan = text("A: \"2\", B: \"1\"", "deploy.replicas, environment.A");
    assert_eq!(fixture.changes(&plan), ["web none"]);
    fixture.applied(&plan);
    assert_eq!(fixture.ids(), before);
    // Something else changes: what is ignored stays as it runs.
    let plan = text("A: \"2\", B: \"2\"", "deploy.replicas, environment.A");
    assert_eq!(fixture.changes(&plan), ["web replace: environment.B"]);
    fixture.applied(&plan);
    assert_eq!(fixture.states(), ["web-1 running", "web-2 running"]);
    assert_eq!(fixture.exec("web", &["sh", "-c", "echo $A$B"]), "12\n");
    fixture.run(&["apply"]).exits(0).says(&["unchanged: "]);
    // No longer ignored, the plan counts.
    assert_eq!(fixture.changes(&text("A: \"2\", B: \"2\"", "")), ["web replace: environment.A, deploy.replicas"]);
}

const OLD: &str = "\
services: { old: { <<: *server, volumes: [\"olddata:/data\"] }, db: *server }
volumes: { olddata: {} }
";

fn moved(environment: &str) -> String {
    format!(
        "\
services:
  new: {{ <<: *server, volumes: [\"newdata:/data\"], environment: {{ {environment} }} }}
  db: *server
volumes: {{ newdata: {{}} }}
moved:
  - {{ from: old, to: new }}
  - {{ from: volumes.olddata, to: volumes.newdata }}
"
    )
}

#[test]
fn what_moved_keeps_its_container_and_its_data() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.applied(OLD);
    let (id, started) = (fixture.id("old"), fixture.inspect("old")["State"]["StartedAt"].clone());
    fixture.exec("old", &["sh", "-c", "echo kept > /data/kept"]);
    let address = |service: &str| {
        let network = format!("{}_default", fixture.project());
        fixture.inspect(service)["NetworkSettings"]["Networks"][network]["IPAddress"].clone()
    };
    let before = address("old");
    assert_eq!(fixture.changes(&moved("")), ["db none", "new update: name"]);
    fixture.applied(&moved(""));
    assert_eq!((fixture.id("new"), fixture.inspect("new")["State"]["StartedAt"].clone()), (id.clone(), started));
    assert_eq!(address("new"), before);
    assert_eq!(fixture.states(), ["db-1 running", "new-1 running"]);
    assert_eq!(fixture.exec("db", &["wget", "-q", "-O", "-", "http://new/data/kept"]), "kept\n");
    fixture.run(&["apply"]).exits(0).says(&["unchanged: "]);
    fixture.run(&["status"]).exits(0).says(&["new"]);
    assert_eq!(fixture.run(&["exec", "-T", "new", "cat", "/data/kept"]).exits(0).data, "kept\n");

    // Made anew, it has its data still.
    fixture.applied(&moved("A: \"1\""));
    assert_ne!(fixture.id("new"), id);
    assert_eq!(fixture.exec("new", &["cat", "/data/kept"]), "kept\n");
    fixture.run(&["apply"]).exits(0).says(&["unchanged: "]);
    fixture.run(&["destroy", "-y", "--volumes", "newdata"]).exits(0);
    assert_eq!(crate::engine::labelled("volume ls -q", &fixture.project()), Vec::<String>::new());
}

#[test]
fn a_move_that_fails_and_one_that_is_gone_back_from_give_the_names_back() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.applied(OLD);
    let before = fixture.ids();
    fixture.plan(&moved("").replace("db: *server", "db: *broken"));
    fixture.run(&["apply", "-y"]).exits(3);
    assert_eq!(fixture.ids(), before);
    fixture.exec("db", &["wget", "-q", "-O", "-", "http://old/etc/hostname"]);
    fixture.applied(&moved(""));
    fixture.run(&["rollback", "-y"]).exits(0);
    assert_eq!(fixture.ids(), before);
}

#[test]
fn what_is_forgotten_runs_on_and_is_nobodys_business() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.applied("services: { web: *server, db: *server }\n");
    let id = fixture.id("db");
    fixture.run(&["forget", "db"]).exits(1).says(&["the plan still names `db`", "take it out of the plan"]);
    fixture.plan("services: { web: *server }\n");
    fixture.run(&["forget", "bd"]).exits(64).says(&["did you mean `db`?"]);
    fixture.run(&["forget", "db"]).exits(0).says(&["db-1: let go, it runs on"]);
    assert_eq!(fixture.states(), ["db-1.forgotten running", "web-1 running"]);
    let preview = fixture.run(&["preview", "--remove-orphans"]).exits(0);
    assert!(!preview.data.contains("db"), "{}", preview.data);
    fixture.run(&["apply", "--remove-orphans", "-y"]).exits(0).says(&["unchanged: "]);
    assert!(!fixture.run(&["status"]).exits(0).data.contains("db"));

    fixture.run(&["forget", "db", "--undo"]).exits(0).says(&["taken back"]);
    assert_eq!(fixture.id("db"), id);
    fixture.run(&["forget", "db"]).exits(0);
    fixture.run(&["destroy", "-y"]).exits(0);
    assert_eq!(fixture.states(), ["db-1.forgotten running"]);
}
