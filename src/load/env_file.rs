use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::{
    Entry, FileError, Node, Scalar, Value,
    compose::{Variables, replace},
    dotenv::{Dollars, DotEnv, parse_raw},
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
pub(super) struct EnvFiles<'a> {
    by_path: HashMap<(PathBuf, EnvFileFormat), Vec<Entry>>,
    /// How many variables were handed to services.
    handed_out: usize,
    /// What `$NAME` means in them. In the env files of plans it means nothing.
    variables: Option<&'a Variables>,
}

/// All services together: twenty-five variables for each of 10,000.
const MOST_VARIABLES: usize = 250_000;

/// The largest env file: 100 bytes for each of its most variables.
const MAX_BYTES: usize = 100 * MAX_ENTRIES;

impl<'a> EnvFiles<'a> {
    pub fn new(variables: Option<&'a Variables>) -> Self {
        Self { by_path: HashMap::new(), handed_out: 0, variables }
    }

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
            let read = match (format, self.variables) {
                (EnvFileFormat::Raw, _) => parse_raw(&text),
                (EnvFileFormat::Quoted, Some(_)) => DotEnv::parse(&text, Dollars::Expanded),
                (EnvFileFormat::Quoted, None) => DotEnv::parse(&text, Dollars::Kept),
            };
            // What is shown of such a file are names: its values are often secrets.
            let file = library.list_as(path, &read.masked);
            self.by_path.insert(key.clone(), entries(file, read, self.variables, problems));
        }
        Ok(&self.by_path[&key])
    }
}

/// Puts the variables of a service's env files into its `environment`, which wins over them, and the
/// labels of its label files into its `labels`; of several files the later ones win.
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

/// What is wrong with a file's lines; `true` if it has too many.
pub(super) fn complain(file: FileId, read: &DotEnv, problems: &mut Diagnostics) -> bool {
    for bad in read.bad.iter().take(MOST_PROBLEMS) {
        let span = line_span(file, read, bad.line);
        problems.push(wrong("invalid-env-file", bad.summary.as_str()).at(span, "on this line"));
    }
    let Some(last) = read.assignments.get(MAX_ENTRIES) else { return false };
    let summary = format!("the env file holds more than {MAX_ENTRIES} variables");
    problems.push(wrong("too-large", summary).at(line_span(file, read, last.line), "on this line"));
    true
}

/// The stretch of one of a file's lines, of which only the masked text may be shown.
pub(super) fn line_span(file: FileId, read: &DotEnv, line: u32) -> Span {
    let position = |position: usize| u32::try_from(position).unwrap_or(u32::MAX);
    let stretch = read.stretch(line);
    Span { file, start: position(stretch.start), end: position(stretch.end), line, column: 1 }
}

/// The variables of an env file, in order.
fn entries(file: FileId, read: DotEnv, variables: Option<&Variables>, problems: &mut Diagnostics) -> Vec<Entry> {
    if complain(file, &read, problems) {
        return Vec::new();
    }
    let mut entries: Vec<Entry> = Vec::with_capacity(read.assignments.len());
    let mut known: HashMap<String, String> = HashMap::new();
    for assignment in &read.assignments {
        let span = line_span(file, &read, assignment.line);
        let value = match (&assignment.value, variables) {
            (None, _) => Node::scalar(span, Scalar::null()),
            (Some(text), Some(variables)) if assignment.is_open => {
                match replace(text, &|name| variables.get(name).or_else(|| known.get(name).map(String::as_str))) {
                    Ok(replaced) => text_node(span, &replaced.text),
                    Err(fault) => {
                        let summary = format!("the value of `{}`: {fault}", assignment.name);
                        problems.push(wrong("invalid-env-file", summary).at(span, "on this line"));
                        continue;
                    }
                }
            }
            (Some(text), _) => text_node(span, text),
        };
        if let (Some(text), Some(_)) = (value.as_text(), variables) {
            known.insert(assignment.name.clone(), text.to_owned());
        }
        entries.push(Entry { key: assignment.name.as_str().into(), key_span: span, value });
    }
    entries
}
