//! The real engine as the tests look at it: through its own command line.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

/// The image that `tests/run` builds: busybox, with its version in `/version`.
pub const IMAGE: &str = "orchestrate-test/busybox:1";

/// Whether there is an engine with the test images. Says so loudly if not, and fails in CI.
pub fn is_there() -> bool {
    static ANSWER: OnceLock<Result<(), String>> = OnceLock::new();
    let answer = ANSWER.get_or_init(|| match output(&["image", "inspect", IMAGE, "orchestrate-test/busybox:2"]) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("no engine with the image {IMAGE} (`tests/run` provides both): {error}")),
    });
    if let Err(why) = answer {
        eprintln!("SKIPPED: {why}");
        assert!(std::env::var_os("CI").is_none(), "{why}, and CI is set");
    }
    answer.is_ok()
}

fn output(words: &[&str]) -> Result<String, String> {
    let ran = Command::new("docker").args(words).stdin(Stdio::null()).output();
    let ran = ran.map_err(|error| format!("`docker` cannot be run: {error}"))?;
    match ran.status.success() {
        true => Ok(String::from_utf8_lossy(&ran.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&ran.stderr).into_owned()),
    }
}

/// Runs `docker`, which has to work: its output.
#[track_caller]
pub fn docker(words: &[&str]) -> String {
    output(words).unwrap_or_else(|error| panic!("docker {}: {error}", words.join(" ")))
}

/// What the engine says of containers, sorted as asked for.
pub fn inspect_all(names: &[String]) -> Vec<Value> {
    if names.is_empty() {
        return Vec::new();
    }
    let words: Vec<&str> = ["container", "inspect"].into_iter().chain(names.iter().map(String::as_str)).collect();
    serde_json::from_str(&docker(&words)).unwrap()
}

/// What the engine says of a container; null if there is none.
pub fn inspect(name: &str) -> Value {
    let found = output(&["container", "inspect", name]).unwrap_or_else(|_| "[null]".to_owned());
    serde_json::from_str::<Value>(&found).unwrap()[0].clone()
}

/// The ids or names of a project's objects without its lock's, as a listing command prints them.
pub fn labelled(listing: &str, project: &str) -> Vec<String> {
    let mut found = listed(listing, &format!("io.orchestrate.project={project}"));
    // The last record of a project's lock stays: it says that the lock is free.
    found.retain(|name| !name.starts_with("orchestrate-lock-"));
    found
}

fn listed(listing: &str, label: &str) -> Vec<String> {
    let filter = format!("label={label}");
    let words: Vec<&str> = listing.split(' ').chain(["--filter", &filter]).collect();
    output(&words).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Builds an image of this Dockerfile, without the network.
pub fn build(name: &str, dockerfile: &str) {
    let mut child = Command::new("docker")
        .args(["build", "-q", "-t", name, "-"])
        .env("DOCKER_BUILDKIT", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(dockerfile.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "docker build of {name}");
}

/// Removes what carries a project's label or a test's own, locks too: nothing else.
pub fn clean(projects: &[String], foreign: &str) {
    let ours = projects.iter().map(|project| format!("io.orchestrate.project={project}"));
    let labels: Vec<String> = ours.chain([foreign.to_owned()]).collect();
    // All containers first: they hold networks and volumes.
    for (listing, removal) in [("ps -aq", "rm -f -v"), ("network ls -q", "network rm"), ("volume ls -q", "volume rm")] {
        let found: Vec<String> = labels.iter().flat_map(|label| listed(listing, label)).collect();
        if !found.is_empty() {
            let words: Vec<&str> = removal.split(' ').chain(found.iter().map(String::as_str)).collect();
            drop(output(&words));
        }
    }
    for project in projects {
        let tags = output(&["images", "--format", "{{.Repository}}:{{.Tag}}", &format!("orchestrate/{project}")]);
        untag(&tags.unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>());
    }
}

/// Takes names from images.
pub fn untag(names: &[String]) {
    if !names.is_empty() {
        let words: Vec<&str> = ["rmi", "-f"].into_iter().chain(names.iter().map(String::as_str)).collect();
        drop(output(&words));
    }
}

/// A port of the host that nothing listened on a moment ago.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// A text in base64, as logins are written.
pub fn base64(text: &str) -> String {
    let mut child = Command::new("base64").arg("-w0").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}
