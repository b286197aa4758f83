use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{External, Ipam, Whole, form, is_default};

/// A network of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Network {
    /// Its name on the engine; `<project>_<key>` by default.
    #[serde(skip_serializing_if = "is_default")]
    pub name: Option<String>,
    /// The engine's network driver; `bridge` by default.
    #[serde(skip_serializing_if = "is_default")]
    pub driver: Option<String>,
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::plain_map_or_list")]
    #[schemars(schema_with = "form::scalar_map_schema")]
    pub driver_opts: BTreeMap<String, String>,
    /// No way out of it to other networks.
    #[serde(skip_serializing_if = "is_default")]
    pub internal: bool,
    /// Containers that are no services may join it; on a Swarm.
    #[serde(skip_serializing_if = "is_default")]
    pub attachable: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub enable_ipv4: Option<bool>,
    #[serde(skip_serializing_if = "is_default")]
    pub enable_ipv6: Option<bool>,
    /// How it gives out addresses.
    #[serde(skip_serializing_if = "is_default")]
    pub ipam: Option<Box<Ipam>>,
    /// It exists already, and is neither made nor changed.
    #[serde(skip_serializing_if = "is_default")]
    pub external: External,
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::plain_map_or_list")]
    #[schemars(schema_with = "form::map_or_list_schema")]
    pub labels: BTreeMap<String, String>,
}

/// How a service joins a network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct NetworkAttachment {
    /// Names that it answers to there, beside the service's own.
    #[serde(skip_serializing_if = "is_default")]
    pub aliases: BTreeSet<String>,
    /// The address it is to have there; the network needs a `subnet` that it lies in.
    #[serde(skip_serializing_if = "is_default")]
    pub ipv4_address: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub ipv6_address: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub link_local_ips: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub mac_address: Option<String>,
    /// The network with the highest is joined first; 0 by default.
    #[serde(skip_serializing_if = "is_default")]
    pub priority: Whole,
    /// The network with the highest is the way out; engines before 28 decide themselves.
    #[serde(skip_serializing_if = "is_default")]
    pub gw_priority: Option<Whole>,
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::plain_map_or_list")]
    #[schemars(schema_with = "form::scalar_map_schema")]
    pub driver_opts: BTreeMap<String, String>,
    /// What the interface is called inside the container; engines before 28 decide themselves.
    #[serde(skip_serializing_if = "is_default")]
    pub interface_name: Option<String>,
}
