use std::collections::BTreeSet;

use bollard::models::{EndpointIpamConfig, EndpointSettings, NetworkConnectRequest, NetworkDisconnectRequest};

use super::{Docker, instance, running};
use crate::{
    action::{Effect, InstanceHandle},
    observed::Fault,
};

/// Gives a container other names in a network. The engine cannot do that to one that is connected,
/// so it leaves and joins again at its address: established connections survive that, save those
/// through published ports.
pub(super) async fn set(
    docker: &Docker,
    handle: &InstanceHandle,
    network: &str,
    to: &BTreeSet<String>,
) -> Result<Effect, Fault> {
    let (id, container) = running::existing(docker, handle, "name").await?;
    let joined = container.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let endpoint = joined.get(network).cloned();
    let is_asked = |alias: &&String| !instance::is_short_id(alias, &id);
    let now = endpoint.iter().flat_map(|endpoint| endpoint.aliases.iter().flatten()).filter(is_asked);
    if endpoint.is_some() && now.cloned().collect::<BTreeSet<_>>() == *to {
        return Ok(Effect::AlreadySo);
    }
    let (client, call) = (docker.client()?, docker.change(format!("name `{}` in `{network}`", handle.name)));
    if endpoint.is_some() {
        let leave = NetworkDisconnectRequest { container: id.clone(), force: Some(true) };
        call.run(client.disconnect_network(network, leave)).await?;
    }
    let endpoint = endpoint.unwrap_or_default();
    let address = endpoint.ip_address.filter(|address| !address.is_empty());
    let here = address.map(|address| EndpointIpamConfig { ipv4_address: Some(address), ..Default::default() });
    let settings = EndpointSettings {
        aliases: Some(to.iter().cloned().collect()),
        ipam_config: endpoint.ipam_config.clone().or(here.clone()),
        links: endpoint.links,
        driver_opts: endpoint.driver_opts,
        ..Default::default()
    };
    let join = |settings| NetworkConnectRequest { container: id.clone(), endpoint_config: Some(settings) };
    let joined = call.run(client.connect_network(network, join(settings.clone()))).await;
    let joined = match joined {
        // An address can only be asked for where the network was made with a subnet.
        Err(fault) if !fault.is_outcome_unknown && endpoint.ipam_config.is_none() && here.is_some() => {
            let anywhere = EndpointSettings { ipam_config: None, ..settings };
            call.run(client.connect_network(network, join(anywhere))).await
        }
        joined => joined,
    };
    // It has left: it is not as it was.
    joined.map_err(Fault::outcome_unknown)?;
    Ok(Effect::Done)
}
