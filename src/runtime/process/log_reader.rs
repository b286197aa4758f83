use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    os::unix::fs::MetadataExt as _,
};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::mpsc;

use super::{
    directory::Directory,
    log_line::{log_file_name, parse_line},
    notify::Notifier,
    status::Condition,
    trouble::state_fault,
};
use crate::{
    observed::Fault,
    runtime::{LogLine, LogQuery},
};

/// Lines read ahead of whoever takes them.
const AHEAD: usize = 256;

type Lines = mpsc::Sender<Result<LogLine, Fault>>;

/// An instance's lines, oldest first, and on from there if asked to follow.
pub(super) fn read_logs(directory: Directory, query: LogQuery) -> BoxStream<'static, Result<LogLine, Fault>> {
    let (lines, receiver) = mpsc::channel(AHEAD);
    // Ends with the stream: its next line finds nobody to take it.
    tokio::spawn(async move {
        if let Err(error) = produce(&directory, query, &lines).await {
            let _ = lines.send(Err(state_fault("read", directory.path(), &error))).await;
        }
    });
    stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|line| (line, receiver))).boxed()
}

/// Nobody takes lines any more, or there are no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    GoesOn,
    Ended,
}

async fn produce(directory: &Directory, query: LogQuery, lines: &Lines) -> io::Result<()> {
    // Watched before it is read, so that nothing is written unseen in between.
    let notifier = match query.follow {
        true => Some(Notifier::new().and_then(|notifier| notifier.watch(directory).map(|_| notifier))?),
        false => None,
    };
    let mut files = open_files(directory)?;
    let newest = files.pop_back();
    let mut last = VecDeque::new();
    for mut file in files {
        if forward(&mut file, &query, lines, &mut last).await? == Flow::Ended {
            return Ok(());
        }
    }
    let mut tail = newest.unwrap_or_default();
    if forward(&mut tail, &query, lines, &mut last).await? == Flow::Ended {
        return Ok(());
    }
    for line in last {
        if lines.send(Ok(line)).await.is_err() {
            return Ok(());
        }
    }
    match notifier {
        Some(notifier) => follow(directory, &notifier, tail, &query, lines).await,
        None => Ok(()),
    }
}

async fn follow(
    directory: &Directory,
    notifier: &Notifier,
    mut tail: Tail,
    query: &LogQuery,
    lines: &Lines,
) -> io::Result<()> {
    let query = LogQuery { tail: None, ..query.clone() };
    loop {
        // Asked before reading: what an ended instance wrote is all there.
        let has_ended = matches!(Condition::read(directory), Condition::Exited(_)) || !is_there(directory);
        loop {
            let newest = Tail::open(directory, 0)?;
            if forward(&mut tail, &query, lines, &mut VecDeque::new()).await? == Flow::Ended {
                return Ok(());
            }
            match newest {
                Some(newest) if newest.inode != tail.inode => tail = newest,
                Some(_) | None => break,
            }
        }
        if has_ended {
            return Ok(());
        }
        tokio::select! {
            changes = notifier.changes() => { changes?; }
            () = lines.closed() => return Ok(()),
        }
    }
}

/// Whether it still has links: a directory that was removed has none.
fn is_there(directory: &Directory) -> bool {
    rustix::fs::fstat(directory).is_ok_and(|stat| stat.st_nlink > 0)
}

/// A log file as far as it has been read.
#[derive(Default)]
struct Tail {
    reader: Option<BufReader<File>>,
    inode: u64,
    /// The beginning of a line whose end was not yet there.
    partial: Vec<u8>,
}

impl Tail {
    fn open(directory: &Directory, number: u32) -> io::Result<Option<Self>> {
        match directory.open_file(&log_file_name(number)) {
            Ok(file) => {
                let inode = file.metadata()?.ino();
                Ok(Some(Self { reader: Some(BufReader::new(file)), inode, partial: Vec::new() }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The next whole line that there is now.
    fn next_line(&mut self) -> io::Result<Option<LogLine>> {
        /// No line is longer; something else that stands there is passed over in pieces.
        const LONGEST: u64 = 64 << 10;
        let Some(reader) = &mut self.reader else { return Ok(None) };
        loop {
            if reader.take(LONGEST).read_until(b'\n', &mut self.partial)? == 0 {
                return Ok(None);
            }
            let is_whole = self.partial.last() == Some(&b'\n');
            if !is_whole && (self.partial.len() as u64) < LONGEST {
                return Ok(None);
            }
            let line = parse_line(self.partial.strip_suffix(b"\n").unwrap_or(&self.partial));
            self.partial.clear();
            if line.is_some() {
                return Ok(line);
            }
        }
    }
}

/// The files that there are, oldest first. They are opened newest first, so that one that is
/// rotated meanwhile is seen twice rather than not at all.
fn open_files(directory: &Directory) -> io::Result<VecDeque<Tail>> {
    let mut files: VecDeque<Tail> = VecDeque::new();
    for number in 0.. {
        match Tail::open(directory, number)? {
            Some(file) if files.iter().any(|seen| seen.inode == file.inode) => {}
            Some(file) => files.push_front(file),
            None => break,
        }
    }
    Ok(files)
}

/// Passes on the lines that the query asks for; only the last ones are kept if it names a number.
async fn forward(file: &mut Tail, query: &LogQuery, lines: &Lines, last: &mut VecDeque<LogLine>) -> io::Result<Flow> {
    while let Some(line) = file.next_line()? {
        if query.since.is_some_and(|since| line.at < Some(since)) {
            continue;
        }
        match query.tail {
            Some(count) => {
                last.push_back(line);
                if last.len() > count {
                    last.pop_front();
                }
            }
            None if lines.send(Ok(line)).await.is_err() => return Ok(Flow::Ended),
            None => {}
        }
    }
    Ok(Flow::GoesOn)
}
