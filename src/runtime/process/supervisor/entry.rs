use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::{
        fd::AsFd as _,
        unix::{net::UnixStream, process::CommandExt as _},
    },
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use rustix::{
    fs::FlockOperation,
    process::{getpid, set_child_subreaper, setsid},
};

use super::{
    super::{
        directory::Directory,
        protocol::{MAX_LINE_BYTES, Order, Report, VERSION, line},
        status::{Activity, LOCK_FILE, Status},
    },
    run,
};

/// The hidden first argument that makes this program a supervisor.
pub(in super::super) const SUPERVISE: &str = "__supervise";
const DETACHED: &str = "--detached";

/// Set for a program that is to be a supervisor. One that starts processes instead of becoming one
/// does not call [`supervise_if_asked`] first, and must not start itself again and again.
pub(in super::super) const GUARD: &str = "ORCHESTRATE_SUPERVISOR";

/// A supervisor that has said its last word may take so long to be gone.
const HANDOVER_TRIES: u32 = 100;
const HANDOVER_WAIT: Duration = Duration::from_millis(10);

/// Turns this program into the supervisor of one process, if its arguments ask for that. Every
/// program that starts processes with [`Processes`](crate::runtime::process::Processes) calls
/// this first thing in `main`, and exits with the answer if there is one.
pub fn supervise_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != SUPERVISE {
        return None;
    }
    let first = arguments.next()?;
    let result = match first == DETACHED {
        false => detach(&PathBuf::from(first)).inspect_err(|error| {
            let report = failed("set itself up", error);
            let _ = channel().and_then(|channel| Post::report(channel, &report));
        }),
        true => attend(),
    };
    Some(match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("supervisor: {error}");
            ExitCode::FAILURE
        }
    })
}

/// Leaves the caller's session, and starts the supervisor proper as a child that is orphaned at
/// once: it belongs to nobody's session, terminal or pipe.
fn detach(directory_path: &Path) -> io::Result<()> {
    std::env::set_current_dir(directory_path)?;
    let errors = Directory::open(Path::new("."))?.append_file("supervisor.log")?;
    setsid()?;
    Command::new("/proc/self/exe")
        .arg0("orchestrate")
        .args([SUPERVISE.as_ref(), DETACHED.as_ref(), directory_path.as_os_str()])
        .stdin(Stdio::inherit())
        .stdout(Stdio::null())
        .stderr(errors)
        .spawn()?;
    Ok(())
}

/// What a supervisor has once it has its instance.
pub(super) struct Post {
    pub(super) directory: Directory,
    /// Locked as long as it is open.
    pub(super) lock: File,
    pub(super) order: Order,
    /// The way back to the one who started it, for its one report.
    pub(super) channel: UnixStream,
}

impl Post {
    /// Answers the one who started it, and lets go of the connection to it.
    pub(super) fn report(channel: UnixStream, report: &Report) -> io::Result<()> {
        // Whoever started us may have gone since; that does not matter to the service.
        let _ = (&channel).write_all(&line(report));
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        Ok(())
    }
}

/// Its standard input, by which it is told what to do and answers.
fn channel() -> io::Result<UnixStream> {
    Ok(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?))
}

fn attend() -> io::Result<()> {
    let channel = channel()?;
    let directory = Directory::open(Path::new("."))?;
    let lock = match lock(&directory) {
        Ok(Some(lock)) => lock,
        Ok(None) => return Post::report(channel, &Report::Taken),
        Err(error) => return Post::report(channel, &failed("lock the instance", &error)),
    };
    set_child_subreaper(Some(getpid()))?;
    let mut order_line = String::new();
    BufReader::new((&channel).take(MAX_LINE_BYTES)).read_line(&mut order_line)?;
    let order = match serde_json::from_str::<Order>(&order_line) {
        Ok(order) if order.version == VERSION => order,
        // The order holds secrets, so what is wrong with it is not repeated.
        Ok(_) | Err(_) => {
            return Post::report(channel, &failed("read its order", &io::ErrorKind::InvalidData.into()));
        }
    };
    drop(order_line);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run::run(Post { directory, lock, order, channel }))
}

pub(super) fn failed(doing: &str, error: &io::Error) -> Report {
    Report::Failed { doing: doing.to_owned(), errno: error.raw_os_error().unwrap_or_default() }
}

/// Takes the instance's lock; `None` if another supervisor has it.
fn lock(directory: &Directory) -> io::Result<Option<File>> {
    let file = directory.append_file(LOCK_FILE)?;
    for _ in 0..HANDOVER_TRIES {
        match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file)),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => {}
            Err(errno) => return Err(errno.into()),
        }
        match Status::read(directory) {
            Some(Status { activity: Activity::Exited, .. }) => std::thread::sleep(HANDOVER_WAIT),
            Some(_) | None => return Ok(None),
        }
    }
    Ok(None)
}
