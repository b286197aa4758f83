//! The commands that only look, on the real program and real processes.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

/// A directory with plans and a state of its own; what is applied in it is destroyed with it.
struct Place {
    directory: tempfile::TempDir,
    applied: Option<&'static str>,
}

const FLEET: &str = r#"
apiVersion: orchestrate/v1
name: fleet
runtime: process
vars:
  token: { type: string, default: hunter2-token, sensitive: true }
services:
  prepare:
    kind: job
    runtime: process
    command: [sh, -c, "echo prepared"]
  server:
    runtime: process
    command: [sh, -c, 'echo "token $TOKEN"; exec sleep 1000']
    environment: { TOKEN: "{{ vars.token }}" }
    depends_on: { prepare: { condition: service_completed_successfully } }
    checks:
      - { name: greeting, log: { matches: "^token" }, tags: [quick] }
      - { name: flag, file: { path: flag, exists: false }, severity: warning }
"#;

/// Its server ends at once.
const BROKEN: &str = r#"
apiVersion: orchestrate/v1
name: broken
runtime: process
services:
  server: { runtime: process, command: [sh, -c, "echo hunter2 boom; exit 3"] }
"#;

impl Place {
    fn new(plan: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("plan.yaml"), plan).unwrap();
        Self { directory, applied: None }
    }

    /// With the fleet running.
    fn with_fleet() -> Self {
        let mut place = Self::new(FLEET);
        place.applied = Some("plan.yaml");
        let (code, _, talk) = place.run("apply --quiet");
        assert_eq!(code, 0, "{talk}");
        place
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrate"));
        command
            .args(arguments.split_whitespace())
            .current_dir(self.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path())
            .env("ORCHESTRATE_STATE_DIR", self.path().join("state"));
        command
    }

    /// Exit code, stdout and stderr.
    fn run(&self, arguments: &str) -> (i32, String, String) {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Stdout of what succeeds without a word.
    fn data(&self, arguments: &str) -> String {
        let (code, data, talk) = self.run(arguments);
        assert_eq!((code, talk.as_str()), (0, ""), "{arguments}");
        data
    }

    fn json(&self, arguments: &str) -> Value {
        let (_, data, _) = self.run(&format!("{arguments} --format json"));
        serde_json::from_str(&data).unwrap()
    }

    /// The id of the newest deployment, which stands in outputs as `DEPLOYED`.
    fn deployment(&self) -> String {
        self.json("history --all")["deployments"][0]["deployment"].as_str().unwrap().to_owned()
    }

    fn anonymous(&self, data: &str) -> String {
        data.replace(&self.deployment(), "DEPLOYED")
    }

    fn has_state(&self) -> bool {
        self.path().join("state").exists()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(plan) = self.applied {
            let (code, _, talk) = self.run(&format!("destroy {plan} --yes --quiet"));
            assert!(code == 0 || std::thread::panicking(), "destroy: {talk}");
        }
    }
}

#[test]
fn validate_tells_the_size_or_every_problem() {
    let place = Place::new(FLEET);
    assert_eq!(place.data("validate"), "plan.yaml is valid: 2 services in 2 groups\n");
    assert_eq!(
        place.data("validate --format json"),
        "{\n  \"format_version\": 1,\n  \"ok\": true,\n  \"diagnostics\": []\n}\n"
    );

    let circle = FLEET.replace("    kind: job\n", "    depends_on: [server]\n");
    fs::write(place.path().join("circle.yaml"), circle.replace("service_completed_successfully", "service_started"))
        .unwrap();
    let (code, data, talk) = place.run("validate circle.yaml");
    assert_eq!((code, data.as_str()), (65, ""));
    assert!(talk.starts_with("error[dependency-cycle]: services depend on each other in a circle"), "{talk}");
    assert!(talk.contains("[circle.yaml:9:18]"), "{talk}");
    let problems = place.json("validate circle.yaml");
    let problem = &problems["diagnostics"][0];
    assert_eq!(
        (&problems["ok"], &problem["class"], &problem["line"]),
        (&false.into(), &"dependency".into(), &9.into())
    );
    assert!(!place.has_state());
}

#[test]
fn render_fills_in_values_and_hides_secrets() {
    let place = Place::new(FLEET);
    let yaml = place.data("render");
    assert!(yaml.contains("TOKEN: \"***\"") && !yaml.contains("hunter2"), "{yaml}");
    let json = place.json("render");
    assert_eq!(
        (&json["format_version"], &json["services"]["server"]["environment"]["TOKEN"]),
        (&1.into(), &"***".into())
    );
    assert!(!place.has_state());
}

#[test]
fn graph_tells_the_order_in_four_forms() {
    let place = Place::new(FLEET);
    let text = "group 1\n  * prepare\ngroup 2\n  * server   after prepare (completed)\n\n\
                2 services in 2 groups, critical path (*): prepare → server\n";
    assert_eq!(place.data("graph"), text);
    assert!(place.data("graph --format mermaid").starts_with("flowchart LR\n"));
    assert!(place.data("graph --format dot").starts_with("digraph plan {\n"));
    let edge = &place.json("graph")["edges"][0];
    assert_eq!((&edge["from"], &edge["to"]), (&"server".into(), &"prepare".into()));
    assert!(!place.has_state());
}

#[test]
fn schema_prints_what_is_published() {
    let place = Place::new("");
    for (document, file) in [("plan", "plan.schema.json"), ("environment", "environment.schema.json")] {
        let published = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(file)).unwrap();
        assert!(place.data(&format!("schema {document}")) == published, "{document}");
    }
}

#[test]
fn status_shows_what_runs_beside_what_should() {
    let place = Place::with_fleet();
    let text = "\
SERVICE  INSTANCE         STATE       HEALTH     IMAGE  DEPLOYMENT
prepare  fleet-prepare-1  exited (0)  completed  sh     DEPLOYED
server   fleet-server-1   running     healthy    sh     DEPLOYED
";
    assert_eq!(place.anonymous(&place.data("status")), text);

    let other = FLEET.replace("  server:\n", "  backend:\n");
    fs::write(place.path().join("other.yaml"), other).unwrap();
    let services = place.json("status other.yaml")["services"].clone();
    let told = |service: &Value| {
        let health: Vec<&str> =
            service["instances"].as_array().unwrap().iter().map(|one| one["health"].as_str().unwrap()).collect();
        format!("{} {} {health:?}", service["name"].as_str().unwrap(), service["desired"])
    };
    let told: Vec<String> = services.as_array().unwrap().iter().map(told).collect();
    assert_eq!(told, ["backend 1 []", "prepare 1 [\"completed\"]", "server 0 [\"none\"]"]);
}

#[test]
fn check_fails_only_for_what_is_critical() {
    let place = Place::with_fleet();
    let told = |arguments: &str| -> Vec<String> {
        let report = place.json(arguments);
        let told = |check: &Value| {
            let text = |key: &str| check[key].as_str().unwrap().to_owned();
            format!("{} {} {}: {}", text("instance"), text("check"), check["passed"], text("text"))
        };
        report["checks"].as_array().unwrap().iter().map(told).collect()
    };
    fs::write(place.path().join("flag"), "").unwrap();
    let greeting = "fleet-server-1 greeting true: line 1 matches `^token`";
    let flag = fs::canonicalize(place.path().join("flag")).unwrap();
    let flag = format!("fleet-server-1 flag false: `{}` exists, expected that it does not", flag.display());
    assert_eq!(told("check"), [greeting, &flag]);
    assert_eq!(told("check --tag quick"), [greeting]);
    assert_eq!(told("check --only prepare"), Vec::<String>::new());
    assert_eq!(place.run("check").0, 0);
    let refusal = "error: there is no service `sever`\n  hint: did you mean `server`?\n";
    assert_eq!(place.run("check --only sever"), (64, String::new(), refusal.to_owned()));

    fs::write(
        place.path().join("more.yaml"),
        FLEET.replace("    depends_on", "    deploy: { replicas: 2 }\n    depends_on"),
    )
    .unwrap();
    let absent = "fleet-server-2 greeting false: it is not there";
    assert_eq!(told("check more.yaml --tag quick"), [greeting, absent]);
    assert_eq!(place.run("check more.yaml").0, 1);
}

#[test]
fn logs_are_scrubbed_named_and_followed() {
    let place = Place::with_fleet();
    assert_eq!(place.data("logs"), "prepare-1 | prepared\nserver-1  | token ***\n");
    assert_eq!(place.data("logs server"), "token ***\n");
    assert_eq!(place.data("logs server --tail 0"), "");
    let refusal = "error: there is no service `sever`\n  hint: did you mean `server`?\n";
    assert_eq!(place.run("logs sever"), (64, String::new(), refusal.to_owned()));

    let mut following = place.command("logs --follow server").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "token ***");
    // It ends with what it follows.
    let (code, _, talk) = place.run("destroy --yes --quiet");
    assert_eq!(code, 0, "{talk}");
    assert_eq!(following.wait().unwrap().code(), Some(0));
    assert!(lines.next().is_none());
}

#[test]
fn history_and_show_tell_of_what_failed() {
    let place = Place::new(BROKEN);
    assert_eq!(place.data("history"), "no deployments yet\n");
    let (code, _, talk) = place.run("apply --quiet");
    assert_eq!(code, 3, "{talk}");
    let deployment = place.deployment();
    assert!(place.data("history").contains(&format!("\n{deployment}  ")));

    let shown = place.data(&format!("show {}", &deployment[..4]));
    assert!(
        shown.starts_with(&format!("deployment   {deployment} (apply)\noutcome      rolled back after ")),
        "{shown}"
    );
    assert_eq!(place.data(&format!("show {deployment} --logs server")), "hunter2 boom\n");
    assert_eq!(place.json(&format!("show {deployment}"))["evidence"][0]["exit_code"], 3);
    let refusal =
        "error: no log of `web` is kept: only that of an instance that failed is\n  hint: there is one of server\n";
    assert_eq!(place.run(&format!("show {deployment} --logs web")), (1, String::new(), refusal.to_owned()));
    let refusal = "error: there is no deployment `none`\n  hint: `orchestrate history --all` lists them\n";
    assert_eq!(place.run("show none"), (1, String::new(), refusal.to_owned()));
}

#[test]
fn doctor_needs_neither_a_plan_nor_an_engine() {
    let place = Place::new("");
    let output = place.command("doctor --format json").env("DOCKER_HOST", "unix:///nonexistent").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let told = |finding: &Value| {
        format!("{}: {}", finding["subject"].as_str().unwrap(), finding["condition"].as_str().unwrap())
    };
    let told: Vec<String> = report["findings"].as_array().unwrap().iter().map(told).collect();
    // The disk of whoever runs this may be nearly full.
    let told: Vec<&str> = told.iter().map(String::as_str).filter(|told| !told.starts_with("state directory")).collect();
    assert_eq!(told, ["orchestrate: good", "database: good", "sealing key: good", "docker engine: doubtful"]);

    fs::write(place.path().join("state/key"), "short").unwrap();
    let (code, data, _) = place.run("doctor --host unix:///nonexistent");
    assert_eq!(code, 1);
    assert!(data.contains("error    sealing key      the key in `"), "{data}");
    assert!(data.contains("error    docker engine    cannot ask the engine at `unix:///nonexistent`"), "{data}");
}
