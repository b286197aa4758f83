//! A stage for the real program: a directory with a plan, state of its own, and nothing left after.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use regex::Regex;

/// Nothing here takes so long, unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How every plan begins that a scene is given.
const HEAD: &str = "apiVersion: orchestrate/v1\nname: fleet\nruntime: process\n";

/// A directory with a plan in it. Local processes are kept apart by their state directory, so all
/// scenes can call their project `fleet`.
pub struct Scene {
    directory: tempfile::TempDir,
    env: BTreeMap<String, String>,
}

/// How a run of the program went; what differs from run to run is made equal.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    pub code: i32,
    pub data: String,
    pub talk: String,
}

impl Scene {
    /// An empty directory.
    pub fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("work")).unwrap();
        let state = directory.path().join("state").display().to_string();
        let home = directory.path().join("home").display().to_string();
        let path = std::env::var("PATH").unwrap();
        let env = [("ORCHESTRATE_STATE_DIR", state), ("HOME", home), ("PATH", path)];
        Self { directory, env: env.map(|(name, value)| (name.to_owned(), value)).into() }
    }

    /// A directory with a plan of local processes: `text` is what comes after its name.
    pub fn new(text: &str) -> Self {
        let scene = Self::empty();
        scene.plan(text);
        scene
    }

    /// Another plan in the place of the one before.
    pub fn plan(&self, text: &str) {
        self.write("plan.yaml", format!("{HEAD}{text}"));
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("work").join(name)
    }

    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Writes a shell script that can be run.
    pub fn program(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        // Beside it and renamed: what runs is not written to.
        self.write(".staged", format!("#!/bin/sh\n{script}\n"));
        let staged = self.path(".staged");
        std::fs::set_permissions(&staged, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(staged, self.path(name)).unwrap();
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrate"));
        command.args(line.split_whitespace()).current_dir(self.path("")).env_clear().envs(&self.env);
        command.stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, line: &str) -> Ran {
        let mut command = self.command(line);
        self.ended(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Runs the program, which has to succeed.
    pub fn ok(&self, line: &str) -> Ran {
        let ran = self.run(line);
        assert_eq!(ran.code, 0, "`{line}`: {ran:#?}");
        ran
    }

    /// Starts the program, and waits until it has said `word`.
    pub fn until(&self, line: &str, word: &str) -> Child {
        use std::io::BufRead as _;
        let mut command = self.command(line);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
        let mut text = String::new();
        while !text.contains(word) {
            assert_ne!(said.read_line(&mut text).unwrap(), 0, "it ended without {word:?}: {text}");
        }
        // It goes on to talk; someone has to listen, or it would be ended by its pipe.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        child
    }

    pub fn ended(&self, child: Child) -> Ran {
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| self.normal(&String::from_utf8(bytes).unwrap());
        Ran { code: code(output.status), data: text(output.stdout), talk: text(output.stderr) }
    }

    /// What a service's instances have written, in order of the instances' names.
    pub fn log(&self, service_name: &str) -> String {
        let mut logs = BTreeMap::new();
        for instance in self.instances() {
            let record: serde_json::Value =
                serde_json::from_slice(&std::fs::read(instance.join("instance.json")).unwrap()).unwrap();
            if record["identity"]["service"] == service_name {
                let lines = std::fs::read_to_string(instance.join("log")).unwrap_or_default();
                let lines = lines.lines().map(|line| line.splitn(3, ' ').nth(2).unwrap().to_owned() + "\n");
                logs.insert(record["name"].to_string(), lines.collect::<String>());
            }
        }
        logs.into_values().collect()
    }

    /// The directories of the instances that exist.
    pub fn instances(&self) -> Vec<PathBuf> {
        let project = self.state().join("processes/fleet");
        let mut found: Vec<PathBuf> =
            std::fs::read_dir(project).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        found.sort();
        found
    }

    /// The pids of the instances that run, each with its directory.
    pub fn pids(&self) -> BTreeMap<PathBuf, u64> {
        let pid = |instance: PathBuf| {
            let text = std::fs::read(instance.join("state.json")).ok()?;
            let state: serde_json::Value = serde_json::from_slice(&text).ok()?;
            let pid = state["pid"].as_u64().filter(|_| state["activity"] == "running")?;
            Path::new(&format!("/proc/{pid}")).exists().then_some((instance, pid))
        };
        self.instances().into_iter().filter_map(pid).collect()
    }

    /// All regular files of the state directory.
    pub fn state_files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut directories = vec![self.state()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
                match entry.file_type().unwrap() {
                    kind if kind.is_dir() => directories.push(entry.path()),
                    kind if kind.is_file() => found.push(entry.path()),
                    _ => {}
                }
            }
        }
        found
    }

    /// The text with what differs from run to run made equal: paths, ids, pids and durations.
    pub fn normal(&self, text: &str) -> String {
        let text = text.replace(&self.directory.path().display().to_string(), "$TMP");
        let rules = [
            (r"deployment(s?) (`?)[a-z0-9]{8}\b", "deployment$1 ${2}ID"),
            (r"show [a-z0-9]{8}\b", "show ID"),
            (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "WHEN"),
            (r"\b(\d+m)?\d+(\.\d+)?m?s\b", "TIME"),
            (r"process \d+ on `[^`]+`", "process PID on `HOST`"),
            (r"kill \d+", "kill PID"),
            (r"(TIME|ID) +\n", "$1\n"),
        ];
        rules.iter().fold(text, |text, (pattern, replacement)| {
            Regex::new(pattern).unwrap().replace_all(&text, *replacement).into_owned()
        })
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // A plan that a test has spoilt says nothing of what runs: only its name counts here.
        self.plan("services: { gone: { command: [\"true\"] } }\n");
        let destroyed = self.command("destroy --yes").output();
        if !std::thread::panicking() {
            let is_gone = destroyed.as_ref().is_ok_and(|output| output.status.success()) || self.pids().is_empty();
            assert!(is_gone, "{destroyed:?}");
        }
    }
}

/// The exit code as a shell tells it.
fn code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap()
}

/// Waits until something is so.
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "never came: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A port that nobody listens on at the moment.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn kill(child: &Child, signal: rustix::process::Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Compares texts, and shows both if they differ.
#[track_caller]
pub fn assert_text(found: &str, expected: &str) {
    assert!(found == expected, "found:\n{found}\nexpected:\n{expected}");
}
