use std::time::Duration;

use crate::{
    name::{DeploymentId, ProjectName},
    time::Timestamp,
};

/// What a record in a project's lock register says. The record with the highest number counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockRecord {
    pub project: ProjectName,
    /// Its place in the register, and the token of whoever holds the lock by it: it only rises.
    pub number: u64,
    pub state: LockState,
    /// A random text, an acquisition's own: tells two of one process apart.
    pub owner: String,
    pub process: LockProcess,
    /// When the lock was taken, by its owner's clock.
    pub since: Timestamp,
    /// Until when its owner acts without extending it, by the owner's clock.
    pub deadline: Timestamp,
    /// The deployment that the lock was taken for, and the last one once it is free.
    pub deployment: DeploymentId,
    pub message: Option<String>,
    /// Deployments of earlier owners who ended without releasing the lock, oldest first, that
    /// nobody has put right yet.
    pub unfinished: Vec<UnfinishedDeployment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockState {
    /// Someone deploys, and has not reached the commit point.
    Held,
    /// Someone deploys, and is past the commit point.
    Committed,
    /// Someone puts data of a snapshot in the place of what is there.
    Restoring,
    Free,
}

/// The process that took a lock, so that others can tell whether it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockProcess {
    /// What its host is called, for people.
    pub host: String,
    /// What tells its host from others of that name; empty if nothing does.
    pub machine: String,
    /// One boot of the host; empty if it is not known.
    pub boot: String,
    /// Where its pid means something; empty if it is not known.
    pub pid_namespace: String,
    pub pid: u32,
    /// When the process started, in the kernel's ticks since the boot: a pid may come again.
    pub started: u64,
}

/// A deployment whose owner ended in the middle of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnfinishedDeployment {
    pub deployment: DeploymentId,
    pub reached: Reached,
}

/// How far an unfinished deployment had come, as far as the lock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// It is taken back.
    BeforeCommit,
    /// Its cleanup is finished.
    Commit,
    /// It was no deployment: it was overwriting data, which may be anything now. Whoever began it
    /// knows how to go on.
    Restoring,
}

/// The highest record of a register, as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopRecord {
    pub number: u64,
    /// What it is called on the engine, for people.
    pub name: String,
    /// When it was written, by the register's own clock, which is the same for all who ask.
    pub written_at: Option<Timestamp>,
    /// What it says, or why that cannot be read: then nobody knows whether the lock is free.
    pub content: Result<LockRecord, UnreadableLock>,
}

/// Why a record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableLock {
    #[error("its label `{label}` is missing or damaged")]
    Label { label: &'static str },
    #[error("it was written by a newer version (format {found}, this one knows {known})")]
    Newer { found: u64, known: u64 },
}

impl LockState {
    pub const ALL: [Self; 4] = [Self::Held, Self::Committed, Self::Restoring, Self::Free];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Committed => "committed",
            Self::Restoring => "restoring",
            Self::Free => "free",
        }
    }

    /// How far its deployment has come, unless it is over.
    pub fn reached(self) -> Option<Reached> {
        match self {
            Self::Held => Some(Reached::BeforeCommit),
            Self::Committed => Some(Reached::Commit),
            Self::Restoring => Some(Reached::Restoring),
            Self::Free => None,
        }
    }
}

impl Reached {
    pub const ALL: [Self; 3] = [Self::BeforeCommit, Self::Commit, Self::Restoring];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::BeforeCommit => "held",
            Self::Commit => "committed",
            Self::Restoring => "restoring",
        }
    }
}

impl LockRecord {
    /// What is to be put right if its owner is no more: what earlier ones left, and its own.
    pub fn left_unfinished(&self) -> Vec<UnfinishedDeployment> {
        let own = self.state.reached().map(|reached| UnfinishedDeployment { deployment: self.deployment, reached });
        self.unfinished.iter().copied().chain(own).collect()
    }
}

impl TopRecord {
    /// How long ago it was written, at a moment of the register's clock.
    pub fn age(&self, register_now: Timestamp) -> Option<Duration> {
        self.written_at.map(|written_at| register_now.since(written_at))
    }
}
