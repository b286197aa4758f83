//! Where output goes: services never hold the caller's streams, and data is not mixed with talk.

use std::process::Stdio;

use crate::scene::Scene;

const WEB: &str = "\nservices:\n  web: { command: [sleep, \"1000\"] }\n";

#[test]
fn a_pipe_ends_with_the_program_and_not_with_its_services() {
    let scene = Scene::new(WEB);
    // Reading to the end would last as long as the service does, if that had the pipe.
    assert_eq!(scene.run("apply").code, 0);
    assert_eq!(scene.pids().len(), 1);
}

#[test]
fn nobody_has_to_listen() {
    let scene = Scene::new(WEB);
    let quiet = scene.command("apply").stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert_eq!(quiet.code(), Some(0));
    let (reading, writing) = std::io::pipe().unwrap();
    drop(reading);
    let deaf = scene.command("apply --force-recreate").stdout(writing).stderr(Stdio::null()).status().unwrap();
    assert_eq!(deaf.code(), Some(0));
    assert_eq!(scene.pids().len(), 1);
}

#[test]
fn quiet_is_quiet_and_json_is_json() {
    let scene = Scene::new(WEB);
    let quiet = scene.run("apply -q");
    assert_eq!((quiet.code, quiet.talk.as_str()), (0, ""));
    let json: serde_json::Value = serde_json::from_str(&scene.run("apply --format json").data).unwrap();
    assert_eq!((&json["format_version"], &json["outcome"]), (&1.into(), &"unchanged".into()));
    let json: serde_json::Value = serde_json::from_str(&scene.run("preview --format json").data).unwrap();
    assert_eq!(json["summary"]["none"], 1);
}
