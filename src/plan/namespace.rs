use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::name::ServiceName;

/// Whose container something is shared with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// A service of the plan: its first instance.
    Service(ServiceName),
    /// Any container of the engine, by name or id.
    Container(String),
}

/// A namespace that a container has: one of the engine's modes, or that of another container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Namespace {
    Of(Peer),
    /// `host`, `none`, `private`, `shareable`, or whatever the engine knows by that word.
    Mode(String),
}

impl Namespace {
    /// The service that it is shared with.
    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::Of(Peer::Service(name)) => Some(name),
            Self::Of(Peer::Container(_)) | Self::Mode(_) => None,
        }
    }
}

impl FromStr for Namespace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("service", name)) => name.parse().map(|name| Self::Of(Peer::Service(name))).map_err(|_| bad(text)),
            Some(("container", "")) => Err(bad(text)),
            Some(("container", name)) => Ok(Self::Of(Peer::Container(name.to_owned()))),
            Some(_) => Err(bad(text)),
            None if text.is_empty() => Err(bad(text)),
            None => Ok(Self::Mode(text.to_owned())),
        }
    }
}

fn bad(text: &str) -> String {
    format!("`{text}` is not a mode: one of the engine's words such as `host`, `service:NAME` or `container:NAME`")
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(name) => write!(f, "service:{name}"),
            Self::Container(name) => write!(f, "container:{name}"),
        }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(peer) => peer.fmt(f),
            Self::Mode(mode) => f.write_str(mode),
        }
    }
}

/// Volumes of another container that are mounted as they are there: `service[:ro]`,
/// `container:NAME[:ro]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VolumesFrom {
    pub peer: Peer,
    pub read_only: bool,
}

impl FromStr for VolumesFrom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not a source of volumes: `SERVICE[:ro]` or `container:NAME[:ro]`");
        let (source, mode) = match text.strip_prefix("container:") {
            Some(rest) => match rest.split_once(':') {
                Some((name, mode)) => (Peer::Container(name.to_owned()), Some(mode)),
                None => (Peer::Container(rest.to_owned()), None),
            },
            None => {
                let (name, mode) = text.split_once(':').map_or((text, None), |(name, mode)| (name, Some(mode)));
                (Peer::Service(name.parse().map_err(|_| bad())?), mode)
            }
        };
        match mode {
            None | Some("rw") => Ok(Self { peer: source, read_only: false }),
            Some("ro") => Ok(Self { peer: source, read_only: true }),
            Some(_) => Err(bad()),
        }
    }
}

impl fmt::Display for VolumesFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.peer {
            Peer::Service(name) => write!(f, "{name}")?,
            Peer::Container(name) => write!(f, "container:{name}")?,
        }
        if self.read_only { f.write_str(":ro") } else { Ok(()) }
    }
}

/// Another service by a name of one's own: `SERVICE[:ALIAS]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    pub service: ServiceName,
    pub alias: Option<String>,
}

impl FromStr for Link {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, alias) = text.split_once(':').map_or((text, None), |(name, alias)| (name, Some(alias)));
        match name.parse() {
            Ok(service) if alias != Some("") => Ok(Self { service, alias: alias.map(str::to_owned) }),
            Ok(_) | Err(_) => Err(format!("`{text}` is not a link: write it as in `db` or `db:database`")),
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.alias {
            Some(alias) => write!(f, "{}:{alias}", self.service),
            None => write!(f, "{}", self.service),
        }
    }
}

macro_rules! text {
    ($type:ident, $format:literal) => {
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                super::form::parsed(deserializer)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "format": $format })
            }
        }
    };
}

text!(Namespace, "namespace");
text!(VolumesFrom, "volumes-from");
text!(Link, "link");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_reads_as_it_is_written() {
        for text in ["host", "service:db", "container:abc", "shareable"] {
            assert_eq!(text.parse::<Namespace>().unwrap().to_string(), text);
        }
        for text in ["db", "db:ro", "container:abc", "container:abc:ro"] {
            assert_eq!(text.parse::<VolumesFrom>().unwrap().to_string(), text);
        }
        for text in ["db", "db:database"] {
            assert_eq!(text.parse::<Link>().unwrap().to_string(), text);
        }
        assert!(["", "service:", "container:", "ns:/a"].iter().all(|text| text.parse::<Namespace>().is_err()));
        assert!("db:rx".parse::<VolumesFrom>().is_err() && "db:".parse::<Link>().is_err());
    }
}
