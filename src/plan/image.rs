use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// An image's reference, as `[registry/]name[:tag][@digest]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageReference(Arc<str>);

/// Why a text is not an image's reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an image reference: write it as in `postgres:16` or `registry.example/name:tag`")]
pub struct ImageReferenceError {
    text: String,
}

impl ImageReferenceError {
    /// Says what is wrong with a reference of which a part is missing.
    pub fn of(incomplete: &ImageReference) -> Self {
        Self { text: incomplete.to_string() }
    }
}

impl ImageReference {
    /// The registry of references that name none.
    pub const HUB: &'static str = "docker.io";

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The reference without tag and digest, and the tag or digest to pull (`latest` if none).
    pub fn split(&self) -> (&str, &str) {
        let (tagged, digest) = match self.0.split_once('@') {
            Some((tagged, digest)) => (tagged, Some(digest)),
            None => (self.as_str(), None),
        };
        let last_slash = tagged.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match tagged[last_slash..].rfind(':') {
            Some(colon) => (&tagged[..last_slash + colon], &tagged[last_slash + colon + 1..]),
            None => (tagged, "latest"),
        };
        (name, digest.unwrap_or(tag))
    }
}

impl ImageReference {
    /// Whether all parts are there: a variable that is not set leaves `registry/name:`.
    pub fn is_complete(&self) -> bool {
        self.0.starts_with(|c: char| c.is_ascii_alphanumeric())
            && self.0.ends_with(|c: char| c.is_ascii_alphanumeric() || "._-".contains(c))
            && !self.0.contains("//")
    }

    /// Whether it names a digest, and so can only ever mean one image.
    pub fn is_pinned(&self) -> bool {
        self.0.contains('@')
    }

    /// The same with a digest; `None` if that is none.
    pub fn pinned(&self, digest: &str) -> Option<Self> {
        let is_digest = digest.split_once(':').is_some_and(|(_, digits)| digits.len() >= 32);
        format!("{self}@{digest}").parse().ok().filter(|_| is_digest)
    }

    /// The registry's host and port.
    pub fn registry(&self) -> &str {
        match self.0.split_once('/') {
            Some((first, _)) if first == "localhost" || first.contains(['.', ':']) => first,
            Some(_) | None => Self::HUB,
        }
    }
}

impl FromStr for ImageReference {
    type Err = ImageReferenceError;

    fn from_str(text: &str) -> Result<Self, ImageReferenceError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
        let sound = (1..=512).contains(&text.len()) && text.chars().all(allowed);
        match sound {
            true => Ok(Self(text.into())),
            false => Err(ImageReferenceError { text: text.to_owned() }),
        }
    }
}

impl TryFrom<String> for ImageReference {
    type Error = ImageReferenceError;

    fn try_from(text: String) -> Result<Self, ImageReferenceError> {
        text.parse()
    }
}

impl From<ImageReference> for String {
    fn from(image: ImageReference) -> String {
        image.0.as_ref().to_owned()
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl schemars::JsonSchema for ImageReference {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ImageReference".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "image-reference" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_splits_into_name_and_tag() {
        let split = |text: &str| {
            let image: ImageReference = text.parse().unwrap();
            let (name, tag) = image.split();
            (name.to_owned(), tag.to_owned())
        };
        assert_eq!(split("postgres"), ("postgres".into(), "latest".into()));
        assert_eq!(split("localhost:5000/a/b:1.2"), ("localhost:5000/a/b".into(), "1.2".into()));
        assert_eq!(split("localhost:5000/a"), ("localhost:5000/a".into(), "latest".into()));
        let registry = |text: &str| text.parse::<ImageReference>().unwrap().registry().to_owned();
        assert_eq!(registry("postgres:16"), "docker.io");
        assert_eq!(registry("team/app"), "docker.io");
        assert_eq!(registry("localhost/app"), "localhost");
        assert_eq!(registry("r.example/team/app:1"), "r.example");
        assert_eq!(registry("localhost:5000/a"), "localhost:5000");
        assert_eq!(split("a@sha256:00"), ("a".into(), "sha256:00".into()));
        assert_eq!(split("r:5000/a:1@sha256:00"), ("r:5000/a".into(), "sha256:00".into()));
        for text in ["", " a", "a b", "a\n"] {
            assert!(text.parse::<ImageReference>().is_err(), "{text:?}");
        }
        for text in ["a:", ":a", "/a:1", "-a", "a//b", "https://a"] {
            assert!(!text.parse::<ImageReference>().unwrap().is_complete(), "{text:?}");
        }
        assert!("r:5000/a:1".parse::<ImageReference>().unwrap().is_complete());
    }
}
