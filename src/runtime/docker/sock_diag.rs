//! The kernel's list of listening TCP sockets, by its `sock_diag` interface.
//!
//! `/proc/net/tcp` says the same, but walks the table of all connections first: 8 ms on a small
//! machine, against 0.1.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};

use crate::{observed::Listener, plan::Protocol};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const REQUEST_ALL: u16 = 0x301;
const IPPROTO_TCP: u8 = 6;
const TCP_LISTEN: u32 = 10;
/// `nlmsghdr`, and the start of `inet_diag_msg` up to the local address.
const HEADER: usize = 16;
const ADDRESS_END: usize = HEADER + 24;
/// The kernel fills at most 32 KiB at once.
const ANSWER: usize = 32 * 1024;
/// Some 300 sockets come in one answer; no host listens on as many ports as fit in so many.
const ANSWERS: usize = 256;

/// The listening sockets, or `None` if this kernel does not tell.
pub(super) fn listening_tcp() -> Option<Vec<Listener>> {
    let mut listeners = Vec::new();
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        ask(family, &mut listeners)?;
    }
    Some(listeners)
}

fn ask(family: AddressFamily, listeners: &mut Vec<Listener>) -> Option<()> {
    let kind = (SocketType::DGRAM, SocketFlags::CLOEXEC);
    let socket = socket_with(AddressFamily::NETLINK, kind.0, kind.1, Some(netlink::SOCK_DIAG)).ok()?;
    send(&socket, &request(family), SendFlags::empty()).ok()?;
    let mut answer = vec![0; ANSWER];
    for _ in 0..ANSWERS {
        let (length, _) = recv(&socket, &mut answer[..], RecvFlags::empty()).ok()?;
        match read(&answer[..length], listeners) {
            End::More => {}
            End::Done => return Some(()),
            End::Refused => return None,
        }
    }
    None
}

/// `nlmsghdr` and `inet_diag_req_v2`: all TCP sockets of a family that listen.
fn request(family: AddressFamily) -> Vec<u8> {
    const LENGTH: u32 = 72;
    let mut bytes = Vec::with_capacity(LENGTH as usize);
    bytes.extend(LENGTH.to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST_ALL.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family.as_raw() as u8, IPPROTO_TCP, 0, 0]);
    bytes.extend((1_u32 << TCP_LISTEN).to_ne_bytes());
    bytes.resize(LENGTH as usize, 0);
    bytes
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    More,
    Done,
    Refused,
}

/// Reads the messages of one answer.
fn read(mut answer: &[u8], listeners: &mut Vec<Listener>) -> End {
    while let Some((length, kind)) = header(answer) {
        match kind {
            NLMSG_DONE => return End::Done,
            NLMSG_ERROR => return End::Refused,
            SOCK_DIAG_BY_FAMILY => listeners.extend(listener(&answer[..length])),
            _ => {}
        }
        // Messages begin at multiples of four.
        answer = answer.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    End::More
}

/// The length and type of the first message, if it is there whole.
fn header(answer: &[u8]) -> Option<(usize, u16)> {
    let length = u32::from_ne_bytes(answer.get(..4)?.try_into().ok()?) as usize;
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    (HEADER <= length && length <= answer.len()).then_some((length, kind))
}

fn listener(message: &[u8]) -> Option<Listener> {
    let body = message.get(HEADER..ADDRESS_END)?;
    let port = u16::from_be_bytes([body[4], body[5]]);
    let address = match AddressFamily::from_raw(body[0].into()) {
        AddressFamily::INET => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(&body[8..12]).ok()?)),
        _ => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(&body[8..24]).ok()?)),
    };
    Some(Listener { address: Some(address), port, protocol: Protocol::Tcp, holder: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let length = HEADER + body.len();
        let mut bytes = u32::try_from(length).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes.resize(length.next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn answers_are_read_and_a_cut_one_does_no_harm() {
        let mut v4 = vec![2, 10, 0, 0, 0x1f, 0x90, 0, 0, 127, 0, 0, 1];
        v4.resize(72, 0);
        let mut v6 = vec![10, 10, 0, 0, 0, 80, 0, 0];
        v6.resize(72, 0);
        let socket = |body: &[u8]| message(SOCK_DIAG_BY_FAMILY, body);
        let answer = [socket(&v4), socket(&v6), message(NLMSG_DONE, &[0; 4])].concat();
        let mut listeners = Vec::new();
        assert_eq!(read(&answer, &mut listeners), End::Done);
        let found: Vec<_> = listeners.iter().map(|l| format!("{} {}", l.address.unwrap(), l.port)).collect();
        assert_eq!(found, ["127.0.0.1 8080", ":: 80"]);
        for length in 0..answer.len() {
            assert!(read(&answer[..length], &mut Vec::new()) != End::Refused);
        }
        assert_eq!(read(&message(NLMSG_ERROR, &[0; 4]), &mut Vec::new()), End::Refused);
    }

    #[test]
    fn this_kernel_tells_of_a_listener() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        // A sandbox may not have the interface; then `/proc/net/tcp` is read.
        let Some(found) = listening_tcp() else { return };
        let is_it = |found: &Listener| found.address == Some(address.ip()) && found.port == address.port();
        assert!(found.iter().any(is_it));
    }
}
