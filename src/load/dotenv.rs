//! The text of env files: `NAME=value` lines as Compose reads them.

use super::parse::MAX_ENTRIES;

/// What a `$` in a value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dollars {
    /// Itself, as in the env files of plans.
    Kept,
    /// The start of a variable, as Compose has it, but for values in single quotes.
    Expanded,
}

/// One line of an env file, or several if its value has newlines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    pub name: String,
    /// `None` for a name alone, which is passed on from elsewhere.
    pub value: Option<String>,
    /// Whether `$NAME`s in the value are still to be replaced.
    pub is_open: bool,
    /// Counts from 1.
    pub line: u32,
}

/// A line that is no assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadLine {
    pub line: u32,
    pub summary: String,
}

/// An env file, read.
#[derive(Debug, Default)]
pub(super) struct DotEnv {
    pub assignments: Vec<Assignment>,
    pub bad: Vec<BadLine>,
    /// The text line by line with `***` for all values: what may be shown of it.
    pub masked: String,
    /// Where each line of the masked text starts.
    starts: Vec<usize>,
}

/// After so many lines that are wrong, the rest is not looked at.
const MOST_BAD: usize = 500;

impl DotEnv {
    pub fn parse(text: &str, dollars: Dollars) -> Self {
        let mut read = Self::default();
        let mut lines = Lines { rest: text.strip_prefix('\u{feff}').unwrap_or(text), number: 0 };
        while let Some(line) = lines.next() {
            if read.bad.len() > MOST_BAD || read.assignments.len() > MAX_ENTRIES {
                break;
            }
            read.line(line, &mut lines, dollars);
        }
        read
    }

    /// The stretch of a line in the masked text.
    pub fn stretch(&self, line: u32) -> std::ops::Range<usize> {
        let index = line as usize - 1;
        let start = self.starts.get(index).copied().unwrap_or(self.masked.len());
        let next = self.starts.get(index + 1).copied().unwrap_or(self.masked.len());
        start..next.saturating_sub(1).max(start)
    }

    fn mask(&mut self, line: &str) {
        self.starts.push(self.masked.len());
        self.masked.push_str(line);
        self.masked.push('\n');
    }

    fn line(&mut self, line: &str, lines: &mut Lines, dollars: Dollars) {
        let number = lines.number;
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            return self.mask(if trimmed.is_empty() { "" } else { "#" });
        }
        let bare = trimmed.strip_prefix("export ").unwrap_or(trimmed).trim_start();
        let separator = bare.find(|c: char| c == '=' || (c == ':' && dollars == Dollars::Expanded));
        let (name, value) = match separator {
            Some(at) => (bare[..at].trim_end(), Some(bare[at + 1..].trim_start())),
            None => (bare.split_once(" #").map_or(bare, |(name, _)| name.trim_end()), None),
        };
        if !is_name(name) {
            self.mask(&masked_line(line));
            return self.bad.push(BadLine { line: number, summary: "this is no `NAME=value`".to_owned() });
        }
        let mut add = |value, is_open| {
            self.assignments.push(Assignment { name: name.to_owned(), value, is_open, line: number });
        };
        let Some(value) = value else {
            add(None, false);
            return self.mask(&masked_line(line));
        };
        let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            // A comment starts after a space, so that `a#b` is a value.
            let end = value.find(" #").unwrap_or(value.len());
            add(Some(value[..end].trim_end().to_owned()), dollars == Dollars::Expanded);
            return self.mask(&masked_line(line));
        };
        match quoted(&value[1..], quote, lines) {
            Some((text, taken)) => {
                let is_open = quote == '"' && dollars == Dollars::Expanded;
                let text = if quote == '"' { unescaped(&text, dollars) } else { text };
                add(Some(text), is_open);
                self.mask(&masked_line(line));
                (0..taken).for_each(|_| self.mask("***"));
            }
            None => {
                self.mask(&masked_line(line));
                let summary = format!("a quote in the value of `{name}` is never closed");
                self.bad.push(BadLine { line: number, summary });
            }
        }
    }
}

/// Raw `NAME=value` lines, without quotes, comments behind values or variables.
pub(super) fn parse_raw(text: &str) -> DotEnv {
    let mut read = DotEnv::default();
    let mut lines = Lines { rest: text, number: 0 };
    while let Some(line) = lines.next() {
        read.mask(&masked_line(line));
        let trimmed = line.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let (name, value) = trimmed.split_once('=').map_or((trimmed, None), |(name, value)| (name, Some(value)));
        let assignment = Assignment {
            name: name.trim().to_owned(),
            value: value.map(str::to_owned),
            is_open: false,
            line: lines.number,
        };
        match is_name(&assignment.name) {
            true => read.assignments.push(assignment),
            false => read.bad.push(BadLine { line: lines.number, summary: "this is no `NAME=value`".to_owned() }),
        }
    }
    read
}

struct Lines<'t> {
    rest: &'t str,
    number: u32,
}

impl<'t> Lines<'t> {
    fn next(&mut self) -> Option<&'t str> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        self.number += 1;
        Some(line.strip_suffix('\r').unwrap_or(line))
    }
}

/// A quoted value, which may go on over lines: its text, and how many further lines it took.
/// `None`, and nothing taken, if the quote is never closed.
fn quoted(first: &str, quote: char, lines: &mut Lines) -> Option<(String, usize)> {
    let mut ahead = Lines { rest: lines.rest, number: lines.number };
    let (mut text, mut taken, mut line) = (String::new(), 0, first);
    loop {
        let mut escaped = false;
        for c in line.chars() {
            match (c, escaped) {
                (c, false) if c == quote => {
                    *lines = ahead;
                    return Some((text, taken));
                }
                ('\\', false) => escaped = true,
                (c, true) => {
                    if c != quote {
                        text.push('\\');
                    }
                    text.push(c);
                    escaped = false;
                }
                (c, false) => text.push(c),
            }
        }
        if escaped {
            text.push('\\');
        }
        line = ahead.next()?;
        text.push('\n');
        taken += 1;
    }
}

/// A value in double quotes, without its escapes.
fn unescaped(text: &str, dollars: Dollars) -> String {
    let mut value = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            value.push(c);
            continue;
        }
        match rest.next() {
            Some('n') => value.push('\n'),
            Some('r') => value.push('\r'),
            Some('t') => value.push('\t'),
            Some('$') if dollars == Dollars::Expanded => value.push_str("$$"),
            Some(c @ ('"' | '\\' | '$')) => value.push(c),
            Some(other) => value.extend(['\\', other]),
            None => value.push('\\'),
        }
    }
    value
}

/// A line without its value.
fn masked_line(line: &str) -> String {
    match line.split_once(['=', ':']) {
        _ if line.trim_start().starts_with('#') => "#".to_owned(),
        Some((name, _)) => format!("{name}{}***", &line[name.len()..=name.len()]),
        None if line.trim().is_empty() => String::new(),
        None => "***".to_owned(),
    }
}

/// Engines take almost anything; what has a space or a `=` in it is a mistake.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `line name=value`, with `$` before values whose variables are still to be replaced.
    fn shown(read: &DotEnv) -> Vec<String> {
        let line = |assignment: &Assignment| {
            let Assignment { name, value, is_open, line } = assignment;
            let open = if *is_open { "$" } else { "" };
            format!(
                "{line} {name}={}",
                value.as_ref().map_or("inherited".to_owned(), |value| format!("{open}{value:?}"))
            )
        };
        read.assignments.iter().map(line).collect()
    }

    #[test]
    fn compose_reads_lines_by_these_rules() {
        let table: [(&str, &str, &[&str]); 19] = [
            ("a value is what follows the sign", "A=1", &[r#"1 A=$"1""#]),
            ("a colon separates, too", "A: b", &[r#"1 A=$"b""#]),
            ("spaces around are not part of it", " A = two words ", &[r#"1 A=$"two words""#]),
            ("`export` is passed over", "export A=1", &[r#"1 A=$"1""#]),
            ("comments and empty lines", "# a\n\n  # b\nA=1", &[r#"4 A=$"1""#]),
            ("a comment behind a value", "A=1 # one", &[r#"1 A=$"1""#]),
            ("a `#` without a space is no comment", "A=a#b", &[r#"1 A=$"a#b""#]),
            ("a value may be empty", "A=", &[r#"1 A=$"""#]),
            ("a name alone is inherited", "A\nB=", &["1 A=inherited", r#"2 B=$"""#]),
            ("single quotes keep all as it is", r"A='$x \n # #'", &[r#"1 A="$x \\n # #""#]),
            ("an escaped single quote", r"A='it\'s'", &[r#"1 A="it's""#]),
            ("escapes in double quotes", r#"A="a\n\t\"b\\""#, &[r#"1 A=$"a\n\t\"b\\""#]),
            ("an escaped dollar", r#"A="\$b""#, &[r#"1 A=$"$$b""#]),
            ("double quotes over lines", "A=\"1\n2\n\"\nB=3", &[r#"1 A=$"1\n2\n""#, r#"4 B=$"3""#]),
            ("single quotes over lines", "A='1\nB=2'\nC=3", &[r#"1 A="1\nB=2""#, r#"3 C=$"3""#]),
            ("what follows a closed quote is passed over", "A=\"1\" # one", &[r#"1 A=$"1""#]),
            ("carriage returns end lines", "A=1\r\nB=2\r\n", &[r#"1 A=$"1""#, r#"2 B=$"2""#]),
            ("further signs belong to the value", "A=b=c:d", &[r#"1 A=$"b=c:d""#]),
            ("names with dots and dashes", "a.b-c=1", &[r#"1 a.b-c=$"1""#]),
        ];
        for (rule, text, expected) in table {
            let read = DotEnv::parse(text, Dollars::Expanded);
            assert_eq!(shown(&read), expected, "{rule}");
            assert_eq!(read.bad, [], "{rule}");
        }
    }

    #[test]
    fn plans_keep_dollars_and_colons() {
        let read = DotEnv::parse("A=$x\nB=\"\\$x\"\nC=a:b\n", Dollars::Kept);
        assert_eq!(shown(&read), [r#"1 A="$x""#, r#"2 B="$x""#, r#"3 C="a:b""#]);
    }

    #[test]
    fn raw_lines_have_no_quotes_and_no_comments() {
        let read = parse_raw("# c\nA=\"x\" # y $z\n\nB\nC='\n");
        assert_eq!(shown(&read), [r#"2 A="\"x\" # y $z""#, "4 B=inherited", r#"5 C="'""#]);
    }

    #[test]
    fn what_is_no_assignment_is_told_with_its_line() {
        let read = DotEnv::parse("A='open\n=x\nB C=1\n", Dollars::Expanded);
        let bad: Vec<String> = read.bad.iter().map(|bad| format!("{} {}", bad.line, bad.summary)).collect();
        let expected =
            ["1 a quote in the value of `A` is never closed", "2 this is no `NAME=value`", "3 this is no `NAME=value`"];
        assert_eq!(bad, expected);
    }

    #[test]
    fn no_value_is_shown() {
        let read = DotEnv::parse("# c\nA=hunter2\r\n\nhunter2\nB=\nC='x\nhunter=2'\nD: hunter2\n", Dollars::Expanded);
        assert_eq!(read.masked, "#\nA=***\n\n***\nB=***\nC=***\n***\nD:***\n");
        assert_eq!(&read.masked[read.stretch(2)], "A=***");
        assert_eq!(&read.masked[read.stretch(8)], "D:***");
    }
}
