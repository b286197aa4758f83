use std::io::Write as _;

use crate::{
    runtime::{LogLine, Stream},
    time::Timestamp,
};

/// The longest text of one line; a longer one becomes several.
pub(super) const MAX_TEXT_BYTES: usize = 16 << 10;

/// The newest log file is number 0.
pub(super) fn log_file_name(number: u32) -> String {
    match number {
        0 => "log".to_owned(),
        number => format!("log.{number}"),
    }
}

/// Appends `<RFC 3339, microseconds> <o|e> <text>`.
pub(super) fn write_line(lines: &mut Vec<u8>, at: Timestamp, stream: Stream, text: &[u8]) {
    let stream = match stream {
        Stream::Stdout => 'o',
        Stream::Stderr => 'e',
    };
    let moment = jiff::Timestamp::from_microsecond(at.as_micros()).unwrap_or_default();
    write!(lines, "{moment:.6} {stream} ").expect("writing to memory cannot fail");
    lines.extend_from_slice(text);
    lines.push(b'\n');
}

/// Reads what [`write_line`] wrote, without the newline; `None` if it did not.
pub(super) fn parse_line(line: &[u8]) -> Option<LogLine> {
    let mut fields = line.splitn(3, |byte| *byte == b' ');
    let at = Timestamp::parse(std::str::from_utf8(fields.next()?).ok()?)?;
    let stream = match fields.next()? {
        b"o" => Stream::Stdout,
        b"e" => Stream::Stderr,
        _ => return None,
    };
    Some(LogLine { at: Some(at), stream, text: String::from_utf8_lossy(fields.next()?).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_as_they_were_written() {
        let at = Timestamp::from_micros(1_795_170_000_123_456);
        let mut line = Vec::new();
        write_line(&mut line, at, Stream::Stderr, b"a  b \xff");
        assert_eq!(String::from_utf8_lossy(&line), "2026-11-20T10:20:00.123456Z e a  b \u{fffd}\n");
        let expected = LogLine { at: Some(at), stream: Stream::Stderr, text: "a  b \u{fffd}".to_owned() };
        assert_eq!(parse_line(line.trim_ascii_end()), Some(expected));
        assert_eq!(parse_line(b"what is this"), None);
    }
}
