//! The real engine, with some of its answers lost or spoilt on the way to the program.

use std::path::Path;

use super::{
    daemon::{Daemon, Rule},
    endpoint::Endpoint,
    injected::Injected,
};
use crate::fixture::Fixture;

const SOCKET: &str = "/var/run/docker.sock";

#[test]
fn what_the_real_engine_did_unheard_is_done_once() {
    let rules = [
        (Endpoint::CreateNetwork, Injected::LostAnswer),
        (Endpoint::CreateContainer, Injected::LostAnswer),
        (Endpoint::RenameContainer, Injected::CutBody),
        (Endpoint::StopContainer, Injected::LostAnswer),
        (Endpoint::StartContainer, Injected::LostAnswer),
        (Endpoint::Events, Injected::Garbage),
        (Endpoint::CreateVolume, Injected::LostAnswer),
        (Endpoint::WriteArchive, Injected::LostAnswer),
        (Endpoint::RemoveContainer, Injected::LostRequest),
    ];
    let Some(fixture) = Fixture::new() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _entered = runtime.enter();
    let daemon = Daemon::before(Path::new(SOCKET));
    daemon.rules(rules.map(|(endpoint, fault)| Rule { endpoint, nth: 0, fault }));
    let apply = |text: &str| {
        fixture.plan(text);
        let mut command = fixture.command(&["apply", "-y"]);
        let output = command.env("DOCKER_HOST", daemon.address().to_string()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    apply("services: { web: { <<: *idle, environment: { A: \"1\" } } }\n");
    apply("services: { web: { <<: *idle, environment: { A: \"2\" } } }\n");
    assert_eq!(daemon.injected(), rules.len());
    let mut states = fixture.states();
    states.retain(|state| !state.starts_with("orchestrate-state-"));
    assert_eq!(states, ["web-1 running"]);
    assert_eq!(crate::engine::labelled("network ls -q", &fixture.project()).len(), 1);
}
