use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{External, form, is_default};

/// A named volume of the plan. It outlives its services, and is only removed when it is named.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Volume {
    /// Its name on the engine; `<project>_<key>` by default.
    #[serde(skip_serializing_if = "is_default")]
    pub name: Option<String>,
    /// The engine's volume driver; `local` by default.
    #[serde(skip_serializing_if = "is_default")]
    pub driver: Option<String>,
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::plain_map_or_list")]
    #[schemars(schema_with = "form::scalar_map_schema")]
    pub driver_opts: BTreeMap<String, String>,
    /// It exists already, and is neither made nor removed.
    #[serde(skip_serializing_if = "is_default")]
    pub external: External,
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::plain_map_or_list")]
    #[schemars(schema_with = "form::map_or_list_schema")]
    pub labels: BTreeMap<String, String>,
}
