use std::{
    fs::File,
    io,
    time::{Duration, Instant, SystemTime},
};

use rustix::process::Signal;
use tokio::{
    io::AsyncReadExt as _,
    net::{UnixListener, unix::pipe},
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
};

use super::{
    super::{
        directory::Directory,
        protocol::{Order, Reply, Report, SOCKET_FILE, Wish},
        status::{Activity, Status},
        trouble::reason,
    },
    control,
    entry::{Post, failed},
    lifecycle::{Input, Lifecycle, Step},
    log_file::LogFile,
    service::{Outputs, Service},
};
use crate::{runtime::Stream, time::Timestamp};

/// Output read and not yet written, in chunks: enough not to switch back and forth for each.
const QUEUE: usize = 8;
const CHUNK_BYTES: usize = 16 << 10;

/// How often is looked again for what does not end by itself once its service has.
const DRAIN_TICK: Duration = Duration::from_millis(50);
/// Output may be held open by what was not ours to kill; the end is not put off longer for it.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// The exit code of a service that could not be started again, as a shell has it.
const NOT_STARTED: i64 = 127;

/// Something that a source has to say.
pub(super) enum Happening {
    Output {
        stream: Stream,
        bytes: Vec<u8>,
    },
    OutputClosed {
        start: u32,
    },
    Asked {
        wish: Wish,
        reply: oneshot::Sender<Reply>,
    },
    ChildEnded,
    /// Someone asked the supervisor itself to end.
    Terminated,
    Tick,
}

struct Supervisor {
    directory: Directory,
    lock: File,
    order: Order,
    epoch: Instant,
    lifecycle: Lifecycle,
    service: Option<Service>,
    status: Status,
    log: LogFile,
    happenings: mpsc::Sender<Happening>,
    /// Counts starts, to know whose output has ended.
    start: u32,
    open_outputs: u32,
    /// The exit code of a service whose last output is still awaited, and until when.
    ended: Option<(i64, Instant)>,
}

/// Starts the service, reports, and watches over it until its end.
pub(super) async fn run(post: Post) -> io::Result<()> {
    let Post { directory, lock, order, channel } = post;
    let (happenings, mut inbox) = mpsc::channel(QUEUE);
    let mut child_signal = signal(SignalKind::child())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let prepared = listen(&directory).and_then(|listener| Ok((listener, LogFile::open(&directory, order.log)?)));
    let (listener, log) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return Post::report(channel, &failed("write its files", &error)),
    };
    let started_at = now();
    let (service, outputs) = match Service::spawn(&order) {
        Ok(spawned) => spawned,
        Err(error) => {
            let _ = directory.remove_file(SOCKET_FILE);
            return Post::report(channel, &Report::NotStarted { errno: error.raw_os_error().unwrap_or_default() });
        }
    };
    let status = Status::running(service.pid.as_raw_pid(), started_at);
    if let Err(error) = status.write(&directory) {
        service.signal(Signal::KILL);
        let _ = directory.remove_file(SOCKET_FILE);
        return Post::report(channel, &failed("write its state", &error));
    }
    let lifecycle = Lifecycle::new(order.restart, Duration::ZERO);
    let mut supervisor = Supervisor {
        directory,
        lock,
        order,
        epoch: Instant::now(),
        lifecycle,
        service: Some(service),
        status,
        log,
        happenings: happenings.clone(),
        start: 0,
        open_outputs: 0,
        ended: None,
    };
    supervisor.read_outputs(outputs);
    tokio::spawn(control::serve(listener, happenings));
    Post::report(channel, &Report::Running)?;
    loop {
        let happening = tokio::select! {
            Some(happening) = inbox.recv() => happening,
            Some(()) = child_signal.recv() => Happening::ChildEnded,
            Some(()) = terminate.recv() => Happening::Terminated,
            Some(()) = interrupt.recv() => Happening::Terminated,
            () = tokio::time::sleep_until(supervisor.wake_at().into()) => Happening::Tick,
        };
        if supervisor.handle(happening).is_finished() {
            return supervisor.leave();
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    GoesOn,
    Finished,
}

impl Progress {
    fn is_finished(self) -> bool {
        self == Self::Finished
    }
}

impl Supervisor {
    fn handle(&mut self, happening: Happening) -> Progress {
        match happening {
            Happening::Output { stream, bytes } => {
                self.log.take(&self.directory, now(), stream, &bytes);
                Progress::GoesOn
            }
            Happening::OutputClosed { start } => {
                if start == self.start {
                    self.open_outputs = self.open_outputs.saturating_sub(1);
                }
                self.look_for_end()
            }
            Happening::Asked { wish, reply } => {
                let _ = reply.send(Reply::Accepted);
                match wish {
                    Wish::Stop { grace } => self.decide(Input::StopAsked { grace: grace.0 }),
                    Wish::SetRestartPolicy { policy } => self.decide(Input::PolicySet(policy)),
                }
            }
            Happening::ChildEnded => self.look_for_end(),
            Happening::Terminated => self.decide(Input::StopAsked { grace: self.order.stop_grace.0 }),
            Happening::Tick => match self.decide(Input::Woken) {
                Progress::Finished => Progress::Finished,
                Progress::GoesOn => self.look_for_end(),
            },
        }
    }

    /// Sees whether the service, all it left behind, and its output have come to an end.
    fn look_for_end(&mut self) -> Progress {
        if let Some(service) = &mut self.service
            && let Some(code) = service.reap()
        {
            self.service = None;
            self.ended = Some((code, Instant::now() + LAST_OUTPUT));
        }
        match self.ended {
            Some((code, until)) if self.open_outputs == 0 || Instant::now() >= until => {
                self.ended = None;
                self.log.flush(&self.directory, now());
                self.status.exit_code = Some(code);
                self.decide(Input::Ended { code })
            }
            Some(_) | None => Progress::GoesOn,
        }
    }

    fn decide(&mut self, input: Input) -> Progress {
        match self.lifecycle.handle(self.epoch.elapsed(), input) {
            None => Progress::GoesOn,
            Some(Step::Signal) => {
                let signal = Signal::from_named_raw(self.order.stop_signal).unwrap_or(Signal::TERM);
                self.signal(signal)
            }
            Some(Step::Kill) => self.signal(Signal::KILL),
            Some(Step::Wait) => self.tell(Activity::Restarting),
            Some(Step::Spawn) => self.spawn_again(),
            Some(Step::Finish) => {
                self.tell(Activity::Exited);
                Progress::Finished
            }
        }
    }

    fn signal(&self, signal: Signal) -> Progress {
        if let Some(service) = &self.service {
            service.signal(signal);
        }
        Progress::GoesOn
    }

    /// Writes down what the service does now. Where that fails, an observer sees what was before.
    fn tell(&mut self, activity: Activity) -> Progress {
        self.status.activity = activity;
        if let Err(error) = self.status.write(&self.directory) {
            eprintln!("supervisor: cannot write its state: {error}");
        }
        Progress::GoesOn
    }

    fn spawn_again(&mut self) -> Progress {
        self.start += 1;
        let started_at = now();
        match Service::spawn(&self.order) {
            Ok((service, outputs)) => {
                let (restart_count, exit_code) = (self.status.restart_count + 1, self.status.exit_code);
                let running = Status::running(service.pid.as_raw_pid(), started_at);
                self.status = Status { restart_count, exit_code, ..running };
                self.service = Some(service);
                self.read_outputs(outputs);
                self.tell(Activity::Running)
            }
            Err(error) => {
                let text =
                    format!("[orchestrate: cannot start `{}`: {}]\n", self.order.program.display(), reason(&error));
                self.log.take(&self.directory, now(), Stream::Stderr, text.as_bytes());
                self.status.exit_code = Some(NOT_STARTED);
                self.decide(Input::Ended { code: NOT_STARTED })
            }
        }
    }

    fn read_outputs(&mut self, outputs: Outputs) {
        self.open_outputs = 2;
        for (stream, pipe) in [(Stream::Stdout, outputs.stdout), (Stream::Stderr, outputs.stderr)] {
            tokio::spawn(read_output(pipe, stream, self.start, self.happenings.clone()));
        }
    }

    fn wake_at(&self) -> Instant {
        /// Without anything to wait for, once in a while, so that a lost signal is not for ever.
        const IDLE: Duration = Duration::from_secs(60);
        let is_draining = self.service.as_ref().is_some_and(Service::is_draining) || self.ended.is_some();
        let look = Instant::now() + if is_draining { DRAIN_TICK } else { IDLE };
        let planned = self.lifecycle.wake_at().map(|wake| self.epoch + wake);
        planned.map_or(look, |planned| planned.min(look))
    }

    /// Leaves the instance to whoever comes next.
    fn leave(self) -> io::Result<()> {
        let _ = self.directory.remove_file(SOCKET_FILE);
        drop(self.lock);
        Ok(())
    }
}

fn listen(directory: &Directory) -> io::Result<UnixListener> {
    let _ = directory.remove_file(SOCKET_FILE);
    // The current directory is the instance's, so the path is short whatever its own length.
    UnixListener::bind(SOCKET_FILE)
}

async fn read_output(mut pipe: pipe::Receiver, stream: Stream, start: u32, happenings: mpsc::Sender<Happening>) {
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(length @ 1..) = pipe.read(&mut chunk).await {
        if happenings.send(Happening::Output { stream, bytes: chunk[..length].to_vec() }).await.is_err() {
            return;
        }
    }
    let _ = happenings.send(Happening::OutputClosed { start }).await;
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH + since_epoch
}
