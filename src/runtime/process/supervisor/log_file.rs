use std::{fs::File, io, io::Write as _};

use super::super::{
    directory::Directory,
    log_line::{MAX_TEXT_BYTES, log_file_name, write_line},
    record::LogLimits,
};
use crate::{runtime::Stream, time::Timestamp};

/// The output of a service, as stamped lines in files that are rotated by size.
///
/// A service is never held up or hurt by its log: what cannot be written is counted, and a line
/// says so once writing works again.
pub(super) struct LogFile {
    limits: LogLimits,
    file: Option<File>,
    written: u64,
    lost_lines: u64,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl LogFile {
    /// Opens the log to go on with it.
    pub(super) fn open(directory: &Directory, limits: LogLimits) -> io::Result<Self> {
        let file = directory.append_file(&log_file_name(0))?;
        let written = file.metadata()?.len();
        Ok(Self { limits, file: Some(file), written, lost_lines: 0, stdout: Vec::new(), stderr: Vec::new() })
    }

    /// Takes what was read from a stream; whole lines of it are written.
    pub(super) fn take(&mut self, directory: &Directory, now: Timestamp, stream: Stream, bytes: &[u8]) {
        let mut lines = Vec::with_capacity(bytes.len() + 64);
        let mut count = 0;
        let partial = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_whole) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            partial.extend_from_slice(text);
            while partial.len() > MAX_TEXT_BYTES {
                write_line(&mut lines, now, stream, &partial[..MAX_TEXT_BYTES]);
                partial.drain(..MAX_TEXT_BYTES);
                count += 1;
            }
            if is_whole {
                write_line(&mut lines, now, stream, partial);
                partial.clear();
                count += 1;
            }
        }
        self.append(directory, now, &lines, count);
    }

    /// Writes what was not a whole line when the service ended.
    pub(super) fn flush(&mut self, directory: &Directory, now: Timestamp) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let has_rest = match stream {
                Stream::Stdout => !self.stdout.is_empty(),
                Stream::Stderr => !self.stderr.is_empty(),
            };
            if has_rest {
                self.take(directory, now, stream, b"\n");
            }
        }
    }

    fn append(&mut self, directory: &Directory, now: Timestamp, lines: &[u8], count: u64) {
        if lines.is_empty() {
            return;
        }
        let result = self.rotate_if_full(directory, lines.len() as u64).and_then(|()| self.write(now, lines));
        if result.is_err() {
            self.lost_lines += count;
        }
    }

    fn write(&mut self, now: Timestamp, lines: &[u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
        let mut note = Vec::new();
        if self.lost_lines > 0 {
            let text = format!("[orchestrate: {} lines could not be written]", self.lost_lines);
            write_line(&mut note, now, Stream::Stderr, text.as_bytes());
            file.write_all(&note)?;
            self.lost_lines = 0;
        }
        self.written += (note.len() + lines.len()) as u64;
        file.write_all(lines)
    }

    fn rotate_if_full(&mut self, directory: &Directory, more: u64) -> io::Result<()> {
        let is_full = self.written > 0 && self.written + more > self.limits.max_bytes;
        if self.file.is_some() && !is_full {
            return Ok(());
        }
        self.file = None;
        let oldest = self.limits.max_files.max(1) - 1;
        if oldest == 0 {
            let _ = directory.remove_file(&log_file_name(0));
        }
        for number in (0..oldest).rev() {
            let _ = directory.rename(&log_file_name(number), &log_file_name(number + 1));
        }
        let file = directory.append_file(&log_file_name(0))?;
        self.written = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(directory: &Directory, name: &str) -> String {
        let text = String::from_utf8(directory.read(name).unwrap_or_default()).unwrap();
        let lines = text.lines().map(|line| line.split_once(' ').unwrap().1);
        lines.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn output_becomes_lines_and_old_ones_go() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::make(temporary.path()).unwrap();
        let limits = LogLimits { max_bytes: 80, max_files: 2 };
        let mut log = LogFile::open(&directory, limits).unwrap();
        let mut take = |stream, text: &str| log.take(&directory, Timestamp::EPOCH, stream, text.as_bytes());
        take(Stream::Stdout, "first\nsec");
        take(Stream::Stderr, "trouble\n");
        assert_eq!(content(&directory, "log"), "o first|e trouble");
        take(Stream::Stdout, "ond\nthird");
        assert_eq!(
            (content(&directory, "log.1").as_str(), content(&directory, "log").as_str()),
            ("o first|e trouble", "o second")
        );
        log.flush(&directory, Timestamp::EPOCH);
        assert_eq!(content(&directory, "log"), "o second|o third");
        log.take(&directory, Timestamp::EPOCH, Stream::Stdout, b"fourth\n");
        assert_eq!(
            (content(&directory, "log.1").as_str(), content(&directory, "log").as_str()),
            ("o second|o third", "o fourth")
        );
        assert_eq!(directory.names().unwrap(), ["log", "log.1"]);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::make(temporary.path()).unwrap();
        let mut log = LogFile::open(&directory, LogLimits::default()).unwrap();
        log.take(&directory, Timestamp::EPOCH, Stream::Stdout, &[b'x'; MAX_TEXT_BYTES + 3]);
        log.flush(&directory, Timestamp::EPOCH);
        let lengths: Vec<usize> = content(&directory, "log").split('|').map(|line| line.len() - 2).collect();
        assert_eq!(lengths, [MAX_TEXT_BYTES, 3]);
    }
}
