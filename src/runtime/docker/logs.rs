use std::{collections::VecDeque, mem, pin::Pin, sync::Arc, time::Duration};

use bollard::{container::LogOutput, errors::Error, query_parameters::LogsOptions};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};

use tokio::time::{Instant, error::Elapsed};

use super::{Docker, call::Call, fault, instance, transport::Meter};
use crate::{
    diagnostic::Class,
    observed::Fault,
    runtime::{LogLine, LogQuery, Stream},
    time::Timestamp,
};

/// The most of a line that is kept, in bytes.
const LINE_LIMIT: usize = 16 * 1024;

/// Lines that a container wrote, oldest first.
pub(super) async fn read(
    docker: &Docker,
    id: &str,
    query: LogQuery,
) -> Result<BoxStream<'static, Result<LogLine, Fault>>, Fault> {
    let container = instance::owned(docker, id).await?.ok_or_else(|| {
        Fault::new(Class::Dependency, "instance-not-found", format!("`{id}` does not exist any more"))
    })?;
    let name = container.name.as_deref().map_or(id, |name| name.trim_start_matches('/'));
    let call = docker.read(format!("read the log of `{name}`"));
    let since_s = query.since.map_or(0, |since| since.as_micros().div_euclid(1_000_000));
    let options = LogsOptions {
        follow: query.follow,
        stdout: true,
        stderr: true,
        since: i32::try_from(since_s).unwrap_or(0),
        timestamps: true,
        tail: query.tail.map_or_else(|| "all".to_owned(), |tail| tail.to_string()),
        ..Default::default()
    };
    let (client, meter) = docker.streaming()?;
    let frames = client.logs(id, Some(options)).boxed();
    let reading = Reading {
        frames: Some(frames),
        meter,
        lines: Lines::default(),
        ready: VecDeque::new(),
        waited: Duration::ZERO,
        call,
        query,
    };
    Ok(stream::unfold(reading, |mut reading| async move {
        let item = reading.next().await?;
        Some((item, reading))
    })
    .boxed())
}

type Frames = Pin<Box<dyn stream::Stream<Item = Result<LogOutput, Error>> + Send>>;

/// A log as it is read: frames come in, lines go out.
struct Reading {
    /// `None` once it has ended.
    frames: Option<Frames>,
    meter: Arc<Meter>,
    lines: Lines,
    ready: VecDeque<LogLine>,
    /// How long the engine was waited for in all.
    waited: Duration,
    call: Call,
    query: LogQuery,
}

impl Reading {
    async fn next(&mut self) -> Option<Result<LogLine, Fault>> {
        loop {
            while let Some(line) = self.ready.pop_front() {
                // The engine counts in full seconds.
                if line.at.is_none_or(|at| self.query.since.is_none_or(|since| at >= since)) {
                    return Some(Ok(line));
                }
            }
            let Ok(frame) = self.frame().await? else { return self.end(fault::timed_out(&self.call)) };
            self.meter.refill();
            match frame {
                Some(Ok(frame)) => self.lines.push(&frame, &mut self.ready),
                Some(Err(error)) => return self.end(fault::from_stream(&self.call, &error, &self.meter)),
                None => {
                    self.frames = None;
                    self.lines.finish(&mut self.ready);
                }
            }
        }
    }

    /// The next frame, if it comes in time; `None` if the log has ended before. The last lines are
    /// soon read, so they have the limit together; a whole log may be long, so each frame has it;
    /// and whoever follows waits for lines that may never come.
    async fn frame(&mut self) -> Option<Result<Option<Result<LogOutput, Error>>, Elapsed>> {
        let frames = self.frames.as_mut()?;
        if self.query.follow {
            return Some(Ok(frames.next().await));
        }
        let limit = match self.query.tail {
            Some(_) => self.call.limit.saturating_sub(self.waited),
            None => self.call.limit,
        };
        let begun_at = Instant::now();
        let frame = tokio::time::timeout(limit, frames.next()).await;
        self.waited += begun_at.elapsed();
        Some(frame)
    }

    fn end(&mut self, fault: Fault) -> Option<Result<LogLine, Fault>> {
        self.frames = None;
        Some(Err(fault))
    }
}

/// Puts lines together from frames, for each output by itself. A frame is one line, or a part of a
/// line that was too long for the engine; each part has a time of its own in front.
#[derive(Default)]
struct Lines {
    stdout: Partial,
    stderr: Partial,
}

#[derive(Default)]
struct Partial {
    has_begun: bool,
    at: Option<Timestamp>,
    text: Vec<u8>,
}

impl Lines {
    fn push(&mut self, frame: &LogOutput, ready: &mut VecDeque<LogLine>) {
        let (partial, stream, bytes) = match frame {
            LogOutput::StdErr { message } => (&mut self.stderr, Stream::Stderr, message),
            LogOutput::StdOut { message } | LogOutput::StdIn { message } | LogOutput::Console { message } => {
                (&mut self.stdout, Stream::Stdout, message)
            }
        };
        let (at, text) = split_time(bytes);
        if !partial.has_begun {
            partial.at = at;
        }
        let mut pieces = text.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let is_last = pieces.peek().is_none();
            if is_last && piece.is_empty() {
                break;
            }
            partial.add(piece);
            if !is_last {
                ready.push_back(partial.take(stream));
                partial.at = at;
            }
        }
    }

    /// What is left had no newline at its end.
    fn finish(&mut self, ready: &mut VecDeque<LogLine>) {
        for (partial, stream) in [(&mut self.stdout, Stream::Stdout), (&mut self.stderr, Stream::Stderr)] {
            if partial.has_begun {
                ready.push_back(partial.take(stream));
            }
        }
    }
}

impl Partial {
    fn add(&mut self, piece: &[u8]) {
        self.has_begun = true;
        let room = LINE_LIMIT - self.text.len();
        self.text.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    fn take(&mut self, stream: Stream) -> LogLine {
        let Self { at, mut text, .. } = mem::take(self);
        if text.last() == Some(&b'\r') {
            text.pop();
        }
        LogLine { at, stream, text: String::from_utf8_lossy(&text).into_owned() }
    }
}

/// Takes off the time that the engine put in front.
fn split_time(bytes: &[u8]) -> (Option<Timestamp>, &[u8]) {
    // `2026-11-20T10:00:00.123456789Z` has thirty letters; other zones a few more.
    let head = &bytes[..bytes.len().min(40)];
    let Some(space) = head.iter().position(|byte| *byte == b' ') else { return (None, bytes) };
    let time = std::str::from_utf8(&head[..space]).ok().and_then(Timestamp::parse);
    if time.is_some() { (time, &bytes[space + 1..]) } else { (None, bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "2026-11-20T10:00:00.123456789Z";

    fn lines(frames: &[(Stream, String)]) -> Vec<LogLine> {
        let mut lines = Lines::default();
        let mut ready = VecDeque::new();
        for (stream, text) in frames {
            let message = text.clone().into();
            let frame = match stream {
                Stream::Stdout => LogOutput::StdOut { message },
                Stream::Stderr => LogOutput::StdErr { message },
            };
            lines.push(&frame, &mut ready);
        }
        lines.finish(&mut ready);
        ready.into()
    }

    #[test]
    fn lines_are_put_together_from_frames() {
        let frames = [
            (Stream::Stdout, format!("{AT} one\n")),
            (Stream::Stdout, format!("{AT} tw")),
            (Stream::Stderr, format!("{AT} no: time\r\n")),
            (Stream::Stdout, format!("{AT} o\n")),
            (Stream::Stdout, format!("{AT} \n")),
            (Stream::Stdout, "x y\nz".to_owned()),
        ];
        let found: Vec<String> = lines(&frames)
            .iter()
            .map(|line| {
                let at = line.at.map_or_else(|| "-".to_owned(), |at| at.to_string());
                format!("{at} {:?} {}", line.stream, line.text)
            })
            .collect();
        let expected = [
            "2026-11-20T10:00:00.123Z Stdout one",
            "2026-11-20T10:00:00.123Z Stderr no: time",
            "2026-11-20T10:00:00.123Z Stdout two",
            "2026-11-20T10:00:00.123Z Stdout ",
            "- Stdout x y",
            "- Stdout z",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_line_is_bounded() {
        let part = "a".repeat(LINE_LIMIT);
        let frames = [(Stream::Stdout, format!("{AT} {part}")), (Stream::Stdout, format!("{AT} bbb\nnext\n"))];
        let found = lines(&frames);
        assert_eq!(found.iter().map(|line| line.text.len()).collect::<Vec<_>>(), [LINE_LIMIT, 4]);
    }
}
