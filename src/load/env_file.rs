use super::{
    Entry, FileError, Node, Scalar, Value, include::unreadable, library::Library, overlay::pairs_of_list,
    problem::wrong, render::text_node,
};
use crate::diagnostic::{Diagnostics, FileId, Span};

/// Puts the variables of a service's env files into its `environment`, which wins over them; of
/// several files the later ones win.
pub(super) fn merge_env_files(service: &mut Node, library: &Library, problems: &mut Diagnostics) {
    let Some(named) = service.get("env_file") else { return };
    let files: Vec<&Node> = match &named.value {
        Value::List(items) => items.iter().collect(),
        Value::Scalar(_) | Value::Map(_) => vec![named],
    };
    let mut found: Vec<Entry> = Vec::new();
    for file in files {
        let path = file.as_text().or_else(|| file.get("path").and_then(Node::as_text));
        let Some(path) = path.filter(|_| !file.is_broken() && !file.is_secret()) else { continue };
        let required = file.get("required").and_then(Node::as_scalar).and_then(Scalar::as_bool).unwrap_or(true);
        let path = library.resolve(file.span, path);
        match library.text(&path) {
            Ok(id) => found.extend(entries(id, &library.source(id), problems)),
            Err(FileError::NotFound) if !required => {}
            Err(error) => problems.push(unreadable(&library.shown(&path), &error, Some(file.span))),
        }
    }
    let span = named.span;
    let Some(entries) = service.as_map_mut() else { return };
    let position = entries.iter().position(|entry| &*entry.key == "environment").unwrap_or_else(|| {
        let value = Node::new(span, Value::Map(Vec::new()));
        entries.push(Entry { key: "environment".into(), key_span: span, value });
        entries.len() - 1
    });
    let environment = &mut entries[position].value;
    if environment.is_null() {
        environment.value = Value::Map(Vec::new());
    }
    pairs_of_list(environment, &['=']);
    let Some(environment) = environment.as_map_mut() else { return };
    let written = environment.len();
    for entry in found {
        match environment.iter().position(|present| present.key == entry.key) {
            Some(position) if position < written => {}
            Some(position) => environment[position] = entry,
            None => environment.push(entry),
        }
    }
}

/// The variables of an env file: `NAME=value` lines, `#` comments, and quotes around a value. A
/// name alone is passed on from the process environment.
fn entries(file: FileId, text: &str, problems: &mut Diagnostics) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut start = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let offset = start;
        start += line.len();
        let trimmed = line.trim();
        let trimmed = trimmed.strip_prefix("export ").unwrap_or(trimmed).trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let position = |position: usize| u32::try_from(position).unwrap_or(u32::MAX);
        let span = Span {
            file,
            start: position(offset + indent),
            end: position(offset + line.trim_end().len()),
            line: position(index + 1),
            column: position(indent + 1),
        };
        let (name, value) = match trimmed.split_once('=') {
            Some((name, value)) => match unquote(value.trim()) {
                Some(value) => (name.trim_end(), text_node(span, &value)),
                None => {
                    let summary = format!("a quote in the value of `{}` is never closed", name.trim_end());
                    problems.push(wrong("invalid-env-file", summary).at(span, "on this line"));
                    continue;
                }
            },
            None => (trimmed, Node::scalar(span, Scalar::null())),
        };
        if !is_variable_name(name) {
            problems.push(wrong("invalid-env-file", "this is no `NAME=value`").at(span, "on this line"));
            continue;
        }
        entries.push(Entry { key: name.into(), key_span: span, value });
    }
    entries
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
        let lines: Vec<String> = entries(FileId(0), text, &mut problems)
            .iter()
            .map(|entry| {
                format!("{}:{} {}={:?}", entry.key_span.line, entry.key_span.column, entry.key, entry.value.as_text())
            })
            .collect();
        let expected = [
            "2:1 A=Some(\"1\")",
            "4:2 B=Some(\"two words\")",
            "5:1 C=Some(\"single $x \\\\n\")",
            "6:1 D=Some(\"a\\n\\\"b\\\" # in\")",
            "7:1 E=Some(\"\")",
            "8:1 F=None",
            "9:1 G=Some(\"a#b\")",
            "10:1 H=Some(\"x=y\")",
        ];
        assert_eq!(lines, expected);
        assert!(problems.is_empty());
        entries(FileId(0), "A='open\n=x\nB C=1\n", &mut problems);
        let codes: Vec<&str> = problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, ["invalid-env-file"; 3]);
    }
}
