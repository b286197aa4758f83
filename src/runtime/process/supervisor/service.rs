use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus, kill_process, kill_process_group};
use tokio::net::unix::pipe;

use super::super::protocol::Order;
use crate::runtime::proc_table;

/// What is left of a service after its end is killed for so long; what is still there then hangs
/// in the kernel, and is left behind.
const DRAIN: Duration = Duration::from_secs(5);

/// A running service: a process, leader of a group of its own, and its descendants.
pub(super) struct Service {
    pub(super) pid: Pid,
    /// How the leader ended, and when.
    exit: Option<(i64, Instant)>,
}

/// The reading ends of what it writes.
pub(super) struct Outputs {
    pub(super) stdout: pipe::Receiver,
    pub(super) stderr: pipe::Receiver,
}

impl Service {
    pub(super) fn spawn(order: &Order) -> io::Result<(Self, Outputs)> {
        let (word, arguments) = order.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(&order.program);
        command.arg0(word).args(arguments).env_clear().envs(&order.environment).current_dir(&order.working_dir);
        command.stdin(Stdio::null()).process_group(0);
        if let Some((uid, gid)) = order.user {
            command.uid(uid).gid(gid);
        }
        let (stdout, stdout_end) = io::pipe()?;
        let (stderr, stderr_end) = io::pipe()?;
        command.stdout(stdout_end).stderr(stderr_end);
        let outputs = Outputs {
            stdout: pipe::Receiver::from_owned_fd(stdout.into())?,
            stderr: pipe::Receiver::from_owned_fd(stderr.into())?,
        };
        // The child is reaped by `reap`, together with the orphans that it leaves.
        let child = command.spawn()?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
        Ok((Self { pid, exit: None }, outputs))
    }

    /// Sends a signal to the process and its group, if it still runs.
    pub(super) fn signal(&self, signal: Signal) {
        if self.exit.is_none() {
            let _ = kill_process_group(self.pid, signal);
        }
    }

    /// Takes note of what has ended. Once the process has, what is left of it is killed.
    ///
    /// Answers its exit code when nothing is left.
    pub(super) fn reap(&mut self) -> Option<i64> {
        self.reap_leader();
        let has_children = self.reap_orphans();
        let (code, ended_at) = self.exit?;
        if !has_children || ended_at.elapsed() > DRAIN {
            return Some(code);
        }
        // Our children by adoption: nobody else reaps them, so these pids are theirs.
        for pid in proc_table::children(std::process::id()).into_iter().filter_map(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
        None
    }

    /// Whether its end has been seen, and not yet that of its descendants.
    pub(super) fn is_draining(&self) -> bool {
        self.exit.is_some()
    }

    fn reap_leader(&mut self) {
        if self.exit.is_some() {
            return;
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if let Ok(Some(_)) = rustix::process::waitid(WaitId::Pid(self.pid), options) {
            // As long as it is not reaped, its pid, and so its group, is not given to another.
            let _ = kill_process_group(self.pid, Signal::KILL);
            if let Ok(Some((_, status))) = rustix::process::waitpid(Some(self.pid), WaitOptions::NOHANG) {
                self.exit = Some((exit_code(status), Instant::now()));
            }
        }
    }

    /// Reaps whatever child has ended; whether any is left alive.
    fn reap_orphans(&mut self) -> bool {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                // It ended since we looked.
                Ok(Some((pid, status))) if pid == self.pid && self.exit.is_none() => {
                    let _ = kill_process_group(pid, Signal::KILL);
                    self.exit = Some((exit_code(status), Instant::now()));
                }
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }
}

/// As a shell would say it: what it returned, or 128 and the signal that ended it.
fn exit_code(status: WaitStatus) -> i64 {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => i64::from(code),
        (None, Some(signal)) => 128 + i64::from(signal),
        (None, None) => i64::from(status.as_raw()),
    }
}
