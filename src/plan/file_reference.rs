use serde::{Deserialize, Serialize};

use super::is_default;
use crate::secret::Text;

/// A config or secret of the plan as a file in the container. In a document, the name alone is
/// short for `{source: name}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(from = "FileReferenceDocument")]
pub struct FileReference {
    pub source: String,
    /// The file's path: absolute, or below `/` for a config and `/run/secrets` for a secret.
    #[serde(skip_serializing_if = "is_default")]
    pub target: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub uid: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub gid: Option<String>,
    /// The file's mode; `0444` by default.
    #[serde(skip_serializing_if = "is_default")]
    pub mode: Option<u32>,
    /// What tells one content from another: a config's digest, or the secret itself, which is
    /// fingerprinted before it is written down. Filled in by `load`.
    #[serde(skip_serializing_if = "is_default")]
    pub digest: Option<Text>,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "FileReference")]
enum FileReferenceDocument {
    Short(String),
    Long {
        /// The config's or secret's name.
        source: String,
        /// The file's path: absolute, or below `/` for a config and `/run/secrets` for a secret.
        target: Option<String>,
        uid: Option<String>,
        gid: Option<String>,
        /// The file's mode, as in `0444`.
        mode: Option<u32>,
        #[schemars(skip)]
        digest: Option<Text>,
    },
}

impl From<FileReferenceDocument> for FileReference {
    fn from(document: FileReferenceDocument) -> Self {
        match document {
            FileReferenceDocument::Short(source) => Self { source, ..Self::default() },
            FileReferenceDocument::Long { source, target, uid, gid, mode, digest } => {
                Self { source, target, uid, gid, mode, digest }
            }
        }
    }
}
