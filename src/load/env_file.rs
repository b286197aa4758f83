use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::{
    Entry, FileError, Node, Scalar, Value,
    include::unreadable,
    library::Library,
    overlay::pairs_of_list,
    parse::MAX_ENTRIES,
    problem::{MOST_PROBLEMS, wrong},
    render::text_node,
};
use crate::{
    diagnostic::{Diagnostics, FileId, Span},
    plan::EnvFileFormat,
};

/// The env files that were read: many services may name one.
#[derive(Default)]
pub(super) struct EnvFiles {
    by_path: HashMap<(PathBuf, EnvFileFormat), Vec<Entry>>,
    /// How many variables were handed to services.
    handed_out: usize,
}

/// All services together: twenty-five variables for each of 10,000.
const MOST_VARIABLES: usize = 250_000;

/// The largest env file: 100 bytes for each of its most variables.
const MAX_BYTES: usize = 100 * MAX_ENTRIES;

impl EnvFiles {
    fn read(
        &mut self,
        path: &Path,
        format: EnvFileFormat,
        library: &Library,
        problems: &mut Diagnostics,
    ) -> Result<&[Entry], FileError> {
        let key = (path.to_owned(), format);
        if !self.by_path.contains_key(&key) {
            let text = library.unlisted_text(path)?;
            if text.len() > MAX_BYTES {
                return Err(FileError::TooLarge { bytes: text.len() as u64, limit: MAX_BYTES as u64 });
            }
            // What is shown of such a file are names: its values are often secrets.
            let file = library.list_as(path, &masked(&text));
            self.by_path.insert(key.clone(), entries(file, &text, format, problems));
        }
        Ok(&self.by_path[&key])
    }
}

/// Puts the variables of a service's env files into its `environment`, which wins over them; of
/// several files the later ones win.
pub(super) fn merge_env_files(
    service: &mut Node,
    env_files: &mut EnvFiles,
    library: &Library,
    problems: &mut Diagnostics,
) {
    merge_files(service, ("env_file", "environment"), env_files, library, problems);
    merge_files(service, ("label_file", "labels"), env_files, library, problems);
}

fn merge_files(
    service: &mut Node,
    (files_key, key): (&str, &str),
    env_files: &mut EnvFiles,
    library: &Library,
    problems: &mut Diagnostics,
) {
    let Some(named) = service.get(files_key) else { return };
    // It was reported where it went too far.
    if env_files.handed_out > MOST_VARIABLES {
        return;
    }
    let files: Vec<&Node> = match &named.value {
        Value::List(items) => items.iter().collect(),
        Value::Scalar(_) | Value::Map(_) => vec![named],
    };
    let mut found: Vec<Entry> = Vec::new();
    for file in files {
        let path = file.as_text().or_else(|| file.get("path").and_then(Node::as_text));
        let Some(path) = path.filter(|_| !file.is_broken() && !file.is_secret()) else { continue };
        let required = file.get("required").and_then(Node::as_scalar).and_then(Scalar::as_bool).unwrap_or(true);
        let format = match file.get("format").and_then(Node::as_text) {
            Some("raw") => EnvFileFormat::Raw,
            Some(_) | None => EnvFileFormat::Quoted,
        };
        let path = library.resolve(file.span, path);
        match env_files.read(&path, format, library, problems) {
            Ok(entries) => {
                let count = entries.len();
                found.extend_from_slice(entries);
                env_files.handed_out += count;
                if env_files.handed_out > MOST_VARIABLES {
                    let summary = format!("env files hand out more than {MOST_VARIABLES} variables");
                    problems.push(wrong("too-large", summary).at(file.span, "this one went too far"));
                    return;
                }
            }
            Err(FileError::NotFound) if !required => {}
            Err(error) => problems.push(unreadable(&library.shown(&path), &error, Some(file.span))),
        }
    }
    let span = named.span;
    let Some(entries) = service.as_map_mut() else { return };
    let position = entries.iter().position(|entry| &*entry.key == key).unwrap_or_else(|| {
        let value = Node::new(span, Value::Map(Vec::new()));
        entries.push(Entry { key: key.into(), key_span: span, value });
        entries.len() - 1
    });
    let environment = &mut entries[position].value;
    if environment.is_null() {
        environment.value = Value::Map(Vec::new());
    }
    pairs_of_list(environment, &['=']);
    let Some(environment) = environment.as_map_mut() else { return };
    let mut positions: HashMap<Box<str>, Option<usize>> =
        environment.iter().map(|entry| (entry.key.clone(), None)).collect();
    for entry in found {
        match positions.get(&entry.key) {
            // It was written in the plan itself.
            Some(None) => {}
            Some(Some(position)) => environment[*position] = entry,
            None => {
                positions.insert(entry.key.clone(), Some(environment.len()));
                environment.push(entry);
            }
        }
    }
}

/// A line of an env file without its value.
fn masked_line(line: &str) -> String {
    match line.split_once('=') {
        _ if line.trim_start().starts_with('#') => "#".to_owned(),
        Some((name, _)) => format!("{name}=***"),
        None if line.trim().is_empty() => String::new(),
        None => "***".to_owned(),
    }
}

fn masked(text: &str) -> String {
    text.lines().map(|line| masked_line(line) + "\n").collect()
}

/// The variables of an env file: `NAME=value` lines, `#` comments, and quotes around a value. A
/// name alone is passed on from the process environment. Spans are those of the masked text.
fn entries(file: FileId, text: &str, format: EnvFileFormat, problems: &mut Diagnostics) -> Vec<Entry> {
    let position = |position: usize| u32::try_from(position).unwrap_or(u32::MAX);
    let mut entries = Vec::new();
    let mut next = 0;
    for (index, line) in text.lines().enumerate() {
        let (start, length) = (next, masked_line(line).len());
        next += length + 1;
        let trimmed = line.trim();
        if problems.len() > MOST_PROBLEMS {
            break;
        }
        let trimmed = trimmed.strip_prefix("export ").unwrap_or(trimmed).trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let span =
            Span { file, start: position(start), end: position(start + length), line: position(index + 1), column: 1 };
        if entries.len() >= MAX_ENTRIES {
            let summary = format!("the env file holds more than {MAX_ENTRIES} variables");
            problems.push(wrong("too-large", summary).at(span, "on this line"));
            return Vec::new();
        }
        let read = match format {
            EnvFileFormat::Quoted => variable(trimmed, span),
            EnvFileFormat::Raw => raw_variable(line.trim_start(), span),
        };
        match read {
            Ok(entry) => entries.push(entry),
            Err(summary) => problems.push(wrong("invalid-env-file", summary).at(span, "on this line")),
        }
    }
    entries
}

/// All after the `=` is the value, quotes and spaces too.
fn raw_variable(line: &str, span: Span) -> Result<Entry, String> {
    let (name, value) = match line.split_once('=') {
        Some((name, value)) => (name, text_node(span, value)),
        None => (line.trim_end(), Node::scalar(span, Scalar::null())),
    };
    if !is_variable_name(name) {
        return Err("this is no `NAME=value`".to_owned());
    }
    Ok(Entry { key: name.into(), key_span: span, value })
}

fn variable(line: &str, span: Span) -> Result<Entry, String> {
    let (name, value) = match line.split_once('=') {
        Some((name, value)) => (name.trim_end(), Some(value.trim())),
        None => (line, None),
    };
    if !is_variable_name(name) {
        return Err("this is no `NAME=value`".to_owned());
    }
    let value = match value.map(unquote) {
        Some(Some(value)) => text_node(span, &value),
        Some(None) => return Err(format!("a quote in the value of `{name}` is never closed")),
        None => Node::scalar(span, Scalar::null()),
    };
    Ok(Entry { key: name.into(), key_span: span, value })
}

/// Engines take almost anything; what has a space or a `=` in it is a mistake.
pub(super) fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control())
}

/// A value without its quotes. `None` if a quote stays open.
fn unquote(text: &str) -> Option<String> {
    let quote = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => quote,
        Some(_) | None => {
            // A comment starts after a space, so that `a#b` is a value.
            let end = text.find(" #").unwrap_or(text.len());
            return Some(text[..end].trim_end().to_owned());
        }
    };
    let mut value = String::new();
    let mut rest = text[1..].chars();
    while let Some(c) = rest.next() {
        match c {
            c if c == quote => return Some(value),
            '\\' if quote == '"' => match rest.next()? {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                c @ ('"' | '\\' | '$') => value.push(c),
                other => value.extend(['\\', other]),
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_as_compose_reads_them() {
        let text = "# comment\nA=1\n\n export B = two words # note\nC='single $x \\n'\nD=\"a\\n\\\"b\\\" # in\"\nE=\nF\nG=a#b\r\nH=x=y\n";
        let mut problems = Vec::new();
        let lines: Vec<String> = entries(FileId(0), text, EnvFileFormat::Quoted, &mut problems)
            .iter()
            .map(|entry| {
                format!("{}:{} {}={:?}", entry.key_span.line, entry.key_span.column, entry.key, entry.value.as_text())
            })
            .collect();
        let expected = [
            "2:1 A=Some(\"1\")",
            "4:1 B=Some(\"two words\")",
            "5:1 C=Some(\"single $x \\\\n\")",
            "6:1 D=Some(\"a\\n\\\"b\\\" # in\")",
            "7:1 E=Some(\"\")",
            "8:1 F=None",
            "9:1 G=Some(\"a#b\")",
            "10:1 H=Some(\"x=y\")",
        ];
        assert_eq!(lines, expected);
        assert!(problems.is_empty());
        entries(FileId(0), "A='open\n=x\nB C=1\n", EnvFileFormat::Quoted, &mut problems);
        let codes: Vec<&str> = problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, ["invalid-env-file"; 3]);
        let raw = entries(FileId(0), "A= 'x' # y\n", EnvFileFormat::Raw, &mut problems);
        assert_eq!(raw[0].value.as_text(), Some(" 'x' # y"));
        assert_eq!(masked("# c\nA=hunter2\r\n\nhunter2\nB=\n"), "#\nA=***\n\n***\nB=***\n");
    }
}
