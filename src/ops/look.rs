use std::collections::BTreeSet;

use super::{outdated::outdated, past::warn_of_unreachable};
use crate::{
    change::{Changes, Request, diff, preflight},
    diagnostic::{Diagnostics, Origins},
    driver::Clock,
    graph::Graph,
    observed::{Fault, Observed, Wanted},
    plan::{MountKind, Moves, Plan, RuntimeKind},
    runtime::Observe,
};

/// What exists, what has to change, and what stands in the way.
#[derive(Debug)]
pub struct Look {
    pub observed: Observed,
    pub changes: Changes,
    pub obstacles: Diagnostics,
    /// What could not be looked at, although it may matter.
    pub warnings: Diagnostics,
}

/// Looks at the world and compares it with a plan.
///
/// # Errors
/// If a runtime cannot be asked.
pub async fn look(
    runtime: &dyn Observe,
    plan: &Plan,
    graph: &Graph,
    origins: &dyn Origins,
    request: &Request,
) -> Result<Look, Fault> {
    let observed = runtime.observe(&wanted(plan)).await?;
    compare((runtime, observed), plan, graph, origins, request).await
}

/// Compares what was observed with a plan.
///
/// # Errors
/// As [`look`].
pub(super) async fn compare(
    (runtime, mut observed): (&dyn Observe, Observed),
    plan: &Plan,
    graph: &Graph,
    origins: &dyn Origins,
    request: &Request,
) -> Result<Look, Fault> {
    observed.outdated = outdated(runtime, plan, graph, &observed, request, Clock::start().now()).await?;
    let changes = diff(plan, graph, &observed, origins, request);
    let obstacles = match changes.is_empty() {
        true => Diagnostics::new(),
        false => preflight(plan, graph, &observed, &changes, origins),
    };
    let warnings = warn_of_unreachable(&observed);
    Ok(Look { observed, changes, obstacles, warnings })
}

/// The runtimes that a plan's services need.
pub(super) fn runtimes_of(plan: &Plan) -> BTreeSet<RuntimeKind> {
    plan.services.values().map(|service| service.runtime()).collect()
}

pub(super) fn wanted(plan: &Plan) -> Wanted {
    let names = plan.services.iter().flat_map(|(service_name, service)| {
        (1..=service.replicas()).map(|number| plan.instance_name(service_name, number))
    });
    let of = |runtime: RuntimeKind| plan.services.values().filter(move |service| service.runtime() == runtime);
    let networks = of(RuntimeKind::Docker).flat_map(|service| service.networks.keys());
    let mounts = of(RuntimeKind::Docker).flat_map(|service| &service.volumes);
    let volumes = mounts.filter(|mount| mount.kind == MountKind::Volume).filter_map(|mount| mount.source.as_ref());
    let moved: Vec<String> =
        Moves::of(&plan.moved).volumes.keys().map(|key| format!("{}_{key}", plan.project)).collect();
    Wanted {
        project: plan.project.clone(),
        instance_names: names.collect(),
        images: of(RuntimeKind::Docker).filter_map(|service| service.image.clone()).collect(),
        executables: plan.services.values().filter_map(|service| service.program()).collect(),
        networks: networks.chain(plan.networks.keys()).map(|key| plan.network_name(key)).collect(),
        volumes: volumes.chain(plan.volumes.keys()).map(|key| plan.volume_name(key)).chain(moved).collect(),
        runtimes: runtimes_of(plan),
    }
}
