use std::net::IpAddr;

use crate::plan::Protocol;

/// The engine behind a runtime.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct EngineFacts {
    /// What to call it in previews and prompts: `docker 20.10.24 at unix:///var/run/docker.sock`,
    /// `local processes`.
    pub name: String,
    /// The first number of its version, where one is known.
    pub major_version: Option<u32>,
    /// It runs on this host, so its containers' addresses and this host's paths mean the same to
    /// both.
    pub is_local: bool,
}

/// A port of the host that something listens on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    pub address: Option<IpAddr>,
    pub port: u16,
    pub protocol: Protocol,
    /// Who holds it, as far as it is known: a container's name, a program and its pid.
    pub holder: Option<String>,
}
