use std::{fmt, net::IpAddr, str::FromStr};

use crate::{diagnostic::Class, observed::Fault};

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineAddress {
    /// A socket's path.
    Unix(String),
    /// Plain HTTP; without a port, 2375.
    Tcp { host: String, port: u16 },
}

/// The port of an engine that speaks plain HTTP.
const PLAIN_PORT: u16 = 2375;

impl EngineAddress {
    /// Where an engine listens unless something says otherwise.
    pub const DEFAULT: &str = "unix:///var/run/docker.sock";

    /// Whether the engine runs on this host.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp { host, .. } => {
                host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

impl FromStr for EngineAddress {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(not_an_address(text));
        };
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(rest.to_owned())),
            "tcp" | "http" => host_and_port(rest).ok_or_else(|| not_an_address(text)),
            "ssh" | "https" => Err(Fault::new(
                Class::Configuration,
                "engine-address-unsupported",
                format!("`{text}` is not supported"),
            )
            .hint(
                "forward the engine's socket (`ssh -L /tmp/docker.sock:/var/run/docker.sock …`) \
                         and name it: `unix:///tmp/docker.sock`",
            )),
            _ => Err(not_an_address(text)),
        }
    }
}

fn host_and_port(text: &str) -> Option<EngineAddress> {
    let text = text.trim_end_matches('/');
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':')?)),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || !host.chars().all(is_name) {
        return None;
    }
    let port = port.map_or(Some(PLAIN_PORT), |port| port.parse().ok())?;
    Some(EngineAddress::Tcp { host: host.to_owned(), port })
}

fn not_an_address(text: &str) -> Fault {
    let summary = format!("`{text}` is not an engine's address");
    Fault::new(Class::Configuration, "engine-address-invalid", summary)
        .hint("write it as in `unix:///var/run/docker.sock` or `tcp://host:2375`")
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{path}"),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_and_write_as_in_docker_host() {
        let table = [
            ("unix:///run/docker.sock", "unix:///run/docker.sock", true),
            ("tcp://127.0.0.1:2375", "tcp://127.0.0.1:2375", true),
            ("tcp://localhost", "tcp://localhost:2375", true),
            ("http://build.example:80/", "tcp://build.example:80", false),
            ("tcp://[::1]:2375", "tcp://[::1]:2375", true),
        ];
        for (text, canonical, is_local) in table {
            let address: EngineAddress = text.parse().unwrap();
            assert_eq!((address.to_string().as_str(), address.is_local()), (canonical, is_local), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_dialled_is_refused() {
        let table = [
            ("ssh://host", "engine-address-unsupported"),
            ("https://host:2376", "engine-address-unsupported"),
            ("unix://relative", "engine-address-invalid"),
            ("/var/run/docker.sock", "engine-address-invalid"),
            ("tcp://", "engine-address-invalid"),
            ("tcp://host:x", "engine-address-invalid"),
            ("npipe:////./pipe/docker_engine", "engine-address-invalid"),
        ];
        for (text, code) in table {
            assert_eq!(text.parse::<EngineAddress>().unwrap_err().code, code, "{text}");
        }
    }
}
