use std::{io, os::fd::AsFd as _, time::Duration};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    time::timeout,
};

use super::{
    directory::Directory,
    notify::awaitable,
    protocol::{Reply, Request, SOCKET_FILE, VERSION, Wish, line},
    status::Status,
    trouble::reason,
};
use crate::{diagnostic::Class, observed::Fault, plan::Interval, runtime::proc_table};

/// After the grace the supervisor kills, and waits up to five seconds for what is left.
const KILL_ALLOWANCE: Duration = Duration::from_secs(15);
/// A supervisor answers at once; one that does not is stopped itself, or hangs.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST_REPLY: u64 = 4096;

/// How a supervisor took a wish.
pub(super) enum Taken {
    /// It is done as far as the supervisor's word goes; the connection closes when it ends.
    Accepted(BufReader<UnixStream>),
    /// It cannot be reached, or speaks another version: signals remain.
    NotUnderstood,
}

/// Tells a supervisor something.
pub(super) async fn tell(directory: &Directory, wish: Wish) -> Taken {
    let talk = async {
        // By the descriptor, since a socket's path may have 107 bytes at most.
        let path = format!("/proc/self/fd/{}/{SOCKET_FILE}", std::os::fd::AsRawFd::as_raw_fd(&directory.as_fd()));
        let mut connection = UnixStream::connect(path).await?;
        connection.write_all(&line(&Request { version: VERSION, wish })).await?;
        let mut connection = BufReader::new(connection);
        let mut text = String::new();
        (&mut connection).take(LONGEST_REPLY).read_line(&mut text).await?;
        io::Result::Ok((connection, serde_json::from_str(&text).unwrap_or(Reply::Refused { version: 0 })))
    };
    match timeout(REPLY_TIMEOUT, talk).await {
        Ok(Ok((connection, Reply::Accepted))) => Taken::Accepted(connection),
        Ok(Ok((_, Reply::Refused { .. })) | Err(_)) | Err(_) => Taken::NotUnderstood,
    }
}

/// Has a supervisor stop its service, and waits until it has ended.
pub(super) async fn stop_supervised(directory: &Directory, supervisor: Pid, grace: Interval) -> Result<(), Fault> {
    // Held from before the wish, so that the pid cannot come to mean another process.
    let pidfd = match pidfd_open(supervisor, PidfdFlags::NONBLOCK) {
        Ok(pidfd) => pidfd,
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        Err(errno) => return Err(stop_fault(directory, &errno.into())),
    };
    match tell(directory, Wish::Stop { grace }).await {
        Taken::Accepted(connection) => drop(connection),
        Taken::NotUnderstood => match pidfd_send_signal(&pidfd, Signal::TERM) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(errno) => return Err(stop_fault(directory, &errno.into())),
        },
    }
    wait_for_end(directory, pidfd, grace.0 + KILL_ALLOWANCE).await
}

/// Stops a process whose supervisor is gone, and its group.
pub(super) async fn stop_orphan(
    directory: &Directory,
    status: &Status,
    signal: Signal,
    grace: Interval,
) -> Result<(), Fault> {
    let Some(pid) = Pid::from_raw(status.pid) else { return Ok(()) };
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::NONBLOCK) else { return Ok(()) };
    // Looked at only now, so that it is the descriptor's process that we looked at.
    if proc_table::started(status.pid) != Some(status.pid_started) {
        return Ok(());
    }
    kill_process_group(pid, signal).map_err(|errno| stop_fault(directory, &errno.into()))?;
    let waiter = pidfd.try_clone().map_err(|error| stop_fault(directory, &error))?;
    if wait_for_end(directory, waiter, grace.0).await.is_ok() {
        let _ = kill_process_group(pid, Signal::KILL);
        return Ok(());
    }
    kill_process_group(pid, Signal::KILL).map_err(|errno| stop_fault(directory, &errno.into()))?;
    wait_for_end(directory, pidfd, KILL_ALLOWANCE).await
}

/// Waits until the process behind a descriptor has ended.
async fn wait_for_end(directory: &Directory, pidfd: std::os::fd::OwnedFd, patience: Duration) -> Result<(), Fault> {
    let pidfd = awaitable(pidfd).map_err(|error| stop_fault(directory, &error))?;
    match timeout(patience, pidfd.readable()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(stop_fault(directory, &error)),
        Err(_) => {
            let text =
                format!("the process in `{}` has not stopped in {} s", directory.path().display(), patience.as_secs());
            Err(Fault::new(Class::Timeout, "stop-timeout", text)
                .hint("it may hang in the kernel: see its state in `ps`")
                .transient()
                .outcome_unknown())
        }
    }
}

fn stop_fault(directory: &Directory, error: &io::Error) -> Fault {
    let text = format!("cannot stop the process in `{}`: {}", directory.path().display(), reason(error));
    match error.kind() {
        io::ErrorKind::PermissionDenied => Fault::new(Class::Permission, "stop-not-permitted", text)
            .hint("it runs as another user: stop it as that user, or as root"),
        _ => Fault::new(Class::Deployment, "stop-failed", text),
    }
}
