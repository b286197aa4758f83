//! The events of a deployment, kept while it runs for whoever watches it from another process.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::private_file;
use crate::{
    event::{Event, Moment},
    secret::Scrubber,
};

/// The most that is kept of one deployment: a hundred thousand events and more. Pulls of large
/// images tell of each megabyte.
const LIMIT_BYTES: u64 = 64 << 20;
/// Lines of another version are passed over.
const VERSION: u32 = 1;
/// As much as is read at a time.
const CHUNK_BYTES: u64 = 1 << 20;

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line<M> {
    version: u32,
    #[serde(flatten)]
    moment: M,
}

/// Writes a deployment's events down. They are for people who look on, and nothing depends on them:
/// they are not synced, and if they cannot be written the deployment goes on without.
#[derive(Debug)]
pub struct EventLog {
    /// `None` once nothing more is written.
    file: Option<File>,
    bytes: u64,
    limit: u64,
}

impl EventLog {
    pub(super) fn append_to(path: &Path) -> Self {
        Self::with_limit(path, LIMIT_BYTES)
    }

    fn with_limit(path: &Path, limit: u64) -> Self {
        let Ok((file, bytes)) = open_at_end(path) else { return Self { file: None, bytes: 0, limit } };
        // What was written up to the limit by a process before this one has said so itself.
        Self { file: Some(file).filter(|_| bytes < limit), bytes, limit }
    }

    /// Writes one down, without secrets.
    pub fn write(&mut self, moment: &Moment, scrubber: &Scrubber) {
        let Some(file) = &mut self.file else { return };
        let line = line(moment, scrubber);
        self.bytes += line.len() as u64;
        let is_full = self.bytes > self.limit;
        let text = "there are too many events: those that follow are not kept for those who watch";
        let last = || line_of_warning(moment, text);
        let written = file.write_all(if is_full { last() } else { line }.as_bytes());
        if is_full || written.is_err() {
            self.file = None;
        }
    }
}

fn open_at_end(path: &Path) -> io::Result<(File, u64)> {
    let mut file = private_file::open(path).map_err(io::Error::other)?;
    let bytes = file.seek(SeekFrom::End(0))?;
    if bytes == 0 {
        return Ok((file, 0));
    }
    // A process before this one may have been cut off in the middle of a line.
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last != *b"\n" {
        file.write_all(b"\n")?;
    }
    Ok((file, bytes))
}

fn line(moment: &Moment, scrubber: &Scrubber) -> String {
    let mut document = serde_json::to_value(Line { version: VERSION, moment }).expect("events have only string keys");
    scrub(&mut document, scrubber);
    format!("{document}\n")
}

fn line_of_warning(moment: &Moment, text: &str) -> String {
    let warning = Moment { at: moment.at, event: Event::Warning { text: text.to_owned() } };
    line(&warning, &Scrubber::new([]))
}

/// Texts in events are scrubbed where they come in; this is for what was forgotten there. A service
/// may well be called as its password is: names are left alone.
fn scrub(value: &mut serde_json::Value, scrubber: &Scrubber) {
    let Some(fields) = value.as_object_mut() else { return };
    for (name, value) in fields {
        match value {
            serde_json::Value::String(text) if FREE_TEXTS.contains(&name.as_str()) => *text = scrubber.line(text),
            value => scrub(value, scrubber),
        }
    }
}

/// The fields of events in which anything may stand.
const FREE_TEXTS: [&str; 4] = ["action", "check", "hint", "text"];

/// Reads a deployment's events from the first on, as they are written.
#[derive(Debug)]
pub struct EventReader {
    path: PathBuf,
    /// `None` until there is one.
    file: Option<File>,
    /// The beginning of a line that is not whole yet.
    rest: Vec<u8>,
}

impl EventReader {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None, rest: Vec::new() }
    }

    /// The next events, some thousands at most; none if there are no more for now. Lines that mean
    /// nothing here are passed over: they are torn, or a newer version's.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn read_on(&mut self) -> io::Result<Vec<Moment>> {
        if self.file.is_none() {
            self.file = open_to_read(&self.path)?;
        }
        let Some(file) = &mut self.file else { return Ok(Vec::new()) };
        loop {
            if file.take(CHUNK_BYTES).read_to_end(&mut self.rest)? == 0 {
                return Ok(Vec::new());
            }
            let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { continue };
            let lines: Vec<u8> = self.rest.drain(..=end).collect();
            let moments: Vec<Moment> = lines.split(|byte| *byte == b'\n').filter_map(parse).collect();
            if !moments.is_empty() {
                return Ok(moments);
            }
        }
    }
}

fn open_to_read(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    match options.open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn parse(line: &[u8]) -> Option<Moment> {
    let line: Line<Moment> = serde_json::from_slice(line).ok()?;
    (line.version == VERSION).then_some(line.moment)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::{diagnostic::Class, observed::Fault, secret::Secret, time::Timestamp};

    fn warning(text: &str) -> Moment {
        Moment { at: Timestamp::from_micros(1_795_168_800_123_456), event: Event::Warning { text: text.to_owned() } }
    }

    fn place() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("abcd1234.jsonl");
        (directory, path)
    }

    fn nothing() -> Scrubber {
        Scrubber::new([])
    }

    #[test]
    fn events_are_read_as_they_are_written() {
        let (_directory, path) = place();
        let mut reader = EventReader::new(path.clone());
        assert_eq!(reader.read_on().unwrap(), []);
        let mut log = EventLog::append_to(&path);
        assert_eq!(reader.read_on().unwrap(), []);
        log.write(&warning("one"), &nothing());
        log.write(&warning("two\n"), &nothing());
        assert_eq!(reader.read_on().unwrap(), [warning("one"), warning("two\u{fffd}")]);
        assert_eq!(reader.read_on().unwrap(), []);
        log.write(&warning("three"), &nothing());
        assert_eq!(reader.read_on().unwrap(), [warning("three")]);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    }

    #[test]
    fn a_line_is_of_use_once_it_is_whole() {
        let (_directory, path) = place();
        let whole = line(&warning("whole"), &nothing());
        let (head, tail) = whole.split_at(20);
        let mut file = File::create(&path).unwrap();
        let mut reader = EventReader::new(path.clone());
        file.write_all(head.as_bytes()).unwrap();
        assert_eq!(reader.read_on().unwrap(), []);
        file.write_all(tail.as_bytes()).unwrap();
        assert_eq!(reader.read_on().unwrap(), [warning("whole")]);
    }

    #[test]
    fn what_was_torn_or_is_newer_is_passed_over() {
        let (_directory, path) = place();
        let newer = line(&warning("newer"), &nothing()).replace("\"version\":1", "\"version\":2");
        let unknown = "{\"version\":1,\"at\":1,\"event\":\"from_the_future\"}\n";
        std::fs::write(&path, format!("{newer}{unknown}{{\"version\":1,\"at\":17951")).unwrap();
        let mut log = EventLog::append_to(&path);
        log.write(&warning("after"), &nothing());
        assert_eq!(EventReader::new(path).read_on().unwrap(), [warning("after")]);
    }

    #[test]
    fn a_secret_that_slipped_through_is_not_kept() {
        let (_directory, path) = place();
        let scrubber = Scrubber::new([Secret::new("postgres")]);
        let failed = |text: &str| Moment {
            at: Timestamp::EPOCH,
            event: Event::ServiceFailed {
                service: "postgres".parse().unwrap(),
                instance: None,
                error: Fault::new(Class::HealthCheck, "not-ready", text),
            },
        };
        EventLog::append_to(&path).write(&failed("the password is postgres"), &scrubber);
        assert_eq!(EventReader::new(path).read_on().unwrap(), [failed("the password is ***")]);
    }

    #[test]
    fn it_does_not_grow_without_end_and_says_so() {
        let (_directory, path) = place();
        let mut log = EventLog::with_limit(&path, 300);
        (0..100).for_each(|number| log.write(&warning(&format!("{number}")), &nothing()));
        let kept = EventReader::new(path.clone()).read_on().unwrap();
        let texts: Vec<String> = kept.iter().map(|moment| format!("{:?}", moment.event)).collect();
        assert!(texts.last().unwrap().contains("too many events"), "{texts:?}");
        let bytes = std::fs::metadata(&path).unwrap().len();
        assert!(bytes < 500 && kept.len() > 2, "{bytes} bytes, {} events", kept.len());
        // Who goes on with the deployment writes no more either.
        EventLog::with_limit(&path, 300).write(&warning("more"), &nothing());
        assert_eq!(std::fs::metadata(&path).unwrap().len(), bytes);
    }

    #[test]
    fn where_it_cannot_be_written_it_is_left_out() {
        let (directory, path) = place();
        std::os::unix::fs::symlink(directory.path().join("elsewhere"), &path).unwrap();
        EventLog::append_to(&path).write(&warning("lost"), &nothing());
        assert!(!directory.path().join("elsewhere").exists());
    }
}
