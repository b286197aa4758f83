//! Someone looks on from another terminal; and who only looks is told what goes on.

use rustix::process::Signal;

use crate::scene::{Scene, assert_text, kill};

/// A job that runs until the file `go` is there, and a service behind it.
const WAITING: &str = r#"
services:
  job:
    kind: job
    command: ["sh", "-c", "until [ -e go ]; do sleep 0.02; done; exit $(cat go)"]
  web:
    command: [sleep, "1000"]
    depends_on: { job: { condition: service_completed_successfully } }
"#;

/// What a command says apart from the lines that tell of single phases, which come in between.
fn without_phases(talk: &str) -> String {
    talk.lines().filter(|line| !line.starts_with("phase ")).map(|line| format!("{line}\n")).collect()
}

fn waiting() -> Scene {
    Scene::new(WAITING).env("USER", "ada")
}

#[test]
fn a_watcher_sees_what_the_one_who_applies_sees() {
    let scene = waiting();
    let apply = scene.until("apply", "job: starting");
    // From its beginning, although it has begun.
    let watch = scene.until("watch", "job: starting");
    let late = scene.until("watch --project fleet --format json", "");
    scene.write("go", "0");
    let (applied, watched, late) = (scene.ended(apply), scene.ended(watch), scene.ended(late));
    assert_eq!((applied.code, watched.code, late.code), (0, 0, 0), "{watched:#?} {late:#?}");
    assert_text(&watched.data, &applied.data);
    let lines: Vec<serde_json::Value> =
        late.data.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let names: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(names.first(), Some(&"deployment_started"), "{names:?}");
    assert_eq!(names[names.len() - 2..], ["deployment_completed", "watch_ended"]);
    assert!(lines.iter().all(|line| line["format_version"] == 1));
    let last = lines.last().unwrap();
    assert_eq!((&last["state"], &last["outcome"]), (&"ended".into(), &"applied".into()));
}

#[test]
fn a_watcher_ends_as_the_one_who_applies() {
    let scene = waiting();
    let apply = scene.until("apply", "job: starting");
    let watch = scene.until("watch", "job: starting");
    scene.write("go", "7");
    let (applied, watched) = (scene.ended(apply), scene.ended(watch));
    assert_eq!((applied.code, watched.code), (3, 3), "{applied:#?} {watched:#?}");
    let (head, _) = applied.data.split_once("\n\n").unwrap();
    assert!(watched.data.starts_with(head), "{}\n{}", applied.data, watched.data);
    assert!(watched.data.contains("exit code 7"), "{}", watched.data);
    // When all is over, its events can be seen once more.
    let history: serde_json::Value = serde_json::from_str(&scene.ok("history --format json").data).unwrap();
    let id = history["deployments"][0]["deployment"].as_str().unwrap().to_owned();
    let again = scene.run(&format!("watch {}", &id[..6]));
    assert_eq!(again.code, 3);
    assert!(again.talk.starts_with("deployment `ID` of `fleet`: 2 services\n"), "{}", again.talk);
    assert_text(&again.data, &watched.data);
    let idle = scene.run("watch");
    assert_eq!((idle.code, idle.data.as_str()), (3, ""));
    let text = "no deployment is running; the last: deployment `ID` failed and rolled back: \
                `orchestrate show ID` tells more\n";
    assert_text(&idle.talk, text);
}

#[test]
fn a_watcher_is_told_of_sudden_death_and_sees_what_comes_after() {
    let scene = waiting();
    let apply = scene.until("apply -m night-shift", "job: starting");
    let watch = scene.until("watch", "job: starting");
    kill(&apply, Signal::KILL);
    scene.ended(apply);
    let watched = scene.ended(watch);
    assert_eq!((watched.code, watched.data.as_str()), (4, ""), "{watched:#?}");
    let again = scene.run("watch --format json");
    assert_eq!(again.code, 4);
    assert!(again.data.contains("\"state\":\"cut_off\""), "{again:#?}");
    // The next one takes it back, and then goes on with its own.
    let apply = scene.until("apply", "job: starting");
    let watch = scene.until("watch", "job: starting");
    scene.write("go", "0");
    assert_eq!((scene.ended(apply).code, scene.ended(watch).code), (0, 0));
}

#[test]
fn a_watcher_that_leaves_or_does_not_listen_holds_up_nobody() {
    let scene = waiting();
    let apply = scene.until("apply", "job: starting");
    let leaving = scene.until("watch", "job: starting");
    kill(&leaving, Signal::INT);
    assert_eq!(scene.ended(leaving).code, 130);
    let stopped = scene.until("watch", "job: starting");
    kill(&stopped, Signal::STOP);
    scene.write("go", "0");
    assert_eq!(scene.ended(apply).code, 0);
    kill(&stopped, Signal::CONT);
    assert_eq!(scene.ended(stopped).code, 0);
}

#[test]
fn nothing_to_watch_is_said() {
    let scene = waiting();
    let idle = scene.run("watch");
    let text = "no deployment is running, and none has begun from here\n";
    assert_eq!((idle.code, idle.data.as_str(), idle.talk.as_str()), (0, "", text));
    let unknown = scene.run("watch zzzz");
    assert_eq!(unknown.code, 1);
    assert!(unknown.talk.starts_with("error: there is no deployment `zzzz`\n"), "{}", unknown.talk);
}

#[test]
fn events_hold_no_secrets_and_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::new(
        r#"
vars: { password: { type: string, sensitive: true } }
services:
  web:
    command: ["sh", "-c", "echo the password is $PASSWORD >&2; exit 1"]
    environment: { PASSWORD: "{{ vars.password }}" }
    restart: "no"
"#,
    );
    assert_eq!(scene.run("apply --var password=hunter2-the-long").code, 3);
    let files: Vec<_> = std::fs::read_dir(scene.state().join("events")).unwrap().map(|file| file.unwrap()).collect();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    let text = std::fs::read_to_string(files[0].path()).unwrap();
    assert!(text.contains("service_failed") && !text.contains("hunter2"), "{text}");
}

#[test]
fn who_only_looks_is_told_of_a_deployment_that_runs_and_of_one_that_was_cut_off() {
    let scene = waiting();
    let apply = scene.until("apply", "job: starting");
    let running = |talk: &str| talk.contains("is running, for ") && talk.contains("`orchestrate watch` follows it\n");
    for line in ["status", "preview", "logs"] {
        let ran = scene.ok(line);
        assert!(ran.talk.starts_with("note: deployment `ID` by ada@") && running(&ran.talk), "{line}: {}", ran.talk);
    }
    assert!(scene.ok("history").data.contains("  running  "), "{}", scene.ok("history").data);
    assert!(!scene.ok("history --format json").data.contains("cut_off"));
    kill(&apply, Signal::KILL);
    scene.ended(apply);

    let before = state_of(&scene);
    let cut_off = ": the next `apply` takes it back, or `orchestrate recover`\n";
    for line in ["status", "preview", "logs"] {
        let ran = scene.ok(line);
        let talk = without_phases(&ran.talk);
        assert!(talk.contains(" was cut off ") && talk.ends_with(cut_off), "{line}: {talk}");
    }
    for line in ["status", "preview"] {
        let document: serde_json::Value =
            serde_json::from_str(&scene.ok(&format!("{line} --format json")).data).unwrap();
        let unfinished = &document["unfinished"];
        assert_eq!(unfinished["state"], "cut_off", "{line}: {unfinished}");
        assert!(unfinished["author"].as_str().unwrap().starts_with("ada@"));
        assert_eq!(unfinished["deployment"].as_str().unwrap().len(), 8);
    }
    assert!(scene.ok("history").data.contains("  cut off  "), "{}", scene.ok("history").data);
    assert!(scene.ok("history --format json").data.contains("\"state\": \"cut_off\""));
    assert_eq!(state_of(&scene), before, "who only looks has written something");

    scene.ok("recover");
    for line in ["status", "preview", "logs"] {
        assert_eq!(scene.ok(line).talk, "", "{line}");
    }
    assert!(scene.ok("status --format json").data.contains("\"unfinished\": null"));
    assert!(scene.ok("history").data.contains("  rolled back  "), "{}", scene.ok("history").data);
}

/// All that the database says of deployments.
fn state_of(scene: &Scene) -> Vec<(String, Option<String>, i64)> {
    let database = rusqlite::Connection::open(scene.state().join("state.db")).unwrap();
    let sql = "SELECT id, ending, (SELECT count(*) FROM entry WHERE deployment = sequence) FROM deployment";
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}
