use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::{
    StateFileError,
    private_file::{self, io as refused},
};
use crate::{
    journal::{DataWork, FoundSnapshot, SavedData, SnapshotRecord, SnapshotState},
    name::{Digest, SnapshotId},
};

/// The snapshots of one project: `<state>/snapshots/<project>/<id>/`, each with a `snapshot.json`
/// and its data in `data/`.
///
/// One that is being made has another name, and gets its own by a rename once all of it is durable:
/// whoever sees it sees a whole one. What was damaged since is told by sizes and hashes.
#[derive(Debug, Clone)]
pub struct SnapshotDirectory {
    path: PathBuf,
}

/// How closely a snapshot is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scrutiny {
    /// Whether all files are there, with their sizes.
    Sizes,
    /// Every byte.
    Contents,
}

const RECORD_FILE: &str = "snapshot.json";
const DATA: &str = "data";
const STAGED: &str = ".staged-";
const WORK_FILE: &str = ".work.json";
/// More than a snapshot's record has, with all the files that it keeps.
const RECORD_LIMIT_BYTES: u64 = 256 << 20;

impl SnapshotDirectory {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where the data of a snapshot that is being made is written.
    pub fn staged_data(&self, id: SnapshotId) -> PathBuf {
        self.staged(id).join(DATA)
    }

    /// Prepares a snapshot, where nobody sees it; `record` says all of it but the data.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn stage(&self, record: &SnapshotRecord) -> Result<(), StateFileError> {
        let staged = self.staged(record.id);
        if let Some(tree) = self.path.parent() {
            private_file::make_directory(tree)?;
        }
        for directory in [self.path.clone(), staged.clone(), self.staged_data(record.id)] {
            private_file::make_directory(&directory)?;
        }
        self.write(&staged.join(RECORD_FILE), record)
    }

    /// What was prepared of a snapshot; `None` if it is not there.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn staged_record(&self, id: SnapshotId) -> Result<Option<SnapshotRecord>, StateFileError> {
        let path = self.staged(id).join(RECORD_FILE);
        let Some(content) = read_bounded(&path)? else { return Ok(None) };
        Ok(serde_json::from_slice(&content).ok())
    }

    /// Lets a snapshot be seen, with the data that `record` names.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn publish(&self, record: &SnapshotRecord) -> Result<(), StateFileError> {
        let (staged, path) = (self.staged(record.id), self.path(record.id));
        self.write(&staged.join(RECORD_FILE), record)?;
        sync(&staged.join(DATA))?;
        sync(&staged)?;
        fs::rename(&staged, &path).map_err(|error| refused(&path, "made", error))?;
        sync(&self.path)
    }

    /// Throws a prepared snapshot away.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn discard(&self, id: SnapshotId) -> Result<(), StateFileError> {
        remove(&self.staged(id))
    }

    /// Removes a snapshot. Its record goes first, so that a part of it is never taken for it.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove(&self, id: SnapshotId) -> Result<(), StateFileError> {
        let path = self.path(id);
        let gone = fs::remove_file(path.join(RECORD_FILE));
        if let Err(error) = gone
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(refused(&path.join(RECORD_FILE), "removed", error));
        }
        remove(&path)?;
        self.discard(id)
    }

    /// All snapshots, newest first; those that cannot be dated come last.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn list(&self) -> Result<Vec<FoundSnapshot>, StateFileError> {
        let names = match fs::read_dir(&self.path) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(refused(&self.path, "read", error)),
        };
        let mut found = Vec::new();
        for name in names {
            let name = name.map_err(|error| refused(&self.path, "read", error))?.file_name();
            let name = name.to_string_lossy();
            let (name, is_staged) = match name.strip_prefix(STAGED) {
                Some(name) => (name, true),
                None => (&*name, false),
            };
            let Ok(id) = name.parse() else { continue };
            match is_staged {
                true => found.push(FoundSnapshot { id, state: SnapshotState::Unfinished }),
                false => found.push(self.look(id, Scrutiny::Sizes)?),
            }
        }
        let key = |found: &FoundSnapshot| std::cmp::Reverse((found.record().map(|record| record.created_at), found.id));
        found.sort_by_key(key);
        Ok(found)
    }

    /// One snapshot, looked at this closely.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn look(&self, id: SnapshotId, scrutiny: Scrutiny) -> Result<FoundSnapshot, StateFileError> {
        let path = self.path(id);
        let damaged = |record: Option<Box<SnapshotRecord>>, problem: String| {
            Ok(FoundSnapshot { id, state: SnapshotState::Damaged { record, problem } })
        };
        let is_directory = path.symlink_metadata().map_err(|error| refused(&path, "read", error))?.is_dir();
        if !is_directory {
            return damaged(None, "it is not a directory".to_owned());
        }
        let Some(content) = read_bounded(&path.join(RECORD_FILE))? else {
            return damaged(None, format!("its `{RECORD_FILE}` is missing"));
        };
        let record = match parse(&content, id) {
            Ok(record) => Box::new(record),
            Err(problem) => return damaged(None, problem),
        };
        match record.data.iter().find_map(|data| self.problem(id, data, scrutiny)) {
            Some(problem) => damaged(Some(record), problem),
            None => Ok(FoundSnapshot { id, state: SnapshotState::Whole(record) }),
        }
    }

    /// Where data of a snapshot is.
    pub fn data_file(&self, id: SnapshotId, data: &SavedData) -> PathBuf {
        self.path(id).join(&data.file)
    }

    /// How a file of data is called within its snapshot.
    pub fn relative(path: &Path) -> String {
        format!("{DATA}/{}", path.file_name().unwrap_or_default().to_string_lossy())
    }

    /// Writes down what is being done, before it is begun.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin_work(&self, work: &DataWork) -> Result<(), StateFileError> {
        if let Some(tree) = self.path.parent() {
            private_file::make_directory(tree)?;
        }
        private_file::make_directory(&self.path)?;
        self.write(&self.path.join(WORK_FILE), work)
    }

    /// It is done.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn end_work(&self) -> Result<(), StateFileError> {
        let path = self.path.join(WORK_FILE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(refused(&path, "removed", error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// What was begun and has not come to its end.
    ///
    /// # Errors
    /// If it cannot be read, or understood: then nobody knows what state data is in.
    pub fn work(&self) -> Result<Option<DataWork>, StateFileError> {
        let path = self.path.join(WORK_FILE);
        let Some(content) = read_bounded(&path)? else { return Ok(None) };
        let unknown = |error| refused(&path, "understood", io::Error::new(io::ErrorKind::InvalidData, error));
        serde_json::from_slice(&content).map(Some).map_err(unknown)
    }

    fn path(&self, id: SnapshotId) -> PathBuf {
        self.path.join(id.as_str())
    }

    fn staged(&self, id: SnapshotId) -> PathBuf {
        self.path.join(format!("{STAGED}{id}"))
    }

    /// What is wrong with a file of data.
    fn problem(&self, id: SnapshotId, data: &SavedData, scrutiny: Scrutiny) -> Option<String> {
        let name = &data.file;
        let is_plain = Path::new(name).parent() == Some(Path::new(DATA)) && !name.contains("..");
        if !is_plain {
            return Some(format!("`{name}` is no file of a snapshot"));
        }
        let path = self.data_file(id, data);
        let mut file = match open(&path) {
            Ok(file) => file,
            Err(error) => return Some(format!("`{name}` cannot be read: {error}")),
        };
        let bytes = file.metadata().map_or(0, |metadata| metadata.len());
        if bytes != data.bytes {
            return Some(format!("`{name}` has {bytes} bytes, not {}", data.bytes));
        }
        match scrutiny {
            Scrutiny::Sizes => None,
            Scrutiny::Contents => match hash(&mut file) {
                Ok(digest) if digest == data.digest => None,
                Ok(_) => Some(format!("`{name}` is not what was written: its hash is another one")),
                Err(error) => Some(format!("`{name}` cannot be read: {error}")),
            },
        }
    }

    fn write(&self, path: &Path, document: &impl serde::Serialize) -> Result<(), StateFileError> {
        let content = serde_json::to_vec_pretty(document).expect("records have only string keys");
        let draft = path.with_extension("draft");
        for left in [&draft] {
            match fs::remove_file(left) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(left, "removed", error)),
                Ok(()) | Err(_) => {}
            }
        }
        private_file::write_once(&draft, &content)?;
        fs::rename(&draft, path).map_err(|error| refused(path, "made", error))?;
        path.parent().map_or(Ok(()), sync)
    }
}

fn parse(content: &[u8], id: SnapshotId) -> Result<SnapshotRecord, String> {
    #[derive(serde::Deserialize)]
    struct Head {
        version: u32,
    }
    let damaged = |error: serde_json::Error| format!("its `{RECORD_FILE}` is damaged: {error}");
    let head: Head = serde_json::from_slice(content).map_err(damaged)?;
    if head.version > SnapshotRecord::VERSION {
        return Err(format!("it was written by a newer version of orchestrate (format {})", head.version));
    }
    let record: SnapshotRecord = serde_json::from_slice(content).map_err(damaged)?;
    match record.id == id {
        true => Ok(record),
        false => Err(format!("it says that it is `{}`", record.id)),
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32).open(path)
}

fn read_bounded(path: &Path) -> Result<Option<Vec<u8>>, StateFileError> {
    let fault = |error| refused(path, "read", error);
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(error)),
    };
    let mut content = Vec::new();
    file.take(RECORD_LIMIT_BYTES).read_to_end(&mut content).map_err(fault)?;
    Ok(Some(content))
}

fn hash(file: &mut File) -> io::Result<Digest> {
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; 256 << 10]);
    while let length @ 1.. = file.read(&mut chunk)? {
        hash.update(&chunk[..length]);
    }
    Ok(Digest::from_hash(&hash.finalize()))
}

fn remove(path: &Path) -> Result<(), StateFileError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(refused(path, "removed", error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sync(directory: &Path) -> Result<(), StateFileError> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| refused(directory, "written", error))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::{
        journal::{DataSource, SnapshotReason},
        plan::RuntimeKind,
        store::StateDirectory,
        time::Timestamp,
    };

    fn record(id: &str, second: i64, content: &[u8]) -> SnapshotRecord {
        SnapshotRecord {
            version: SnapshotRecord::VERSION,
            id: id.parse().unwrap(),
            project: "shop".parse().unwrap(),
            deployment: None,
            created_at: Timestamp::from_micros(second * 1_000_000),
            author: "eve@laptop".to_owned(),
            message: None,
            reason: SnapshotReason::Manual,
            engine: String::new(),
            services: BTreeMap::new(),
            configs: BTreeMap::new(),
            files: Vec::new(),
            data: vec![SavedData {
                service: "db".parse().unwrap(),
                runtime: RuntimeKind::Process,
                source: DataSource::Dump,
                file: "data/db.dump".to_owned(),
                bytes: content.len() as u64,
                digest: Digest::of(content),
            }],
        }
    }

    fn written(directory: &SnapshotDirectory, id: &str, second: i64, content: &[u8]) -> SnapshotRecord {
        let record = record(id, second, content);
        directory.stage(&SnapshotRecord { data: Vec::new(), ..record.clone() }).unwrap();
        fs::write(directory.staged_data(record.id).join("db.dump"), content).unwrap();
        directory.publish(&record).unwrap();
        record
    }

    fn told(found: &FoundSnapshot) -> String {
        match &found.state {
            SnapshotState::Whole(_) => format!("{} whole", found.id),
            SnapshotState::Unfinished => format!("{} unfinished", found.id),
            SnapshotState::Damaged { problem, .. } => format!("{}: {problem}", found.id),
        }
    }

    #[test]
    fn a_snapshot_is_seen_whole_and_damage_is_told() {
        let place = tempfile::tempdir().unwrap();
        let state = StateDirectory::at(&place.path().join("state")).unwrap();
        let directory = state.snapshots(&"shop".parse().unwrap());
        assert_eq!(directory.list().unwrap(), vec![]);
        let old = written(&directory, "aaaaaaaa", 1, b"old");
        let new = written(&directory, "bbbbbbbb", 2, b"new");
        directory.stage(&record("cccccccc", 3, b"")).unwrap();
        let list = || directory.list().unwrap().iter().map(told).collect::<Vec<_>>();
        assert_eq!(list(), ["bbbbbbbb whole", "aaaaaaaa whole", "cccccccc unfinished"]);
        assert_eq!(directory.look(old.id, Scrutiny::Contents).unwrap().record(), Some(&old));

        let file = directory.data_file(new.id, &new.data[0]);
        fs::write(&file, b"NEW").unwrap();
        assert_eq!(list()[0], "bbbbbbbb whole");
        let close = told(&directory.look(new.id, Scrutiny::Contents).unwrap());
        assert_eq!(close, "bbbbbbbb: `data/db.dump` is not what was written: its hash is another one");
        fs::write(&file, b"torn off").unwrap();
        assert_eq!(list()[0], "bbbbbbbb: `data/db.dump` has 8 bytes, not 3");
        fs::write(state.path().join("snapshots/shop/aaaaaaaa/snapshot.json"), r#"{"version":9}"#).unwrap();
        assert_eq!(
            told(&directory.look(old.id, Scrutiny::Sizes).unwrap()),
            "aaaaaaaa: it was written by a newer version of orchestrate (format 9)"
        );
        for id in ["aaaaaaaa", "bbbbbbbb", "cccccccc"] {
            directory.remove(id.parse().unwrap()).unwrap();
        }
        assert_eq!(directory.list().unwrap(), vec![]);
    }

    #[test]
    fn it_is_for_its_owner_alone_and_follows_no_link() {
        let place = tempfile::tempdir().unwrap();
        let state = StateDirectory::at(&place.path().join("state")).unwrap();
        let directory = state.snapshots(&"shop".parse().unwrap());
        let made = written(&directory, "aaaaaaaa", 1, b"old");
        let mode = |name: &str| {
            let path = state.path().join("snapshots").join(name);
            format!("{:o}", fs::metadata(path).unwrap().permissions().mode() & 0o777)
        };
        let names = ["", "shop", "shop/aaaaaaaa", "shop/aaaaaaaa/data", "shop/aaaaaaaa/snapshot.json"];
        assert_eq!(names.map(mode), ["700", "700", "700", "700", "600"]);
        let file = directory.data_file(made.id, &made.data[0]);
        fs::rename(&file, place.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(place.path().join("elsewhere"), &file).unwrap();
        assert!(told(&directory.look(made.id, Scrutiny::Sizes).unwrap()).contains("cannot be read"));
        let mut outside = made.clone();
        outside.data[0].file = "data/../../x".to_owned();
        directory.write(&directory.path(made.id).join(RECORD_FILE), &outside).unwrap();
        assert!(told(&directory.look(made.id, Scrutiny::Sizes).unwrap()).contains("is no file of a snapshot"));
    }
}
