//! Files and directories that only their owner can read, made and opened without following links.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::random_bytes;

/// Why the state directory, or a file in it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    #[error("there is no place for state: none of `ORCHESTRATE_STATE_DIR`, `XDG_STATE_HOME` and `HOME` is set")]
    NoHome,
    #[error("`{path}` cannot be {doing}")]
    Io { path: PathBuf, doing: &'static str, source: io::Error },
    #[error("`{path}` cannot be {doing}: its disk is full")]
    Full { path: PathBuf, doing: &'static str, source: io::Error },
    #[error("`{path}` belongs to user {owner}, and this is user {ours}")]
    ForeignOwner { path: PathBuf, owner: u32, ours: u32 },
    #[error("`{path}` is a symbolic link, which is not followed here")]
    SymbolicLink { path: PathBuf },
    #[error("`{path}` is not a {expected}")]
    WrongKind { path: PathBuf, expected: &'static str },
    #[error("others may write to `{path}` (mode {mode:o})")]
    OthersMayWrite { path: PathBuf, mode: u32 },
    #[error("the key in `{path}` is damaged: it has {length} bytes, not 32")]
    DamagedKey { path: PathBuf, length: usize },
}

impl StateFileError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        let elsewhere = "set `ORCHESTRATE_STATE_DIR` to a directory of your own";
        match self {
            Self::NoHome => elsewhere.to_owned(),
            Self::Full { path, .. } => format!("make room on the disk of `{}`, or {elsewhere}", path.display()),
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::ReadOnlyFilesystem => format!("mount it writable, or {elsewhere}"),
                io::ErrorKind::InvalidData => "update `orchestrate`, if a newer one wrote it".to_owned(),
                _ => elsewhere.to_owned(),
            },
            Self::ForeignOwner { path, owner, .. } => format!(
                "run as the user who owns it (`sudo -u '#{owner}' …`), `chown` `{}`, or {elsewhere}",
                path.display()
            ),
            Self::SymbolicLink { .. } => "set `ORCHESTRATE_STATE_DIR` to the directory that is meant".to_owned(),
            Self::WrongKind { path, .. } => format!("move `{}` away, or {elsewhere}", path.display()),
            Self::OthersMayWrite { path, .. } => format!("`chmod go-w {}`, or {elsewhere}", path.display()),
            Self::DamagedKey { path, .. } => format!(
                "restore `{}` from a backup; without it, sealed secrets of older deployments are lost",
                path.display()
            ),
        }
    }
}

/// What is wrong with a private directory that is there.
pub fn check_directory(path: &Path) -> Result<(), StateFileError> {
    check(path, Kind::Directory)
}

/// What is wrong with a private file that is there.
pub fn check_file(path: &Path) -> Result<(), StateFileError> {
    check(path, Kind::File)
}

/// Makes a private directory and those above it, unless it is there.
pub fn make_directory(path: &Path) -> Result<(), StateFileError> {
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Ok(()) => check(path, Kind::Directory),
        // A link to nowhere, or a file in its place, says so better than `file exists`.
        Err(source) => {
            Err(check(path, Kind::Directory).err().filter(is_telling).unwrap_or_else(|| io(path, "made", source)))
        }
    }
}

/// Makes a private, empty file, unless it is there; then it has to be a file of ours.
pub fn make_if_absent(path: &Path) -> Result<(), StateFileError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        // So that the file's name is as durable as what will be written into it.
        Ok(_) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check(path, Kind::File),
        Err(error) => Err(io(path, "made", error)),
    }
}

/// Makes a private file that is not there yet, to write to.
pub fn create(path: &Path) -> Result<File, StateFileError> {
    let made = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|error| io(path, "made", error))
}

/// Opens a private file to read and write, making it if needed.
pub fn open(path: &Path) -> Result<File, StateFileError> {
    make_if_absent(path)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    options.open(path).map_err(|error| io(path, "opened", error))
}

/// Writes a new file and then gives it its name, unless a file has it: whoever sees the name sees
/// all of the content, even after a crash. Answers whether this call made it.
pub fn write_once(path: &Path, content: &[u8]) -> Result<bool, StateFileError> {
    // Random, since process numbers say nothing where containers share a directory.
    let random = random_bytes().map_err(|error| io(Path::new("/dev/urandom"), "read", error))?;
    let draft = path.with_extension(format!("draft-{:016x}", u64::from_ne_bytes(random)));
    let result = write_draft(&draft, content).and_then(|()| match fs::hard_link(&draft, path) {
        Ok(()) => sync_parent(path).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(io(path, "made", error)),
    });
    let removed = fs::remove_file(&draft);
    let is_ours = result?;
    removed.map_err(|error| io(&draft, "removed", error))?;
    Ok(is_ours)
}

/// The path with the links of its parents resolved, its own name as it is.
pub fn canonical(path: &Path) -> Result<PathBuf, StateFileError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = parent.canonicalize().map_err(|error| io(parent, "opened", error))?;
    Ok(directory.join(path.file_name().unwrap_or_default()))
}

pub fn io(path: &Path, doing: &'static str, source: io::Error) -> StateFileError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StateFileError::Full { path, doing, source },
        _ => StateFileError::Io { path, doing, source },
    }
}

/// Whether next to nothing can be written to a directory's file system: no bytes, or no files.
pub fn is_full(directory: &Path) -> bool {
    rustix::fs::statvfs(directory).is_ok_and(|facts| {
        let bytes = facts.f_bavail.saturating_mul(facts.f_frsize);
        bytes < LEAST_ROOM || (facts.f_files > 0 && facts.f_favail == 0)
    })
}

/// What a database needs beside itself: its log and the index of that, in pages of 32 KiB.
const LEAST_ROOM: u64 = 128 << 10;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Directory,
    File,
}

/// Refuses what is not ours alone to write: what is kept is trusted when it is read back.
fn check(path: &Path, kind: Kind) -> Result<(), StateFileError> {
    let metadata = path.symlink_metadata().map_err(|error| io(path, "opened", error))?;
    let path = path.to_owned();
    if metadata.is_symlink() {
        return Err(StateFileError::SymbolicLink { path });
    }
    check_kind(&path, kind, &metadata)?;
    let ours = rustix::process::geteuid().as_raw();
    if metadata.uid() != ours {
        return Err(StateFileError::ForeignOwner { path, owner: metadata.uid(), ours });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(StateFileError::OthersMayWrite { path, mode });
    }
    Ok(())
}

fn check_kind(path: &Path, kind: Kind, metadata: &Metadata) -> Result<(), StateFileError> {
    let (is_it, expected) = match kind {
        Kind::Directory => (metadata.is_dir(), "directory"),
        Kind::File => (metadata.is_file(), "file"),
    };
    if is_it { Ok(()) } else { Err(StateFileError::WrongKind { path: path.to_owned(), expected }) }
}

fn is_telling(error: &StateFileError) -> bool {
    !matches!(error, StateFileError::Io { .. } | StateFileError::Full { .. })
}

fn write_draft(draft: &Path, content: &[u8]) -> Result<(), StateFileError> {
    use std::io::Write as _;

    let mut file = create(draft)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(|error| io(draft, "written", error))
}

pub fn sync_parent(path: &Path) -> Result<(), StateFileError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|directory| directory.sync_all()).map_err(|error| io(parent, "written", error))
}
