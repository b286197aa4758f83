//! An engine that cannot be asked, and one that is not meant.

use std::os::unix::{fs::PermissionsExt as _, net::UnixListener};

use crate::fixture::Fixture;

const PLAN: &str = "services: { web: *server }\n";

#[test]
fn an_engine_that_is_down_is_one_clear_error() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.plan(PLAN);
    for words in [&["apply"][..], &["preview"], &["destroy", "-y"]] {
        let mut command = fixture.command(words);
        let ran = command.env("DOCKER_HOST", "unix:///nonexistent.sock").output().unwrap();
        let talk = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(1), "{talk}");
        assert!(talk.contains("/nonexistent.sock") && talk.contains("hint: "), "{talk}");
        assert_eq!(talk.matches("error").count(), 1, "{talk}");
        assert_eq!(ran.stdout, b"");
    }
}

#[test]
fn a_socket_that_is_forbidden_is_said() {
    let Some(fixture) = Fixture::new() else { return };
    if rustix::process::geteuid().is_root() {
        // Root may open everything: a socket that nobody listens on is as near as it gets.
        eprintln!("as root, the socket is only dead, not forbidden");
    }
    fixture.plan(PLAN);
    let socket = fixture.path().join("engine.sock");
    drop(UnixListener::bind(&socket).unwrap());
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o0)).unwrap();
    let ran = fixture.run(&["apply", "--host", &format!("unix://{}", socket.display())]).exits(1);
    ran.says(&["engine.sock", "hint: "]);
}

#[test]
fn two_words_on_the_engine_that_differ_are_refused() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.environment("target: { host: \"unix:///var/run/docker.sock\" }\n");
    fixture.plan(PLAN);
    let output = fixture.command(&["apply"]).env("DOCKER_HOST", "unix:///other.sock").output().unwrap();
    let talk = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{talk}");
    assert!(
        talk.contains(
            "the environment's target is `unix:///var/run/docker.sock`, but DOCKER_HOST says `unix:///other.sock`"
        ),
        "{talk}"
    );
    assert_eq!(fixture.states(), Vec::<String>::new());
}
