use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{form, is_default};

/// How a network gives out addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Ipam {
    #[serde(skip_serializing_if = "is_default")]
    pub driver: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub config: Vec<Pool>,
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::plain_map_or_list")]
    #[schemars(schema_with = "form::scalar_map_schema")]
    pub options: BTreeMap<String, String>,
}

/// A range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
#[schemars(rename = "IpamPool")]
pub struct Pool {
    /// As in `172.28.0.0/16`.
    #[serde(skip_serializing_if = "is_default")]
    pub subnet: Option<String>,
    /// The part of it that containers get addresses from.
    #[serde(skip_serializing_if = "is_default")]
    pub ip_range: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub gateway: Option<String>,
    /// Addresses that the driver keeps for itself, by name.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::plain_map_or_list")]
    #[schemars(schema_with = "form::scalar_map_schema")]
    pub aux_addresses: BTreeMap<String, String>,
}
