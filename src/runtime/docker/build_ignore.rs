//! What a `.dockerignore` leaves out of a build's context.

use regex::Regex;

/// The patterns of a `.dockerignore`, in their order: the last that fits a path counts.
#[derive(Debug, Default)]
pub(super) struct Ignore {
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    regex: Regex,
    /// It began with `!`: what fits is kept after all.
    keeps: bool,
}

/// A line that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{text}` is not a pattern")]
pub(super) struct IgnoreError {
    pub line: usize,
    pub text: String,
}

impl Ignore {
    /// Reads the file's text: a pattern a line, `#` begins a comment.
    ///
    /// # Errors
    /// If a pattern cannot be understood, as `[` without an end.
    pub fn parse(text: &str) -> Result<Self, IgnoreError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut patterns = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let error = || IgnoreError { line: index + 1, text: line.to_owned() };
            let (keeps, pattern) = match line.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, line),
            };
            let pattern = cleaned(pattern);
            if pattern.is_empty() {
                continue;
            }
            let expression = expression(&pattern).ok_or_else(error)?;
            patterns.push(Pattern { regex: Regex::new(&expression).map_err(|_| error())?, keeps });
        }
        Ok(Self { patterns })
    }

    /// Whether a path (relative, with `/`) is left out: the path itself or what it lies in fits.
    pub fn leaves_out(&self, path: &str) -> bool {
        let parents = || path.char_indices().filter(|(_, c)| *c == '/').map(|(end, _)| &path[..end]);
        let fits =
            |pattern: &&Pattern| pattern.regex.is_match(path) || parents().any(|parent| pattern.regex.is_match(parent));
        self.patterns.iter().rev().find(fits).is_some_and(|pattern| !pattern.keeps)
    }

    /// Whether something in a directory that is left out may be kept after all.
    pub fn keeps_some(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.keeps)
    }
}

/// Without `.`, `..` and empty parts, and relative: as paths are written that it is compared with.
fn cleaned(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The pattern as a regular expression: `*` and `?` stay within a name, `**` does not.
fn expression(pattern: &str) -> Option<String> {
    let mut out = String::from("(?s)^");
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '*' if rest.peek() == Some(&'*') => {
                rest.next();
                match rest.peek() {
                    Some('/') => {
                        rest.next();
                        out.push_str("(.*/)?");
                    }
                    Some(_) | None => out.push_str(".*"),
                }
            }
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '[' => class(&mut rest, &mut out)?,
            '\\' => out.push_str(&regex::escape(&rest.next()?.to_string())),
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    out.push('$');
    Some(out)
}

/// What is between `[` and `]`; `None` without an end.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) -> Option<()> {
    out.push('[');
    if rest.peek() == Some(&'^') {
        rest.next();
        out.push('^');
    }
    let mut is_empty = true;
    loop {
        match rest.next()? {
            ']' if !is_empty => break,
            '\\' => out.push_str(&escaped(rest.next()?)),
            '-' => out.push('-'),
            c => out.push_str(&escaped(c)),
        }
        is_empty = false;
    }
    out.push(']');
    Some(())
}

/// A letter that stands for itself within a class.
fn escaped(c: char) -> String {
    if c.is_alphanumeric() || c.is_whitespace() { c.to_string() } else { format!("\\{c}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_leave_out_what_dockers_do() {
        // The file, what is left out, what is kept.
        let table: [(&str, &[&str], &[&str]); 14] = [
            ("", &[], &["a"]),
            ("# note\n\n  a  \n", &["a", "a/b/c"], &["ab", "b/a", "# note"]),
            ("*.log", &["x.log"], &["d/x.log", "x.logs"]),
            ("**/*.log", &["x.log", "d/x.log", "d/e/x.log"], &["x.txt"]),
            ("*/temp*", &["d/temp", "d/temp1/x"], &["temp", "d/e/temp"]),
            ("temp?", &["tempa"], &["temp", "tempab"]),
            ("a/**", &["a/b", "a/b/c"], &["a", "b"]),
            ("/a", &["a"], &["b/a"]),
            ("./a/../b", &["b"], &["a"]),
            ("*\n!keep", &["a", "a/b"], &["keep", "keep/x"]),
            ("d\n!d/keep\nd/keep/not", &["d/a", "d/keep/not"], &["d/keep", "d/keep/x"]),
            ("!a\na", &["a"], &[]),
            ("[a-c]x\n[^d]y", &["ax", "cx", "ey"], &["dx", "dy"]),
            ("a\\*b", &["a*b"], &["axb"]),
        ];
        for (text, out, kept) in table {
            let ignore = Ignore::parse(text).unwrap();
            for path in out {
                assert!(ignore.leaves_out(path), "{text:?} keeps {path}");
            }
            for path in kept {
                assert!(!ignore.leaves_out(path), "{text:?} leaves out {path}");
            }
        }
        assert_eq!(Ignore::parse("a\n[b").unwrap_err().to_string(), "line 2: `[b` is not a pattern");
    }
}
