use std::{
    fmt,
    fs::File,
    io::{Read as _, Seek as _, Write as _},
    path::Path,
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::{StateFileError, private_file};
use crate::{
    name::{DeploymentId, ProjectName},
    time::{Timestamp, format_duration},
};

/// Who holds a project's lock, and what for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockOwner {
    pub pid: u32,
    pub host: String,
    pub since: Timestamp,
    pub deployment: DeploymentId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl LockOwner {
    /// Asks the owner's process to go back and end. The kernel's lock lives no longer than its
    /// process, so as long as it is held the process id is still its own.
    ///
    /// # Errors
    /// If the process is someone else's.
    pub fn ask_to_stop(&self) -> std::io::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.ok_or_else(|| std::io::Error::other(format!("{} is no process id", self.pid)))?;
        match rustix::process::kill_process(pid, rustix::process::Signal::INT) {
            // It has ended just now.
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What this host is called: part of who holds a lock, and of who began a deployment.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A project's lock is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("project `{project}` is locked{}", by(owner.as_deref(), *age))]
    Held {
        project: ProjectName,
        /// `None` in the moment between its taking the lock and saying who it is.
        owner: Option<Box<LockOwner>>,
        /// How long it has been held.
        age: Duration,
    },
    #[error(transparent)]
    File(#[from] StateFileError),
}

impl LockError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Held { owner: Some(owner), .. } => {
                format!("wait until it is done, or end it with `kill {}`: the lock goes with its process", owner.pid)
            }
            Self::Held { owner: None, .. } => "try again in a moment".to_owned(),
            Self::File(error) => error.hint(),
        }
    }
}

/// How often it is tried to take a lock, and the time between: a hundred times as long as a look
/// takes, and too short for a person to notice.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(2);

/// A project's lock on this host, for as long as this lives. It is the kernel's (`flock`), so it
/// goes with the process, however that ends; the file's content only says whose it is.
#[derive(Debug)]
pub struct ProjectLock {
    file: File,
}

impl ProjectLock {
    /// Takes the lock in the file at `path`, without waiting.
    pub(super) fn take(path: &Path, project: &ProjectName, owner: &LockOwner) -> Result<Self, LockError> {
        let mut file = private_file::open(path)?;
        let mut tries = 1;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                // Who looked, or waited for it to be let go, has it for some microseconds.
                Err(rustix::io::Errno::WOULDBLOCK) if tries < TRIES => {
                    tries += 1;
                    std::thread::sleep(PAUSE);
                }
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(held(&mut file, project, owner.since)),
                Err(error) => return Err(private_file::io(path, "locked", error.into()).into()),
            }
        }
        let lock = Self { file };
        lock.write_owner(owner).map_err(|error| private_file::io(path, "written", error))?;
        Ok(lock)
    }

    /// Waits until the lock in the file at `path` is free.
    pub(super) fn wait(path: &Path) -> Result<(), LockError> {
        let file = private_file::open(path)?;
        flock(&file, FlockOperation::LockShared).map_err(|error| private_file::io(path, "locked", error.into()).into())
    }

    /// Looks whether someone holds it. A lock is only tried where a name is written in its file: what
    /// was let go names nobody, so that who looks is in nobody's way.
    pub(super) fn look(path: &Path, project: &ProjectName, now: Timestamp) -> Result<(), LockError> {
        let mut file = private_file::open(path)?;
        let length = file.metadata().map_err(|error| private_file::io(path, "read", error))?.len();
        if length == 0 {
            return Ok(());
        }
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(()),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(held(&mut file, project, now)),
            Err(error) => Err(private_file::io(path, "locked", error.into()).into()),
        }
    }

    fn write_owner(&self, owner: &LockOwner) -> std::io::Result<()> {
        let document = serde_json::to_vec(owner).expect("an owner has only string keys");
        let mut file = &self.file;
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(&document)
    }
}

impl Drop for ProjectLock {
    fn drop(&mut self) {
        // The file stays: removing it would let two processes hold locks on two files of one name.
        // Closing it releases the lock; if emptying it fails, it names an owner that nobody asks for.
        let _ = self.file.set_len(0);
    }
}

fn held(file: &mut File, project: &ProjectName, now: Timestamp) -> LockError {
    let owner = read_owner(file).map(Box::new);
    let age = owner.as_ref().map(|owner| now.since(owner.since)).unwrap_or_default();
    LockError::Held { project: project.clone(), owner, age }
}

fn read_owner(file: &mut File) -> Option<LockOwner> {
    let mut document = Vec::new();
    // An owner takes a few hundred bytes; a message of 64 KiB would be a mistake.
    file.take(1 << 16).read_to_end(&mut document).ok()?;
    serde_json::from_slice(&document).ok()
}

fn by(owner: Option<&LockOwner>, age: Duration) -> impl fmt::Display {
    let Some(LockOwner { pid, host, deployment, message, .. }) = owner else { return String::new() };
    let age = format_duration(Duration::from_secs(age.as_secs()));
    let message = message.as_ref().map(|message| format!(" ({message})")).unwrap_or_default();
    format!(" by process {pid} on `{host}`, for {age}: deployment `{deployment}`{message}")
}
