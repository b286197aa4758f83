//! The addresses that new networks want, against those that are in use.

use super::preflight::{Preflight, place};
use crate::{
    diagnostic::{Class, Diagnostic, Diagnostics},
    observed::RangeHolder,
    plan::{Network, Subnet, Subnets},
};

pub(super) fn taken_subnets(preflight: &Preflight) -> Diagnostics {
    let ranges = &preflight.observed.ranges;
    let of = |is_wanted: fn(&RangeHolder) -> bool| {
        let wanted = ranges.iter().filter(move |range| is_wanted(&range.holder));
        Subnets::new(wanted.map(|range| (range.subnet, &range.holder)))
    };
    let networks = of(|holder| matches!(holder, RangeHolder::Network { .. }));
    let host = of(|holder| matches!(holder, RangeHolder::Host));
    let mut diagnostics = Diagnostics::new();
    for key in &preflight.changes.networks {
        let Some(network) = preflight.plan.networks.get(key) else { continue };
        for (index, subnet) in wanted(network) {
            let told = match (networks.overlapping(subnet), host.overlapping(subnet)) {
                (Some((taken, RangeHolder::Network { name, owner })), _) => {
                    let owner = owner.as_ref().map_or_else(String::new, |owner| format!(" of {owner}"));
                    let summary = format!(
                        "{subnet}, which the network `{key}` wants, overlaps the network `{name}`{owner} ({taken})"
                    );
                    Diagnostic::error("subnet-in-use", Class::Resource, summary).hint(format!(
                        "leave `ipam` out (a free subnet is chosen), take another one, or remove it: `docker network rm {name}`"
                    ))
                }
                // Other drivers are put into the host's own network on purpose.
                (_, Some((taken, _))) if network.driver.as_deref().is_none_or(|driver| driver == "bridge") => {
                    let summary = format!(
                        "{subnet}, which the network `{key}` wants, overlaps {taken}, to which this host has a route: \
                         what is there cannot be reached any more"
                    );
                    Diagnostic::warning("subnet-routed", Class::Resource, summary).hint(
                        "leave `ipam` out (a free subnet is chosen), or take another one: `ip route` shows the routes",
                    )
                }
                (_, _) => continue,
            };
            let path = ["networks", key, "ipam", "config", &index.to_string(), "subnet"];
            diagnostics.push(place(told, preflight.origins.origin(&path)));
        }
    }
    diagnostics
}

/// The ranges that a network asks for.
fn wanted(network: &Network) -> impl Iterator<Item = (usize, Subnet)> {
    let pools = network.ipam.iter().flat_map(|ipam| ipam.config.iter().enumerate());
    pools.filter_map(|(index, pool)| Some((index, pool.subnet.as_ref()?.parse().ok()?)))
}
