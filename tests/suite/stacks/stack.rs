//! A stack's directory, in a copy of its own and under a project's name of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, RandomState},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use super::directory;
use crate::{
    engine::{self, IMAGE},
    fixture::Ran,
};

/// The image with servers that `tests/run` builds.
const SERVERS: &str = "orchestrate-test/debian:1";

/// What the file `change` of a stack says: lines of `key: value`.
#[derive(Default)]
pub struct Change {
    /// The file that changes.
    pub file: String,
    /// The text in it, and by what it is replaced.
    pub from: String,
    pub to: String,
    /// The services that are replaced for it.
    pub replaces: BTreeSet<String>,
    /// How Compose brings it up.
    pub up: String,
    /// Networks and volumes that were there before: `volume NAME`.
    pub external: Vec<String>,
}

impl Change {
    fn parse(text: &str) -> Self {
        let mut change = Self { file: "compose.yaml".to_owned(), up: "-d --wait".to_owned(), ..Self::default() };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("`change`: {line}"));
            let value = value.to_owned();
            match key {
                "file" => change.file = value,
                "from" => change.from = value,
                "to" => change.to = value,
                "replaces" => change.replaces = value.split(", ").map(str::to_owned).collect(),
                "up" => change.up = value,
                "external" => change.external = value.split(", ").map(str::to_owned).collect(),
                _ => panic!("`change`: {line}"),
            }
        }
        change
    }
}

/// A stack that is being tried. What was made for it is taken away when it goes.
pub struct Stack {
    copy: tempfile::TempDir,
    pub project: String,
    pub change: Change,
    variables: BTreeMap<&'static str, String>,
}

/// Whether there are an engine, the images and Docker Compose. Says so loudly if not, and fails in CI.
fn can_be_tried() -> bool {
    static ANSWER: OnceLock<Result<(), String>> = OnceLock::new();
    let answer = ANSWER.get_or_init(|| {
        let images = Command::new("docker").args(["image", "inspect", IMAGE, SERVERS]).output().unwrap();
        let compose = compose().arg("version").output().unwrap();
        match (images.status.success(), compose.status.success()) {
            (true, true) => Ok(()),
            (false, _) => Err(format!("no image {SERVERS} (`tests/run` builds it)")),
            (true, false) => Err("no Docker Compose (`tests/compose-v2 --provide` gets it)".to_owned()),
        }
    });
    if let Err(why) = answer {
        eprintln!("SKIPPED: {why}");
        assert!(std::env::var_os("CI").is_none(), "{why}, and CI is set");
    }
    answer.is_ok()
}

fn compose() -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compose-v2"));
    command.stdin(Stdio::null());
    command
}

impl Stack {
    /// `None` if something is missing on this machine, which is told loudly.
    pub fn new(name: &str) -> Option<Self> {
        if !engine::is_there() || !can_be_tried() {
            return None;
        }
        let copy = tempfile::tempdir().unwrap();
        copy_all(&directory().join(name), &copy.path().join("stack"));
        let change = std::fs::read_to_string(copy.path().join("stack/change")).unwrap();
        let random = RandomState::new().hash_one(name) & 0xff_ffff;
        let ports = ["PORT", "OTHER_PORT"].map(|name| (name, engine::free_port().to_string()));
        let stack = Self {
            copy,
            project: format!("stack-{}-{random:06x}", name.replace('_', "-")),
            change: Change::parse(&change),
            variables: ports.into(),
        };
        stack.build_programs();
        stack.external("create");
        Some(stack)
    }

    pub fn path(&self) -> PathBuf {
        self.copy.path().join("stack")
    }

    /// Programs beside the Compose file become static ones, for images that have nothing else.
    fn build_programs(&self) {
        for program in std::fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path()) {
            if program.extension().is_some_and(|extension| extension == "rs") {
                let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
                rustc.args(["--edition=2024", "-Copt-level=1", "-Cdebuginfo=0", "-Ctarget-feature=+crt-static", "-o"]);
                let built = rustc.arg(program.with_extension("")).arg(&program).output().unwrap();
                assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
            }
        }
    }

    fn external(&self, verb: &str) {
        for object in &self.change.external {
            let (kind, name) = object.split_once(' ').unwrap();
            drop(Command::new("docker").args([kind, verb, name]).output().unwrap());
        }
    }

    /// Both programs see the same environment.
    fn run(&self, mut command: Command) -> Ran {
        let cache = std::env::var_os("XDG_CACHE_HOME").or_else(|| {
            let home = std::env::var_os("HOME")?;
            Some(Path::new(&home).join(".cache").into_os_string())
        });
        let passed =
            ["PATH", "DOCKER_HOST", "COMPOSE"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        command.env_clear().envs(passed).envs(cache.map(|cache| ("XDG_CACHE_HOME", cache)));
        command.envs(&self.variables).env("COMPOSE_PROJECT_NAME", &self.project);
        command.env("HOME", self.copy.path()).env("ORCHESTRATE_STATE_DIR", self.copy.path().join("state"));
        command.stdin(Stdio::null()).current_dir(self.path());
        Ran::of(command.output().unwrap())
    }

    #[track_caller]
    pub fn compose(&self, line: &str) {
        let mut command = compose();
        command.args(line.split(' '));
        self.run(command).exits(0);
    }

    pub fn orchestrate(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrate"));
        command.args(arguments);
        self.run(command)
    }

    /// Replaces one text of the stack by another, both ways.
    pub fn replace(&self, from: &str, to: &str) {
        let path = self.path().join(&self.change.file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(from).count(), 1, "`change`: {from}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    /// The images that were built for the stack have no name any more.
    pub fn forget_images(&self) {
        let format = format!("{}-*", self.project);
        let names = engine::docker(&[
            "images",
            "--format",
            "{{.Repository}}:{{.Tag}}",
            "--filter",
            &format!("reference={format}"),
        ]);
        engine::untag(&names.lines().map(str::to_owned).collect::<Vec<_>>());
    }

    /// Nobody knows of the stack any more.
    pub fn forget_adoption(&self) {
        drop(std::fs::remove_file(self.path().join("orchestrate.adopted.yaml")));
        drop(std::fs::remove_dir_all(self.copy.path().join("state")));
        self.clean();
    }

    fn clean(&self) {
        engine::clean(std::slice::from_ref(&self.project), &format!("com.docker.compose.project={}", self.project));
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.clean();
        self.external("rm");
        self.forget_images();
    }
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_all(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}
