use std::time::Duration;

use bollard::{
    models::{Ipam, IpamConfig, Network as EngineNetwork, NetworkCreateRequest},
    query_parameters::{InspectNetworkOptions, ListNetworksOptions},
};

use super::{
    Docker,
    call::Call,
    instance, labels,
    subnet::{self, Pool, Subnet},
};
use crate::{action::Effect, diagnostic::Class, name::ProjectName, observed::Fault, plan::Network};

/// Making one took 350 ms when it was measured; an overlay may ask other machines.
const CREATE_LIMIT: Duration = Duration::from_secs(60);

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
    if let Some(existing) = networks.iter().find(|existing| existing.name.as_deref() == Some(name)) {
        return match labels::project(existing.labels.as_ref()).as_ref() == Some(project) {
            true => Ok(Effect::AlreadySo),
            false => Err(taken(name, existing)),
        };
    }
    let request = request(name, network, project);
    if network.driver.as_deref().unwrap_or("bridge") != "bridge" {
        make(docker, name, request, None).await?;
    } else if docker.engine().await?.is_local {
        create_in_free_subnet(docker, name, &request, &networks).await?;
    } else {
        create_in_chosen_subnet(docker, name, &request).await?;
    }
    Ok(Effect::Done)
}

/// Removes the project's network, if it is there.
pub(super) async fn remove(docker: &Docker, name: &str) -> Result<Effect, Fault> {
    let networks = list(docker).await?;
    let mut effect = Effect::AlreadySo;
    for network in networks.iter().filter(|network| network.name.as_deref() == Some(name)) {
        if !labels::is_ours(network.labels.as_ref()) {
            return Err(instance::not_ours(name));
        }
        let call = Call::change(format!("remove the network `{name}`"));
        let id = network.id.as_deref().unwrap_or(name);
        if call.find(docker.client()?.remove_network(id)).await?.is_some() {
            effect = Effect::Done;
        }
    }
    Ok(effect)
}

async fn list(docker: &Docker) -> Result<Vec<EngineNetwork>, Fault> {
    Call::read("list networks").run(docker.client()?.list_networks(None::<ListNetworksOptions>)).await
}

fn request(name: &str, network: &Network, project: &ProjectName) -> NetworkCreateRequest {
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: network.driver.clone(),
        internal: Some(network.internal),
        options: Some(network.driver_opts.clone().into_iter().collect()),
        labels: Some(labels::of_project(project, &network.labels)),
        ..Default::default()
    }
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
    request.ipam = subnet.map(|subnet| Ipam {
        config: Some(vec![IpamConfig { subnet: Some(subnet.to_owned()), ..Default::default() }]),
        ..Default::default()
    });
    let call = Call::change(format!("create the network `{name}`")).within(CREATE_LIMIT);
    call.run(docker.client()?.create_network(request)).await.map(|answer| answer.id)
}

/// On this host we see what is in use, so the first try fits unless someone is quicker.
async fn create_in_free_subnet(
    docker: &Docker,
    name: &str,
    request: &NetworkCreateRequest,
    networks: &[EngineNetwork],
) -> Result<(), Fault> {
    let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    let mut used = subnet::of_routes(&routes);
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
    let look = Call::read(format!("inspect the network `{name}`"));
    let made = look.run(client.inspect_network(&id, None::<InspectNetworkOptions>)).await?;
    let configs = made.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let Some(subnet) = configs.into_iter().find_map(|config| config.subnet) else { return Ok(()) };
    Call::change(format!("make the network `{name}` again")).run(client.remove_network(&id)).await?;
    make(docker, name, request.clone(), Some(&subnet)).await.map(drop)
}

fn subnets_of(network: &EngineNetwork) -> Vec<Subnet> {
    let configs = network.ipam.iter().flat_map(|ipam| ipam.config.iter().flatten());
    configs.filter_map(|config| config.subnet.as_ref()?.parse().ok()).collect()
}

/// The pools that the engine was given, or else its own.
async fn pools(docker: &Docker) -> Result<Vec<Pool>, Fault> {
    let call = Call::read("ask the engine for its address pools");
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
