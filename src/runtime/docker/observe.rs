use std::collections::{BTreeMap, BTreeSet};

use bollard::{
    models::{ContainerInspectResponse, ContainerSummary},
    query_parameters::{ListContainersOptions, ListNetworksOptions, ListVolumesOptions},
};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Docker, engine::Engine, files, image, instance, labels, listeners, network, ownership::Ownership, subnet};
use crate::{
    action::is_file_of,
    name::ProjectName,
    observed::{
        AddressRange, Fault, Foreign, ImageFacts, Instance, NetworkFacts, Observed, RangeHolder, VolumeFacts, Wanted,
    },
    plan::{ImageReference, RuntimeKind},
};

/// Questions that are asked at the same time. The engine answers an inspect in 0.3 ms; more gain
/// nothing.
const CONCURRENT_READS: usize = 16;

/// Everything that `wanted` asks of the engine.
pub(super) async fn observe(docker: &Docker, wanted: &Wanted) -> Result<Observed, Fault> {
    let containers = async {
        let (engine, containers) = tokio::try_join!(docker.engine(), list(docker))?;
        let (ours, others): (Vec<_>, Vec<_>) =
            containers.iter().partition(|container| is_of(container, &wanted.project, docker.ownership()));
        let is_one_off = |container: &&&ContainerSummary| labels::is_one_off(container.labels.as_ref());
        let (extra, usual): (Vec<_>, Vec<_>) = ours.iter().partition(is_one_off);
        let (instances, one_offs) =
            tokio::try_join!(instances(docker, engine, &usual), instances(docker, engine, &extra))?;
        let known: BTreeSet<&str> = instances.iter().chain(&one_offs).map(|instance| instance.id.as_str()).collect();
        // Ours by its label, but damaged: it can only be in the way.
        let damaged = ours.into_iter().filter(|container| !known.contains(container.id.as_deref().unwrap_or("")));
        let foreign = others.into_iter().chain(damaged).filter_map(|container| foreign(container, wanted)).collect();
        let published = listeners::of_containers(&containers);
        let host = if engine.is_local { listeners::of_host() } else { BTreeSet::new() };
        Ok((engine, (instances, one_offs), foreign, listeners::join(published, host)))
    };
    let (containers, images, networks, volumes) =
        tokio::try_join!(containers, images(docker, wanted), networks(docker, wanted), volumes(docker, wanted))?;
    let (engine, (instances, one_offs), foreign, listeners) = containers;
    let (networks, mut ranges) = networks;
    if engine.is_local {
        let host = |subnet| AddressRange { subnet, holder: RangeHolder::Host };
        ranges.extend(subnet::of_host().into_iter().map(host));
    }
    Ok(Observed {
        engines: BTreeMap::from([(RuntimeKind::Docker, docker.facts(engine))]),
        instances,
        one_offs,
        foreign,
        images,
        outdated: BTreeMap::new(),
        executables: BTreeMap::new(),
        networks,
        volumes,
        listeners,
        ranges,
        unreachable: BTreeMap::new(),
    })
}

/// A container's name, without the engine's slash and the names that links gave it.
pub(super) fn name_of(container: &ContainerSummary) -> Option<&str> {
    let names = container.names.iter().flatten().map(|name| name.trim_start_matches('/'));
    names.min_by_key(|name| name.matches('/').count())
}

async fn list(docker: &Docker) -> Result<Vec<ContainerSummary>, Fault> {
    let options = ListContainersOptions { all: true, ..Default::default() };
    docker.read("list containers").run(docker.client()?.list_containers(Some(options))).await
}

/// Whether a container is the project's, and not what its vault is reached through.
fn is_of(container: &ContainerSummary, project: &ProjectName, ownership: &Ownership) -> bool {
    let labels = container.labels.as_ref();
    ownership.project(labels).as_ref() == Some(project) && !labels::is_vault(labels)
}

fn foreign(container: &ContainerSummary, wanted: &Wanted) -> Option<Foreign> {
    let name = name_of(container).filter(|name| wanted.instance_names.contains(*name))?;
    Some(Foreign {
        runtime: RuntimeKind::Docker,
        id: container.id.clone()?,
        name: name.to_owned(),
        owner: labels::owner(container.labels.as_ref()),
    })
}

/// The project's containers in full, by service, number and name.
async fn instances(docker: &Docker, engine: &Engine, ours: &[&ContainerSummary]) -> Result<Vec<Instance>, Fault> {
    let ids: Vec<String> = ours.iter().filter_map(|container| container.id.clone()).collect();
    let inspected = stream::iter(ids).map(|id| async move { instance::owned(docker, &id).await });
    let containers: Vec<_> = inspected.buffer_unordered(CONCURRENT_READS).try_collect().await?;
    let found = containers.into_iter().flatten().filter_map(|container| {
        let binds = binds(&container);
        Some((instance::read(container, engine, docker.ownership())?, binds))
    });
    let mut instances = Vec::new();
    for (mut instance, binds) in found {
        add_files(&mut instance, engine, binds).await;
        instances.push(instance);
    }
    instances.sort_by(|a, b| {
        let key = |instance: &Instance| (instance.identity.service.clone(), instance.identity.number);
        key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
    });
    Ok(instances)
}

/// The files and directories of the host that a container has mounted.
fn binds(container: &ContainerInspectResponse) -> Vec<String> {
    container.mounts.iter().flatten().filter_map(|mount| mount.source.clone()).collect()
}

/// Looks into the files that were written for an instance.
async fn add_files(instance: &mut Instance, engine: &Engine, mut binds: Vec<String>) {
    binds.retain(|path| is_file_of(path, &instance.identity));
    if binds.is_empty() {
        return;
    }
    let name = |path: &String| path.rsplit('/').next().unwrap_or_default().to_owned();
    let names: Vec<String> = binds.iter().map(name).collect();
    let seen = files::seen(engine, binds).await;
    instance.files = names.into_iter().zip(seen).filter_map(|(name, seen)| Some((name, seen?))).collect();
}

async fn images(docker: &Docker, wanted: &Wanted) -> Result<BTreeMap<ImageReference, ImageFacts>, Fault> {
    let references: Vec<ImageReference> = wanted.images.iter().cloned().collect();
    let inspected = stream::iter(references).map(|reference| async move {
        let facts = image::facts(docker, &reference).await?;
        Ok(facts.map(|facts| (reference, facts)))
    });
    let found: Vec<_> = inspected.buffer_unordered(CONCURRENT_READS).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

type Networks = (BTreeMap<String, NetworkFacts>, Vec<AddressRange>);

async fn networks(docker: &Docker, wanted: &Wanted) -> Result<Networks, Fault> {
    let call = docker.read("list networks");
    let networks = call.run(docker.client()?.list_networks(None::<ListNetworksOptions>)).await?;
    let ranges = networks.iter().flat_map(network::ranges_of).collect();
    let facts = networks.into_iter().filter_map(|network| {
        let project = docker.ownership().project(network.labels.as_ref());
        let is_ours = project.as_ref() == Some(&wanted.project);
        let name = network.name.filter(|name| is_ours || wanted.networks.contains(name))?;
        let facts = NetworkFacts {
            id: network.id?,
            project,
            owner: labels::owner(network.labels.as_ref()).filter(|_| !is_ours),
            driver: network.driver.unwrap_or_default(),
            is_internal: network.internal.unwrap_or(false),
        };
        Some((name, facts))
    });
    Ok((facts.collect(), ranges))
}

async fn volumes(docker: &Docker, wanted: &Wanted) -> Result<BTreeMap<String, VolumeFacts>, Fault> {
    if wanted.volumes.is_empty() {
        return Ok(BTreeMap::new());
    }
    let call = docker.read("list volumes");
    let list = call.run(docker.client()?.list_volumes(None::<ListVolumesOptions>)).await?;
    let ours = list.volumes.into_iter().flatten().filter(|volume| wanted.volumes.contains(&volume.name));
    let facts = ours.map(|volume| {
        let project = docker.ownership().project(Some(&volume.labels));
        (volume.name, VolumeFacts { project, driver: volume.driver })
    });
    Ok(facts.collect())
}
