use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::{CommandLine, form, is_default};

/// A command that runs inside the container after its start, or before its stop. It stands in a
/// label of the container, so no secret may be in it: those of the container itself are at hand.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Hook {
    /// A list, or a line that is split as a shell would.
    #[serde(deserialize_with = "words")]
    #[schemars(with = "CommandLine")]
    pub command: Vec<String>,
    /// The user to run as; the container's by default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub privileged: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub working_dir: Option<String>,
    /// Variables beside those of the container.
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "form::plain_map_or_list")]
    #[schemars(schema_with = "form::map_or_list_schema")]
    pub environment: BTreeMap<String, String>,
}

fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let line = CommandLine::deserialize(deserializer)?;
    match line.0.iter().any(crate::secret::Text::is_secret) {
        true => Err(form::secret_refused()),
        false => Ok(line.expose()),
    }
}
