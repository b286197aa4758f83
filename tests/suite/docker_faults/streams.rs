//! Answers without end, lists that are late, and a daemon that is not there.

use futures_util::StreamExt as _;
use orchestrate::{
    action::Effect,
    diagnostic::Class,
    observed::RuntimeEvent,
    plan::RuntimeKind,
    runtime::{LogQuery, Observe as _, Runtime as _, docker::Patience},
};

use super::{
    daemon::{Daemon, Rule},
    endpoint::Endpoint,
    injected::Injected,
    matrix::run,
    operations::{Operation, operations},
    stage::{create, create_network, patience, project},
    world::World,
};

/// What sockets and the client hold beside what is counted.
const BUFFERS: usize = 4 << 20;

fn named(name: &str) -> Operation {
    operations().into_iter().find(|operation| operation.name == name).unwrap()
}

#[test]
fn an_answer_without_end_is_cut_off() {
    run(async {
        let limits = Patience::default();
        let table = [
            ("observe", Endpoint::ListContainers, limits.answer_bytes, "engine-answer-too-long"),
            ("inspect", Endpoint::Version, limits.answer_bytes, "engine-answer-too-long"),
            ("logs", Endpoint::Logs, limits.message_bytes, "engine-answer-too-long"),
            ("pull", Endpoint::PullImage, limits.message_bytes, "engine-answer-too-long"),
        ];
        for (name, endpoint, limit, code) in table {
            let operation = named(name);
            let daemon = operation.stage().await;
            daemon.rules([Rule { endpoint, nth: 0, fault: Injected::Endless }]);
            let fault = operation.run(&daemon, Patience { pull: patience().pull, ..limits.clone() }).await.unwrap_err();
            assert_eq!((fault.class, fault.code.as_str()), (Class::Network, code), "{name}: {fault}");
            let (poured, limit) = (daemon.poured(), usize::try_from(limit).unwrap());
            assert!(poured < limit + BUFFERS, "{name}: {poured} bytes were taken of {limit}");
        }
    });
}

#[test]
fn headers_without_end_are_cut_off() {
    run(async {
        let operation = named("inspect");
        let daemon = operation.stage().await;
        daemon.rules([Rule { endpoint: Endpoint::Version, nth: 0, fault: Injected::HeaderFlood }]);
        let fault = operation.run(&daemon, Patience::default()).await.unwrap_err();
        assert_eq!(fault.code, "engine-connection-broken");
        assert!(daemon.poured() < BUFFERS, "{} bytes were taken", daemon.poured());
    });
}

/// What is heard of a stream of events that is this text, and then ends.
async fn heard(text: Vec<u8>) -> Vec<String> {
    let mut world = World::new();
    world.events = text;
    let daemon = Daemon::new(world);
    let events = daemon.docker(Patience::default()).watch(&project()).await.unwrap();
    let id = |event| match event {
        RuntimeEvent::Started { id } | RuntimeEvent::Exited { id, .. } | RuntimeEvent::HealthChanged { id, .. } => id,
    };
    events.map(id).collect().await
}

fn event(id: &str) -> String {
    format!("{{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{{\"ID\":\"{id}\"}}}}\n")
}

#[test]
fn events_are_heard_until_one_cannot_be_read() {
    run(async {
        let long = event(&"x".repeat(10 << 20));
        let table = [
            (event("a") + &event("b"), vec!["a", "b"]),
            (event("a") + "\u{1b}[2J what?\n" + &event("b"), vec!["a"]),
            (event("a") + "{\"Action\":\"start\"}\n{}\n" + &event("b"), vec!["a", "b"]),
            (event("a") + &event("b")[..20], vec!["a"]),
            (event("a") + &long + &event("b"), vec!["a"]),
        ];
        for (text, expected) in table {
            assert_eq!(heard(text.clone().into_bytes()).await, expected, "{}", &text[..text.len().min(200)]);
        }
        // What is short is not counted together.
        let many: String = (0..40_000).map(|number| event(&format!("{number:064}"))).collect();
        assert!(many.len() > 4 << 20);
        assert_eq!(heard(many.into_bytes()).await.len(), 40_000);
    });
}

#[test]
fn a_log_of_any_length_is_read() {
    run(async {
        let operation = named("logs");
        let daemon = operation.stage().await;
        let line = super::world::frame(1, &format!("2026-11-20T10:00:00Z {}\n", "x".repeat(1000)));
        daemon.world().lines = line.repeat(5_000);
        let id = daemon.world().containers[0].id.clone();
        let lines =
            daemon.docker(Patience::default()).logs(RuntimeKind::Docker, &id, LogQuery::default()).await.unwrap();
        assert_eq!(lines.filter(|line| std::future::ready(line.is_ok())).count().await, 5_000);
    });
}

/// The answer to the first try was lost, and the list is from before it.
#[test]
fn a_network_that_was_made_unheard_is_made_once() {
    run(async {
        let daemon = Daemon::new(World::new());
        let docker = daemon.docker(patience());
        daemon.rules([
            Rule { endpoint: Endpoint::CreateNetwork, nth: 0, fault: Injected::LostAnswer },
            Rule { endpoint: Endpoint::ListNetworks, nth: 1, fault: Injected::Stale },
        ]);
        let action = create_network("front");
        let fault = docker.perform(RuntimeKind::Docker, &action, &|_| {}).await.unwrap_err();
        assert!(fault.is_outcome_unknown);
        let first = daemon.world().networks[0].id.clone();
        // The list that it takes after its own call shows both.
        assert_eq!(docker.perform(RuntimeKind::Docker, &action, &|_| {}).await.unwrap(), Effect::Done);
        let left: Vec<String> = daemon.world().networks.iter().map(|network| network.id.clone()).collect();
        assert_eq!((left, daemon.injected()), (vec![first], 2));
    });
}

/// The network was refused, and so was taking the container back: it may be there.
#[test]
fn what_could_not_be_taken_back_is_not_called_undone() {
    run(async {
        let operation = named("create");
        let daemon = operation.stage().await;
        daemon.rules([
            Rule { endpoint: Endpoint::ConnectNetwork, nth: 0, fault: Injected::Status(500) },
            Rule { endpoint: Endpoint::RemoveContainer, nth: 0, fault: Injected::LostRequest },
        ]);
        let docker = daemon.docker(patience());
        let action = create(&["back", "front"]);
        let fault = docker.perform(RuntimeKind::Docker, &action, &|_| {}).await.unwrap_err();
        assert_eq!((fault.code.as_str(), fault.is_outcome_unknown), ("engine-failed", true));
        let id = daemon.world().containers[0].id.clone();
        assert_eq!(docker.perform(RuntimeKind::Docker, &action, &|_| {}).await.unwrap(), Effect::Created { id });
    });
}
