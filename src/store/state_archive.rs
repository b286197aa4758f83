//! A state as one file: a tar archive of the database and the key.

use std::{
    fs::{self, File},
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tar::{Archive, Builder, Entry, EntryType, Header};

use super::{
    StateDirectory, StateFileError, StoreError,
    database_copy::{beside, copy_to, remove_if_there},
    private_file, restoring, sealing_key,
};
use crate::time::Timestamp;

/// Why a state was not packed, or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("`{path}` is there already")]
    Taken { path: PathBuf },
    #[error("there is no state in `{path}`")]
    NoState { path: PathBuf },
    #[error("`{path}` is no backup that can be restored: {reason}")]
    Unreadable { path: PathBuf, reason: String },
    #[error(transparent)]
    File(#[from] StateFileError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a backup says of itself: its first file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveFacts {
    pub format_version: u32,
    pub made_at: Timestamp,
    pub host: String,
    /// The database's schema.
    pub schema: i64,
}

/// What the archive's files are called.
const FACTS: &str = "orchestrate-state.json";
const DATABASE: &str = "state.db";
const KEY: &str = "key";
const FORMAT_VERSION: u32 = 1;
/// Neither facts nor keys are longer.
const SMALL_BYTES: u64 = 64 << 10;

/// Packs the state in `directory` into a new private file, also while it is used: the database as
/// it is at one moment.
///
/// # Errors
/// If there is none, the file is there already, or something cannot be read or written.
pub fn pack_state(directory: &Path, file: &Path, host: String, now: Timestamp) -> Result<ArchiveFacts, ArchiveError> {
    let database = directory.join(DATABASE);
    if !database.exists() {
        return Err(ArchiveError::NoState { path: directory.to_owned() });
    }
    if file.symlink_metadata().is_ok() {
        return Err(ArchiveError::Taken { path: file.to_owned() });
    }
    let copy = beside(file, ".database.draft");
    let draft = beside(file, ".draft");
    let discard = || [&copy, &draft].into_iter().try_for_each(|path| remove_if_there(path));
    discard().map_err(|error| private_file::io(&draft, "removed", error))?;
    let packed = copy_to(&database, &copy).map_err(ArchiveError::from).and_then(|schema| {
        let facts = ArchiveFacts { format_version: FORMAT_VERSION, made_at: now, host, schema };
        write(&draft, &facts, &copy, &directory.join(KEY))?;
        publish(&draft, file)?;
        Ok(facts)
    });
    let discarded = discard();
    let facts = packed?;
    discarded.map_err(|error| private_file::io(&draft, "removed", error))?;
    Ok(facts)
}

fn write(draft: &Path, facts: &ArchiveFacts, database: &Path, key: &Path) -> Result<(), StateFileError> {
    let failed = |error| private_file::io(draft, "written", error);
    let document = serde_json::to_vec(facts).expect("facts have only string keys");
    let mut builder = Builder::new(private_file::create(draft)?);
    let mut add = |name: &str, length: u64, content: &mut dyn Read| {
        builder.append_data(&mut header(length, facts.made_at), name, content).map_err(failed)
    };
    add(FACTS, document.len() as u64, &mut document.as_slice())?;
    if key.exists() {
        let content = fs::read(key).map_err(|error| private_file::io(key, "read", error))?;
        add(KEY, content.len() as u64, &mut content.as_slice())?;
    }
    let mut content = File::open(database).map_err(|error| private_file::io(database, "read", error))?;
    let length = content.metadata().map_err(|error| private_file::io(database, "read", error))?.len();
    add(DATABASE, length, &mut content)?;
    let mut file = builder.into_inner().map_err(failed)?;
    file.flush().and_then(|()| file.sync_all()).map_err(failed)
}

fn header(length: u64, now: Timestamp) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_mtime(u64::try_from(now.as_micros()).unwrap_or(0) / 1_000_000);
    header.set_size(length);
    header
}

/// Gives the draft its name, unless that is taken by now.
fn publish(draft: &Path, file: &Path) -> Result<(), ArchiveError> {
    match fs::hard_link(draft, file) {
        Ok(()) => Ok(private_file::sync_parent(file)?),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(ArchiveError::Taken { path: file.to_owned() })
        }
        Err(error) => Err(private_file::io(file, "made", error).into()),
    }
}

/// A backup that was laid down beside the state, to be looked at before it takes its place.
#[derive(Debug)]
pub struct Unpacked {
    pub facts: ArchiveFacts,
    directory: StateDirectory,
}

impl Unpacked {
    /// Where its database lies.
    pub fn database(&self) -> PathBuf {
        restoring::draft(self.directory.path()).join(DATABASE)
    }

    /// Its key; `None` if it has none.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn key(&self) -> Result<Option<[u8; 32]>, StateFileError> {
        let path = restoring::draft(self.directory.path()).join(KEY);
        path.exists().then(|| sealing_key::read_or_make(&path)).transpose()
    }

    /// Puts it in the state's place, all or nothing; what was there is kept as `….replaced`. The
    /// caller has seen to it that nobody deploys.
    ///
    /// # Errors
    /// If files cannot be moved. The next command goes on with it then.
    pub fn put_in_place(self) -> Result<(), StateFileError> {
        // What looking at the database left beside it.
        let draft = restoring::draft(self.directory.path());
        for name in ["state.db-wal", "state.db-shm"] {
            let path = draft.join(name);
            remove_if_there(&path).map_err(|error| private_file::io(&path, "removed", error))?;
        }
        restoring::commit(self.directory.path())
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        // If it took the state's place there is nothing left; else the next one clears it away.
        let _ = fs::remove_dir_all(restoring::draft(self.directory.path()));
    }
}

/// Lays a backup down beside the state. Nothing of the state is changed.
///
/// # Errors
/// If it is no backup of a state, a newer version's, or something cannot be read or written.
pub fn unpack_state(file: &Path, directory: &StateDirectory) -> Result<Unpacked, ArchiveError> {
    let draft = restoring::begin_draft(directory.path())?;
    let archive = File::open(file).map_err(|error| private_file::io(file, "opened", error))?;
    let unreadable = |reason: String| ArchiveError::Unreadable { path: file.to_owned(), reason };
    let mut unpacked = Unpacked {
        facts: ArchiveFacts { format_version: 0, made_at: Timestamp::EPOCH, host: String::new(), schema: 0 },
        directory: directory.clone(),
    };
    let mut archive = Archive::new(archive);
    for entry in archive.entries().map_err(|error| unreadable(error.to_string()))? {
        let mut entry = entry.map_err(|error| unreadable(error.to_string()))?;
        let name = entry.path_bytes().into_owned();
        if entry.header().entry_type() != EntryType::Regular {
            return Err(unreadable("there is more in it than files".to_owned()));
        }
        match name.as_slice() {
            name if name == FACTS.as_bytes() => {
                unpacked.facts = facts(&mut entry).map_err(unreadable)?;
            }
            name if name == KEY.as_bytes() => lay_down(entry, &draft.join(KEY), file)?,
            name if name == DATABASE.as_bytes() => lay_down(entry, &draft.join(DATABASE), file)?,
            other => return Err(unreadable(format!("`{}` is none of its files", String::from_utf8_lossy(other)))),
        }
    }
    match (unpacked.facts.format_version, unpacked.database().exists()) {
        (0, _) | (_, false) => Err(unreadable("it is not whole".to_owned())),
        (_, true) => Ok(unpacked),
    }
}

fn facts(entry: &mut impl Read) -> Result<ArchiveFacts, String> {
    let mut text = String::new();
    entry.take(SMALL_BYTES).read_to_string(&mut text).map_err(|error| error.to_string())?;
    let document: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    match document["format_version"].as_u64() {
        Some(version) if version > u64::from(FORMAT_VERSION) => {
            Err(format!("a newer version made it (format {version}, this one knows {FORMAT_VERSION})"))
        }
        Some(_) | None => serde_json::from_value(document).map_err(|error| error.to_string()),
    }
}

fn lay_down(mut content: Entry<'_, File>, path: &Path, archive: &Path) -> Result<(), ArchiveError> {
    let unreadable = |reason: String| ArchiveError::Unreadable { path: archive.to_owned(), reason };
    let mut file = private_file::create(path)?;
    let copied = io::copy(&mut content, &mut file).map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => private_file::io(path, "written", error).into(),
        _ => unreadable(error.to_string()),
    })?;
    match copied == content.size() {
        true => Ok(()),
        false => Err(unreadable("it is cut short".to_owned())),
    }
}
