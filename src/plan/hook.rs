use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CommandLine, form, is_default};
use crate::secret::Text;

/// A command that runs inside the container after its start, or before its stop.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Hook {
    /// A list, or a line that is split as a shell would.
    pub command: CommandLine,
    /// The user to run as; the container's by default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub privileged: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub working_dir: Option<String>,
    /// Variables beside those of the container.
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "form::map_or_list")]
    #[schemars(schema_with = "form::map_or_list_schema")]
    pub environment: BTreeMap<String, Option<Text>>,
}

impl Hook {
    /// Every text in it that may be secret.
    pub fn texts(&self) -> impl Iterator<Item = &Text> {
        self.command.0.iter().chain(self.environment.values().flatten())
    }

    /// Hands every text that may be secret to `visit`.
    pub fn visit_texts(&mut self, visit: &mut dyn FnMut(&mut Text)) {
        self.command.0.iter_mut().chain(self.environment.values_mut().flatten()).for_each(visit);
    }
}
