use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Rollback, RuntimeKind, Service, form::ShortOrLong, is_default};
use crate::name::EnvironmentName;

/// A file of `NAME=value` lines. In a document, the path alone is short for `{path: …}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(from = "ShortOrLong<EnvFileLong>")]
#[schemars(rename = "ShortOrLongEnvFile")]
pub struct EnvFile {
    pub path: String,
    pub required: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub format: EnvFileFormat,
}

/// How an env file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnvFileFormat {
    /// Quotes around a value are not part of it.
    #[default]
    Quoted,
    /// All after the `=` is the value.
    Raw,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[schemars(rename = "EnvFile")]
struct EnvFileLong {
    /// The file's path, from the directory of the file that names it.
    path: String,
    /// Whether it has to exist.
    #[serde(default = "yes")]
    required: bool,
    /// `raw` takes all after the `=` as the value.
    #[serde(default)]
    format: EnvFileFormat,
}

fn yes() -> bool {
    true
}

impl From<ShortOrLong<EnvFileLong>> for EnvFile {
    fn from(document: ShortOrLong<EnvFileLong>) -> Self {
        match document {
            ShortOrLong::Short(path) => Self { path, required: true, format: EnvFileFormat::default() },
            ShortOrLong::Long(EnvFileLong { path, required, format }) => Self { path, required, format },
        }
    }
}

/// Where an environment gets a secret from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file, from the environment file's directory; one newline at its end is not part of it.
    File(String),
}

impl schemars::JsonSchema for SecretSource {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretSource".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Where a secret comes from: exactly one of these.",
            "type": "object",
            "properties": {
                "env": { "description": "An environment variable.", "type": "string" },
                "file": {
                    "description": "A file, from the environment file's directory; one newline at its end is not part of it.",
                    "type": "string"
                }
            },
            "minProperties": 1,
            "maxProperties": 1
        })
    }
}

/// What runs an environment's services.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct TargetDocument {
    /// The runtime of services that name neither an image nor a runtime.
    #[serde(skip_serializing_if = "is_default")]
    pub runtime: Option<RuntimeKind>,
    /// The engine's address, as in `DOCKER_HOST`.
    #[serde(skip_serializing_if = "is_default")]
    pub host: Option<String>,
}

/// A named target: `environments/<name>.yaml`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Environment {
    /// Its name; the file's name without extension by default.
    #[serde(skip_serializing_if = "is_default")]
    pub name: Option<EnvironmentName>,
    /// Values of the plan's variables.
    #[serde(skip_serializing_if = "is_default")]
    pub vars: BTreeMap<String, serde_json::Value>,
    /// Where each of the plan's secrets comes from.
    #[serde(skip_serializing_if = "is_default")]
    pub secrets: BTreeMap<String, SecretSource>,
    #[serde(skip_serializing_if = "is_default")]
    pub target: TargetDocument,
    /// Runtime calls under way at most.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(range(min = 1, max = 1024))]
    pub parallelism: Option<usize>,
    #[serde(skip_serializing_if = "is_default")]
    pub rollback: Option<Rollback>,
    /// What is put over the plan's services, by Compose's merge rules.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "BTreeMap<String, Service>")]
    pub services: BTreeMap<String, serde_json::Value>,
}
