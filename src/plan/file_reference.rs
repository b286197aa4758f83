use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{OnChange, form::ShortOrLong, is_default};
use crate::secret::Text;

/// A config or secret of the plan as a file in the container. In a document, the name alone is
/// short for `{source: name}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(from = "ShortOrLong<FileReferenceLong>")]
#[schemars(rename = "ShortOrLongFileReference")]
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
    #[serde(skip_serializing_if = "is_default", serialize_with = "write_mode")]
    pub mode: Option<u32>,
    /// What happens when only its contents change; by default the instance is replaced.
    #[serde(skip_serializing_if = "is_default")]
    pub on_change: Option<OnChange>,
    /// What tells one content from another: a config's digest, or the secret itself, which is
    /// fingerprinted before it is written down. Filled in by `load`.
    #[serde(skip_serializing_if = "is_default")]
    pub digest: Option<Text>,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[schemars(rename = "FileReference")]
struct FileReferenceLong {
    /// The config's or secret's name.
    source: String,
    /// The file's path: absolute, or below `/` for a config and `/run/secrets` for a secret.
    target: Option<String>,
    uid: Option<String>,
    gid: Option<String>,
    /// The file's mode, in octal, as in `0444`.
    #[serde(default)]
    mode: Option<FileMode>,
    /// What happens when only its contents change; by default the instance is replaced.
    on_change: Option<OnChange>,
    #[schemars(skip)]
    digest: Option<Text>,
}

impl From<ShortOrLong<FileReferenceLong>> for FileReference {
    fn from(document: ShortOrLong<FileReferenceLong>) -> Self {
        match document {
            ShortOrLong::Short(source) => Self { source, ..Self::default() },
            ShortOrLong::Long(FileReferenceLong { source, target, uid, gid, mode, on_change, digest }) => {
                Self { source, target, uid, gid, mode: mode.map(|mode| mode.0), on_change, digest }
            }
        }
    }
}

/// The permission bits of a file, always written in octal: YAML itself would read `0444` as 444.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMode(pub u32);

impl FromStr for FileMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let octal = text.strip_prefix("0o").or_else(|| text.strip_prefix('0'));
        match octal.map(|octal| u32::from_str_radix(octal, 8)) {
            Some(Ok(mode)) if mode <= 0o7777 => Ok(Self(mode)),
            Some(_) | None => Err(format!("`{text}` is not a file mode: write it in octal, as in `0444`")),
        }
    }
}

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0{:03o}", self.0)
    }
}

impl<'de> Deserialize<'de> for FileMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::form::parsed(deserializer)
    }
}

impl schemars::JsonSchema for FileMode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FileMode".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "integer"], "format": "file-mode" })
    }
}

pub(super) fn write_mode<S: Serializer>(mode: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
    match mode {
        Some(mode) => serializer.collect_str(&FileMode(*mode)),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal() {
        let table = [("0444", 0o444), ("0o600", 0o600), ("04755", 0o4755)];
        for (text, mode) in table {
            assert_eq!(text.parse(), Ok(FileMode(mode)), "{text}");
        }
        for text in ["444", "", "0", "0999", "010000", "rw"] {
            assert!(text.parse::<FileMode>().is_err(), "{text}");
        }
        assert_eq!(FileMode(0o444).to_string().parse(), Ok(FileMode(0o444)));
    }
}
