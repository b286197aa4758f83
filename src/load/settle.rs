//! What a service may say in two places, said in one; and what follows from what it says.

use std::collections::BTreeMap;

use super::{Entry, Node, document::child, problem::wrong};
use crate::{
    diagnostic::{Diagnostics, Span},
    plan::{
        BindOptions, ByteSize, Condition, Dependency, DeviceCount, DeviceRequest, Mount, MountKind, Service, Whole,
    },
};

/// Where the engine's socket is.
const SOCKET: &str = "/var/run/docker.sock";

/// Takes out services whose profiles nobody has chosen: `COMPOSE_PROFILES` names them, or `*` for all.
pub(super) fn leave_out_inactive(plan: &mut Node, env: &BTreeMap<String, String>) {
    let chosen = env.get("COMPOSE_PROFILES").map_or("", String::as_str);
    let is_chosen = |profile: &Node| {
        let name = profile.as_text().unwrap_or_default();
        chosen.split(',').any(|chosen| chosen.trim() == name || chosen.trim() == "*")
    };
    let Some(services) = plan.get_mut("services").and_then(Node::as_map_mut) else { return };
    services.retain(|service| {
        let profiles = service.value.items("profiles");
        profiles.is_empty() || profiles.iter().any(is_chosen)
    });
}

/// Puts the older words of Compose into their newer ones: `scale`, `cpus`, `mem_limit` and others
/// into `deploy`, what a service shares with another into `depends_on`.
pub(super) fn settle(entry: &Entry, service: &mut Service, problems: &mut Diagnostics) {
    let mut both = Both { entry, problems };
    let scale = service.scale.take().and_then(|Whole(scale)| u32::try_from(scale).ok());
    both.merge("scale", &["deploy", "replicas"], scale, &mut service.deploy.replicas);
    let mode = entry.value.get("deploy").and_then(|deploy| deploy.get("mode"));
    if mode.and_then(Node::as_text) == Some("global") {
        service.deploy.replicas = None;
    }
    let resources = &mut service.deploy.resources;
    let limits = &mut resources.limits;
    both.merge("cpus", &["deploy", "resources", "limits", "cpus"], service.cpus.take(), &mut limits.cpus);
    both.merge("mem_limit", &["deploy", "resources", "limits", "memory"], service.mem_limit.take(), &mut limits.memory);
    let pids = service.pids_limit.take().map(|Whole(pids)| pids);
    both.merge("pids_limit", &["deploy", "resources", "limits", "pids"], pids, &mut limits.pids);
    let reservation = service.mem_reservation.take();
    let memory = &mut resources.reservations.memory;
    both.merge("mem_reservation", &["deploy", "resources", "reservations", "memory"], reservation, memory);
    // No limit is what there is without one.
    limits.cpus = limits.cpus.filter(|cpus| cpus.0 > 0);
    limits.memory = limits.memory.filter(|ByteSize(bytes)| *bytes > 0);
    limits.pids = limits.pids.filter(|pids| *pids > 0);
    for request in &mut service.gpus {
        if !request.capabilities.iter().any(|capability| capability == "gpu") {
            request.capabilities.push("gpu".to_owned());
        }
    }
    let requests = service.gpus.iter_mut().chain(&mut resources.reservations.devices);
    requests.for_each(all_unless_counted);
    depend_on_peers(service);
    if std::mem::take(&mut service.use_api_socket) {
        service.volumes.push(socket());
    }
}

/// Without a number or names, all devices are meant.
fn all_unless_counted(request: &mut DeviceRequest) {
    if request.count.is_none() && request.device_ids.is_empty() {
        request.count = Some(DeviceCount(-1));
    }
}

fn depend_on_peers(service: &mut Service) {
    let linked = service.links.iter().map(|link| link.service.clone());
    let needed: Vec<_> = service.peers().into_iter().cloned().chain(linked).collect();
    for service_name in needed {
        let started = Dependency { condition: Condition::ServiceStarted, required: true, restart: false };
        service.depends_on.entry(service_name).or_insert(started);
    }
}

fn socket() -> Mount {
    Mount {
        kind: MountKind::Bind,
        source: Some(SOCKET.to_owned()),
        target: SOCKET.to_owned(),
        read_only: false,
        size: None,
        mode: None,
        bind: BindOptions::default(),
        volume: Default::default(),
        image: Default::default(),
        on_change: None,
        content: None,
    }
}

struct Both<'a> {
    entry: &'a Entry,
    problems: &'a mut Diagnostics,
}

impl Both<'_> {
    /// Moves what was said under `key` to where it belongs, unless something else is said there.
    fn merge<T: PartialEq>(&mut self, key: &str, path: &[&str], said: Option<T>, place: &mut Option<T>) {
        let Some(said) = said else { return };
        if place.as_ref().is_some_and(|other| *other != said) {
            let summary = format!("`{key}` and `{}` of `{}` say different things", path.join("."), self.entry.key);
            let (first, second) = (self.span(&[key]), self.span(path));
            self.problems.push(
                wrong("said-twice", summary)
                    .at(first, "here")
                    .at(second, "and here")
                    .hint(format!("say it once, as `{}`", path.join("."))),
            );
        }
        *place = Some(said);
    }

    fn span(&self, path: &[&str]) -> Span {
        let node = path.iter().try_fold(&self.entry.value, |node, key| child(node, key));
        node.map_or(self.entry.key_span, |node| node.span)
    }
}
