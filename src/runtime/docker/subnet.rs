//! Which subnet a new network gets.
//!
//! A container can only ask for its address on a network whose subnet was given by its maker, so
//! every bridge network of ours is born with one, picked as the engine would: the first of its
//! pools that nothing uses.

use std::net::{IpAddr, Ipv4Addr};

use crate::plan::Subnet;

/// Addresses that an engine gives to networks, cut into subnets of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pool {
    pub base: Subnet,
    /// The prefix length of its subnets.
    pub size: u8,
}

/// More subnets of one pool than are looked at: no host has more networks.
const POOL_BOUND: u32 = 4096;

/// The pools of an engine that was not given others.
pub(super) fn default_pools() -> Vec<Pool> {
    let large = (17..=31).map(|second| (Ipv4Addr::new(172, second, 0, 0), 16, 16));
    let small = [(Ipv4Addr::new(192, 168, 0, 0), 16, 20)];
    let pool =
        |(base, prefix, size): (Ipv4Addr, u8, u8)| Subnet::new(base.into(), prefix).map(|base| Pool { base, size });
    large.chain(small).filter_map(pool).collect()
}

/// The pools' subnets that nothing uses, in order.
pub(super) fn free<'a>(pools: &'a [Pool], used: &'a [Subnet]) -> impl Iterator<Item = Subnet> + 'a {
    let is_free = |subnet: &Subnet| !used.iter().any(|used| used.overlaps(*subnet));
    pools.iter().copied().flat_map(subnets).filter(is_free)
}

fn subnets(pool: Pool) -> impl Iterator<Item = Subnet> {
    let base = match pool.base.base() {
        IpAddr::V4(base) => Some(base.to_bits()),
        // Networks of ours that nobody gave a subnet have no addresses of this kind.
        IpAddr::V6(_) => None,
    };
    let bits = pool.size.saturating_sub(pool.base.prefix());
    let count = 1_u32.checked_shl(bits.into()).unwrap_or(POOL_BOUND).min(POOL_BOUND);
    (0..count).filter_map(move |index| {
        let step = index.checked_shl(32_u32.checked_sub(pool.size.into())?)?;
        Subnet::new(Ipv4Addr::from_bits(base? | step).into(), pool.size)
    })
}

/// The subnets that this host has routes to, less the default route.
pub(super) fn of_host() -> Vec<Subnet> {
    of_routes(&std::fs::read_to_string("/proc/net/route").unwrap_or_default())
}

/// [`of_host`] from `/proc/net/route`.
fn of_routes(table: &str) -> Vec<Subnet> {
    let rows = table.lines().skip(1).filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        // The kernel writes addresses as words in the host's byte order.
        let word = |index: usize| {
            let word = u32::from_str_radix(columns.get(index).copied()?, 16).ok()?;
            Some(u32::from_be_bytes(word.to_ne_bytes()))
        };
        let (destination, mask) = (word(1)?, word(7)?);
        let subnet = Subnet::new(Ipv4Addr::from_bits(destination).into(), u8::try_from(mask.leading_ones()).ok()?);
        subnet.filter(|subnet| subnet.prefix() > 0)
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(used: &[&str]) -> Option<String> {
        let used: Vec<Subnet> = used.iter().map(|text| text.parse().unwrap()).collect();
        free(&default_pools(), &used).next().map(|subnet| subnet.to_string())
    }

    #[test]
    fn the_first_subnet_that_nothing_uses_is_taken() {
        let table: [(&[&str], Option<&str>); 6] = [
            (&[], Some("172.17.0.0/16")),
            (&["172.17.0.0/16"], Some("172.18.0.0/16")),
            (&["172.17.5.0/24", "172.19.0.0/16"], Some("172.18.0.0/16")),
            (&["172.16.0.0/12"], Some("192.168.0.0/20")),
            (&["172.16.0.0/12", "192.168.1.0/24"], Some("192.168.16.0/20")),
            (&["172.16.0.0/12", "192.168.0.0/16"], None),
        ];
        for (used, expected) in table {
            assert_eq!(first(used).as_deref(), expected, "{used:?}");
        }
        assert_eq!(free(&default_pools(), &[]).count(), 15 + 16);
    }

    #[test]
    fn an_engines_own_pools_are_cut_to_size() {
        let pool = Pool { base: "10.200.0.0/22".parse().unwrap(), size: 24 };
        let used = ["10.200.1.0/24".parse().unwrap()];
        let subnets: Vec<String> = free(&[pool], &used).map(|subnet| subnet.to_string()).collect();
        assert_eq!(subnets.join(" "), "10.200.0.0/24 10.200.2.0/24 10.200.3.0/24");
        let huge = Pool { base: "0.0.0.0/0".parse().unwrap(), size: 32 };
        assert_eq!(free(&[huge], &[]).count(), POOL_BOUND as usize);
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn routes_are_read_as_the_kernel_writes_them() {
        let table = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n\
            eth0 00000000 010200C0 0003 0 0 0 00000000 0 0 0\n\
            docker0 000011AC 00000000 0001 0 0 0 0000FFFF 0 0 0\n\
            tun0 0000000A 00000000 0001 0 0 0 000000FF 0 0 0\n";
        let routes: Vec<String> = of_routes(table).iter().map(Subnet::to_string).collect();
        assert_eq!(routes.join(" "), "172.17.0.0/16 10.0.0.0/8");
    }
}
