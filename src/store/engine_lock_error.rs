use std::time::Duration;

use super::{LEASE, OwnerLife};
use crate::{
    name::{DeploymentId, ProjectName},
    observed::{Fault, LockRecord, UnreadableLock},
    time::{Timestamp, format_duration},
};

/// Why the lock on an engine is not to be had, or not ours any more.
#[derive(Debug, thiserror::Error)]
pub enum EngineLockError {
    #[error("{0}")]
    Held(Box<LockHolder>),
    #[error("nobody can tell who holds the lock of project `{project}`: its record `{name}` cannot be read")]
    Unreadable { project: ProjectName, name: String, source: UnreadableLock },
    #[error("the lock of project `{project}` changes hands too fast to be had")]
    Contended { project: ProjectName },
    #[error("the lock of project `{project}` was lost: {}", lost_to(holder.as_deref()))]
    Lost {
        project: ProjectName,
        /// Who has it; `None` if its records are gone.
        holder: Option<Box<LockRecord>>,
    },
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "project `{project}` is locked by process {pid} on `{host}`, for {}: deployment `{deployment}`{}",
    whole_seconds(*age),
    message.as_ref().map(|message| format!(" ({message})")).unwrap_or_default()
)]
pub struct LockHolder {
    pub project: ProjectName,
    pub host: String,
    pub pid: u32,
    pub deployment: DeploymentId,
    pub message: Option<String>,
    /// How long it has been held, by the clocks of its owner and of who asks.
    pub age: Duration,
    pub life: OwnerLife,
    /// When it is free for others unless its owner says that it goes on.
    pub free_in: Duration,
}

impl LockHolder {
    pub(super) fn new(record: &LockRecord, life: OwnerLife, written: Duration, now: Timestamp) -> Self {
        Self {
            project: record.project.clone(),
            host: record.process.host.clone(),
            pid: record.process.pid,
            deployment: record.deployment,
            message: record.message.clone(),
            age: now.since(record.since),
            life,
            free_in: LEASE.saturating_sub(written),
        }
    }
}

impl EngineLockError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Held(holder) => match holder.life {
                OwnerLife::Lives | OwnerLife::Ended => {
                    format!(
                        "wait until it is done, or end it with `kill {}`: the lock goes with its process",
                        holder.pid
                    )
                }
                OwnerLife::OutOfSight => format!(
                    "wait until it is done; if its process is gone, the lock is free in {}, or at once with \
                     `orchestrate lock release --force`",
                    whole_seconds(holder.free_in)
                ),
            },
            Self::Unreadable { source: UnreadableLock::Newer { .. }, .. } => {
                "use the version of orchestrate that wrote it, or a later one".to_owned()
            }
            Self::Unreadable { source: UnreadableLock::Label { .. }, .. } => {
                "see that nobody deploys, then `orchestrate lock release --force`".to_owned()
            }
            Self::Contended { .. } => "try again in a moment".to_owned(),
            Self::Lost { .. } => "see who has it with `orchestrate lock status`, and what was left with `orchestrate \
                                  status`"
                .to_owned(),
            Self::Fault(fault) => return fault.hint.clone(),
        })
    }
}

fn lost_to(holder: Option<&LockRecord>) -> String {
    match holder {
        Some(record) => {
            let (pid, host, deployment) = (record.process.pid, &record.process.host, record.deployment);
            format!("process {pid} on `{host}` took it, for deployment `{deployment}`")
        }
        None => "its records are gone from the engine, as `docker volume prune` does it".to_owned(),
    }
}

fn whole_seconds(duration: Duration) -> String {
    format_duration(Duration::from_secs(duration.as_secs()))
}
