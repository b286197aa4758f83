//! The caller's own streams, connected with a command's.

use std::{
    io::{self, IsTerminal as _, Read as _, Write as _},
    os::unix::process::ExitStatusExt as _,
    process::ExitStatus,
    sync::Arc,
    time::Duration,
};

use futures_util::StreamExt as _;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::Instant,
};

use super::{Exit, terminal};
use crate::{
    observed::Fault,
    runtime::{Attached, FarEnd, Remote, Stream, Streams, TerminalSize},
};

/// What was read and not yet passed on, in chunks.
const QUEUE: usize = 8;
const CHUNK_BYTES: usize = 16 << 10;
/// What a signal asks of a command may take as long as a stop may that nobody has planned.
const GRACE: Duration = Duration::from_secs(10);
/// Exit codes as shells have them.
const NOT_FOUND: u8 = 127;
const NOT_RUNNABLE: u8 = 126;

/// How the caller's streams are to be connected: with a terminal if both ends are one, unless none
/// is wanted.
pub fn streams(no_terminal: bool, is_detached: bool) -> Streams {
    let has_terminal = !no_terminal && !is_detached && io::stdin().is_terminal() && io::stdout().is_terminal();
    let size = || terminal::size().map_or((24, 80), |size| size);
    let terminal = has_terminal.then(size).map(|(rows, columns)| TerminalSize { rows, columns });
    Streams { terminal, has_input: !is_detached, is_detached }
}

/// Whether the command sees signals as they come, or the caller's terminal makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnSignal {
    /// It gets the first; the second ends it, and so does too long a wait.
    PassOn,
    /// It cannot be sent any: the first one leaves it as it is.
    Leave,
}

/// Connects the caller's streams with a command's until that ends: how it ended. `signals` are those
/// that came since before it was started.
///
/// # Errors
/// If the connection breaks off, or the terminal cannot be used.
pub async fn connect(
    attached: Attached,
    streams: Streams,
    signals: Signals,
    on_signal: OnSignal,
) -> anyhow::Result<Exit> {
    match attached {
        Attached::Detached => Ok(Exit::Ok),
        Attached::Local(command) => local(*command, signals).await,
        Attached::Remote(remote) => {
            let raw = streams.terminal.map(|_| RawTerminal::new()).transpose()?;
            let ended = far(remote, streams, signals, on_signal).await;
            drop(raw);
            ended
        }
    }
}

/// A program of this host has the caller's streams; the terminal's signals reach it by themselves.
async fn local(command: std::process::Command, mut signals: Signals) -> anyhow::Result<Exit> {
    let word = command.get_program().to_string_lossy().into_owned();
    let mut child = match tokio::process::Command::from(command).spawn() {
        Ok(child) => child,
        Err(error) => {
            // As a shell says it.
            let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_RUNNABLE };
            write_to(&mut io::stderr(), format!("error: `{word}` cannot be run: {error}\n").as_bytes())?;
            return Ok(Exit::Command(code));
        }
    };
    loop {
        tokio::select! {
            status = child.wait() => return Ok(Exit::Command(code_of(status?))),
            // From a terminal it has reached the child, too; from elsewhere it has to be passed on.
            received = signals.next() => {
                let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
                if let (Some(pid), false) = (pid, received == Received::Interrupt && io::stdin().is_terminal()) {
                    let _ = rustix::process::kill_process(pid, received.signal());
                }
            }
        }
    }
}

fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

async fn far(remote: Remote, streams: Streams, mut signals: Signals, on_signal: OnSignal) -> anyhow::Result<Exit> {
    let Remote { output, input, far_end } = remote;
    let pump = tokio::spawn(pass_input(streams.has_input, input));
    let mut resized = signal(SignalKind::window_change())?;
    let mut written = Box::pin(write_output(output));
    // The signal that was passed on, and how long what it asked for may take.
    let mut passed_on: Option<(Received, Instant)> = None;
    let ended = loop {
        let until = passed_on.map(|(_, until)| until);
        let overdue = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let (received, is_last) = tokio::select! {
            ended = &mut written => break ended,
            Some(()) = resized.recv(), if streams.terminal.is_some() => {
                follow_size(&far_end).await;
                continue;
            }
            received = signals.next() => (received, passed_on.is_some() || on_signal == OnSignal::Leave),
            () = overdue => (passed_on.map_or(Received::Terminate, |(received, _)| received), true),
        };
        if !is_last && far_end.signal(received.name()).await.unwrap_or(false) {
            passed_on = Some((received, Instant::now() + GRACE));
            continue;
        }
        if on_signal == OnSignal::PassOn {
            drop(far_end.signal("SIGKILL").await);
        }
        pump.abort();
        return Ok(received.exit());
    };
    pump.abort();
    ended?;
    let code = far_end.exit_code().await?;
    Ok(Exit::Command(u8::try_from(code).unwrap_or(1)))
}

async fn follow_size(far_end: &Arc<dyn FarEnd>) {
    if let Some((rows, columns)) = terminal::size() {
        // The command goes on in the size that it had.
        drop(far_end.resize(TerminalSize { rows, columns }).await);
    }
}

/// Passes on what the caller is given to read. A thread of its own reads it: one that waits for a
/// key cannot be ended, and nobody has to wait for it.
async fn pass_input(has_input: bool, mut input: std::pin::Pin<Box<dyn AsyncWrite + Send>>) {
    let (sender, mut receiver) = mpsc::channel::<Vec<u8>>(QUEUE);
    if has_input {
        std::thread::spawn(move || {
            let mut chunk = vec![0; CHUNK_BYTES];
            while let Ok(length @ 1..) = io::stdin().lock().read(&mut chunk) {
                if sender.blocking_send(chunk[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
    } else {
        drop(sender);
    }
    while let Some(chunk) = receiver.recv().await {
        if input.write_all(&chunk).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
    drop(input.shutdown().await);
    // Dropped here it would close the whole connection, and what is still written would be lost.
    std::future::pending::<()>().await;
}

/// Writes what the command writes, as it is. Whoever reads it may have had enough.
async fn write_output(
    mut output: futures_util::stream::BoxStream<'static, Result<crate::runtime::Chunk, Fault>>,
) -> anyhow::Result<()> {
    while let Some(chunk) = output.next().await {
        let (stream, bytes) = chunk?;
        let written = match stream {
            Stream::Stdout => write_to(&mut io::stdout().lock(), &bytes),
            Stream::Stderr => write_to(&mut io::stderr().lock(), &bytes),
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            result => result?,
        }
    }
    Ok(())
}

fn write_to(stream: &mut impl io::Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

/// The terminal passes every key on as it is, until this is dropped.
struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    fn new() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
        let _ = io::stdout().flush();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Received {
    Interrupt,
    Terminate,
    HangUp,
    Quit,
}

impl Received {
    fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::HangUp => "SIGHUP",
            Self::Quit => "SIGQUIT",
        }
    }

    fn signal(self) -> rustix::process::Signal {
        match self {
            Self::Interrupt => rustix::process::Signal::INT,
            Self::Terminate => rustix::process::Signal::TERM,
            Self::HangUp => rustix::process::Signal::HUP,
            Self::Quit => rustix::process::Signal::QUIT,
        }
    }

    fn exit(self) -> Exit {
        match self {
            Self::Interrupt | Self::Quit => Exit::Interrupted,
            Self::Terminate | Self::HangUp => Exit::Terminated,
        }
    }
}

/// The signals that would end this program, from now on heard.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    quit: Signal,
}

impl Signals {
    /// # Errors
    /// If signals cannot be heard.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    async fn next(&mut self) -> Received {
        tokio::select! {
            Some(()) = self.interrupt.recv() => Received::Interrupt,
            Some(()) = self.terminate.recv() => Received::Terminate,
            Some(()) = self.hang_up.recv() => Received::HangUp,
            Some(()) = self.quit.recv() => Received::Quit,
        }
    }
}
