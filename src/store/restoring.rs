//! A state that takes another's place, at one moment and whatever happens meanwhile.
//!
//! What is to be restored is laid down whole in a directory inside the state directory, which is
//! then renamed to `restore`: that is the moment. From there on there is only forward: whoever opens
//! the state next puts the files in their places, and each step can be made again. What was there
//! before is kept as `….replaced`, until the next time; what was damaged as `….damaged-1` and so on, for
//! good.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use super::{
    StateDirectory, StateFileError,
    database_copy::{beside, remove_if_there},
    private_file, sealing_key,
};

/// What is restored: the database first, since it is what a state is missed by.
const FILES: [&str; 2] = ["state.db", "key"];
/// What follows the names of what is replaced, where that is not damaged.
const REPLACED: &str = ".replaced";
/// In the draft, what follows them otherwise.
const SUFFIX_FILE: &str = "suffix";
/// What SQLite keeps beside a database: it must never meet another one.
const COMPANIONS: [&str; 3] = ["-journal", "-wal", "-shm"];

fn pending(directory: &Path) -> PathBuf {
    directory.join("restore")
}

/// The directory to lay down in what is to be restored.
pub fn draft(directory: &Path) -> PathBuf {
    directory.join("restore.draft")
}

/// An empty directory to lay down in what is to be restored.
pub fn begin_draft(directory: &Path) -> Result<PathBuf, StateFileError> {
    let draft = draft(directory);
    match fs::remove_dir_all(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(private_file::io(&draft, "removed", error)),
        _ => private_file::make_directory(&draft).map(|()| draft),
    }
}

/// What of a state is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damaged {
    Database,
    /// The key, and with it what it sealed in the database.
    Key,
}

/// Puts a state without anything in the place of a damaged one, all or nothing. Answers where what
/// was there is kept. The caller has seen to it that nobody deploys.
///
/// # Errors
/// If files cannot be written or moved. The next command may go on with it then.
pub fn set_aside(directory: &StateDirectory, damaged: Damaged) -> Result<Vec<PathBuf>, StateFileError> {
    let draft = begin_draft(directory.path())?;
    let replaced = match damaged {
        Damaged::Database => &FILES[..1],
        Damaged::Key => &FILES[..],
    };
    // Tables come with the first use.
    drop(private_file::create(&draft.join(FILES[0]))?);
    if damaged == Damaged::Key {
        sealing_key::read_or_make(&draft.join(FILES[1]))?;
    }
    let kept = |name: &str, suffix: &str| beside(&directory.path().join(name), suffix);
    let is_free = |suffix: &String| FILES.iter().all(|name| !kept(name, suffix).exists());
    let suffix = (1_u32..).map(|number| format!(".damaged-{number}")).find(is_free).expect("numbers do not run out");
    private_file::write_once(&draft.join(SUFFIX_FILE), suffix.as_bytes())?;
    commit(directory.path())?;
    Ok(replaced.iter().map(|name| kept(name, &suffix)).filter(|path| path.exists()).collect())
}

/// Makes what lies in [`draft`] the state. The caller has seen to it that nobody deploys.
pub fn commit(directory: &Path) -> Result<(), StateFileError> {
    let draft = draft(directory);
    let sync = |path: &Path| {
        File::open(path).and_then(|file| file.sync_all()).map_err(|error| private_file::io(path, "written", error))
    };
    FILES
        .iter()
        .chain([&SUFFIX_FILE])
        .map(|name| draft.join(name))
        .filter(|path| path.exists())
        .try_for_each(|path| sync(&path))?;
    sync(&draft)?;
    let _turn = take_turn(directory)?;
    let pending = pending(directory);
    fs::rename(&draft, &pending).map_err(|error| private_file::io(&pending, "made", error))?;
    sync(directory)?;
    complete(directory)
}

/// Ends what a process that was cut off had begun to restore.
pub fn complete_if_pending(directory: &Path) -> Result<(), StateFileError> {
    if !pending(directory).exists() {
        return Ok(());
    }
    let _turn = take_turn(directory)?;
    complete(directory)
}

/// Nobody opens the database meanwhile.
fn take_turn(directory: &Path) -> Result<File, StateFileError> {
    let path = directory.join("state.opening");
    let turn = private_file::open(&path)?;
    flock(&turn, FlockOperation::LockExclusive).map_err(|error| private_file::io(&path, "locked", error.into()))?;
    Ok(turn)
}

/// Can be made again from any point at which it was cut off.
fn complete(directory: &Path) -> Result<(), StateFileError> {
    let pending = pending(directory);
    let failed = |error| private_file::io(&pending, "put in its place", error);
    let suffix = match fs::read_to_string(pending.join(SUFFIX_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => REPLACED.to_owned(),
        suffix => suffix.map_err(failed)?,
    };
    for name in FILES {
        let (restored, current) = (pending.join(name), directory.join(name));
        if !restored.exists() {
            continue;
        }
        let replaced = beside(&current, &suffix);
        if current.exists() {
            // What was replaced the last time goes, its log first: they belong together.
            let old = COMPANIONS.map(|companion| beside(&replaced, companion));
            old.iter().try_for_each(|path| remove_if_there(path)).map_err(failed)?;
            fs::rename(&current, &replaced).map_err(failed)?;
        }
        for companion in COMPANIONS {
            rename_if_there(&beside(&current, companion), &beside(&replaced, companion)).map_err(failed)?;
        }
        fs::rename(&restored, &current).map_err(failed)?;
    }
    match fs::remove_dir_all(&pending) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
