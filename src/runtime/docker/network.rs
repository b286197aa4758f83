use bollard::{
    models::{Ipam, IpamConfig, Network as EngineNetwork, NetworkCreateRequest, NetworkInspect},
    query_parameters::{InspectNetworkOptions, ListNetworksOptions},
};

use super::{
    Docker, instance, labels,
    subnet::{self, Pool},
};
use crate::{
    action::Effect,
    diagnostic::Class,
    name::ProjectName,
    observed::{AddressRange, Fault, RangeHolder},
    plan::{Ipam as PlannedIpam, Network, Pool as PlannedPool, Subnet},
};

/// Subnets that are tried before giving up: others may take one between our look and our call, but
/// hardly so many.
const SUBNET_ATTEMPTS: usize = 16;

/// Makes a network with a subnet of its own, unless the project has it already.
pub(super) async fn create(
    docker: &Docker,
    name: &str,
    network: &Network,
    project: &ProjectName,
) -> Result<Effect, Fault> {
    let networks = list(docker).await?;
    let namesakes: Vec<&EngineNetwork> = named(name, &networks);
    if let Some(other) = namesakes.iter().find(|network| !is_of(docker, network, project)) {
        return Err(taken(name, other));
    }
    if !namesakes.is_empty() {
        settle(docker, name, project, &networks).await?;
        return Ok(Effect::AlreadySo);
    }
    let request = request(name, network, project);
    if !is_ours_to_choose(network) {
        make(docker, name, request, None).await?;
    } else if docker.engine().await?.is_local {
        create_in_free_subnet(docker, name, &request, &networks).await?;
    } else {
        create_in_chosen_subnet(docker, name, &request).await?;
    }
    // It has been made: what fails from here on leaves it.
    let networks = list(docker).await.map_err(Fault::outcome_unknown)?;
    settle(docker, name, project, &networks).await.map_err(Fault::outcome_unknown)?;
    Ok(Effect::Done)
}

/// Takes away what an earlier try made as well, that ended after we had looked: the engine lets
/// networks share a name. The oldest stays, which may be in use already.
async fn settle(docker: &Docker, name: &str, project: &ProjectName, networks: &[EngineNetwork]) -> Result<(), Fault> {
    let mut ours = named(name, networks);
    ours.retain(|network| is_of(docker, network, project));
    ours.sort_by_key(|network| (network.created.clone(), network.id.clone()));
    let surplus: Vec<String> = ours.iter().skip(1).filter_map(|network| network.id.clone()).collect();
    for id in &surplus {
        let call = docker.change(format!("remove the second network `{name}`"));
        call.find(docker.client()?.remove_network(id)).await?;
    }
    Ok(())
}

fn named<'a>(name: &str, networks: &'a [EngineNetwork]) -> Vec<&'a EngineNetwork> {
    networks.iter().filter(|network| network.name.as_deref() == Some(name)).collect()
}

fn is_of(docker: &Docker, network: &EngineNetwork, project: &ProjectName) -> bool {
    docker.ownership().project(network.labels.as_ref()).as_ref() == Some(project)
}

/// Removes the project's network, if it is there.
pub(super) async fn remove(docker: &Docker, name: &str) -> Result<Effect, Fault> {
    let mut networks = list(docker).await?;
    if named(name, &networks).is_empty() {
        // A list may be older than what it is asked for.
        let look = docker.read(format!("inspect the network `{name}`"));
        networks.extend(look.find(docker.client()?.inspect_network(name, None)).await?.map(as_listed));
    }
    let mut effect = Effect::AlreadySo;
    for network in networks.iter().filter(|network| network.name.as_deref() == Some(name)) {
        if !docker.ownership().is_ours(network.labels.as_ref()) {
            return Err(instance::not_ours(name));
        }
        let call = docker.change(format!("remove the network `{name}`"));
        let id = network.id.as_deref().unwrap_or(name);
        if call.find(docker.client()?.remove_network(id)).await?.is_some() {
            effect = Effect::Done;
        }
    }
    Ok(effect)
}

async fn list(docker: &Docker) -> Result<Vec<EngineNetwork>, Fault> {
    docker.read("list networks").run(docker.client()?.list_networks(None::<ListNetworksOptions>)).await
}

fn as_listed(network: NetworkInspect) -> EngineNetwork {
    EngineNetwork { name: network.name, id: network.id, labels: network.labels, ..Default::default() }
}

fn request(name: &str, network: &Network, project: &ProjectName) -> NetworkCreateRequest {
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: network.driver.clone(),
        internal: Some(network.internal),
        attachable: Some(network.attachable),
        enable_ipv4: network.enable_ipv4,
        enable_ipv6: network.enable_ipv6,
        ipam: network.ipam.as_deref().map(ipam),
        options: Some(network.driver_opts.clone().into_iter().collect()),
        labels: Some(labels::of_project(project, &network.labels)),
        ..Default::default()
    }
}

fn ipam(ipam: &PlannedIpam) -> Ipam {
    let text = |text: &Option<String>| text.clone();
    let pool = |pool: &PlannedPool| IpamConfig {
        subnet: text(&pool.subnet),
        ip_range: text(&pool.ip_range),
        gateway: text(&pool.gateway),
        auxiliary_addresses: (!pool.aux_addresses.is_empty()).then(|| pool.aux_addresses.clone().into_iter().collect()),
    };
    Ipam {
        driver: ipam.driver.clone(),
        config: (!ipam.config.is_empty()).then(|| ipam.config.iter().map(pool).collect()),
        options: (!ipam.options.is_empty()).then(|| ipam.options.clone().into_iter().collect()),
    }
}

/// Whether the plan leaves the choice of a subnet to us: it says no pool of its own, nor that
/// someone else gives out addresses.
fn is_ours_to_choose(network: &Network) -> bool {
    let is_bridge = network.driver.as_deref().unwrap_or("bridge") == "bridge";
    let has_pools = network.ipam.as_ref().is_some_and(|ipam| !ipam.config.is_empty() || ipam.driver.is_some());
    is_bridge && !has_pools && network.enable_ipv4 != Some(false) && network.enable_ipv6 != Some(true)
}

fn taken(name: &str, network: &EngineNetwork) -> Fault {
    let owner = labels::owner(network.labels.as_ref()).map_or_else(String::new, |owner| format!(" of {owner}"));
    let text = format!("a network `{name}`{owner} exists already, and is not this plan's");
    Fault::new(Class::Deployment, "name-taken", text)
        .hint("set `external: true` to use it as it is, or give it another `name`")
}

/// Answers the new network's id.
async fn make(
    docker: &Docker,
    name: &str,
    mut request: NetworkCreateRequest,
    subnet: Option<&str>,
) -> Result<String, Fault> {
    if let Some(subnet) = subnet {
        let config = vec![IpamConfig { subnet: Some(subnet.to_owned()), ..Default::default() }];
        request.ipam = Some(Ipam { config: Some(config), ..request.ipam.unwrap_or_default() });
    }
    let call = docker.change(format!("create the network `{name}`")).within(docker.patience().provide);
    call.run(docker.client()?.create_network(request)).await.map(|answer| answer.id)
}

/// On this host we see what is in use, so the first try fits unless someone is quicker.
async fn create_in_free_subnet(
    docker: &Docker,
    name: &str,
    request: &NetworkCreateRequest,
    networks: &[EngineNetwork],
) -> Result<(), Fault> {
    let mut used = subnet::of_host();
    used.extend(networks.iter().flat_map(subnets_of));
    let pools = pools(docker).await?;
    let mut last = None;
    for subnet in subnet::free(&pools, &used).take(SUBNET_ATTEMPTS) {
        match make(docker, name, request.clone(), Some(&subnet.to_string())).await {
            Err(fault) if fault.code == "subnet-taken" => last = Some(fault),
            answer => return answer.map(drop),
        }
    }
    let text = format!("cannot create the network `{name}`: no subnet of the engine's address pools is free");
    let exhausted = Fault::new(Class::Resource, "subnets-exhausted", text)
        .hint("remove networks that nobody uses: `docker network prune`");
    Err(last.unwrap_or(exhausted))
}

/// Of another host we do not know what is in use: the engine picks a subnet, and the network is made
/// again with it.
async fn create_in_chosen_subnet(docker: &Docker, name: &str, request: &NetworkCreateRequest) -> Result<(), Fault> {
    let client = docker.client()?;
    let id = make(docker, name, request.clone(), None).await?;
    let look = docker.read(format!("inspect the network `{name}`"));
    // From here on there is a network, whatever fails.
    let made = look.run(client.inspect_network(&id, None::<InspectNetworkOptions>)).await;
    let made = made.map_err(Fault::outcome_unknown)?;
    let configs = made.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let Some(subnet) = configs.into_iter().find_map(|config| config.subnet) else { return Ok(()) };
    let call = docker.change(format!("make the network `{name}` again"));
    call.run(client.remove_network(&id)).await.map_err(Fault::outcome_unknown)?;
    make(docker, name, request.clone(), Some(&subnet)).await.map(drop)
}

fn subnets_of(network: &EngineNetwork) -> Vec<Subnet> {
    let configs = network.ipam.iter().flat_map(|ipam| ipam.config.iter().flatten());
    configs.filter_map(|config| config.subnet.as_ref()?.parse().ok()).collect()
}

/// The addresses that a network uses, with its name and owner.
pub(super) fn ranges_of(network: &EngineNetwork) -> Vec<AddressRange> {
    let name = network.name.clone().unwrap_or_default();
    let holder = RangeHolder::Network { name, owner: labels::owner(network.labels.as_ref()) };
    subnets_of(network).into_iter().map(|subnet| AddressRange { subnet, holder: holder.clone() }).collect()
}

/// The pools that the engine was given, or else its own.
async fn pools(docker: &Docker) -> Result<Vec<Pool>, Fault> {
    let call = docker.read("ask the engine for its address pools");
    let system = call.run(docker.client()?.info()).await?;
    let given = system.default_address_pools.iter().flatten();
    let pool = |pool: &bollard::models::SystemInfoDefaultAddressPools| {
        Some(Pool {
            base: pool.base.as_ref()?.parse().ok()?,
            size: pool.size?.try_into().ok().filter(|size| *size <= 32)?,
        })
    };
    let given: Vec<Pool> = given.filter_map(pool).collect();
    Ok(if given.is_empty() { subnet::default_pools() } else { given })
}
