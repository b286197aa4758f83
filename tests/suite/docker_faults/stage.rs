//! What the tests perform, and on what.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use orchestrate::{
    action::{Action, InstanceHandle, InstanceSpec},
    name::ProjectName,
    observed::{Identity, Wanted},
    plan::{CommandLine, Interval, Kind, NetworkAttachment, RuntimeKind, Service},
    runtime::docker::Patience,
    secret::Salt,
};

use super::injected::Injected;

pub const IMAGE: &str = "test/app:1";
pub const NOW: Interval = Interval(Duration::ZERO);

/// Short enough for hundreds of hangs.
pub fn impatience() -> Patience {
    bounded(Duration::from_secs(1))
}

/// Enough for an engine in memory on however busy a machine.
pub fn patience() -> Patience {
    bounded(Duration::from_secs(60))
}

/// What fits a fault: only what hangs is to be waited for in vain.
pub fn patience_for(fault: Injected) -> Patience {
    if fault.hangs() { impatience() } else { patience() }
}

fn bounded(limit: Duration) -> Patience {
    Patience {
        usual: limit,
        create: limit,
        start: limit,
        provide: limit,
        pull_silence: limit,
        pull: limit,
        build: limit,
        transfer: limit,
        answer_bytes: 1 << 20,
        message_bytes: 1 << 20,
    }
}

pub fn project() -> ProjectName {
    "app".parse().unwrap()
}

pub fn spec(networks: &[&str], change: impl FnOnce(&mut Service)) -> Box<InstanceSpec> {
    let words: CommandLine = serde_json::from_value(serde_json::json!(["sleep", "600"])).unwrap();
    let mut service = Service { image: Some(IMAGE.parse().unwrap()), command: Some(words), ..Service::default() };
    change(&mut service);
    let attachment = |name: &&str| {
        ((*name).to_owned(), NetworkAttachment { aliases: BTreeSet::from(["web".to_owned()]), ..Default::default() })
    };
    Box::new(InstanceSpec {
        peers: Default::default(),
        linked: Default::default(),
        identity: Identity {
            project: project(),
            service: "web".parse().unwrap(),
            number: 1,
            environment: None,
            deployment: "0123abcd".parse().unwrap(),
        },
        document: Arc::new(orchestrate::plan::spec_document(&Arc::new(service.clone()), &Salt("s".into()))),
        service: Arc::new(service),
        image_id: None,
        networks: networks.iter().map(attachment).collect::<BTreeMap<_, _>>(),
        files: vec![],
        salt: Salt("s".into()),
    })
}

/// A job that is over as soon as it has begun.
pub fn job(service: &mut Service) {
    service.kind = Kind::Job;
    service.command = Some(serde_json::from_value(serde_json::json!(["true"])).unwrap());
}

pub fn handle() -> InstanceHandle {
    InstanceHandle { slot: 0, name: "app-web-1".to_owned(), id: None }
}

pub fn create(networks: &[&str]) -> Action {
    Action::Create { instance: handle(), spec: spec(networks, |_| {}) }
}

pub fn create_network(name: &str) -> Action {
    Action::CreateNetwork { name: name.to_owned(), network: orchestrate::plan::Network::default(), project: project() }
}

pub fn wanted() -> Wanted {
    Wanted {
        project: project(),
        instance_names: BTreeSet::from([handle().name]),
        images: BTreeSet::from([IMAGE.parse().unwrap()]),
        executables: BTreeSet::new(),
        networks: BTreeSet::from(["front".to_owned()]),
        volumes: BTreeSet::from(["data".to_owned()]),
        runtimes: BTreeSet::from([RuntimeKind::Docker]),
    }
}
