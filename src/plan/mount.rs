use serde::{Deserialize, Serialize};

use super::{ByteSize, form::ShortOrLong, is_default};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MountKind {
    /// A named volume of the plan, or an anonymous one without a source.
    Volume,
    /// A file or directory of the host.
    Bind,
    /// A directory in memory.
    Tmpfs,
}

/// Something that is mounted into the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ShortOrLong<MountLong>")]
pub struct Mount {
    #[serde(rename = "type")]
    pub kind: MountKind,
    /// A volume's key, or a path on the host (absolute once loaded).
    #[serde(skip_serializing_if = "is_default")]
    pub source: Option<String>,
    /// The path inside the container.
    pub target: String,
    #[serde(skip_serializing_if = "is_default")]
    pub read_only: bool,
    /// The most that a tmpfs may hold.
    #[serde(skip_serializing_if = "is_default")]
    pub size: Option<ByteSize>,
}

/// Why a text is not a mount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    #[error("`{text}` is not a mount: write it as in `data:/var/lib/data`, `./conf:/etc/conf:ro`")]
    Form { text: String },
    #[error("`{option}` is not a mount option that is supported: `ro` or `rw`")]
    Option { option: String },
    #[error("`{target}` is not an absolute path inside the container")]
    Target { target: String },
    #[error("a bind mount needs a `source`")]
    NoSource,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[schemars(rename = "Mount")]
pub(super) struct MountLong {
    #[serde(rename = "type")]
    kind: MountKind,
    /// A volume's key under `volumes`, or a path on the host.
    source: Option<String>,
    /// The path inside the container.
    target: String,
    #[serde(default)]
    read_only: bool,
    tmpfs: Option<TmpfsOptions>,
    #[schemars(skip)]
    size: Option<ByteSize>,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct TmpfsOptions {
    /// The most that it may hold.
    size: Option<ByteSize>,
}

impl TryFrom<ShortOrLong<MountLong>> for Mount {
    type Error = MountError;

    fn try_from(document: ShortOrLong<MountLong>) -> Result<Self, MountError> {
        let mount = match document {
            ShortOrLong::Short(text) => Self::parse_short(&text)?,
            ShortOrLong::Long(long) => Self {
                kind: long.kind,
                source: long.source,
                target: long.target,
                read_only: long.read_only,
                size: long.size.or(long.tmpfs.and_then(|tmpfs| tmpfs.size)),
            },
        };
        if !mount.target.starts_with('/') {
            return Err(MountError::Target { target: mount.target });
        }
        match (mount.kind, &mount.source) {
            (MountKind::Bind, None) => Err(MountError::NoSource),
            (MountKind::Bind | MountKind::Volume | MountKind::Tmpfs, _) => Ok(mount),
        }
    }
}

impl std::str::FromStr for Mount {
    type Err = MountError;

    fn from_str(text: &str) -> Result<Self, MountError> {
        Self::try_from(ShortOrLong::Short(text.to_owned()))
    }
}

impl Mount {
    /// Reads Compose's short form: a source with a `/`, `.` or `~` in front is a path.
    ///
    /// # Errors
    /// If the text has another form or an option that is not supported.
    pub fn parse_short(text: &str) -> Result<Self, MountError> {
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, options) = match *parts.as_slice() {
            [target] => (None, target, ""),
            [source, target] => (Some(source), target, ""),
            [source, target, options] => (Some(source), target, options),
            _ => return Err(MountError::Form { text: text.to_owned() }),
        };
        if target.is_empty() || source == Some("") {
            return Err(MountError::Form { text: text.to_owned() });
        }
        let mut read_only = false;
        for option in options.split(',').filter(|option| !option.is_empty()) {
            match option {
                "ro" => read_only = true,
                "rw" => read_only = false,
                other => return Err(MountError::Option { option: other.to_owned() }),
            }
        }
        let is_path = source.is_some_and(|source| source.starts_with(['/', '.', '~']));
        Ok(Self {
            kind: if is_path { MountKind::Bind } else { MountKind::Volume },
            source: source.map(str::to_owned),
            target: target.to_owned(),
            read_only,
            size: None,
        })
    }
}

impl schemars::JsonSchema for Mount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ShortOrLongMount".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let long = generator.subschema_for::<MountLong>();
        schemars::json_schema!({ "anyOf": [{ "type": "string", "format": "mount" }, long] })
    }
}

/// A directory in memory, as `/path` or `/path:size=64m,mode=1777`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Tmpfs(pub String);

impl Tmpfs {
    /// The path and the mount options.
    pub fn split(&self) -> (&str, &str) {
        self.0.split_once(':').unwrap_or((&self.0, ""))
    }
}
