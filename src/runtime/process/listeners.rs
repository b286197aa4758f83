use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::{observed::Listener, plan::Protocol};

/// The state of a socket that listens, in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// The TCP ports that something listens on. Who holds one is told for `known` processes, by their
/// pids with what to call them: looking through all others costs too much.
pub(super) fn listeners(known: &BTreeMap<i32, String>) -> BTreeSet<Listener> {
    let holders: BTreeMap<u64, &String> =
        known.iter().flat_map(|(pid, name)| sockets(*pid).into_iter().map(move |inode| (inode, name))).collect();
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let rows = tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(parse_row);
    rows.map(|(address, port, inode)| Listener {
        address: Some(address),
        port,
        protocol: Protocol::Tcp,
        holder: holders.get(&inode).map(|name| (*name).clone()),
    })
    .collect()
}

/// The inodes of the sockets that a process has open.
fn sockets(pid: i32) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let links = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    links.filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()).collect()
}

/// Address, port and inode of a listening socket.
fn parse_row(row: &str) -> Option<(IpAddr, u16, u64)> {
    let fields: Vec<&str> = row.split_whitespace().collect();
    let (address, port) = fields.get(1)?.split_once(':')?;
    if *fields.get(3)? != LISTENING {
        return None;
    }
    Some((parse_address(address)?, u16::from_str_radix(port, 16).ok()?, fields.get(9)?.parse().ok()?))
}

/// The kernel writes addresses as words of its own byte order.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(hex.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let octets: [u8; 16] = words.concat().try_into().ok()?;
            Some(Ipv6Addr::from(octets).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn listening_sockets_are_read_from_the_table() {
        let row = |local: &str, state: &str| {
            format!(
                "   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 4711 1 0"
            )
        };
        let table = [
            (row("0100007F:1F90", "0A"), Some("127.0.0.1 8080 4711")),
            (row("00000000000000000000000001000000:0050", "0A"), Some("::1 80 4711")),
            (row("0100007F:1F90", "01"), None),
            ("nonsense".to_owned(), None),
        ];
        for (row, expected) in table {
            let told = parse_row(&row).map(|(address, port, inode)| format!("{address} {port} {inode}"));
            assert_eq!(told.as_deref(), expected, "{row}");
        }
    }

    #[test]
    fn a_port_of_our_own_is_seen_with_its_holder() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = i32::try_from(std::process::id()).unwrap();
        let seen = listeners(&[(ours, "this test".to_owned())].into());
        let expected = Listener {
            address: Some(Ipv4Addr::LOCALHOST.into()),
            port: socket.local_addr().unwrap().port(),
            protocol: Protocol::Tcp,
            holder: Some("this test".to_owned()),
        };
        assert!(seen.contains(&expected), "{seen:?}");
    }
}
