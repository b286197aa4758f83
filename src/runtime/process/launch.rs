use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream as StdUnixStream},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    process::Command,
};

use super::{
    account::account,
    inherited::without_inherited,
    protocol::{Order, Report, VERSION, line},
    record::{Launch, Record},
    supervisor::{GUARD, SUPERVISE},
    trouble::reason,
};
use crate::{diagnostic::Class, observed::Fault, secret::Sealer};

/// A supervisor that has said nothing for so long hangs, or the host does.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// What to tell a supervisor so that it starts this instance from `program`.
pub(super) fn order(record: &Record, program: PathBuf, sealer: &Sealer) -> Result<Order, Fault> {
    let launch = opened(record, sealer)?;
    if !launch.working_dir.is_dir() {
        let text =
            format!("the working directory `{}` of `{}` does not exist", launch.working_dir.display(), record.name);
        return Err(Fault::new(Class::Configuration, "working-directory-not-found", text)
            .hint("make it, or correct `working_dir`"));
    }
    let user = launch.user.as_deref().map(account).transpose()?.map(|account| (account.uid, account.gid));
    Ok(Order {
        version: VERSION,
        program,
        command: launch.command.iter().map(|word| word.expose().to_owned()).collect(),
        environment: launch.environment.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect(),
        working_dir: launch.working_dir,
        user,
        restart: record.restart,
        stop_signal: launch.stop_signal,
        stop_grace: launch.stop_grace,
        log: launch.log,
    })
}

/// An instance's launch with its secrets in the clear.
pub(super) fn opened(record: &Record, sealer: &Sealer) -> Result<Launch, Fault> {
    record.launch.opened(sealer).map_err(|error| {
        Fault::new(Class::Configuration, "secret-not-readable", format!("cannot start `{}`: {error}", record.name))
            .hint(
                "the key in the state directory is not the one that this instance was made with: apply the plan again",
            )
    })
}

/// Starts a supervisor in the instance's directory, and waits until it says how that went.
pub(super) async fn launch(supervisor: &Path, directory: &Path, order: &Order) -> Result<Report, Fault> {
    if std::env::var_os(GUARD).is_some() {
        return Err(Fault::new(Class::Configuration, "no-supervisor", "this program cannot act as a supervisor")
            .hint("call `orchestrate::runtime::process::supervise_if_asked` first thing in its `main`"));
    }
    let talk = async {
        let (channel, theirs) = StdUnixStream::pair()?;
        channel.set_nonblocking(true)?;
        let mut channel = UnixStream::from_std(channel)?;
        let words = without_inherited(supervisor);
        let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut child = Command::new(program)
            .args(arguments)
            .args([SUPERVISE.as_ref(), directory.as_os_str()])
            .env_clear()
            .env(GUARD, "1")
            .current_dir(directory)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        // One that found its instance taken answers without having read.
        let _ = channel.write_all(&line(order)).await;
        child.wait().await?;
        let mut text = String::new();
        BufReader::new(channel).read_line(&mut text).await?;
        io::Result::Ok(text)
    };
    let text = match tokio::time::timeout(START_TIMEOUT, talk).await {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => return Err(no_supervisor(supervisor, &reason(&error))),
        Err(_) => {
            let text = format!("the supervisor said nothing for {} s", START_TIMEOUT.as_secs());
            return Err(Fault::new(Class::Timeout, "supervisor-timeout", text).transient().outcome_unknown());
        }
    };
    serde_json::from_str(&text).map_err(|_| {
        let log = directory.join("supervisor.log");
        no_supervisor(supervisor, "it ended without a word").hint(format!("see `{}`", log.display())).outcome_unknown()
    })
}

fn no_supervisor(supervisor: &Path, why: &str) -> Fault {
    let text = format!("cannot run the supervisor `{}`: {why}", supervisor.display());
    Fault::new(Class::Deployment, "no-supervisor", text)
}

/// What went wrong, as the supervisor reported it.
pub(super) fn not_started(record: &Record, order: &Order, errno: i32) -> Fault {
    let error = io::Error::from_raw_os_error(errno);
    let program = order.program.display();
    let text = format!("cannot start `{}`: running `{program}`: {}", record.name, reason(&error));
    match error.kind() {
        io::ErrorKind::NotFound => Fault::new(Class::Dependency, "executable-not-found", text)
            .hint("if it is a script, the interpreter in its first line is not there"),
        io::ErrorKind::PermissionDenied => Fault::new(Class::Permission, "executable-not-permitted", text)
            .hint("the user that it runs as needs the right to execute it, and to enter `working_dir`"),
        io::ErrorKind::ExecutableFileBusy => {
            Fault::new(Class::Deployment, "executable-busy", text).hint("it is being written just now").transient()
        }
        io::ErrorKind::ArgumentListTooLong => {
            Fault::new(Class::Configuration, "environment-too-large", text).hint("shorten `command` and `environment`")
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => {
            Fault::new(Class::Resource, "no-more-processes", text)
                .hint("see `ulimit -u` and the free memory")
                .transient()
        }
        _ => Fault::new(Class::Deployment, "executable-not-started", text)
            .hint("it has to be a program for this machine, or a script that begins with `#!`"),
    }
}
