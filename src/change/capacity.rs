//! What the host has, against what a plan wants of it.

use super::{
    Changes, InstanceChange,
    preflight::{Preflight, place},
};
use crate::{
    diagnostic::{Class, Diagnostic, Diagnostics},
    name::ServiceName,
    observed::{Capacity, Disk},
    plan::{ByteSize, Cpus, MountKind, RuntimeKind, Service},
};

/// The engine refuses a container with less.
const LEAST_MEMORY_BYTES: u64 = 6 << 20;

/// With less room than this, a pull or a volume that grows soon finds the disk full.
const LITTLE_ROOM_BYTES: u64 = 1 << 30;

/// What the whole plan wants, in words and bytes.
enum Wish {
    Limits,
    Reservations,
}

/// What services want together, against what the host has.
pub(super) fn overdrawn(preflight: &Preflight) -> Diagnostics {
    let Some(capacity) = &preflight.surroundings.capacity else { return Diagnostics::new() };
    let memory =
        [Wish::Limits, Wish::Reservations].iter().filter_map(|wish| too_much_memory(wish, preflight, capacity));
    memory.chain(little_room(preflight.changes, capacity)).collect()
}

fn too_much_memory(wish: &Wish, preflight: &Preflight, capacity: &Capacity) -> Option<Diagnostic> {
    let has = capacity.memory_bytes?;
    let services = preflight.plan.services.values().filter(|service| service.runtime() == RuntimeKind::Docker);
    let bytes = |service: &Service| {
        let resources = &service.deploy.resources;
        let wanted = match wish {
            Wish::Limits => resources.limits.memory,
            Wish::Reservations => resources.reservations.memory,
        };
        wanted.map_or(0, |ByteSize(bytes)| bytes.saturating_mul(service.replicas().into()))
    };
    let wanted = services.fold(0_u64, |sum, service| sum.saturating_add(bytes(service)));
    (wanted > has).then(|| {
        let (what, consequence) = match wish {
            Wish::Limits => ("may use", "if they all use it, the kernel kills some"),
            Wish::Reservations => ("count on", "they cannot all have it"),
        };
        let (wanted, has) = (ByteSize(wanted), ByteSize(has));
        let summary = format!(
            "the services {what} {} of memory together, and the engine's host has {}: {consequence}",
            shown(wanted),
            shown(has)
        );
        let keys = match wish {
            Wish::Limits => "`deploy.resources.limits.memory`",
            Wish::Reservations => "`deploy.resources.reservations.memory`",
        };
        let warning = Diagnostic::warning("memory-overdrawn", Class::Resource, summary);
        let warning = warning.hint(format!("lower {keys} of some, or have fewer replicas"));
        place(warning, preflight.origins.origin(&["services"]))
    })
}

fn little_room(changes: &Changes, capacity: &Capacity) -> Option<Diagnostic> {
    let Disk { path, free_bytes } = capacity.disk.as_ref()?;
    let is_filled = !changes.pulls.is_empty() || !changes.builds.is_empty() || !changes.volumes.is_empty();
    (is_filled && *free_bytes < LITTLE_ROOM_BYTES).then(|| {
        let free = shown(ByteSize(*free_bytes));
        let summary = format!("only {free} are free in `{path}`, where the engine keeps images and volumes");
        Diagnostic::warning("disk-low", Class::Resource, summary)
            .hint("make room: `docker system df` shows what takes it, `docker image prune` removes unused images")
    })
}

/// A size with the unit that people would choose, to a tenth.
fn shown(ByteSize(bytes): ByteSize) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let (shift, unit) = units.into_iter().find(|(shift, _)| bytes >> shift > 0).unwrap_or((0, "B"));
    format!("{:.1} {unit}", bytes as f64 / (1_u64 << shift) as f64)
}

/// What one service wants, and no container can have on this host.
pub(super) fn impossible_limits(name: &ServiceName, service: &Service, preflight: &Preflight) -> Diagnostics {
    let limits = &service.deploy.resources.limits;
    let written = |key: &str| {
        let short = preflight.origins.origin(&["services", name.as_str(), "deploy", "resources", "limits", key]);
        short.or_else(|| preflight.origins.origin(&["services", name.as_str()]))
    };
    let has = preflight.surroundings.capacity.as_ref().and_then(|capacity| capacity.cpus);
    let is_too_much = |(cpus, has): &(Cpus, u32)| cpus.0 > u64::from(*has) * 1_000_000_000;
    let cpus = limits.cpus.zip(has).filter(is_too_much).map(|(cpus, has)| {
        let summary = format!("`{name}` is limited to {cpus} cpus, and the engine's host has {has}");
        let diagnostic = Diagnostic::error("cpus-exceeded", Class::Resource, summary);
        let hint = format!("the engine refuses more than there are: write {has}, or leave the limit out");
        place(diagnostic.hint(hint), written("cpus"))
    });
    let memory = limits.memory.filter(|ByteSize(bytes)| *bytes < LEAST_MEMORY_BYTES).map(|limit| {
        let summary = format!("`{name}` is limited to {} of memory, and the engine wants 6 MiB at least", shown(limit));
        place(
            Diagnostic::error("memory-too-small", Class::Resource, summary).hint("raise the limit"),
            written("memory"),
        )
    });
    cpus.into_iter().chain(memory).collect()
}

/// Files and directories of the host that are to be mounted and are not there.
pub(super) fn missing_sources(name: &ServiceName, service: &Service, preflight: &Preflight) -> Diagnostics {
    let binds = service.volumes.iter().enumerate().filter(|(_, mount)| mount.kind == MountKind::Bind);
    let missing = binds.filter_map(|(index, mount)| {
        let source = mount.source.as_ref().filter(|source| preflight.surroundings.missing_paths.contains(*source))?;
        let diagnostic = match mount.bind.create_host_path {
            true => {
                let summary =
                    format!("`{source}` of `{name}` does not exist: the engine makes an empty directory of it");
                Diagnostic::warning("bind-not-found", Class::Configuration, summary)
                    .hint("make it before, if it is to be a file or to have an owner; or correct the path")
            }
            false => {
                let summary = format!("`{source}` is to be mounted into `{name}`, and does not exist");
                Diagnostic::error("bind-not-found", Class::Configuration, summary)
                    .hint("create it, or correct the path; `bind: { create_host_path: true }` makes a directory of it")
            }
        };
        let index = index.to_string();
        Some(place(diagnostic, preflight.origins.origin(&["services", name.as_str(), "volumes", &index, "source"])))
    });
    missing.collect()
}

/// An image that is there, made for other processors than the host has, by a service that does not say
/// which it wants.
pub(super) fn foreign_image(name: &ServiceName, service: &Service, preflight: &Preflight) -> Option<Diagnostic> {
    let image = service.image.as_ref().filter(|_| service.runtime() == RuntimeKind::Docker)?;
    let has = preflight.surroundings.capacity.as_ref()?.platform.as_ref()?;
    let found = preflight.observed.images.get(image)?.platform.as_ref()?;
    let is_settled = service.platform.is_some()
        || preflight.changes.pulls.contains_key(image)
        || preflight.changes.builds.contains_key(image);
    (!is_settled && found != has).then(|| {
        let summary = format!("the image `{image}` of `{name}` is for {found}, and the engine's host is {has}");
        let warning = Diagnostic::warning("wrong-architecture", Class::Dependency, summary).hint(format!(
            "`docker pull --platform {has} {image}`, or say `platform: {found}` if the host emulates that"
        ));
        place(warning, preflight.origins.origin(&["services", name.as_str(), "image"]))
    })
}

/// Whether instances of it are made.
pub(super) fn makes_instances(instances: &[InstanceChange]) -> bool {
    instances.iter().any(|instance| match instance {
        InstanceChange::Create { .. } | InstanceChange::Replace { .. } => true,
        InstanceChange::Start { .. }
        | InstanceChange::Keep { .. }
        | InstanceChange::Update { .. }
        | InstanceChange::Remove { .. } => false,
    })
}
