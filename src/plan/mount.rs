use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    ByteSize, FileMode, OnChange, Word,
    file_reference::write_mode,
    form::{self, ShortOrLong},
    is_default,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MountKind {
    /// A named volume of the plan, or an anonymous one without a source.
    Volume,
    /// A file or directory of the host.
    Bind,
    /// A directory in memory.
    Tmpfs,
    /// What an image holds; engines before 28 do not know it.
    Image,
    /// A named pipe of Windows.
    Npipe,
    /// A volume of a Swarm's cluster.
    Cluster,
}

/// How a file or directory of the host is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct BindOptions {
    /// How mounts below it spread: `rprivate` by default.
    #[serde(skip_serializing_if = "is_default")]
    pub propagation: Option<Propagation>,
    /// Makes a directory of it if there is nothing; `false` by default.
    #[serde(skip_serializing_if = "is_default")]
    pub create_host_path: bool,
    /// Whether mounts below it are mounted with it, and how: `enabled`, `disabled`, `writable`, `readonly`.
    #[serde(skip_serializing_if = "is_default")]
    pub recursive: Option<Recursive>,
    /// Labels it for SELinux: `z` shared, `Z` private.
    #[serde(skip_serializing_if = "is_default")]
    pub selinux: Option<Selinux>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Propagation {
    Private,
    Rprivate,
    Shared,
    Rshared,
    Slave,
    Rslave,
}

impl Propagation {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Rprivate => "rprivate",
            Self::Shared => "shared",
            Self::Rshared => "rshared",
            Self::Slave => "slave",
            Self::Rslave => "rslave",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let all = [Self::Private, Self::Rprivate, Self::Shared, Self::Rshared, Self::Slave, Self::Rslave];
        all.into_iter().find(|propagation| propagation.as_str() == name)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recursive {
    Enabled,
    Disabled,
    Writable,
    Readonly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Selinux {
    #[serde(rename = "z")]
    Shared,
    #[serde(rename = "Z")]
    Private,
}

/// How a volume is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct VolumeOptions {
    /// What the image has at the target is not copied into an empty volume.
    #[serde(skip_serializing_if = "is_default")]
    pub nocopy: bool,
    /// A directory of the volume; engines before 26 mount the whole.
    #[serde(skip_serializing_if = "is_default")]
    pub subpath: Option<String>,
    /// Labels of an anonymous volume.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::plain_map_or_list")]
    #[schemars(schema_with = "form::map_or_list_schema")]
    pub labels: BTreeMap<String, String>,
}

/// How an image is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct ImageOptions {
    /// A directory of the image.
    #[serde(skip_serializing_if = "is_default")]
    pub subpath: Option<String>,
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
    /// The mode of a tmpfs.
    #[serde(skip_serializing_if = "is_default", serialize_with = "write_mode")]
    pub mode: Option<u32>,
    #[serde(skip_serializing_if = "is_default")]
    pub bind: BindOptions,
    #[serde(skip_serializing_if = "is_default")]
    pub volume: VolumeOptions,
    #[serde(skip_serializing_if = "is_default")]
    pub image: ImageOptions,
    /// What happens when only the contents of the file that is bound change. With it, what is
    /// mounted is a copy that each deployment brings up to date.
    #[serde(skip_serializing_if = "is_default")]
    pub on_change: Option<OnChange>,
    /// What is in a file with `on_change`. Filled in by `load`.
    #[serde(skip_serializing_if = "is_default")]
    pub content: Option<String>,
}

/// Why a text is not a mount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    #[error("`{text}` is not a mount: write it as in `data:/var/lib/data`, `./conf:/etc/conf:ro`")]
    Form { text: String },
    #[error("`{option}` is not a mount option: `ro`, `rw`, `z`, `Z`, `nocopy` or a propagation such as `rslave`")]
    Option { option: String },
    #[error("`{target}` is not an absolute path inside the container")]
    Target { target: String },
    #[error("a mount of this type needs a `source`")]
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
    #[serde(default)]
    bind: BindOptions,
    #[serde(default)]
    volume: VolumeOptions,
    #[serde(default)]
    image: ImageOptions,
    /// What happens when only the contents of the file that is bound change: it is mounted as a
    /// copy then, read-only. By default it is mounted itself, and its contents are not looked at.
    on_change: Option<OnChange>,
    /// Has no effect: engines on Linux are always consistent.
    #[serde(rename = "consistency")]
    _consistency: Option<Word>,
    #[schemars(skip)]
    size: Option<ByteSize>,
    #[schemars(skip)]
    mode: Option<FileMode>,
    #[schemars(skip)]
    content: Option<String>,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct TmpfsOptions {
    /// The most that it may hold.
    size: Option<ByteSize>,
    /// Its mode, in octal, as in `01777`.
    mode: Option<FileMode>,
}

impl TryFrom<ShortOrLong<MountLong>> for Mount {
    type Error = MountError;

    fn try_from(document: ShortOrLong<MountLong>) -> Result<Self, MountError> {
        let mount = match document {
            ShortOrLong::Short(text) => Self::parse_short(&text)?,
            ShortOrLong::Long(long) => {
                let (size, mode) = long.tmpfs.map_or((None, None), |tmpfs| (tmpfs.size, tmpfs.mode));
                Self {
                    kind: long.kind,
                    source: long.source,
                    target: long.target,
                    read_only: long.read_only,
                    size: long.size.or(size),
                    mode: long.mode.or(mode).map(|mode| mode.0),
                    bind: long.bind,
                    volume: long.volume,
                    image: long.image,
                    on_change: long.on_change,
                    content: long.content,
                }
            }
        };
        if !mount.target.starts_with('/') && !is_windows_path(&mount.target) {
            return Err(MountError::Target { target: mount.target });
        }
        match (mount.kind, &mount.source) {
            (MountKind::Bind | MountKind::Image | MountKind::Npipe | MountKind::Cluster, None) => {
                Err(MountError::NoSource)
            }
            (MountKind::Bind | MountKind::Image | MountKind::Npipe | MountKind::Cluster, Some(_))
            | (MountKind::Volume | MountKind::Tmpfs, _) => Ok(mount),
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
        let parts = parts(text);
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
        let (mut bind, mut volume) = (BindOptions::default(), VolumeOptions::default());
        for option in options.split(',').filter(|option| !option.is_empty()) {
            match option {
                "ro" => read_only = true,
                "rw" => read_only = false,
                "z" => bind.selinux = Some(Selinux::Shared),
                "Z" => bind.selinux = Some(Selinux::Private),
                "nocopy" => volume.nocopy = true,
                "cached" | "delegated" | "consistent" => {}
                other => match Propagation::named(other) {
                    Some(propagation) => bind.propagation = Some(propagation),
                    None => return Err(MountError::Option { option: other.to_owned() }),
                },
            }
        }
        let is_path = source.is_some_and(|source| source.starts_with(['/', '.', '~']) || is_windows_path(source));
        Ok(Self {
            kind: if is_path { MountKind::Bind } else { MountKind::Volume },
            source: source.map(str::to_owned),
            target: target.to_owned(),
            read_only,
            size: None,
            mode: None,
            bind,
            volume,
            image: ImageOptions::default(),
            on_change: None,
            content: None,
        })
    }
}

/// Whether a path is absolute on Windows: `C:\data`, `c:/data`, `\\.\pipe\name`.
pub fn is_windows_path(path: &str) -> bool {
    let drive = path.strip_prefix(|c: char| c.is_ascii_alphabetic()).and_then(|rest| rest.strip_prefix(':'));
    path.starts_with("\\\\") || drive.is_some_and(|rest| rest.starts_with(['\\', '/']))
}

/// The parts of a short form. A drive of Windows stays with its path: before a `\`, and before a `/`
/// where another path follows, since `d:/data` alone is a volume.
fn parts(text: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.find(':') {
        let after = &rest[end + 1..];
        let is_letter = end == 1 && rest.starts_with(|c: char| c.is_ascii_alphabetic());
        let is_before_path =
            after.split_once(':').is_some_and(|(_, next)| next.starts_with('/') || is_windows_path(next));
        let is_drive = is_letter && (after.starts_with('\\') || (after.starts_with('/') && is_before_path));
        let end = match is_drive {
            true => match after.find(':') {
                Some(next) => end + 1 + next,
                None => break,
            },
            false => end,
        };
        parts.push(&rest[..end]);
        rest = &rest[end + 1..];
    }
    parts.push(rest);
    parts
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
