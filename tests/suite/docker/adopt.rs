//! What Docker Compose made is taken over as it is.
//!
//! The containers here have the labels, names and configuration that Docker Compose 2.26.1 was seen to
//! give them for the file in [`stack`]: Compose itself is in no package that the suite can install.

use serde_json::Value;

use crate::{
    engine::{self, IMAGE},
    fixture::Fixture,
};

/// A Compose file, in which `{version}` is what is changed.
fn stack(project: &str, version: &str) -> String {
    format!(
        "\
name: {project}
services:
  web:
    image: {IMAGE}
    command: [\"sleep\", \"600\"]
    environment: {{ V: \"{version}\", W: w }}
    volumes: [\"data:/data\", \"/anonymous\"]
    networks: {{ default: {{ aliases: [front] }} }}
    labels: {{ tier: web }}
    restart: unless-stopped
    stop_grace_period: 1s
  db:
    image: {IMAGE}
    command: sleep 600
    stop_grace_period: 1s
    deploy: {{ resources: {{ limits: {{ memory: 64M }} }} }}
volumes: {{ data: {{}} }}
"
    )
}

/// The labels that Compose gives.
fn labels(project: &str, more: &[(&str, &str)]) -> Vec<String> {
    let usual = [("project", project), ("version", "2.26.1")];
    let labels = usual.iter().chain(more).map(|(name, value)| format!("com.docker.compose.{name}={value}"));
    labels.flat_map(|label| ["--label".to_owned(), label]).collect()
}

fn docker(words: &[&str], labels: &[String], last: &[&str]) {
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    engine::docker(&[words, &labels, last].concat());
}

/// Makes the stack as Compose does, and removes it in the end.
struct Composed(String);

impl Composed {
    fn up(project: &str) -> Self {
        let (network, volume) = (format!("{project}_default"), format!("{project}_data"));
        docker(&["network", "create"], &labels(project, &[("network", "default")]), &[&network]);
        docker(&["volume", "create"], &labels(project, &[("volume", "data")]), &[&volume]);
        let run = |service: &str, one_off: &str, name: &str, more: &[&str]| {
            let of_service = [
                ("service", service),
                ("container-number", "1"),
                ("oneoff", one_off),
                ("config-hash", "2ca9425d274a1712c276f2b903a446ca2c4722ebc2b1157467b16fec993c4c92"),
                ("depends_on", ""),
                ("project.working_dir", "/srv/shop"),
            ];
            let words = ["run", "-d", "--name", name, "--network", &network, "--stop-timeout", "1"];
            let aliases = ["--network-alias", name, "--network-alias", service];
            let all = [&words[..], &aliases, more].concat();
            docker(&all, &labels(project, &of_service), &[IMAGE, "sleep", "600"]);
        };
        let mount = format!("type=volume,source={volume},target=/data");
        let web = [
            "-e",
            "V=1",
            "-e",
            "W=w",
            "--label",
            "tier=web",
            "--restart",
            "unless-stopped",
            "--network-alias",
            "front",
            "--mount",
            &mount,
            "--mount",
            "type=volume,target=/anonymous",
        ];
        run("web", "False", &format!("{project}-web-1"), &web);
        run("db", "False", &format!("{project}-db-1"), &["-m", "64M"]);
        run("web", "True", &format!("{project}-web-run-1"), &[]);
        Self(project.to_owned())
    }

    fn id(&self, service: &str) -> Value {
        engine::inspect(&format!("{}-{service}-1", self.0))["Id"].clone()
    }
}

impl Drop for Composed {
    fn drop(&mut self) {
        engine::clean_label(&format!("com.docker.compose.project={}", self.0));
    }
}

/// Whole descriptions are long: only what differs is shown.
#[track_caller]
fn assert_same(found: &[Value], expected: &[Value]) {
    for (found, expected) in found.iter().zip(expected) {
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!((&expected["Name"], key, &found[key]), (&expected["Name"], key, value));
        }
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn a_compose_project_is_taken_over_changed_and_brought_back() {
    let Some(fixture) = Fixture::new() else { return };
    let project = fixture.project();
    let composed = Composed::up(&project);
    let other = Composed::up(&format!("{project}-other"));
    let foreign = |own: &[String]| -> Vec<Value> {
        let names = ["web-1", "db-1", "web-run-1"].map(|name| format!("{project}-other-{name}"));
        let mut found = engine::inspect_all(&[&names[..], own].concat());
        // The engine lists them in any order.
        let sorted = |mounts: &mut Vec<Value>| mounts.sort_by_key(|mount| mount["Destination"].to_string());
        found.iter_mut().for_each(|found| sorted(found["Mounts"].as_array_mut().unwrap()));
        found
    };
    let one_off = [format!("{project}-web-run-1")];
    let before = (foreign(&one_off), composed.id("web"), composed.id("db"));
    fixture.write("compose.yaml", &stack(&project, "1"));
    fixture.run(&["preview", "--detailed-exitcode"]).exits(1).says(&["`--adopt` takes over what Compose made"]);
    // Nothing differs, so nothing is changed; from then on nobody has to say it again.
    fixture.run(&["preview", "--adopt", "--detailed-exitcode"]).exits(0).says(&["2 services unchanged"]);
    fixture.run(&["apply", "--adopt"]).exits(0).says(&["2 services unchanged"]);
    let written = std::fs::read_to_string(fixture.path().join("plan/orchestrate.adopted.yaml")).unwrap();
    assert!(written.ends_with(&format!("\nadopt: [{project}]\n")), "{written}");
    fixture.run(&["preview", "--detailed-exitcode"]).exits(0);
    fixture.run(&["apply"]).exits(0);
    assert_eq!((composed.id("web"), composed.id("db")), (before.1.clone(), before.2.clone()));

    // A line that fails: what was there is there again.
    let broken = stack(&project, "2").replace("command: [\"sleep\", \"600\"]", "command: [\"false\"]");
    fixture.write("compose.yaml", &broken);
    fixture.run(&["apply", "-y"]).exits(3);
    assert_eq!((composed.id("web"), composed.id("db")), (before.1.clone(), before.2.clone()));

    // A line that works: only its service is replaced, and is ours from then on.
    fixture.write("compose.yaml", &stack(&project, "2"));
    let preview = fixture.run(&["preview", "--format", "json"]).exits(0).json();
    let causes = preview["changes"].as_array().unwrap().iter().flat_map(|change| change["causes"].as_array().unwrap());
    let fields: Vec<&str> = causes.map(|cause| cause["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["environment.V"]);
    fixture.run(&["apply", "-y"]).exits(0);
    assert_ne!(composed.id("web"), before.1);
    assert_eq!(composed.id("db"), before.2);
    let web = engine::inspect(&format!("{project}-web-1"));
    assert_eq!(web["Config"]["Labels"]["io.orchestrate.project"], project.as_str());
    let mounts = web["Mounts"].as_array().unwrap();
    assert!(mounts.iter().any(|mount| mount["Name"] == format!("{project}_data").as_str()), "{mounts:?}");

    // Back to what was taken over, and all of it away: nothing else was ever touched.
    fixture.run(&["rollback", "-y"]).exits(0);
    let variables = engine::inspect(&format!("{project}-web-1"))["Config"]["Env"].clone();
    assert!(variables.as_array().unwrap().contains(&"V=1".into()), "{variables}");
    assert_same(&foreign(&one_off), &before.0);
    // The one-off is Compose's own, and keeps the network.
    engine::docker(&["rm", "-f", &one_off[0]]);
    fixture.run(&["destroy", "-y"]).exits(0);
    for name in ["web-1", "db-1"] {
        assert_eq!(engine::inspect(&format!("{project}-{name}")), Value::Null);
    }
    assert_same(&foreign(&[]), &before.0[..3]);
    drop((composed, other));
}

#[test]
fn what_runs_and_what_is_imported_are_plans_without_changes() {
    let Some(fixture) = Fixture::new() else { return };
    let project = fixture.project();
    let composed = Composed::up(&project);
    fixture.write("compose.yaml", &stack(&project, "1"));
    fixture.run(&["export", "--project", &project, "-o", "plan.yaml"]).exits(0);
    fixture
        .run(&["export", "--project", &project, "-o", "plan.yaml"])
        .exits(1)
        .says(&["only overwritten with `--force`"]);
    fixture.run(&["preview", "--adopt", "--detailed-exitcode"]).exits(0).says(&["2 services unchanged"]);
    fixture.run(&["import", "compose.yaml", "-o", "plan.yaml", "--force"]).exits(0);
    fixture.run(&["preview", "--adopt", "--detailed-exitcode"]).exits(0).says(&["2 services unchanged"]);
    // With an environment it is that which says what is taken over, and names stay as they are.
    fixture.write("environments/lab.yaml", "# The lab.\nvars: {}\n");
    fixture.run(&["apply", "-e", "lab", "--adopt"]).exits(0);
    let environment = std::fs::read_to_string(fixture.path().join("plan/environments/lab.yaml")).unwrap();
    assert_eq!(environment, format!("# The lab.\nvars: {{}}\nadopt: [{project}]\n"));
    fixture.run(&["preview", "-e", "lab", "--detailed-exitcode"]).exits(0).says(&["2 services unchanged"]);
    drop(composed);
}
