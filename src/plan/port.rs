use std::{fmt, net::IpAddr, ops::RangeInclusive, str::FromStr};

use serde::{Deserialize, Serialize, de};

use super::{form::ShortOrLong, is_default};

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// One port of the container that is published on the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Port {
    /// The port inside the container.
    pub target: u16,
    /// The port on the host; the engine picks one if there is none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub published: Option<u16>,
    /// The last port on the host that it may be: the engine picks a free one from `published` on.
    #[serde(default, skip_serializing_if = "is_default")]
    pub published_to: Option<u16>,
    /// The host's address; all of them if there is none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub host_ip: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub protocol: Protocol,
}

impl Port {
    /// The port on the host, if the engine has no choice.
    pub fn fixed(&self) -> Option<u16> {
        self.published.filter(|_| self.published_to.is_none())
    }
}

/// A port as it may be written: with a range, short, or with its published port as text.
#[derive(Deserialize, schemars::JsonSchema)]
#[schemars(rename = "Port")]
pub(super) struct PortLong {
    /// The port inside the container.
    target: u16,
    /// The port on the host, or a range that the engine picks one of; any if there is none.
    #[serde(default)]
    published: Option<PublishedPort>,
    /// The host's address; all of them if there is none.
    #[serde(default)]
    host_ip: Option<IpAddr>,
    #[serde(default)]
    protocol: Protocol,
}

/// A port on the host, or a range of them as `8000-8010`. `None` is an empty text, which a variable
/// that is not set leaves.
pub struct PublishedPort(Option<RangeInclusive<u16>>);

impl FromStr for PublishedPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text.is_empty(), range(text)) {
            (true, _) => Ok(Self(None)),
            (false, Some(ports)) => Ok(Self(Some(ports))),
            (false, None) => {
                Err(format!("`{text}` is not a port: a number from 1 to 65535, or a range as `8000-8010`"))
            }
        }
    }
}

impl<'de> Deserialize<'de> for PublishedPort {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::form::parsed(deserializer)
    }
}

impl schemars::JsonSchema for PublishedPort {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PublishedPort".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "integer"], "format": "published-port" })
    }
}

/// More than there are ports, with both protocols.
const MOST_PORTS: usize = 131_072;

/// A list of ports in any form; a range gives several.
pub(super) fn ports<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Port>, D::Error> {
    struct Visitor;

    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Vec<Port>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a list of ports")
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Port>, A::Error> {
            // Counted before they are made: a short text may stand for all ports there are.
            let mut short = Vec::new();
            let mut count = 0;
            while let Some(Several(several)) = list.next_element()? {
                count += several.targets.len();
                if count > MOST_PORTS {
                    return Err(de::Error::custom("there are not as many ports as these"));
                }
                short.push(several);
            }
            let ports = short.into_iter().flat_map(ShortPorts::expand).collect();
            Ok(ports)
        }
    }

    deserializer.deserialize_seq(Visitor)
}

#[derive(Deserialize)]
#[serde(try_from = "ShortOrLong<PortLong>")]
struct Several(ShortPorts);

impl TryFrom<ShortOrLong<PortLong>> for Several {
    type Error = PortError;

    fn try_from(document: ShortOrLong<PortLong>) -> Result<Self, PortError> {
        match document {
            ShortOrLong::Short(text) => text.parse().map(Self),
            ShortOrLong::Long(PortLong { target, published, host_ip, protocol }) => {
                let published = published.and_then(|port| port.0);
                Ok(Self(ShortPorts { host_ip, published, targets: target..=target, protocol }))
            }
        }
    }
}

/// The schema of [`ports`].
pub(super) fn ports_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let long = generator.subschema_for::<PortLong>();
    schemars::json_schema!({
        "type": "array",
        "items": { "anyOf": [{ "type": ["string", "integer"], "format": "port-mapping" }, long] }
    })
}

/// Why a text is not a port mapping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    #[error("`{text}` is not a port mapping: write it as in `8080:80`, `127.0.0.1:8080:80/udp` or `80`")]
    Form { text: String },
    #[error("`{text}` is not a port: write it as in `80` or `53/udp`")]
    Exposed { text: String },
    #[error("`{text}` maps {host} host ports to {container} container ports")]
    Ranges { text: String, host: usize, container: usize },
}

/// A short form, read and not expanded yet: what it says may be thousands of ports.
struct ShortPorts {
    host_ip: Option<IpAddr>,
    published: Option<RangeInclusive<u16>>,
    targets: RangeInclusive<u16>,
    protocol: Protocol,
}

impl FromStr for ShortPorts {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        let error = || PortError::Form { text: text.to_owned() };
        let (ports, protocol) = match text.rsplit_once('/') {
            None => (text, Protocol::Tcp),
            Some((ports, "tcp")) => (ports, Protocol::Tcp),
            Some((ports, "udp")) => (ports, Protocol::Udp),
            Some((ports, "sctp")) => (ports, Protocol::Sctp),
            Some(_) => return Err(error()),
        };
        let (rest, target) = match ports.rsplit_once(':') {
            Some((rest, target)) => (Some(rest), target),
            None => (None, ports),
        };
        let (host_ip, published) =
            match rest.map(|rest| rest.rsplit_once(':').map_or((None, rest), |(ip, port)| (Some(ip), port))) {
                None => (None, ""),
                Some((ip, published)) => (ip, published),
            };
        let host_ip = match host_ip {
            None | Some("") => None,
            Some(ip) => Some(ip.trim_matches(['[', ']']).parse().map_err(|_| error())?),
        };
        let targets = range(target).ok_or_else(error)?;
        if published.is_empty() {
            return Ok(Self { host_ip, published: None, targets, protocol });
        }
        let published = range(published).ok_or_else(error)?;
        if targets.len() > 1 && published.len() != targets.len() {
            return Err(PortError::Ranges { text: text.to_owned(), host: published.len(), container: targets.len() });
        }
        Ok(Self { host_ip, published: Some(published), targets, protocol })
    }
}

impl ShortPorts {
    fn expand(self) -> Vec<Port> {
        let Self { host_ip, published, targets, protocol } = self;
        let port = |target, published| Port { target, published, published_to: None, host_ip, protocol };
        match published {
            Some(choice) if targets.len() == 1 && choice.len() > 1 => {
                vec![Port { published_to: Some(*choice.end()), ..port(*targets.start(), Some(*choice.start())) }]
            }
            Some(published) => {
                targets.zip(published).map(|(target, published)| port(target, Some(published))).collect()
            }
            None => targets.map(|target| port(target, None)).collect(),
        }
    }
}

impl Port {
    /// Reads Compose's short form; a range gives several ports.
    ///
    /// # Errors
    /// If the text has another form, or two ranges of different length.
    pub fn parse_short(text: &str) -> Result<Vec<Self>, PortError> {
        text.parse().map(ShortPorts::expand)
    }

    /// How many ports a short form stands for.
    ///
    /// # Errors
    /// As [`parse_short`](Self::parse_short).
    pub fn count_short(text: &str) -> Result<usize, PortError> {
        text.parse().map(|ports: ShortPorts| ports.targets.len())
    }
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    (first > 0 && first <= last).then_some(first..=last)
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host_ip {
            Some(IpAddr::V4(ip)) => write!(f, "{ip}:")?,
            Some(IpAddr::V6(ip)) => write!(f, "[{ip}]:")?,
            None => {}
        }
        match (self.published, self.published_to, self.host_ip) {
            (Some(first), Some(last), _) => write!(f, "{first}-{last}:")?,
            (Some(published), None, _) => write!(f, "{published}:")?,
            (None, _, Some(_)) => f.write_str(":")?,
            (None, _, None) => {}
        }
        write!(f, "{}", self.target)?;
        match self.protocol {
            Protocol::Tcp => Ok(()),
            Protocol::Udp | Protocol::Sctp => write!(f, "/{}", self.protocol.as_str()),
        }
    }
}

/// A port that a service listens on, as `80` or `53/udp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExposedPort {
    pub port: u16,
    pub protocol: Protocol,
}

impl ExposedPort {
    /// The port of the host that a process takes that listens there itself.
    pub fn on_host(self) -> Port {
        Port {
            target: self.port,
            published: Some(self.port),
            published_to: None,
            host_ip: None,
            protocol: self.protocol,
        }
    }
}

/// Whether two that listen on these addresses of the host meet; without one it is all of them.
pub fn is_one_address(one: Option<IpAddr>, other: Option<IpAddr>) -> bool {
    let is_everywhere = |address: Option<IpAddr>| address.is_none_or(|address| address.is_unspecified());
    is_everywhere(one) || is_everywhere(other) || one == other
}

impl FromStr for ExposedPort {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        match text.parse() {
            Ok(ShortPorts { host_ip: None, published: None, targets, protocol }) if targets.len() == 1 => {
                Ok(Self { port: *targets.start(), protocol })
            }
            Ok(_) | Err(_) => Err(PortError::Exposed { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for ExposedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.port, self.protocol.as_str())
    }
}

impl Serialize for ExposedPort {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ExposedPort {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::form::parsed(deserializer)
    }
}

impl schemars::JsonSchema for ExposedPort {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ExposedPort".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "integer"], "format": "port" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_read_as_in_compose() {
        let table = [
            ("80", "80"),
            ("8080:80", "8080:80"),
            ("127.0.0.1:8080:80/udp", "127.0.0.1:8080:80/udp"),
            ("127.0.0.1::80", "127.0.0.1::80"),
            ("[::1]:8080:80", "[::1]:8080:80"),
            ("3000-3001:80-81", "3000:80 3001:81"),
            ("3000-3001:80", "3000-3001:80"),
            (":8080:80", "8080:80"),
        ];
        for (text, expected) in table {
            let ports: Vec<String> = Port::parse_short(text).unwrap().iter().map(Port::to_string).collect();
            assert_eq!(ports.join(" "), expected, "{text}");
        }
        assert_eq!(Port::count_short("1-65535"), Ok(65535));
        for text in ["", "0", "a:80", "80:", "8080:80/icmp", "1-2:80-82", "70000:80", "x:8080:80"] {
            assert!(Port::parse_short(text).is_err(), "{text:?}");
        }
    }
}
