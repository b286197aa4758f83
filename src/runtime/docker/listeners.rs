//! Ports of the host that something listens on.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use bollard::models::{ContainerSummary, PortSummaryTypeEnum};

use crate::{observed::Listener, plan::Protocol};

/// Tables below `/proc/net`, and the state of a socket there that waits for others (`TCP_LISTEN`; an
/// unconnected datagram socket is in `TCP_CLOSE`).
const TCP_TABLES: [&str; 2] = ["tcp", "tcp6"];
const TCP_LISTEN: &str = "0A";
const UDP_TABLES: [&str; 2] = ["udp", "udp6"];
const TCP_CLOSE: &str = "07";

/// Ports that containers publish.
pub(super) fn of_containers(containers: &[ContainerSummary]) -> BTreeSet<Listener> {
    let mut listeners = BTreeSet::new();
    for container in containers {
        let name = super::observe::name_of(container).unwrap_or_default();
        let owner = super::labels::owner(container.labels.as_ref());
        let owner = owner.map_or_else(String::new, |owner| format!(" of {owner}"));
        for port in container.ports.iter().flatten() {
            let protocol = match port.typ {
                Some(PortSummaryTypeEnum::UDP) => Protocol::Udp,
                Some(PortSummaryTypeEnum::SCTP) => Protocol::Sctp,
                Some(PortSummaryTypeEnum::TCP | PortSummaryTypeEnum::EMPTY) | None => Protocol::Tcp,
            };
            let Some(public_port) = port.public_port else { continue };
            listeners.insert(Listener {
                address: port.ip.as_ref().and_then(|ip| ip.parse().ok()),
                port: public_port,
                protocol,
                holder: Some(format!("container {name}{owner}")),
            });
        }
    }
    listeners
}

/// Ports that anything on this host listens on, as far as the kernel tells.
pub(super) fn of_host() -> BTreeSet<Listener> {
    let tcp = listening_tcp().unwrap_or_else(|| of_tables(TCP_TABLES, Protocol::Tcp, TCP_LISTEN));
    tcp.into_iter().chain(of_tables(UDP_TABLES, Protocol::Udp, TCP_CLOSE)).collect()
}

#[cfg(target_os = "linux")]
fn listening_tcp() -> Option<Vec<Listener>> {
    super::sock_diag::listening_tcp()
}

#[cfg(not(target_os = "linux"))]
fn listening_tcp() -> Option<Vec<Listener>> {
    None
}

fn of_tables(tables: [&str; 2], protocol: Protocol, wanted_state: &str) -> Vec<Listener> {
    let texts = tables.iter().filter_map(|table| std::fs::read_to_string(format!("/proc/net/{table}")).ok());
    texts.flat_map(|text| parse(&text, protocol, wanted_state)).collect()
}

/// The containers' ports, and those of the host that are not theirs.
pub(super) fn join(containers: BTreeSet<Listener>, host: BTreeSet<Listener>) -> BTreeSet<Listener> {
    let published: BTreeSet<_> = containers.iter().map(|listener| (listener.port, listener.protocol)).collect();
    let others = host.into_iter().filter(|listener| !published.contains(&(listener.port, listener.protocol)));
    others.chain(containers).collect()
}

fn parse(table: &str, protocol: Protocol, wanted_state: &str) -> Vec<Listener> {
    let rows = table.lines().skip(1).filter_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let (local, _, state) = (columns.next()?, columns.next()?, columns.next()?);
        let (address, port) = local.split_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let address = Some(parse_address(address)?);
        (state == wanted_state).then_some(Listener { address, port, protocol, holder: None })
    });
    rows.collect()
}

/// The kernel writes addresses as 32-bit words in the host's byte order.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let word = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::to_ne_bytes);
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(hex)?))),
        32 => {
            let mut octets = [0; 16];
            for index in 0..4 {
                octets[index * 4..][..4].copy_from_slice(&word(hex.get(index * 8..index * 8 + 8)?)?);
            }
            Some(IpAddr::V6(Ipv6Addr::from(octets)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn the_kernels_tables_are_read() {
        let tcp = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n\
            1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n\
            2: 0100007F:1F91 0100007F:0016 01 00000000:00000000 00:00000000 00000000     0        0 1 1\n";
        let tcp6 = "header\n 0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A x\n cut";
        let text = |listeners: Vec<Listener>| {
            let line = |listener: &Listener| format!("{} {}", listener.address.unwrap(), listener.port);
            listeners.iter().map(line).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(text(parse(tcp, Protocol::Tcp, "0A")), "127.0.0.1 8080, 0.0.0.0 22");
        assert_eq!(text(parse(tcp6, Protocol::Tcp, "0A")), "::1 80");
    }

    #[test]
    fn a_published_port_is_listed_with_its_container() {
        let listener = |address: &str, port, holder: Option<&str>| Listener {
            address: address.parse().ok(),
            port,
            protocol: Protocol::Tcp,
            holder: holder.map(str::to_owned),
        };
        let web = listener("0.0.0.0", 80, Some("container web"));
        let host = BTreeSet::from([listener("0.0.0.0", 80, None), listener("::", 80, None), listener("::", 22, None)]);
        let joined = join(BTreeSet::from([web.clone()]), host);
        assert_eq!(joined, BTreeSet::from([web, listener("::", 22, None)]));
    }
}
