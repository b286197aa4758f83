use std::io;

use rustix::process::{Flock, FlockType, Pid, fcntl_getlk};
use serde::{Deserialize, Serialize};

use super::directory::{Directory, Durability};
use crate::{observed::InstanceState, runtime::proc_table, time::Timestamp};

const STATUS_FILE: &str = "state.json";
/// A file that the supervisor has locked for as long as it lives.
pub(super) const LOCK_FILE: &str = "lock";
const VERSION: u32 = 1;

/// The exit code of an instance whose end nobody saw, as after a reboot.
pub const UNKNOWN_EXIT_CODE: i64 = -1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Activity {
    Running,
    /// Ended, and waiting to be started again.
    Restarting,
    Exited,
}

/// What a supervisor last wrote of its service: the content of `state.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Status {
    pub(super) version: u32,
    pub(super) activity: Activity,
    pub(super) pid: i32,
    /// When the process started, in the kernel's ticks since boot: tells it from a later one with
    /// the same pid.
    pub(super) pid_started: u64,
    /// The boot that these ticks count from.
    pub(super) boot: String,
    pub(super) started_at: Timestamp,
    /// Starts that the restart policy asked for.
    pub(super) restart_count: u32,
    /// How it ended last.
    pub(super) exit_code: Option<i64>,
}

/// Where an instance stands, with what it takes to act on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    Created,
    /// A supervisor lives, and this is what it said last; nothing before its first word.
    Supervised {
        supervisor: Pid,
        status: Option<Status>,
    },
    /// The supervisor is gone, the process still runs.
    Orphaned(Status),
    Exited(Status),
}

impl Status {
    pub(super) fn running(pid: i32, started_at: Timestamp) -> Self {
        let pid_started = proc_table::started(pid).unwrap_or_default();
        Self {
            version: VERSION,
            activity: Activity::Running,
            pid,
            pid_started,
            boot: proc_table::boot_id(),
            started_at,
            restart_count: 0,
            exit_code: None,
        }
    }

    /// `None` if there is none, or none that can be read: both say nothing of the instance.
    pub(super) fn read(directory: &Directory) -> Option<Self> {
        let status: Self = serde_json::from_slice(&directory.read(STATUS_FILE).ok()?).ok()?;
        (status.version == VERSION).then_some(status)
    }

    pub(super) fn write(&self, directory: &Directory) -> io::Result<()> {
        let content = serde_json::to_vec(self).expect("a status has only string keys");
        directory.write(STATUS_FILE, &content, Durability::UntilReboot)
    }

    fn is_alive(&self) -> bool {
        proc_table::started(self.pid) == Some(self.pid_started) && self.boot == proc_table::boot_id()
    }
}

impl Condition {
    pub(super) fn read(directory: &Directory) -> Self {
        // The lock is asked first: a supervisor that ends between the two has written its last word.
        let supervisor = supervisor(directory);
        let status = Status::read(directory);
        match (supervisor, status) {
            (_, Some(status)) if status.activity == Activity::Exited => Self::Exited(status),
            (Some(supervisor), status) => Self::Supervised { supervisor, status },
            (None, None) => Self::Created,
            (None, Some(status)) if status.activity == Activity::Running && status.is_alive() => Self::Orphaned(status),
            (None, Some(status)) => Self::Exited(status),
        }
    }

    pub(super) fn status(&self) -> Option<&Status> {
        match self {
            Self::Created => None,
            Self::Supervised { status, .. } => status.as_ref(),
            Self::Orphaned(status) | Self::Exited(status) => Some(status),
        }
    }

    pub(super) fn state(&self) -> InstanceState {
        match self {
            Self::Created => InstanceState::Created,
            Self::Orphaned(_) => InstanceState::Running,
            Self::Supervised { status, .. } => match status.as_ref().map(|status| status.activity) {
                Some(Activity::Running) => InstanceState::Running,
                Some(Activity::Restarting) => InstanceState::Restarting,
                Some(Activity::Exited) | None => InstanceState::Created,
            },
            Self::Exited(status) => {
                let seen = match status.activity {
                    Activity::Running => None,
                    Activity::Restarting | Activity::Exited => status.exit_code,
                };
                InstanceState::Exited { code: seen.unwrap_or(UNKNOWN_EXIT_CODE), killed_for_memory: false }
            }
        }
    }
}

/// The supervisor that has the instance's lock. Asking does not take the lock, so it never gets in
/// the way of a supervisor that starts.
fn supervisor(directory: &Directory) -> Option<Pid> {
    // Read-only: closing a writable file would wake those who wait for the supervisor to close it.
    let file = directory.open_file(LOCK_FILE).ok()?;
    fcntl_getlk(&file, &Flock::from(FlockType::WriteLock)).ok()??.pid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_that_was_given_to_another_process_is_not_the_instance() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::make(temporary.path()).unwrap();
        let ours = std::process::id().try_into().unwrap();
        assert_eq!(Condition::read(&directory), Condition::Created);

        let status = Status::running(ours, Timestamp::EPOCH);
        status.write(&directory).unwrap();
        assert_eq!(Condition::read(&directory), Condition::Orphaned(status.clone()));

        let state = InstanceState::Exited { code: UNKNOWN_EXIT_CODE, killed_for_memory: false };
        let earlier = Status { pid_started: status.pid_started - 1, ..status.clone() };
        let before_a_reboot = Status { boot: "another".to_owned(), ..status };
        for other in [earlier, before_a_reboot] {
            other.write(&directory).unwrap();
            let condition = Condition::read(&directory);
            assert_eq!(condition, Condition::Exited(other));
            assert_eq!(condition.state(), state);
        }
    }
}
