use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{form, is_default};

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
    /// It exists already, and is neither made nor changed.
    #[serde(skip_serializing_if = "is_default")]
    pub external: bool,
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
}
