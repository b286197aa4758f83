//! Someone wants it to stop.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Stdio},
};

use orchestrate::{
    journal::Outcome,
    store::{SqliteStore, Store as _},
};
use rustix::process::{Pid, Signal, kill_process};

use crate::fixture::{Fixture, Ran};

/// Starts an apply and waits until it says this.
fn begun(fixture: &Fixture, line: &str) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = fixture.command(&["apply", "-y"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut talk = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains(line) {
        assert_ne!(talk.read_line(&mut said).unwrap(), 0, "it ended, and said:\n{said}");
    }
    (child, talk)
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn ended(child: Child, mut talk: BufReader<std::process::ChildStderr>) -> Ran {
    let mut said = String::new();
    talk.read_to_string(&mut said).unwrap();
    let output = child.wait_with_output().unwrap();
    let data = String::from_utf8(output.stdout).unwrap();
    Ran { code: output.status.code().expect("it exits by itself"), data, talk: said }
}

const BEFORE: &str = "services: { web: *server, db: *server }\n";
/// `db` comes up again, `web` never does.
const ENDLESS: &str = "\
services:
  db: { <<: *server, environment: { V: \"2\" } }
  web: { <<: *broken, depends_on: { db: { condition: service_healthy } }, checks: [{ tcp: { port: 80 }, retries: 1000 }] }
";

#[test]
fn the_first_signal_goes_back() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.applied(BEFORE);
    let before = fixture.ids();
    fixture.plan(ENDLESS);
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (child, talk) = begun(&fixture, "web: starting");
        send(&child, signal);
        ended(child, talk).exits(code).says(&["rolled back"]);
        assert_eq!(fixture.ids(), before);
        assert_eq!(fixture.states(), ["db-1 running", "web-1 running"]);
    }
    fixture.plan(BEFORE);
    fixture.run(&["apply"]).exits(0).says(&["unchanged: "]);
}

#[test]
fn the_second_signal_ends_at_once_and_the_journal_is_whole() {
    let Some(fixture) = Fixture::new() else { return };
    // It takes its time to stop, so that going back does too.
    fixture.applied("services: { web: *server, db: { <<: *server, stop_grace_period: 20s } }\n");
    fixture.plan(&ENDLESS.replace("db: { <<: *server", "db: { <<: *server, stop_grace_period: 20s"));
    let (child, mut talk) = begun(&fixture, "db: stopping");
    send(&child, Signal::INT);
    let mut said = String::new();
    while !said.contains("once more") {
        assert_ne!(talk.read_line(&mut said).unwrap(), 0, "it ended, and said:\n{said}");
    }
    send(&child, Signal::INT);
    ended(child, talk).exits(130);

    let store = SqliteStore::open(&fixture.state().join("state.db")).unwrap();
    let project = fixture.project().parse().unwrap();
    let deployments = store.deployments(Some(&project)).unwrap();
    assert_eq!(deployments.iter().map(|record| record.outcome).collect::<Vec<_>>(), [None, Some(Outcome::Applied)]);
    assert!(!store.entries(deployments[0].id).unwrap().is_empty());
    drop(store);
    // The next one starts from what is there.
    fixture.applied(BEFORE);
    assert_eq!(fixture.states(), ["db-1 running", "web-1 running"]);
}

#[test]
fn only_one_deployment_at_a_time() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.plan(ENDLESS);
    let (child, talk) = begun(&fixture, "web: starting");
    // One that has nothing to do asks nobody, so there has to be something.
    fixture.plan(&ENDLESS.replace("\"2\"", "\"3\""));
    for words in [&["apply", "-y"][..], &["destroy", "-y"], &["apply", "-y", "--only", "db"]] {
        fixture.run(words).exits(5).says(&["is locked", "hint: "]);
    }
    fixture.run(&["preview"]).exits(0);
    send(&child, Signal::INT);
    ended(child, talk).exits(130);
    assert_eq!(fixture.states(), Vec::<String>::new());
}
