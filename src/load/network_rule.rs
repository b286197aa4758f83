//! What two networks, or two services in one, cannot both have.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::Arc,
};

use super::{Entry, Node, document::child, names::Names, problem::wrong};
use crate::{
    diagnostic::{Diagnostics, Span},
    name::{ProjectName, ServiceName},
    plan::{Network, Service, Subnet, Subnets},
};

/// Checks the networks that the plan makes against each other, and the addresses that services ask for
/// in them.
pub(super) fn check_networks(
    names: &Names,
    networks: &BTreeMap<String, Network>,
    services: &BTreeMap<ServiceName, Arc<Service>>,
    problems: &mut Diagnostics,
) {
    let own = || networks.iter().filter(|(_, network)| !network.external.is_external);
    let mut by_name: HashMap<&str, (&str, Span)> = HashMap::new();
    for (key, network) in own() {
        let Some((name, entry)) = network.name.as_deref().zip(names.get("networks", key)) else { continue };
        let span = span_below(&entry.value, &["name"]);
        if let Some((other, first)) = by_name.insert(name, (key, span)) {
            let summary = format!("the networks `{other}` and `{key}` cannot both be called `{name}`");
            let diagnostic = wrong("name-conflict", summary).at(span, "again here").at(first, "first here");
            problems.push(diagnostic.hint("give one of them another `name`"));
        }
    }
    let mut ranges = Vec::new();
    for (key, network) in own() {
        let Some(entry) = names.get("networks", key) else { continue };
        ranges.extend(subnets(key, network, entry, problems));
    }
    report_overlaps(&Subnets::new(ranges.iter().map(|(key, subnet, span)| (*subnet, (*key, *span)))), problems);
    let mut by_network: BTreeMap<&str, Vec<Subnet>> = BTreeMap::new();
    ranges.iter().for_each(|(key, subnet, _)| by_network.entry(key).or_default().push(*subnet));
    check_addresses(names, &by_network, services, problems);
}

/// The ranges of a network that can be read; those that cannot are reported.
fn subnets<'a>(
    key: &'a str,
    network: &Network,
    entry: &Entry,
    problems: &mut Diagnostics,
) -> Vec<(&'a str, Subnet, Span)> {
    let pools = network.ipam.iter().flat_map(|ipam| ipam.config.iter().enumerate());
    let mut found = Vec::new();
    for (index, text) in pools.filter_map(|(index, pool)| Some((index, pool.subnet.as_deref()?))) {
        let span = span_below(&entry.value, &["ipam", "config", &index.to_string(), "subnet"]);
        match text.parse::<Subnet>() {
            Ok(subnet) => found.push((key, subnet, span)),
            Err(error) => problems.push(wrong("invalid-value", error.to_string()).at(span, "here")),
        }
    }
    found
}

fn report_overlaps(ranges: &Subnets<(&str, Span)>, problems: &mut Diagnostics) {
    for ((one, (network, first)), (other, (again, span))) in ranges.clashes() {
        let summary = match network == again {
            true => format!("the subnets {one} and {other} of the network `{network}` overlap"),
            false => format!("the networks `{network}` ({one}) and `{again}` ({other}) overlap"),
        };
        let diagnostic = wrong("subnet-conflict", summary).at(*span, "this one").at(*first, "and this one");
        problems
            .push(diagnostic.hint("give one of them other addresses, or leave `ipam` out: a free subnet is chosen"));
    }
}

/// An address belongs to one container, and to a range of its network where the plan says those.
fn check_addresses(
    names: &Names,
    ranges: &BTreeMap<&str, Vec<Subnet>>,
    services: &BTreeMap<ServiceName, Arc<Service>>,
    problems: &mut Diagnostics,
) {
    let mut holders: HashMap<(&str, IpAddr), (&ServiceName, Span)> = HashMap::new();
    for Asked { name, service, network, word, text } in services.iter().flat_map(asked) {
        let Some(entry) = names.get("services", name.as_str()) else { continue };
        let span = span_below(&entry.value, &["networks", network, word]);
        let Ok(address) = text.parse::<IpAddr>() else {
            let diagnostic = wrong("invalid-value", format!("`{text}` is not an address")).at(span, "here");
            problems.push(diagnostic.hint("write it as in `172.28.0.9` or `fd00::9`"));
            continue;
        };
        let known = ranges.get(network);
        if known.is_some_and(|ranges| !ranges.iter().any(|range| range.contains(address))) {
            let ranges: Vec<String> = known.into_iter().flatten().map(Subnet::to_string).collect();
            let summary = format!(
                "`{name}` wants the address {address}, which the network `{network}` ({}) does not have",
                ranges.join(", ")
            );
            let diagnostic = wrong("address-outside", summary).at(span, "here");
            problems.push(diagnostic.hint("take one that the network has, or leave it out: a free one is given"));
        }
        if service.replicas() > 1 {
            let summary = format!("{} replicas of `{name}` cannot all have {address}", service.replicas());
            problems.push(wrong("address-conflict", summary).at(span, "here").hint("take the address out"));
        }
        if let Some((other, first)) = holders.insert((network, address), (name, span)) {
            let summary = format!("`{other}` and `{name}` cannot both have {address} in the network `{network}`");
            let diagnostic = wrong("address-conflict", summary).at(span, "again here").at(first, "first here");
            problems.push(diagnostic.hint("give one of them another, or none: a free one is given"));
        }
    }
}

/// An address that a service asks for in a network.
struct Asked<'a> {
    name: &'a ServiceName,
    service: &'a Service,
    network: &'a str,
    /// The key that says it.
    word: &'static str,
    text: &'a str,
}

fn asked<'a>((name, service): (&'a ServiceName, &'a Arc<Service>)) -> impl Iterator<Item = Asked<'a>> {
    service.networks.iter().flat_map(move |(network, attachment)| {
        let addresses = [("ipv4_address", &attachment.ipv4_address), ("ipv6_address", &attachment.ipv6_address)];
        let said = addresses.into_iter().filter_map(|(word, text)| Some((word, text.as_deref()?)));
        said.map(move |(word, text)| Asked { name, service, network, word, text })
    })
}

/// A `container_name` cannot be what another service's instance is called anyway.
pub(super) fn check_usual_names(
    names: &Names,
    project: &ProjectName,
    services: &BTreeMap<ServiceName, Arc<Service>>,
    problems: &mut Diagnostics,
) {
    let chosen: HashMap<&str, &ServiceName> =
        services.iter().filter_map(|(name, service)| Some((service.container_name.as_deref()?, name))).collect();
    if chosen.is_empty() {
        return;
    }
    for (name, service) in services.iter().filter(|(_, service)| service.container_name.is_none()) {
        for number in 1..=service.replicas() {
            let usual = format!("{project}-{name}-{number}");
            let Some(other) = chosen.get(usual.as_str()) else { continue };
            let Some(entry) = names.get("services", other.as_str()) else { continue };
            let summary = format!("`{other}` cannot be called `{usual}`, as instance {number} of `{name}` is");
            let span = span_below(&entry.value, &["container_name"]);
            problems.push(wrong("name-conflict", summary).at(span, "here").hint("give it another `container_name`"));
        }
    }
}

/// Where a value below a node was written, or the nearest thing around it.
fn span_below(node: &Node, path: &[&str]) -> Span {
    let mut found = node;
    for key in path {
        match child(found, key) {
            Some(below) => found = below,
            None => break,
        }
    }
    found.span
}
