use std::{io, path::PathBuf, time::SystemTime};

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest as _, Sha256};

use super::{
    directory::Directory,
    record::{RECORD_FILE, Record, RecordError},
    status::Condition,
    trouble::state_fault,
};
use crate::{diagnostic::Class, name::ProjectName, observed::Fault};

/// The instances on disk: `<state>/processes/<project>/<id>/`.
///
/// A directory appears there with its record in it, by a rename, and goes record last, so that a
/// crash leaves an instance or none. One that is damaged is passed over: it takes nothing from the
/// others. One from a newer version is a fault: it would be in the way, unseen.
#[derive(Debug)]
pub(super) struct Registry {
    state_dir: PathBuf,
}

/// An instance's directory and record.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) directory: Directory,
    pub(super) record: Record,
}

/// Held while names are given out, by one program at a time.
pub(super) struct NameLock {
    _file: std::fs::File,
}

const TREE: &str = "processes";
/// Hidden, so that a project may be called `lock`.
const NAME_LOCK_FILE: &str = ".lock";
const ID_LETTERS: usize = 12;

impl Registry {
    pub(super) fn new(state_dir: PathBuf) -> Self {
        Self { state_dir }
    }

    pub(super) fn state_dir(&self) -> &PathBuf {
        &self.state_dir
    }

    fn tree(&self) -> io::Result<Option<Directory>> {
        absent(Directory::open(&self.state_dir).and_then(|state| state.child(TREE)))
    }

    fn fault(&self, doing: &str, error: &io::Error) -> Fault {
        state_fault(doing, &self.state_dir, error)
    }

    /// The projects that have a directory.
    pub(super) fn projects(&self) -> Result<Vec<ProjectName>, Fault> {
        let names = self.tree().and_then(|tree| tree.map_or_else(|| Ok(Vec::new()), |tree| tree.names()));
        let names = names.map_err(|error| self.fault("read", &error))?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// A project's directory, if it has one.
    pub(super) fn project(&self, project: &ProjectName) -> Result<Option<Directory>, Fault> {
        let found = self.tree().and_then(|tree| match tree {
            Some(tree) => absent(tree.child(project.as_str())),
            None => Ok(None),
        });
        found.map_err(|error| self.fault("read", &error))
    }

    /// A project's directory, made if it has none.
    pub(super) fn make_project(&self, project: &ProjectName) -> Result<Directory, Fault> {
        let made = Directory::make(&self.state_dir)
            .and_then(|state| state.make_child(TREE))
            .and_then(|tree| tree.make_child(project.as_str()));
        made.map_err(|error| self.fault("write", &error))
    }

    /// A project's instances, by id.
    pub(super) fn entries(&self, project: &ProjectName) -> Result<Vec<Entry>, Fault> {
        let Some(directory) = self.project(project)? else { return Ok(Vec::new()) };
        let names = directory.names().map_err(|error| self.fault("read", &error))?;
        names.iter().filter(|name| is_id(name)).filter_map(|id| read_entry(&directory, id).transpose()).collect()
    }

    /// The instance with this id, in whichever project.
    pub(super) fn find(&self, id: &str) -> Result<Option<Entry>, Fault> {
        if !is_id(id) {
            return Ok(None);
        }
        for project in self.projects()? {
            if let Some(directory) = self.project(&project)?
                && directory.has(id)
            {
                return read_entry(&directory, id);
            }
        }
        Ok(None)
    }

    /// Waits until nobody else gives out names.
    pub(super) fn lock_names(&self) -> Result<NameLock, Fault> {
        let locked = Directory::make(&self.state_dir).and_then(|state| state.make_child(TREE)).and_then(|tree| {
            let file = tree.append_file(NAME_LOCK_FILE)?;
            flock(&file, FlockOperation::LockExclusive)?;
            Ok(NameLock { _file: file })
        });
        locked.map_err(|error| self.fault("write", &error))
    }

    /// The instance of this name, in whichever project.
    pub(super) fn named(&self, name: &str, _lock: &NameLock) -> Result<Option<Entry>, Fault> {
        for project in self.projects()? {
            if let Some(entry) = self.entries(&project)?.into_iter().find(|entry| entry.record.name == name) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// Prepares an instance's directory, with its record, where nobody sees it.
    pub(super) fn stage(&self, record: &Record) -> Result<Staged, Fault> {
        let project = self.make_project(&record.identity.project)?;
        let staged = Staged { name: format!(".{}", record.id), project };
        let written = staged.project.make_child(&staged.name).and_then(|directory| record.write(&directory));
        match written {
            Ok(()) => Ok(staged),
            Err(error) => Err(self.fault("write", &error)),
        }
    }

    /// Lets a prepared instance be seen.
    pub(super) fn publish(&self, staged: &Staged, record: &Record, _lock: &NameLock) -> Result<(), Fault> {
        staged.project.rename(&staged.name, &record.id).map_err(|error| self.fault("write", &error))
    }

    /// Takes an instance's directory away.
    pub(super) fn remove(&self, record: &Record, _lock: &NameLock) -> Result<(), Fault> {
        let Some(project) = self.project(&record.identity.project)? else { return Ok(()) };
        project.remove_child(&record.id, RECORD_FILE).map_err(|error| self.fault("write", &error))
    }
}

/// An instance's directory that has not been published; it goes if it never is.
pub(super) struct Staged {
    project: Directory,
    name: String,
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = self.project.remove_child(&self.name, RECORD_FILE);
    }
}

impl Entry {
    pub(super) fn condition(&self) -> Condition {
        Condition::read(&self.directory)
    }

    pub(super) fn save(&self) -> Result<(), Fault> {
        self.record.write(&self.directory).map_err(|error| state_fault("write", self.directory.path(), &error))
    }
}

/// The refusal of a name that another instance has.
pub(super) fn name_taken(name: &str, holder: &Record) -> Fault {
    let owner = format!("service `{}` of project `{}`", holder.identity.service, holder.identity.project);
    Fault::new(Class::Configuration, "name-taken", format!("the name `{name}` is taken by {owner}"))
        .hint("choose another `container_name` or plan `name`, or remove the other one with `orchestrate destroy`")
}

fn read_entry(project: &Directory, id: &str) -> Result<Option<Entry>, Fault> {
    let Ok(directory) = project.child(id) else { return Ok(None) };
    match Record::read(&directory) {
        Ok(record) => Ok((record.id == id).then_some(Entry { directory, record })),
        Err(error @ RecordError::Version { .. }) => {
            let text = format!("the instance in `{}` cannot be read: {error}", directory.path().display());
            Err(Fault::new(Class::Configuration, "state-newer", text)
                .hint("use the version of orchestrate that wrote it, or a later one"))
        }
        Err(RecordError::Io(_) | RecordError::Damaged(_)) => Ok(None),
    }
}

fn absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn is_id(text: &str) -> bool {
    text.len() == ID_LETTERS && text.bytes().all(|letter| matches!(letter, b'0'..=b'9' | b'a'..=b'f'))
}

/// Twelve hex digits that no other instance has: from the kernel's randomness, or where that
/// cannot be read, from the time and the pid.
pub(super) fn random_id() -> String {
    let mut seed = [0; 32];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| io::Read::read_exact(&mut file, &mut seed));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let fallback = format!("{} {}", now.as_nanos(), std::process::id());
    let hash = match read {
        Ok(()) => Sha256::digest(seed),
        Err(_) => Sha256::digest(fallback.as_bytes()),
    };
    crate::name::Digest::from_hash(&hash).short().to_owned()
}
