use std::{os::unix::fs::PermissionsExt as _, process::Command};

use super::refusal;
use crate::scene::{Scene, assert_text};

const WEB: &str = "services: { web: { command: [sleep, \"1000\"] } }\n";

#[test]
fn a_file_in_the_place_of_the_directory() {
    let scene = Scene::new(WEB);
    std::fs::write(scene.state(), "").unwrap();
    let text = "\
exit 1
error: `$TMP/state` is not a directory
  hint: move `$TMP/state` away, or set `ORCHESTRATE_STATE_DIR` to a directory of your own
";
    assert_text(&refusal(&scene, "apply"), text);
    std::fs::remove_file(scene.state()).unwrap();
}

#[test]
fn a_directory_that_others_may_write_to() {
    let scene = Scene::new(WEB);
    std::fs::create_dir(scene.state()).unwrap();
    let mode = |mode| std::fs::set_permissions(scene.state(), std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o777);
    let text = "\
exit 1
error: others may write to `$TMP/state` (mode 777)
  hint: `chmod go-w $TMP/state`, or set `ORCHESTRATE_STATE_DIR` to a directory of your own
";
    assert_text(&refusal(&scene, "apply"), text);
    mode(0o700);
}

#[test]
fn state_from_a_newer_version() {
    let scene = Scene::new(WEB);
    scene.ok("apply");
    let before = scene.pids();
    let version = |version: i64| {
        let database = rusqlite::Connection::open(scene.state().join("state.db")).unwrap();
        database.pragma_update(None, "user_version", version).unwrap();
    };
    version(99);
    let text = "\
error: the state in `$TMP/state/state.db` was written by a newer version (schema 99, this one knows 4)
  hint: update `orchestrate` to the version that wrote it, or set `ORCHESTRATE_STATE_DIR` to another directory
";
    for line in ["apply", "preview", "destroy --yes", "rollback"] {
        let ran = scene.run(line);
        assert_eq!((ran.code, ran.data.as_str(), ran.talk.as_str()), (1, "", text), "{line}");
    }
    assert_eq!(scene.pids(), before);
    version(4);
    scene.ok("apply");
}

#[test]
fn state_that_is_damaged() {
    let scene = Scene::new(WEB);
    scene.ok("destroy --yes");
    std::fs::write(scene.state().join("state.db"), "this is no database, and is long enough to be read as one")
        .unwrap();
    let text = "\
exit 1
error: the state in `$TMP/state/state.db` is damaged: file is not a database
  hint: restore `$TMP/state/state.db` from a backup; or `orchestrate state rebuild` brings back what a Docker engine keeps of a project; else move it away: what runs is left alone, but its history is lost
";
    assert_text(&refusal(&scene, "apply"), text);
    std::fs::remove_file(scene.state().join("state.db")).unwrap();
    std::fs::write(scene.state().join("key"), "short").unwrap();
    let text = "\
exit 1
error: the key in `$TMP/state/key` is damaged: it has 5 bytes, not 32
  hint: restore `$TMP/state/key` from a backup; without it, sealed secrets of older deployments are lost
";
    assert_text(&refusal(&scene, "apply"), text);
    std::fs::remove_file(scene.state().join("key")).unwrap();
}

/// Runs `apply` with a small file system of its own in the state directory's place, where this
/// user may mount one.
fn on_file_system(scene: &Scene, options: &str) -> Option<String> {
    std::fs::create_dir_all(scene.state()).unwrap();
    let program = scene.command("apply");
    let mut mounted = Command::new("unshare");
    let script = format!("mount -t tmpfs -o mode=700,{options} none ../state || exit 77; \"$0\" apply; echo exit $?");
    mounted.args(["-m", "sh", "-c", &script]).arg(program.get_program()).current_dir(scene.path("")).env_clear();
    mounted.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = mounted.output().ok()?;
    let is_mounted = output.status.success();
    let text = [output.stdout, output.stderr].concat();
    is_mounted.then(|| scene.normal(&String::from_utf8(text).unwrap()))
}

#[test]
fn a_directory_that_is_read_only_or_full() {
    let scene = Scene::new(WEB);
    let Some(read_only) = on_file_system(&scene, "ro") else {
        eprintln!("left out: this user may not mount");
        return;
    };
    let text = "\
exit 1
error: `$TMP/state/locks` cannot be made
  because Read-only file system (os error 30)
  hint: mount it writable, or set `ORCHESTRATE_STATE_DIR` to a directory of your own
";
    assert_text(&read_only, text);
    let full = |cause: &str| {
        let head = "exit 1\nerror: the state directory `$TMP/state` is full: `state.db` cannot be opened\n";
        let hint = "make room on the disk of `$TMP/state` (`df -h $TMP/state` shows how much is left), \
                    or set `ORCHESTRATE_STATE_DIR` to another directory";
        format!("{head}  because {cause}\n  hint: {hint}\n")
    };
    let table = [("size=16k", "disk I/O error"), ("size=64k", "database or disk is full")];
    for (options, cause) in table {
        assert_text(&on_file_system(&scene, options).unwrap(), &full(cause));
    }
    let text = "\
exit 1
error: the state in `$TMP/state/state.db` cannot be opened
  because `$TMP/state/state.db` cannot be made: its disk is full
  because No space left on device (os error 28)
  hint: make room on the disk of `$TMP/state/state.db`, or set `ORCHESTRATE_STATE_DIR` to a directory of your own
";
    assert_text(&on_file_system(&scene, "nr_inodes=5").unwrap(), text);
}
