use std::{collections::BTreeSet, path::Path};

use super::{outdated::outdated, past::warn_of_unreachable};
use crate::{
    action::InstanceSpec,
    change::{Changes, Op, Preflight, Request, diff, preflight, unknown_to_engine},
    diagnostic::{Diagnostics, Origins},
    driver::Clock,
    graph::Graph,
    observed::{Fault, Instance, Observed, Surroundings, Wanted},
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
    compare_adopted(runtime, plan, &mut observed).await?;
    observed.outdated = outdated(runtime, plan, graph, &observed, request, Clock::start().now()).await?;
    let changes = diff(plan, graph, &observed, origins, request);
    let obstacles = match changes.is_empty() {
        true => Diagnostics::new(),
        false => {
            let surroundings = surroundings(runtime, plan, &observed, &changes).await;
            preflight(&Preflight {
                plan,
                graph,
                observed: &observed,
                changes: &changes,
                coming: &request.coming,
                surroundings: &surroundings,
                origins,
            })
        }
    };
    let mut warnings = warn_of_unreachable(&observed);
    warnings.extend(unknown_to_engine(plan, &observed, origins));
    Ok(Look { observed, changes, obstacles, warnings })
}

/// What is around a plan that is about to change something. What nobody tells is not held against it.
async fn surroundings(runtime: &dyn Observe, plan: &Plan, observed: &Observed, changes: &Changes) -> Surroundings {
    let is_local = observed.engines.get(&RuntimeKind::Docker).is_some_and(|engine| engine.is_local);
    let changed = changes.services.iter().filter(|change| change.op != Op::None && is_local);
    let mounts = changed.filter_map(|change| plan.services.get(&change.service)).flat_map(|service| &service.volumes);
    let sources = mounts.filter(|mount| mount.kind == MountKind::Bind).filter_map(|mount| mount.source.as_ref());
    // Of what we may not look at, the engine knows more.
    let is_missing = |path: &&String| matches!(Path::new(path.as_str()).try_exists(), Ok(false));
    Surroundings {
        capacity: match observed.engines.contains_key(&RuntimeKind::Docker) {
            true => runtime.capacity().await.unwrap_or_default(),
            false => None,
        },
        missing_paths: sources.filter(is_missing).cloned().collect(),
    }
}

/// Finds out in what the instances that Compose made differ from what the plan would make: no label
/// of theirs says what they were made from.
pub(super) async fn compare_adopted(runtime: &dyn Observe, plan: &Plan, observed: &mut Observed) -> Result<(), Fault> {
    let of_plan = |instance: &&mut Instance| instance.adopted.is_some();
    let specified = observed.instances.iter_mut().filter(of_plan).filter_map(|instance| {
        let spec = InstanceSpec::to_compare(plan, instance)?;
        Some((instance, spec))
    });
    let (found, pairs): (Vec<&mut Instance>, Vec<(Instance, InstanceSpec)>) = specified
        .map(|(instance, spec)| {
            let copy = instance.clone();
            (instance, (copy, spec))
        })
        .unzip();
    if pairs.is_empty() {
        return Ok(());
    }
    let differences = runtime.differences(&pairs).await?;
    for (instance, differences) in found.into_iter().zip(differences) {
        instance.adopted = Some(differences);
    }
    Ok(())
}

/// The runtimes that a plan's services need.
pub(super) fn runtimes_of(plan: &Plan) -> BTreeSet<RuntimeKind> {
    let of_commands = plan.commands().filter(|command| command.image.is_some()).map(|_| RuntimeKind::Docker);
    plan.services.values().map(|service| service.runtime()).chain(of_commands).collect()
}

pub(super) fn wanted(plan: &Plan) -> Wanted {
    let names = plan.services.iter().flat_map(|(service_name, service)| {
        (1..=service.replicas()).map(|number| plan.instance_name(service_name, number))
    });
    let of = |runtime: RuntimeKind| plan.services.values().filter(move |service| service.runtime() == runtime);
    let networks = of(RuntimeKind::Docker).flat_map(|service| service.networks.keys());
    let mounts = of(RuntimeKind::Docker).flat_map(|service| &service.volumes);
    let volumes = mounts.filter(|mount| mount.kind == MountKind::Volume).filter_map(|mount| mount.source.as_ref());
    let of_commands = plan.commands().filter_map(|command| command.image.clone());
    let moved: Vec<String> =
        Moves::of(&plan.moved).volumes.keys().map(|key| format!("{}_{key}", plan.project)).collect();
    Wanted {
        project: plan.project.clone(),
        instance_names: names.collect(),
        images: of(RuntimeKind::Docker).filter_map(|service| service.image.clone()).chain(of_commands).collect(),
        executables: plan.services.values().filter_map(|service| service.program()).collect(),
        networks: networks.chain(plan.networks.keys()).map(|key| plan.network_name(key)).collect(),
        volumes: volumes.chain(plan.volumes.keys()).map(|key| plan.volume_name(key)).chain(moved).collect(),
        runtimes: runtimes_of(plan),
    }
}
