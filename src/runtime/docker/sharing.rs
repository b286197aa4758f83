//! What a container shares with others, in the engine's words.

use bollard::models::HostConfig;

use crate::{
    action::InstanceSpec,
    plan::{Link, Namespace, Peer},
};

/// The namespaces of a container, and the volumes that it has from others.
pub(super) fn namespaces(spec: &InstanceSpec) -> HostConfig {
    let service = spec.service.as_ref();
    let namespace = |namespace: &Option<Namespace>| namespace.as_ref().map(|namespace| mode(spec, namespace));
    let volumes: Vec<String> = service
        .volumes_from
        .iter()
        .map(|from| format!("{}{}", container(spec, &from.peer), if from.read_only { ":ro" } else { ":rw" }))
        .collect();
    HostConfig {
        ipc_mode: namespace(&service.ipc),
        pid_mode: namespace(&service.pid),
        uts_mode: service.uts.clone(),
        userns_mode: service.userns_mode.clone(),
        volumes_from: (!volumes.is_empty()).then_some(volumes),
        ..Default::default()
    }
}

/// A namespace; that of a service is its container's.
pub(super) fn mode(spec: &InstanceSpec, namespace: &Namespace) -> String {
    match namespace {
        Namespace::Of(peer) => format!("container:{}", container(spec, peer)),
        Namespace::Mode(mode) => mode.clone(),
    }
}

/// The id of a peer's container; its name, while that is all that is known.
fn container<'s>(spec: &'s InstanceSpec, peer: &'s Peer) -> &'s str {
    match peer {
        Peer::Container(name) => name,
        Peer::Service(service_name) => match spec.peers.get(service_name) {
            Some(handle) => handle.id.as_deref().unwrap_or(&handle.name),
            None => service_name.as_str(),
        },
    }
}

/// `container:alias`, for each name by which another container is reached: its alias, and as Compose
/// has it the service's name with our own number, without and with the project. Links lead to names, so
/// that they still lead to the right one after it was replaced.
pub(super) fn links(spec: &InstanceSpec) -> Vec<String> {
    let identity = &spec.identity;
    let own = spec.service.links.iter().flat_map(|Link { service, alias }| {
        let names = spec.linked.get(service).cloned().unwrap_or_default();
        let alias = alias.clone().unwrap_or_else(|| service.to_string());
        let numbered = format!("{service}-{}", identity.number);
        let whole = format!("{}-{numbered}", identity.project);
        names.into_iter().flat_map(move |name| [&alias, &numbered, &whole].map(|alias| format!("{name}:{alias}")))
    });
    let external = spec.service.external_links.iter().map(|link| match link.split_once(':') {
        Some(_) => link.clone(),
        None => format!("{link}:{link}"),
    });
    own.chain(external).collect()
}
