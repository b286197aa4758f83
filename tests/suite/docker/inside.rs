//! Commands in and beside containers, and files out and in.

use std::{
    io::{Read as _, Write as _},
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    engine,
    fixture::{Fixture, Ran},
};

const PLAN: &str = "\
secrets: { password: {} }
services:
  db: { <<: *idle, environment: { A: \"1\" }, secrets: [password], volumes: [\"data:/data\"] }
  web: { <<: *server, depends_on: [db] }
volumes: { data: {} }
";

fn fixture() -> Option<Fixture> {
    let fixture = Fixture::new()?;
    fixture.environment("secrets: { password: { file: password } }\n");
    fixture.write("environments/password", "geheim");
    fixture.write("password", "geheim");
    Some(fixture)
}

/// Runs a call with this input.
fn fed(fixture: &Fixture, arguments: &[&str], input: &[u8]) -> Ran {
    let mut command = fixture.command(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    Ran::of(child.wait_with_output().unwrap())
}

/// The call, on a terminal of its own.
fn on_a_terminal(fixture: &Fixture, call: &str) -> Command {
    let mut command = Command::new("script");
    let line = format!("stty rows 33 cols 99; exec {} {call}", env!("CARGO_BIN_EXE_orchestrate"));
    let inner = fixture.command(&[]);
    command.args(["-qec", &line, "/dev/null"]).current_dir(inner.get_current_dir().unwrap()).env("TERM", "xterm");
    command.env("ORCHESTRATE_ENVIRONMENT", "lab").env("ORCHESTRATE_STATE_DIR", fixture.state());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn a_command_has_the_callers_streams_and_its_exit_code_is_passed_on() {
    let Some(fixture) = fixture() else { return };
    fixture.applied(PLAN);
    let ran = fixture.run(&["exec", "db", "sh", "-c", "echo out; echo bad >&2; exit 7"]).exits(7);
    assert_eq!((ran.data.as_str(), ran.talk.as_str()), ("out\n", "bad\n"));
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let mut command = fixture.command(&["exec", "-T", "db", "cat"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let feeding = std::thread::spawn(move || input.write_all(&sent).unwrap());
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    assert!(output.stdout == bytes, "{} of {} bytes came back", output.stdout.len(), bytes.len());
    let asked =
        fixture.run(&["exec", "-e", "B=2", "-w", "/tmp", "-u", "7", "db", "sh", "-c", "echo $A$B $PWD $(id -u)"]);
    assert_eq!(asked.exits(0).data, "12 /tmp 7\n");
    fixture.run(&["exec", "--index", "2", "db", "true"]).exits(64).says(&["there is no instance `db 2`"]);
    fixture.run(&["stop", "web"]).exits(0);
    fixture.run(&["exec", "web", "true"]).exits(1).says(&["does not run", "`orchestrate start web`"]);
}

#[test]
fn a_terminal_is_one_inside_too() {
    let Some(fixture) = fixture() else { return };
    fixture.applied(PLAN);
    let mut child = on_a_terminal(&fixture, "exec db sh").spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut heard = String::new();
    let mut until = |word: &str| {
        let mut bytes = [0; 1024];
        while !heard.contains(word) {
            let length = output.read(&mut bytes).unwrap();
            assert_ne!(length, 0, "it ended without {word:?}: {heard}");
            heard.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
    };
    until("/ # ");
    // What is typed is echoed, so the answers are put together only there.
    input.write_all(b"stty size; sleep 600 || echo inter'rupted'\r").unwrap();
    until("33 99");
    input.write_all(b"\x03").unwrap();
    input.write_all(b"echo sta''ge\r").unwrap();
    until("stage");
    input.write_all(b"exit 5\r").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
}

#[test]
fn a_one_off_has_what_its_service_has_and_is_none_of_its_instances() {
    let Some(fixture) = fixture() else { return };
    fixture.applied(PLAN);
    let instances = fixture.ids();
    let ran = fixture.run(&[
        "run",
        "--rm",
        "db",
        "sh",
        "-c",
        "cat /run/secrets/password; echo; echo $A; ls -d /data; exit 3",
    ]);
    assert_eq!(ran.exits(3).data, "geheim\n1\n/data\n");
    assert_eq!(fixture.ids(), instances);
    let files = |fixture: &Fixture| {
        let project = fixture.state().join("files").join(fixture.project());
        std::fs::read_dir(project).unwrap().count()
    };
    assert_eq!(files(&fixture), 1);

    let arguments =
        ["run", "-d", "--name", &format!("{}-left", fixture.project()), "-v", "data:/more", "db", "sleep", "600"];
    let left = fixture.run(&arguments).exits(0).data;
    assert_eq!(left, format!("{}-left\n", fixture.project()));
    assert!(engine::docker(&["exec", left.trim(), "ls", "-d", "/more"]).contains("/more"));
    let status = fixture.run(&["status", "--format", "json"]).exits(0).json();
    assert_eq!(status["services"][0]["instances"].as_array().unwrap().len(), 1);
    assert_eq!(status["one_offs"][0]["name"], left.trim());
    fixture.run(&["preview"]).exits(0).says(&["is a one-off and stays", "2 services unchanged"]);
    fixture.run(&["apply"]).exits(0).says(&["unchanged: "]);
    // What it mounts does not keep it from being taken away with all else.
    fixture.run(&["destroy", "-y"]).exits(0);
    assert_eq!(fixture.states(), Vec::<String>::new());
    assert!(engine::inspect(left.trim()).is_null());
}

#[test]
fn a_signal_reaches_a_one_off_and_nothing_is_left() {
    let Some(fixture) = fixture() else { return };
    fixture.applied(PLAN);
    let before = fixture.ids();
    let script = "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.1; done";
    let mut command = fixture.command(&["run", "--rm", "--no-deps", "db", "sh", "-c", script]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut ready = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap()).exits(9);
    assert_eq!(ran.data, "caught\n");
    assert_eq!(fixture.ids(), before);
}

#[test]
fn a_one_off_brings_up_what_it_needs() {
    let Some(fixture) = fixture() else { return };
    fixture.plan(PLAN);
    fixture.run(&["run", "--rm", "web", "true"]).exits(0);
    assert_eq!(fixture.states(), ["db-1 running"]);
    fixture.run(&["run", "nope", "true"]).exits(64).says(&["there is no service `nope`"]);
}

#[test]
fn a_one_off_joins_all_networks_whichever_comes_first() {
    let Some(fixture) = Fixture::new() else { return };
    let networks = "networks: { back: {}, front: { priority: 5 } }";
    fixture
        .plan(&format!("services: {{ web: {{ <<: *idle, {networks} }} }}\nnetworks: {{ back: {{}}, front: {{}} }}\n"));
    let ran = fixture.run(&["run", "--rm", "web", "ls", "/sys/class/net"]).exits(0);
    assert_eq!(ran.data.split_whitespace().collect::<Vec<_>>(), ["eth0", "eth1", "lo"]);
}

#[test]
fn files_are_copied_as_cp_would() {
    let Some(fixture) = fixture() else { return };
    fixture.applied(PLAN);
    let at = |name: &str| fixture.path().join("plan").join(name);
    fixture.run(&["cp", "db:/version", "here"]).exits(0);
    assert_eq!(std::fs::read_to_string(at("here")).unwrap(), "1\n");
    fixture.write("tree/sub/file", "text");
    fixture.run(&["cp", "tree", "db:/tmp/new"]).exits(0);
    fixture.run(&["cp", "here", "db:/tmp/"]).exits(0);
    fixture.run(&["cp", "tree/.", "db:/tmp/new"]).exits(0);
    let found = fixture.exec("db", &["find", "/tmp", "-type", "f"]);
    let mut found: Vec<&str> = found.lines().collect();
    found.sort();
    assert_eq!(found, ["/tmp/here", "/tmp/new/sub/file"]);
    fixture.run(&["cp", "db:/tmp/new", "back"]).exits(0);
    fixture.run(&["cp", "db:/tmp/new", "back"]).exits(0);
    assert!(at("back/sub/file").is_file() && at("back/new/sub/file").is_file());

    // Archives, as they are.
    let archive = fixture.command(&["cp", "db:/tmp/new", "-"]).output().unwrap().stdout;
    fed(&fixture, &["cp", "-", "db:/tmp/here"], &archive).exits(1);
    fed(&fixture, &["cp", "-", "db:/data"], &archive).exits(0);
    assert_eq!(fixture.exec("db", &["cat", "/data/new/sub/file"]), "text");

    // A link is copied as one, unless what it leads to is asked for.
    fixture.exec("db", &["ln", "-s", "/version", "/tmp/link"]);
    fixture.run(&["cp", "db:/tmp/link", "link"]).exits(0);
    assert_eq!(std::fs::read_link(at("link")).unwrap().to_str(), Some("/version"));
    fixture.run(&["cp", "-L", "db:/tmp/link", "followed"]).exits(0);
    assert_eq!(std::fs::read_to_string(at("followed")).unwrap(), "1\n");

    for (words, told) in [
        (["cp", "db:/nope", "x"], "there is no `/nope` in"),
        (["cp", "nope", "db:/tmp"], "cannot copy `nope`"),
        (["cp", "here", "db:/nope/x"], "there is no such directory"),
        (["cp", "tree", "db:/version"], "a directory cannot take a file's place"),
        (["cp", "here", "there"], "SERVICE:PATH"),
        (["cp", "db:/a", "db:/b"], "one end has to be on this host"),
    ] {
        fixture.run(&words).exits(1).says(&[told]);
    }
}

#[test]
fn a_secret_is_shown_to_who_asks_for_it() {
    let Some(fixture) = fixture() else { return };
    fixture.plan(PLAN);
    fixture.run(&["secret", "show", "password"]).exits(1).says(&["standard output is no terminal", "--raw"]);
    assert_eq!(fixture.run(&["secret", "show", "--raw", "password"]).exits(0).data, "geheim");
    fixture.run(&["secret", "show", "--raw", "pasword"]).exits(64).says(&["did you mean `password`?"]);
}
