//! A plan of a test's own: its directory, state and project.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    hash::{BuildHasher as _, RandomState},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::engine;

/// What the services of these plans mostly are: a web server that listens at once and does not
/// wait when it is stopped.
const HEADER: &str = "\
apiVersion: orchestrate/v1
name: {name}
x-server: &server
  image: orchestrate-test/busybox:1
  command: [httpd, -f, -p, \"80\", -h, /]
  stop_grace_period: 0s
  checks: [{ tcp: { port: 80 }, interval: 200ms, retries: 50 }]
x-broken: &broken
  image: orchestrate-test/busybox:1
  command: [sleep, \"600\"]
  stop_grace_period: 0s
  checks: [{ tcp: { port: 80 }, interval: 100ms, retries: 3 }]
x-idle: &idle
  image: orchestrate-test/busybox:1
  command: [sleep, \"600\"]
  stop_grace_period: 0s
";

/// A plan with a directory, a state directory and a project of its own. What it made is taken away
/// when it goes, whatever became of the test.
pub struct Fixture {
    directory: tempfile::TempDir,
    name: String,
    environment: RefCell<Option<String>>,
    images: RefCell<Vec<String>>,
    /// The keys of the plans beside its own.
    others: RefCell<BTreeSet<String>>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    /// Standard output.
    pub data: String,
    /// Standard error.
    pub talk: String,
}

impl Ran {
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap_or_else(|| panic!("it ended by a signal: {}", output.status));
        Self { code, data: text(output.stdout), talk: text(output.stderr) }
    }

    /// Expects this exit code, and shows everything if it is another one.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.data, self.talk);
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data)
            .unwrap_or_else(|error| panic!("{error}, stdout:\n{}\nstderr:\n{}", self.data, self.talk))
    }

    /// Expects each of these texts in what was said or printed.
    #[track_caller]
    pub fn says(&self, texts: &[&str]) -> &Self {
        for text in texts {
            assert!(
                self.data.contains(text) || self.talk.contains(text),
                "`{text}` is not said, stdout:\n{}\nstderr:\n{}",
                self.data,
                self.talk
            );
        }
        self
    }
}

impl Fixture {
    /// `None` if there is no engine, which is told loudly.
    pub fn new() -> Option<Self> {
        engine::is_there().then(|| {
            let random = RandomState::new().hash_one(std::thread::current().id());
            Self {
                directory: tempfile::tempdir().unwrap(),
                name: format!("test-{:010x}", random & 0xff_ffff_ffff),
                environment: RefCell::new(None),
                images: RefCell::new(Vec::new()),
                others: RefCell::default(),
            }
        })
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// What its services are called together on the engine.
    pub fn project(&self) -> String {
        match &*self.environment.borrow() {
            Some(environment) => format!("{}-{environment}", self.name),
            None => self.name.clone(),
        }
    }

    /// Writes a file beside the plan.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join("plan").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Writes the plan: the header and this text, in which `{project}` is the project's name.
    /// Answers the number of lines in front of the text.
    pub fn plan(&self, text: &str) -> usize {
        let header = HEADER.replace("{name}", &self.name);
        self.write("plan.yaml", &format!("{header}{}", text.replace("{project}", &self.project())));
        header.lines().count()
    }

    /// Writes another plan, `KEY.yaml` by the name `{project}-KEY`, as [`plan`](Self::plan) does.
    pub fn other_plan(&self, key: &str, text: &str) {
        let header = HEADER.replace("{name}", &format!("{}-{key}", self.name));
        self.write(&format!("{key}.yaml"), &format!("{header}{}", text.replace("{project}", &self.name)));
        self.others.borrow_mut().insert(key.to_owned());
    }

    /// Writes an environment, which is used from now on.
    pub fn environment(&self, text: &str) {
        self.write("environments/lab.yaml", text);
        self.environment.replace(Some("lab".to_owned()));
    }

    /// A call of the program, ready to be run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrate"));
        command
            .args(arguments)
            .current_dir(self.path().join("plan"))
            .stdin(Stdio::null())
            .env_clear()
            .env("HOME", self.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("ORCHESTRATE_STATE_DIR", self.state());
        if let Some(host) = std::env::var_os("DOCKER_HOST") {
            command.env("DOCKER_HOST", host);
        }
        if let Some(environment) = &*self.environment.borrow() {
            // Not as an argument: what follows a command that is run in a service would be its own.
            command.env("ORCHESTRATE_ENVIRONMENT", environment);
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// Applies this plan, which has to work.
    #[track_caller]
    pub fn applied(&self, text: &str) -> Ran {
        self.plan(text);
        self.run(&["apply", "-y"]).exits(0)
    }

    /// Writes this plan, and answers the changes that applying it would make, a line each:
    /// `web replace: image, command[0]`.
    #[track_caller]
    pub fn changes(&self, text: &str) -> Vec<String> {
        self.plan(text);
        let preview = self.run(&["preview", "--format", "json"]).exits(0).json();
        let changes = preview["changes"].as_array().unwrap().iter().map(|change| {
            let causes = change["causes"].as_array().unwrap().iter();
            let fields: Vec<&str> = causes.map(|cause| cause["field"].as_str().unwrap()).collect();
            let (service, op) = (change["service"].as_str().unwrap(), change["op"].as_str().unwrap());
            format!("{service} {op}: {}", fields.join(", "))
        });
        changes.map(|line| line.trim_end_matches(": ").to_owned()).collect()
    }

    /// The name on the engine of a service's first instance.
    pub fn instance(&self, service_name: &str) -> String {
        format!("{}-{service_name}-1", self.project())
    }

    /// What the engine says of a service's first instance; null if there is none.
    pub fn inspect(&self, service_name: &str) -> Value {
        engine::inspect(&self.instance(service_name))
    }

    #[track_caller]
    pub fn id(&self, service_name: &str) -> String {
        let found = self.inspect(service_name);
        found["Id"].as_str().unwrap_or_else(|| panic!("`{service_name}` has no container")).to_owned()
    }

    /// The containers of the project's services: name, id, state and the moment of the start, a line each.
    pub fn containers(&self) -> Vec<String> {
        let ids = engine::labelled("ps -aq --no-trunc", &self.project());
        let is_vault = |found: &&Value| found["Config"]["Labels"]["io.orchestrate.state"].is_string();
        let mut lines: Vec<String> = engine::inspect_all(&ids)
            .iter()
            .filter(|found| !is_vault(found))
            .map(|found| {
                let text = |pointer: &str| found.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                let name = text("/Name").trim_start_matches('/');
                format!("{name} {} {} {}", text("/Id"), text("/State/Status"), text("/State/StartedAt"))
            })
            .collect();
        lines.sort();
        lines
    }

    /// The project's containers: name and state, a line each, without the project.
    pub fn states(&self) -> Vec<String> {
        let prefix = format!("{}-", self.project());
        let short = |line: &String| {
            let words: Vec<&str> = line.split(' ').collect();
            format!("{} {}", words[0].trim_start_matches(&prefix), words[2])
        };
        self.containers().iter().map(short).collect()
    }

    /// The project's containers: name and id, a line each.
    pub fn ids(&self) -> Vec<String> {
        self.containers().iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect()
    }

    /// Runs words inside a service's first instance: its output.
    #[track_caller]
    pub fn exec(&self, service_name: &str, words: &[&str]) -> String {
        let instance = self.instance(service_name);
        engine::docker(&[&["exec", instance.as_str()], words].concat())
    }

    /// An image of the test's own, which has no other name: told apart by this text.
    pub fn build_image(&self, tag: &str, text: &str) -> String {
        let name = format!("{}:{tag}", self.name);
        engine::build(&name, &format!("FROM orchestrate-test/busybox:1\nLABEL text=\"{text}\"\n"));
        self.images.borrow_mut().push(name.clone());
        name
    }

    /// Something on the engine that is not ours is removed in the end too.
    pub fn foreign_label(&self) -> String {
        format!("org.example.test={}", self.name)
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if self.path().join("plan/plan.yaml").exists() {
            drop(self.command(&["destroy", "-y"]).output());
        }
        let lab = self.environment.borrow().as_ref().map(|environment| format!("{}-{environment}", self.name));
        let others = self.others.take();
        for key in others.iter().filter(|key| self.path().join(format!("plan/{key}.yaml")).exists()) {
            drop(self.command(&["destroy", "-y", &format!("{key}.yaml")]).output());
        }
        let others = others.iter().map(|key| format!("{}-{key}", self.name));
        let projects: Vec<String> = [self.name.clone()].into_iter().chain(lab).chain(others).collect();
        engine::clean(&projects, &self.foreign_label());
        engine::untag(&self.images.borrow());
    }
}
