use std::net::IpAddr;

use crate::plan::{Protocol, Subnet};

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

/// Addresses that are in use on an engine, or that its host reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRange {
    pub subnet: Subnet,
    pub holder: RangeHolder,
}

/// Who uses a range of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeHolder {
    /// A network of the engine, by its name there, and whose it seems to be.
    Network { name: String, owner: Option<String> },
    /// The host has a route to it.
    Host,
}
