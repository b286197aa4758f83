//! A Docker Engine of a test's own: in a network namespace of its own, or it would take the bridge
//! of the machine's engine away; its data, sockets and mounts are gone with it.

use std::{
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    engine,
    scene::{PATIENCE, wait_until},
};

const IMAGE: &str = "orchestrate-test/busybox:1";

pub struct OwnEngine {
    directory: tempfile::TempDir,
    /// Keeps the namespaces while no engine runs.
    holder: Child,
    engine: Option<Child>,
}

/// Why there cannot be one here.
fn obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("an engine of its own needs root".to_owned());
    }
    ["dockerd", "unshare", "nsenter", "ip"]
        .into_iter()
        .find(|tool| {
            !Command::new("which").arg(tool).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
        })
        .map(|tool| format!("`{tool}` is not installed"))
}

impl OwnEngine {
    /// One with the test image, running. `None` where there cannot be one, which is told loudly.
    pub fn start() -> Option<Self> {
        if !engine::is_there() {
            return None;
        }
        if let Some(why) = obstacle() {
            eprintln!("SKIPPED: {why}");
            assert!(std::env::var_os("CI").is_none(), "{why}, and CI is set");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let ready = directory.path().join("ready");
        let script = format!("ip link set lo up && touch {} && exec sleep 3600", ready.display());
        let holder = Command::new("unshare")
            .args(["-n", "-m", "sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut own = Self { directory, holder, engine: None };
        wait_until("namespaces of its own", || ready.exists());
        own.run();
        let load = format!("docker save {IMAGE} | docker -H {} load", own.address());
        assert!(Command::new("sh").args(["-c", &load]).stdout(Stdio::null()).status().unwrap().success());
        Some(own)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn address(&self) -> String {
        format!("unix://{}", self.path("sock").display())
    }

    /// Starts the engine, and waits until it answers.
    pub fn run(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        let holder = self.holder.id().to_string();
        let engine = Command::new("nsenter")
            .args(["-t", &holder, "-n", "-m", "dockerd", "--data-root"])
            .arg(self.path("data"))
            .arg("--exec-root")
            .arg(self.path("exec"))
            .args(["-H", &self.address(), "-p"])
            .arg(self.path("pid"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.engine = Some(engine.unwrap());
        let begun_at = Instant::now();
        while !self.docker(&["version"]).status.success() {
            let ended = self.engine.as_mut().and_then(|engine| engine.try_wait().unwrap());
            let is_late = begun_at.elapsed() > PATIENCE;
            assert!(ended.is_none() && !is_late, "no engine, {ended:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Sends it a signal that ends it, and waits for its end.
    pub fn end(&mut self, signal: Signal) {
        let Some(mut engine) = self.engine.take() else { return };
        let pid = Pid::from_raw(i32::try_from(engine.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        engine.wait().unwrap();
        // One that was killed takes its containerd with it, and leaves both their numbers behind: the
        // next one would wait for what is dead, or someone else by now.
        for file in ["pid", "exec/containerd/containerd.pid"] {
            drop(std::fs::remove_file(self.path(file)));
        }
    }

    pub fn docker(&self, words: &[&str]) -> Output {
        Command::new("docker").args(["-H", &self.address()]).args(words).stdin(Stdio::null()).output().unwrap()
    }

    /// What a listing prints, in order.
    pub fn lines(&self, words: &[&str]) -> Vec<String> {
        let text = String::from_utf8(self.docker(words).stdout).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

impl OwnEngine {
    /// Ends what an engine that was killed left running: what names its directory is its own.
    fn end_what_is_left(&self) {
        let own = self.directory.path().display().to_string();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if let Some(pid) = pid.filter(|_| String::from_utf8_lossy(&command).contains(&own)) {
                // It may have ended by itself.
                kill_process(pid, Signal::KILL).ok();
            }
        }
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        let ids = self.lines(&["ps", "-aq"]);
        if !ids.is_empty() {
            let words: Vec<&str> = ["rm", "-f"].into_iter().chain(ids.iter().map(String::as_str)).collect();
            drop(self.docker(&words));
        }
        self.end(Signal::TERM);
        self.end_what_is_left();
        drop(self.holder.kill());
        drop(self.holder.wait());
        // The last of its processes may hold the mounts for a moment.
        std::thread::sleep(Duration::from_millis(50));
    }
}
