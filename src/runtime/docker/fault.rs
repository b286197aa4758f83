//! What went wrong in a call, classified.

use std::io;

use bollard::errors::Error;

use super::{
    call::{Call, Intent},
    transport::{Meter, NotDialled, TooLong},
};
use crate::{diagnostic::Class, observed::Fault, time::format_duration};

/// How much of an engine's message is kept, in characters.
const MESSAGE_LENGTH: usize = 300;

/// Turns the client's error into a fault that says what was being done.
pub(super) fn from_error(call: &Call, error: &Error) -> Fault {
    match error {
        Error::DockerResponseServerError { status_code, message } => refused(call, *status_code, message),
        Error::DockerStreamError { error } => refused(call, 500, error),
        Error::RequestTimeoutError => timed_out(call),
        Error::SocketNotFoundError(path) => unreachable(call, &format!("there is no socket `{path}`")),
        Error::HyperLegacyError { err } => broken(call, io_kind(err), err.is_connect(), &deepest(err)),
        Error::HyperResponseError { err } => match overrun(err) {
            Some(too_long) => unending(call, too_long),
            None => broken(call, io_kind(err), false, &deepest(err)),
        },
        Error::IOError { err } => {
            let is_connect = err.get_ref().is_some_and(|inner| inner.is::<NotDialled>());
            broken(call, Some(err.kind()), is_connect, &err.to_string())
        }
        other => {
            let text =
                format!("cannot {}: the engine's answer cannot be read: {}", call.doing, clean(&other.to_string()));
            undecided(call, Fault::new(Class::Network, "engine-answer-unreadable", text).transient())
        }
    }
}

/// The engine answered without what every such answer has.
pub(super) fn incomplete(call: &Call, missing: &str) -> Fault {
    let text = format!("cannot {}: the engine's answer cannot be read: it has no {missing}", call.doing);
    undecided(call, Fault::new(Class::Network, "engine-answer-unreadable", text).transient())
}

/// [`from_error`], for a stream: only its meter knows why it was cut off.
pub(super) fn from_stream(call: &Call, error: &Error, meter: &Meter) -> Fault {
    meter.overrun().map_or_else(|| from_error(call, error), |too_long| unending(call, too_long))
}

/// Nobody knows whether a change has happened; a look changes nothing.
fn undecided(call: &Call, fault: Fault) -> Fault {
    match call.intent {
        Intent::Read => fault,
        Intent::Change => fault.outcome_unknown(),
    }
}

fn unending(call: &Call, too_long: TooLong) -> Fault {
    let text = format!("cannot {}: {too_long}", call.doing);
    let fault = Fault::new(Class::Network, "engine-answer-too-long", text);
    undecided(call, fault.hint("is it a Docker Engine that answers there? see `docker version`"))
}

fn overrun(error: &hyper::Error) -> Option<TooLong> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(too_long) = inner.and_then(|inner| inner.downcast_ref::<TooLong>()) {
            return Some(*too_long);
        }
        source = error.source();
    }
    None
}

/// The call took too long; a change may have happened all the same.
pub(super) fn timed_out(call: &Call) -> Fault {
    let text = format!("cannot {}: the engine did not answer within {}", call.doing, format_duration(call.limit));
    undecided(call, Fault::new(Class::Timeout, "engine-timeout", text).transient())
}

/// A message as one line, without control characters and final period, bounded.
pub(super) fn clean(message: &str) -> String {
    // What is far beyond the bound does not have to be looked at; words may have spaces between.
    let start = message.chars().take(16 * MESSAGE_LENGTH);
    let spaced: String = start.map(|c| if c.is_control() || turns_text(c) { ' ' } else { c }).collect();
    let line = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.trim_end_matches(['.', ' ']);
    match line.char_indices().nth(MESSAGE_LENGTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// Makes a terminal show other text than what is there: marks of direction, and what is not seen.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn io_kind(error: &dyn std::error::Error) -> Option<io::ErrorKind> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        source = error.source();
    }
    None
}

fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

fn unreachable(call: &Call, why: &str) -> Fault {
    let text = format!("cannot {}: the engine cannot be reached: {}", call.doing, clean(why));
    Fault::new(Class::Network, "engine-unreachable", text)
        .hint("start it (`systemctl start docker`), or check DOCKER_HOST and `docker context ls`")
        .transient()
}

/// A connection that could not be made, or that broke before the answer was complete.
fn broken(call: &Call, kind: Option<io::ErrorKind>, is_connect: bool, why: &str) -> Fault {
    if kind == Some(io::ErrorKind::PermissionDenied) {
        let text = format!("cannot {}: the engine's socket may not be used: {}", call.doing, clean(why));
        return Fault::new(Class::Permission, "engine-forbidden", text)
            .hint("add yourself to the `docker` group (`sudo usermod -aG docker $USER`, log in again), or use sudo");
    }
    if is_connect || matches!(kind, Some(io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)) {
        return unreachable(call, why);
    }
    let text = format!("cannot {}: the connection to the engine broke: {}", call.doing, clean(why));
    undecided(call, Fault::new(Class::Network, "engine-connection-broken", text).transient())
}

/// Something is in the way, and the engine's words for it are not known.
pub(super) const CONFLICT: &str = "engine-conflict";

/// A network that is named, or that a container is to join, is gone.
pub(super) const NETWORK_NOT_FOUND: &str = "network-not-found";

/// What an engine's words mean: part of the message, class, code, hint. The first that fits counts.
const MEANINGS: [(&str, Class, &str, Option<&str>); 20] = [
    ("pool overlaps", Class::Resource, "subnet-taken", Some("see the subnets in use with `docker network inspect`")),
    (
        "non-overlapping ipv4 address pool",
        Class::Resource,
        "subnets-exhausted",
        Some("remove networks that nobody uses: `docker network prune`"),
    ),
    ("is already in use by", Class::Deployment, "name-taken", Some("see whose it is with `docker ps -a`")),
    ("no space left on device", Class::Resource, "disk-full", Some("see what takes it with `docker system df`")),
    ("cannot allocate memory", Class::Resource, "out-of-memory", None),
    ("minimum memory limit", Class::Configuration, "limit-invalid", None),
    ("range of cpus is", Class::Configuration, "limit-invalid", None),
    (
        "has active endpoints",
        Class::Deployment,
        "network-in-use",
        Some("see who is in it with `docker network inspect`"),
    ),
    (
        "executable file not found",
        Class::Configuration,
        "command-not-found",
        Some("check `command`, `entrypoint` and what the image contains"),
    ),
    ("exec format error", Class::Configuration, "wrong-architecture", Some("build or pull the image for this host")),
    ("oci runtime create failed", Class::Deployment, "start-failed", None),
    ("failed to create shim", Class::Deployment, "start-failed", None),
    ("no such image", Class::Dependency, "image-not-found", Some("build it, or check its name and tag")),
    ("no such container", Class::Dependency, "instance-not-found", Some("someone may have removed it: apply again")),
    ("no such network", Class::Dependency, NETWORK_NOT_FOUND, None),
    ("no such volume", Class::Dependency, "volume-not-found", None),
    ("already in progress", Class::Deployment, "instance-busy", None),
    ("is marked for removal", Class::Deployment, "instance-busy", None),
    ("is not running", Class::Deployment, "instance-not-running", None),
    ("is paused", Class::Deployment, "instance-paused", Some("`docker unpause` it")),
];

/// The engine answered, with a refusal.
pub(super) fn refused(call: &Call, status: u16, message: &str) -> Fault {
    let lower = message.to_lowercase();
    let said = Some(clean(message)).filter(|said| !said.is_empty());
    let text = format!("cannot {}: {}", call.doing, said.unwrap_or_else(|| format!("the engine answered {status}")));
    if lower.contains("port is already allocated") || lower.contains("address already in use") {
        return port_in_use(call, message);
    }
    if let Some((_, path)) = message.split_once("bind source path does not exist: ") {
        let text =
            format!("cannot {}: the bind source `{}` does not exist on the engine's host", call.doing, clean(path));
        return Fault::new(Class::Configuration, "bind-source-missing", text)
            .hint("create it, or check `volumes`: it is never made for you");
    }
    if let Some((_, class, code, hint)) = MEANINGS.iter().find(|(part, ..)| lower.contains(part)) {
        let mut fault = Fault::new(*class, *code, text);
        fault.hint = hint.map(str::to_owned);
        fault.is_transient = *code == "instance-busy";
        return fault;
    }
    // `network 0a1b… not found`
    if lower.starts_with("network ") && lower.contains(" not found") {
        return Fault::new(Class::Dependency, NETWORK_NOT_FOUND, text)
            .hint("someone may have removed it: apply again, or see `docker network ls`");
    }
    // The engine gave up on someone it had asked itself, who may go on.
    if lower.contains("context deadline exceeded") || lower.contains("context canceled") {
        return undecided(call, Fault::new(Class::Timeout, "engine-timeout", text).transient());
    }
    match status {
        404 => Fault::new(Class::Dependency, "not-found", text),
        401 | 403 => Fault::new(Class::Permission, "engine-refused", text),
        400 => Fault::new(Class::Configuration, "engine-refused", text),
        409 => Fault::new(Class::Deployment, CONFLICT, text),
        429 | 503 => Fault::new(Class::Network, "engine-unavailable", text).transient(),
        // From someone between us and the engine, who had no answer from it.
        502 | 504 => undecided(call, Fault::new(Class::Network, "engine-unavailable", text).transient()),
        _ => Fault::new(Class::Deployment, "engine-failed", text),
    }
}

fn port_in_use(call: &Call, message: &str) -> Fault {
    let port = message.split(|c: char| c.is_whitespace()).find_map(port_of);
    let (what, hint) = match port {
        Some(port) => (
            format!("port {port} of the host is taken"),
            format!("see who has it with `docker ps --filter publish={port}` or `ss -lntup 'sport = :{port}'`"),
        ),
        None => (clean(message), "see who has it with `docker ps` or `ss -lntup`".to_owned()),
    };
    Fault::new(Class::Resource, "port-in-use", format!("cannot {}: {what}", call.doing)).hint(hint)
}

/// The port of a word such as `0.0.0.0:8080`, `[::]:8080:`.
fn port_of(word: &str) -> Option<u16> {
    let (host, port) = word.trim_end_matches([':', ',']).rsplit_once(':')?;
    let is_address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
    port.parse().ok().filter(|port| is_address && *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(intent: Intent, doing: &str) -> Call {
        Call { intent, doing: doing.to_owned(), limit: std::time::Duration::from_secs(1) }
    }

    fn summary(fault: &Fault) -> String {
        let flags = [(fault.is_transient, " transient"), (fault.is_outcome_unknown, " unknown")];
        let flags: String = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| *flag).collect();
        format!("{:?} {}{flags}: {}", fault.class, fault.code, fault.text)
    }

    #[test]
    fn refusals_are_classified() {
        let table = [
            (
                500,
                "driver failed programming external connectivity on endpoint w (0a1b): Bind for 0.0.0.0:8080 failed: port is already allocated",
                "Resource port-in-use: cannot start `w`: port 8080 of the host is taken",
            ),
            (
                500,
                "Error starting userland proxy: listen tcp4 127.0.0.1:9090: bind: address already in use",
                "Resource port-in-use: cannot start `w`: port 9090 of the host is taken",
            ),
            (
                400,
                "invalid mount config for type \"bind\": bind source path does not exist: /no/where",
                "Configuration bind-source-missing: cannot start `w`: the bind source `/no/where` does not exist on the engine's host",
            ),
            (404, "No such container: w", "Dependency instance-not-found: cannot start `w`: No such container: w"),
            (404, "network 0a1b not found", "Dependency network-not-found: cannot start `w`: network 0a1b not found"),
            (404, "page not found", "Dependency not-found: cannot start `w`: page not found"),
            (
                409,
                "removal of container 12 is already in progress",
                "Deployment instance-busy transient: cannot start `w`: removal of container 12 is already in progress",
            ),
            (503, "", "Network engine-unavailable transient: cannot start `w`: the engine answered 503"),
            (502, "", "Network engine-unavailable transient unknown: cannot start `w`: the engine answered 502"),
            (
                500,
                "context deadline exceeded",
                "Timeout engine-timeout transient unknown: cannot start `w`: context deadline exceeded",
            ),
            (409, "not now", "Deployment engine-conflict: cannot start `w`: not now"),
            (500, "a\n\u{1b}[31mb\u{7}.", "Deployment engine-failed: cannot start `w`: a [31mb"),
            (500, "safe\u{202e}txt.exe\u{200b}", "Deployment engine-failed: cannot start `w`: safe txt.exe"),
        ];
        for (status, message, expected) in table {
            assert_eq!(summary(&refused(&call(Intent::Change, "start `w`"), status, message)), expected);
        }
    }

    #[test]
    fn a_change_that_broke_off_may_have_happened() {
        use io::ErrorKind as Kind;
        let table = [
            (Intent::Change, Kind::ConnectionReset, false, "Network engine-connection-broken transient unknown"),
            (Intent::Read, Kind::ConnectionReset, false, "Network engine-connection-broken transient"),
            (Intent::Change, Kind::ConnectionRefused, true, "Network engine-unreachable transient"),
            (Intent::Change, Kind::HostUnreachable, true, "Network engine-unreachable transient"),
            (Intent::Change, Kind::PermissionDenied, true, "Permission engine-forbidden"),
        ];
        for (intent, kind, is_connect, expected) in table {
            let summary = summary(&broken(&call(intent, "x"), Some(kind), is_connect, "why"));
            assert_eq!(summary.split(": ").next(), Some(expected));
        }
        assert!(timed_out(&call(Intent::Change, "x")).is_outcome_unknown);
        assert!(!timed_out(&call(Intent::Read, "x")).is_outcome_unknown);
    }

    #[test]
    fn messages_are_bounded() {
        assert_eq!(clean(&"ä".repeat(400)).chars().count(), MESSAGE_LENGTH + 1);
    }
}
