//! What the schema cannot say about what a service shares with others.

use super::{
    problem::{suggest, wrong},
    rule::{Subject, Surroundings},
};
use crate::{
    diagnostic::Diagnostics,
    name::ServiceName,
    plan::{Namespace, Peer, RuntimeKind},
};

pub(super) fn check_sharing(subject: &Subject, around: &Surroundings, problems: &mut Diagnostics) {
    let service = subject.service;
    if service.network_mode.is_some() && !service.networks.is_empty() {
        let summary = format!("`{}` has both a `network_mode` and `networks`", subject.name);
        problems.push(
            wrong("contradiction", summary)
                .at(subject.span(&["network_mode"]), "this one")
                .at(subject.span(&["networks"]), "and these")
                .hint("take one of them out: a network mode is instead of networks"),
        );
    }
    for (key, namespace) in [("network_mode", &service.network_mode), ("pid", &service.pid), ("ipc", &service.ipc)] {
        if let Some(peer) = namespace.as_ref().and_then(Namespace::service) {
            check_peer(subject, around, peer, &[key], problems);
        }
    }
    for (index, from) in service.volumes_from.iter().enumerate() {
        if let Peer::Service(peer) = &from.peer {
            check_peer(subject, around, peer, &["volumes_from", &index.to_string()], problems);
        }
    }
    for (index, link) in service.links.iter().enumerate() {
        check_peer(subject, around, &link.service, &["links", &index.to_string()], problems);
    }
}

fn check_peer(subject: &Subject, around: &Surroundings, peer: &ServiceName, path: &[&str], problems: &mut Diagnostics) {
    let span = subject.span(path);
    if !around.names.is_defined("services", peer.as_str()) {
        let summary = format!("`{}` names `{peer}`, which is no service of this plan", subject.name);
        let known = around.plan.entries("services").iter().map(|entry| &*entry.key);
        problems.push(suggest(
            wrong("unknown-service", summary).at(span, "not a service"),
            peer.as_str(),
            known,
            "services",
        ));
        return;
    }
    let Some(other) = around.services.get(peer) else { return };
    if other.runtime() == RuntimeKind::Process {
        let summary = format!("`{}` cannot share anything with `{peer}`, which is a process", subject.name);
        problems.push(wrong("not-for-process", summary).at(span, "only with containers"));
    } else if other.replicas() == 0 {
        let summary = format!("`{}` cannot share anything with `{peer}`, which has no replicas", subject.name);
        problems.push(wrong("contradiction", summary).at(span, "here"));
    }
}
