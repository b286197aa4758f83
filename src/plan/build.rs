use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    ByteSize, FileReference, Ulimit, Word,
    form::{self, ShortOrLong},
    is_default,
};
use crate::secret::Text;

/// How the service's image is built. In a document, the context alone is short for it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "ShortOrLong<BuildLong>")]
pub struct Build(pub BuildLong);

/// A build, written out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
#[schemars(rename = "Build")]
pub struct BuildLong {
    /// The directory or repository that it is built from; `.` by default.
    #[serde(skip_serializing_if = "is_default")]
    pub context: Option<String>,
    /// The Dockerfile, from the context; `Dockerfile` by default.
    #[serde(skip_serializing_if = "is_default")]
    pub dockerfile: Option<String>,
    /// The Dockerfile itself.
    #[serde(skip_serializing_if = "is_default")]
    pub dockerfile_inline: Option<String>,
    /// Build arguments. One without a value is passed on from where `orchestrate` runs.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::map_or_list")]
    #[schemars(schema_with = "form::map_or_list_schema")]
    pub args: BTreeMap<String, Option<Text>>,
    /// The stage that is built; the last by default.
    #[serde(skip_serializing_if = "is_default")]
    pub target: Option<String>,
    /// SSH agents and keys, as in `default` or `key=path`.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::plain_map_or_list")]
    #[schemars(schema_with = "form::map_or_list_schema")]
    pub ssh: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_default")]
    pub cache_from: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub cache_to: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub no_cache: bool,
    /// Stages that are built without the cache.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::one_or_many")]
    #[schemars(schema_with = "form::one_or_many_schema::<String>")]
    pub no_cache_filter: Vec<String>,
    /// Pulls the images that it starts from, also if they are there.
    #[serde(skip_serializing_if = "is_default")]
    pub pull: bool,
    /// The network that build commands are in.
    #[serde(skip_serializing_if = "is_default")]
    pub network: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub shm_size: Option<ByteSize>,
    /// Secrets of the plan that build commands may mount.
    #[serde(skip_serializing_if = "is_default")]
    pub secrets: Vec<FileReference>,
    /// Further names for the image.
    #[serde(skip_serializing_if = "is_default")]
    pub tags: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub platforms: Vec<String>,
    /// Labels of the image.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::plain_map_or_list")]
    #[schemars(schema_with = "form::map_or_list_schema")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::hosts")]
    #[schemars(schema_with = "form::hosts_schema")]
    pub extra_hosts: BTreeMap<String, String>,
    /// Further contexts by name.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::plain_map_or_list")]
    #[schemars(schema_with = "form::map_or_list_schema")]
    pub additional_contexts: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_default")]
    pub privileged: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub isolation: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub ulimits: BTreeMap<String, Ulimit>,
    /// What build commands may do beyond the usual, as in `network.host`.
    #[serde(skip_serializing_if = "is_default")]
    pub entitlements: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub provenance: Option<Word>,
    #[serde(skip_serializing_if = "is_default")]
    pub sbom: Option<Word>,
}

impl From<ShortOrLong<BuildLong>> for Build {
    fn from(document: ShortOrLong<BuildLong>) -> Self {
        match document {
            ShortOrLong::Short(context) => Self(BuildLong { context: Some(context), ..BuildLong::default() }),
            ShortOrLong::Long(long) => Self(long),
        }
    }
}

impl schemars::JsonSchema for Build {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ShortOrLongBuild".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        ShortOrLong::<BuildLong>::json_schema(generator)
    }
}
