//! The state's own files: looked through, backed up, restored; and half dead.

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use rustix::process::Signal;

use crate::scene::{Ran, Scene, assert_text, kill};

const SECRET: &str = r#"
vars: { password: { type: string, sensitive: true } }
services:
  web:
    command: ["sh", "-c", "echo $GREETING; exec sleep 1000"]
    environment: { PASSWORD: "{{ vars.password }}", GREETING: "{{ random_string(8) }}" }
"#;

fn deployed() -> Scene {
    let scene = Scene::new(SECRET).env("ORCHESTRATE_VAR_password", "hunter2-the-long");
    scene.ok("apply -m first");
    scene
}

/// What is found, without what is well.
fn bad(ran: &Ran) -> Vec<String> {
    ran.data.lines().filter(|line| !line.starts_with("ok ")).map(|line| line.trim().to_owned()).collect()
}

fn spoil(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut content = std::fs::read(path).unwrap();
    change(&mut content);
    std::fs::write(path, content).unwrap();
}

#[test]
fn a_state_is_looked_through() {
    let scene = Scene::new(SECRET).env("ORCHESTRATE_VAR_password", "hunter2-the-long");
    assert_text(&scene.ok("state path").data, "$TMP/state\n");
    assert!(!scene.state().exists(), "who asks for the path has made it");
    assert_text(&scene.ok("state verify").data, "ok       state  there is none in `$TMP/state` yet\n");
    assert!(!scene.state().exists());
    scene.ok("apply");
    scene.program("job", "exit 0");
    let text = "\
ok       key          there
ok       database     whole, with 1 deployment
ok       deployments  every record, journal, setup and plan can be read
ok       permissions  all is its owner's alone
";
    assert_text(&scene.ok("state verify").data, text);

    std::fs::write(scene.state().join("locks/gone"), "").unwrap();
    std::fs::write(scene.state().join("events/zzzzzzzz.jsonl"), "").unwrap();
    std::fs::set_permissions(scene.state().join("locks/gone"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let found = scene.ok("state verify");
    assert_eq!(found.data.matches("warning  ").count(), 4, "{}", found.data);
    assert!(found.data.contains("others may use `$TMP/state/locks/gone` (mode 644)"), "{}", found.data);
    assert!(found.data.contains("1 events of deployments that are not known: `$TMP/state/events/zzzzzzzz.jsonl`"));
    let document: serde_json::Value = serde_json::from_str(&scene.ok("state verify --format json").data).unwrap();
    assert_eq!((&document["format_version"], &document["ok"]), (&1.into(), &true.into()));
}

#[test]
fn a_backup_made_while_it_is_used_brings_everything_back() {
    let scene = deployed();
    let plan =
        format!("{SECRET}  other:\n    kind: job\n    command: [sh, -c, \"until [ -e go ]; do sleep 0.02; done\"]\n");
    scene.plan(&plan);
    let apply = scene.until("apply -m second", "other: starting");
    let made = scene.ok("state backup ../backup.tar");
    assert!(made.talk.contains("the key that opens the state's secrets is in it"), "{}", made.talk);
    assert_eq!(std::fs::metadata(scene.path("../backup.tar")).unwrap().permissions().mode() & 0o7777, 0o600);
    let left: Vec<_> = std::fs::read_dir(scene.path("..")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "drafts were left: {left:?}");
    scene.write("go", "");
    assert_eq!(scene.ended(apply).code, 0);
    let again = scene.run("state backup ../backup.tar");
    assert_eq!(again.code, 1);
    assert!(again.talk.starts_with("error: `$TMP/work/../backup.tar` is there already\n"), "{}", again.talk);

    // Where there is a state, it is not replaced by mistake.
    let refused = scene.run("state restore ../backup.tar");
    assert_eq!(refused.code, 1);
    assert!(refused.talk.starts_with("error: there is a state in `$TMP/state` already\n"), "{}", refused.talk);
    assert!(refused.talk.contains("--force"));

    // All is lost; what runs keeps running.
    let (pids, key) = (scene.pids(), std::fs::read(scene.state().join("key")).unwrap());
    for name in ["state.db", "state.db-wal", "state.db-shm", "key"] {
        let _ = std::fs::remove_file(scene.state().join(name));
    }
    let restored = scene.ok("state restore ../backup.tar");
    assert!(restored.talk.starts_with("restored `$TMP/state`, as it was on "), "{}", restored.talk);
    assert_eq!(std::fs::read(scene.state().join("key")).unwrap(), key);
    assert_eq!(scene.pids(), pids);
    scene.ok("state verify");
    let history = scene.ok("history").data;
    assert!(history.contains("first") && history.contains("second") && history.contains("cut off"), "{history}");
    // The second ended after the backup was made: it is taken back, and applied once more.
    scene.ok("apply --yes");
    let unchanged = scene.ok("apply");
    assert!(unchanged.data.starts_with("unchanged: "), "{}", unchanged.data);
}

#[test]
fn a_restore_replaces_what_is_there_only_if_told_and_keeps_it() {
    let scene = deployed();
    scene.ok("state backup ../backup.tar");
    scene.ok("apply --yes --force-recreate -m second");
    let restored = scene.ok("state restore --force ../backup.tar");
    assert!(restored.talk.contains("what was there is kept as `$TMP/state/state.db.replaced`\n"), "{}", restored.talk);
    assert!(!scene.ok("history").data.contains("second"));
    let replaced = rusqlite::Connection::open(scene.state().join("state.db.replaced")).unwrap();
    let kept: i64 = replaced.query_row("SELECT count(*) FROM deployment", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 2);
    scene.ok("state restore --force ../backup.tar");
    scene.ok("state verify");
}

#[test]
fn nothing_is_restored_while_someone_deploys() {
    let scene = deployed();
    scene.ok("state backup ../backup.tar");
    scene.plan("services: { job: { kind: job, command: [sh, -c, \"until [ -e go ]; do sleep 0.02; done\"] } }\n");
    let apply = scene.until("apply", "job: starting");
    let refused = scene.run("state restore --force ../backup.tar");
    assert_eq!(refused.code, 5, "{refused:#?}");
    scene.write("go", "");
    assert_eq!(scene.ended(apply).code, 0);
    assert_eq!(scene.ok("history").data.lines().count(), 3);
    assert!(!scene.state().join("restore.draft").exists());
}

#[test]
fn a_damaged_backup_is_refused_and_changes_nothing() {
    let scene = deployed();
    scene.ok("state backup ../good.tar");
    let good = std::fs::read(scene.path("../good.tar")).unwrap();
    let before = scene.ok("history").data;
    let position = |needle: &[u8]| good.windows(needle.len()).position(|window| window == needle).unwrap();
    let page = position(b"SQLite format 3") + 4096;
    let torn: Vec<u8> =
        good.iter().enumerate().map(|(at, byte)| if at > page && at < page + 4000 { 0xff } else { *byte }).collect();
    let key = position(b"key\0") + 512;
    let other_key: Vec<u8> = good.iter().enumerate().map(|(at, byte)| if at == key { !byte } else { *byte }).collect();
    let table: [(&str, &[u8], &str); 5] = [
        ("empty", b"", "is no backup that can be restored: it is not whole"),
        ("foreign", &[b'x'; 2000], "is no backup that can be restored"),
        ("cut short", &good[..good.len() / 2], "is no backup that can be restored: it is cut short"),
        ("torn", &torn, "is not restored, it is damaged: database: "),
        ("with another key", &other_key, "it was sealed with another key, or is damaged"),
    ];
    for (what, content, expected) in table {
        std::fs::write(scene.path("../bad.tar"), content).unwrap();
        let refused = scene.run("state restore --force ../bad.tar");
        assert_eq!((refused.code, refused.data.as_str()), (1, ""), "{what}: {refused:#?}");
        assert!(refused.talk.contains(expected), "{what}: {}", refused.talk);
        assert!(!scene.state().join("restore.draft").exists(), "{what}");
        assert_text(&scene.ok("history").data, &before);
    }
    scene.ok("state verify");
}

#[test]
fn a_restore_that_was_cut_off_is_ended_by_the_next_command() {
    let scene = deployed();
    scene.ok("state backup ../backup.tar");
    scene.ok("apply --yes --force-recreate -m second");
    // As it is left by a process that died right after its point of no return, with a log that
    // belongs to the database that goes.
    let restore = scene.state().join("restore");
    std::fs::create_dir(&restore).unwrap();
    std::process::Command::new("tar").args(["xf", "../../backup.tar"]).current_dir(&restore).status().unwrap();
    std::fs::remove_file(restore.join("orchestrate-state.json")).unwrap();
    std::fs::write(scene.state().join("state.db-wal"), "of the other database").unwrap();
    let history = scene.ok("history").data;
    assert!(history.contains("first") && !history.contains("second"), "{history}");
    assert!(!restore.exists());
    scene.ok("state verify");
}

#[test]
fn damage_is_found_before_anything_is_changed() {
    let scene = deployed();
    let database = scene.state().join("state.db");
    let (mut good, mut pids) = (std::fs::read(&database).unwrap(), scene.pids());
    let mut found = 0;
    // Every page but the first, without which it is no database.
    for page in 1..good.len() / 4096 {
        spoil(&database, |content| content[page * 4096..page * 4096 + 64].fill(0xff));
        let verified = scene.run("state verify");
        let ran = scene.run("apply --yes --force-recreate");
        assert_eq!(verified.code, ran.code, "page {page}: {verified:#?} {ran:#?}");
        if ran.code == 0 {
            // There is nothing in this page.
            (good, pids) = (std::fs::read(&database).unwrap(), scene.pids());
            continue;
        }
        assert!(ran.talk.contains("is damaged"), "page {page}: {ran:#?}");
        assert_eq!(scene.pids(), pids, "page {page}");
        found += 1;
        for name in ["state.db-wal", "state.db-shm"] {
            let _ = std::fs::remove_file(scene.state().join(name));
        }
        std::fs::write(&database, &good).unwrap();
    }
    assert!(found >= 10, "{found}");
    scene.ok("state verify");
}

#[test]
fn half_a_database_is_found_by_everyone() {
    let scene = deployed();
    let database = scene.state().join("state.db");
    let good = std::fs::read(&database).unwrap();
    let cases: [(&str, Vec<u8>); 3] = [
        ("cut", good[..good.len() / 2].to_vec()),
        ("foreign", b"a,b,c\n".repeat(2000)),
        ("one page", good[..4096].to_vec()),
    ];
    for (what, content) in cases {
        std::fs::write(&database, content).unwrap();
        for line in ["apply --yes --force-recreate", "state verify"] {
            let ran = scene.run(line);
            assert_eq!(ran.code, 1, "{what}: {line}: {ran:#?}");
            assert!((ran.talk.clone() + &ran.data).contains("is damaged"), "{what}: {line}: {ran:#?}");
        }
    }
    std::fs::write(&database, &good).unwrap();
    scene.ok("state verify");
    assert_eq!(scene.pids().len(), 1);
}

#[test]
fn a_lost_log_loses_what_was_in_it_and_nothing_else() {
    let scene = deployed();
    let plan =
        format!("{SECRET}  other:\n    kind: job\n    command: [sh, -c, \"until [ -e go ]; do sleep 0.02; done\"]\n");
    scene.plan(&plan);
    let apply = scene.until("apply -m second", "other: starting");
    kill(&apply, Signal::KILL);
    scene.ended(apply);
    for name in ["state.db-wal", "state.db-shm"] {
        std::fs::remove_file(scene.state().join(name)).unwrap();
    }
    scene.ok("state verify");
    // What runs has its labels: that is enough.
    scene.write("go", "");
    scene.ok("apply --yes");
    assert!(scene.ok("apply").data.starts_with("unchanged: "));
}

#[test]
fn a_lost_or_exchanged_key_is_found() {
    let scene = deployed();
    let key = scene.state().join("key");
    let good = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let found = scene.run("state verify");
    assert_eq!(found.code, 1, "{found:#?}");
    assert!(bad(&found)[0].contains("`$TMP/state/key` cannot be read"), "{found:#?}");
    assert!(!key.exists(), "who looks has made a new one");
    spoil_key(&key, &[7; 32]);
    let found = scene.run("state verify");
    assert_eq!(found.code, 1);
    assert!(found.data.contains("a sealed secret cannot be opened: it was sealed with another key"), "{}", found.data);
    assert!(found.data.contains("the value made once for"), "{}", found.data);
    spoil_key(&key, &good);
    scene.ok("state verify");
}

fn spoil_key(path: &Path, content: &[u8]) {
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn records_that_mean_nothing_are_found() {
    let scene = deployed();
    let database = || rusqlite::Connection::open(scene.state().join("state.db")).unwrap();
    let table = [
        ("DELETE FROM entry WHERE number = 1", "its number is not the next one"),
        ("UPDATE entry SET entry = replace(entry, 'intended', 'succeeded')", "a row cannot be read"),
        ("UPDATE plan SET plan = '{}'", "its plan cannot be read"),
        ("UPDATE setup SET setup = '[]'", "a row cannot be read"),
        ("UPDATE deployment SET record = '{'", "a row cannot be read"),
        ("UPDATE deployment SET id = 'nonsense!'", "its id is none"),
        (
            "UPDATE deployment SET ending = replace(ending, 'applied', 'rolled_back')",
            "its record says `rolled_back`, its journal `applied`",
        ),
    ];
    let good = std::fs::read(scene.state().join("state.db")).unwrap();
    for (sql, expected) in table {
        assert!(database().execute(sql, []).unwrap() > 0, "{sql}");
        let found = scene.run("state verify");
        assert_eq!(found.code, 1, "{sql}: {found:#?}");
        assert!(found.data.contains(expected), "{sql}: {}", found.data);
        std::fs::write(scene.state().join("state.db"), &good).unwrap();
    }
    scene.ok("state verify");
}
