use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use super::{
    Entry, FileError, Node, Value,
    library::Library,
    problem::{MOST_PROBLEMS, list, wrong},
};
use crate::diagnostic::{Class, Diagnostic, Diagnostics, FileId, Label, Span};

/// What an included file may add to the plan.
const SECTIONS: [&str; 7] = ["services", "networks", "volumes", "configs", "secrets", "checks", "vars"];
/// What only the plan itself says.
const PLAN_ONLY: [&str; 11] = [
    "name",
    "project",
    "required_version",
    "runtime",
    "hooks",
    "tests",
    "rollback",
    "retry",
    "parallelism",
    "schedule",
    "retain",
];

/// How deep files that are included may include others.
const MAX_DEPTH: usize = 32;

/// Puts everything that a plan includes into it. `None` if it is no plan.
pub(super) fn with_included(
    mut root: Node,
    library: &Library,
    plan_file: &Path,
    problems: &mut Diagnostics,
) -> Option<Node> {
    if !has_version(&root, problems) {
        return None;
    }
    let mut included =
        Included { library, problems, chain: vec![plan_file.to_owned()], seen: HashSet::new(), first: HashMap::new() };
    let items = root.items("include").to_vec();
    included.follow(&items, &mut root);
    Some(root)
}

/// Reads one document that has to be a mapping. `named_at` is where another file asks for it.
pub(super) fn read_document(
    library: &Library,
    path: &Path,
    named_at: Option<Span>,
    problems: &mut Diagnostics,
) -> Option<Node> {
    let root = read_from(library, path, None, named_at, problems)?;
    refuse_further(library, root.span.file, problems)?;
    Some(root)
}

/// Refuses a file of a plan that holds several documents. `None` if it does.
pub(super) fn refuse_further(library: &Library, file: FileId, problems: &mut Diagnostics) -> Option<()> {
    let further = library.take_further(file);
    let Some((start, _)) = further.first() else { return Some(()) };
    problems.push(
        wrong("several-documents", "the file holds more than one document")
            .at(*start, "the second one starts here")
            .hint("keep one document in a file; `include` puts files together"),
    );
    None
}

/// [`read_document`], where relative paths in it start at `base`.
pub(super) fn read_from(
    library: &Library,
    path: &Path,
    base: Option<&Path>,
    named_at: Option<Span>,
    problems: &mut Diagnostics,
) -> Option<Node> {
    let file = match library.text_from(path, base) {
        Ok(file) => file,
        Err(error) => {
            let mut problem = unreadable(&library.shown(path), &error, named_at);
            if let FileError::NotText { offset, .. } = error
                && let Some(span) = library.list_broken(path, offset)
            {
                problem.labels.insert(0, Label { span, text: "no text".to_owned() });
            }
            problems.push(problem);
            return None;
        }
    };
    let start = Span { file, start: 0, end: 0, line: 1, column: 1 };
    let before = problems.len();
    let node = library.parse(file, problems);
    match node {
        Some(node) if node.as_map().is_some() => Some(node),
        Some(node) if !node.is_null() => {
            let summary = format!("`{}` holds {}, not a mapping", library.shown(path), node.describe());
            problems.push(wrong("wrong-type", summary).at(node.span, "here"));
            None
        }
        Some(_) | None => {
            if problems.len() == before {
                problems.push(
                    wrong("empty", format!("`{}` is empty", library.shown(path)))
                        .at(start, "here")
                        .hint("`orchestrate init` writes a first plan, in an empty directory"),
                );
            }
            None
        }
    }
}

/// Says why a file that was asked for cannot be had.
pub(super) fn unreadable(shown: &str, error: &FileError, named_at: Option<Span>) -> Diagnostic {
    let (code, class) = match error {
        FileError::NotFound => ("file-not-found", Class::Configuration),
        FileError::TooLarge { .. } => ("too-large", Class::Configuration),
        FileError::Denied => ("file-unreadable", Class::Permission),
        FileError::Outside { .. } => ("outside-repository", Class::Configuration),
        FileError::NotText { .. } => ("not-utf8", Class::Configuration),
        FileError::Other(_) => ("file-unreadable", Class::Configuration),
    };
    let diagnostic = Diagnostic::error(code, class, format!("`{shown}` cannot be read: {error}"));
    let diagnostic = match error {
        FileError::TooLarge { .. } => diagnostic.hint("split it, or take out what does not belong in it"),
        FileError::Denied => diagnostic.hint("make it readable for your user"),
        FileError::Outside { .. } => {
            diagnostic.hint("put a copy of it beside the plan; links that lead outside are not followed either")
        }
        FileError::NotText { byte: 0xfe | 0xff, offset: 0, .. } => {
            diagnostic.hint("it looks like UTF-16: save it as UTF-8 (`iconv -f UTF-16 -t UTF-8` does)")
        }
        FileError::NotText { .. } => {
            diagnostic.hint("save it as UTF-8; from Latin-1, `iconv -f ISO-8859-1 -t UTF-8` does")
        }
        FileError::NotFound | FileError::Other(_) => diagnostic,
    };
    match named_at {
        Some(span) => diagnostic.at(span, "named here"),
        None => diagnostic,
    }
}

fn has_version(root: &Node, problems: &mut Diagnostics) -> bool {
    if root.get("apiVersion").is_some() {
        return true;
    }
    let diagnostic = wrong("missing-key", "`apiVersion` is missing");
    let start = Span { start: 0, end: 0, line: 1, column: 1, ..root.span };
    problems.push(diagnostic.at(start, "in this file").hint("start a plan with `apiVersion: orchestrate/v1`"));
    false
}

struct Included<'a> {
    library: &'a Library,
    problems: &'a mut Diagnostics,
    /// The files that are being included, outermost first.
    chain: Vec<PathBuf>,
    seen: HashSet<PathBuf>,
    /// Where each name of a section was defined, once a file has added to it.
    first: HashMap<Box<str>, HashMap<Box<str>, Span>>,
}

impl Included<'_> {
    /// Puts what some `include` items name into `root`.
    fn follow(&mut self, items: &[Node], root: &mut Node) {
        for item in items {
            let Some(text) = item.as_text() else { continue };
            if self.problems.len() > MOST_PROBLEMS {
                return;
            }
            if text.contains("{{") {
                self.problems.push(template_refused("include", item.span));
                continue;
            }
            for path in self.paths(text, item.span) {
                self.include(path, item.span, root);
            }
        }
    }

    /// The files that an item names, in order.
    fn paths(&mut self, text: &str, span: Span) -> Vec<PathBuf> {
        let path = self.library.resolve(span, text);
        let pattern = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let directory = path.parent().unwrap_or(&path);
        if directory.to_string_lossy().contains('*') {
            let summary = format!("`{text}` has a `*` in a directory's name");
            let diagnostic = wrong("invalid-value", summary).at(span, "here");
            self.problems.push(diagnostic.hint("a `*` can only stand in a file's name"));
            return Vec::new();
        }
        if !pattern.contains('*') {
            return vec![path];
        }
        match self.library.names_in(directory) {
            Ok(names) => {
                let found: Vec<PathBuf> =
                    names.iter().filter(|name| matches(pattern, name)).map(|name| directory.join(name)).collect();
                if found.is_empty() {
                    self.problems.push(wrong("file-not-found", format!("no file matches `{text}`")).at(span, "here"));
                }
                found
            }
            Err(error) => {
                self.problems.push(unreadable(&self.library.shown(directory), &error, Some(span)));
                Vec::new()
            }
        }
    }

    fn include(&mut self, path: PathBuf, span: Span, root: &mut Node) {
        if let Some(start) = self.chain.iter().position(|open| *open == path) {
            let cycle: Vec<String> = self.chain[start..].iter().chain([&path]).map(|p| self.library.shown(p)).collect();
            let summary = format!("files include each other: {}", cycle.join(" → "));
            self.problems.push(wrong("include-cycle", summary).at(span, "this closes the circle"));
            return;
        }
        if !self.seen.insert(path.clone()) {
            return;
        }
        if self.chain.len() > MAX_DEPTH {
            let summary = format!("files include each other more than {MAX_DEPTH} deep");
            self.problems.push(wrong("too-large", summary).at(span, "here"));
            return;
        }
        let Some(document) = read_document(self.library, &path, Some(span), self.problems) else { return };
        self.chain.push(path);
        self.follow(document.items("include"), root);
        self.chain.pop();
        if let Value::Map(entries) = document.value {
            entries.into_iter().for_each(|entry| self.put(entry, root));
        }
    }

    fn put(&mut self, entry: Entry, root: &mut Node) {
        if matches!(&*entry.key, "include" | "apiVersion") || entry.key.starts_with("x-") {
            return;
        }
        if PLAN_ONLY.contains(&&*entry.key) {
            let summary = format!("`{}` belongs into the plan, not into a file that it includes", entry.key);
            let hint = format!("a file that is included can hold {}", list(&SECTIONS));
            self.problems.push(wrong("not-in-include", summary).at(entry.key_span, "here").hint(hint));
            return;
        }
        let is_section = SECTIONS.contains(&&*entry.key);
        let Some(section) = root.get_mut(&entry.key).filter(|_| is_section) else {
            // An unknown key gets its message from the schema, like those of the plan.
            root.as_map_mut().into_iter().for_each(|entries| entries.push(entry.clone()));
            return;
        };
        let (Value::Map(present), Value::Map(added)) = (&mut section.value, entry.value.value) else {
            let summary = format!("`{}` has to be a mapping", entry.key);
            self.problems.push(wrong("wrong-type", summary).at(entry.value.span, "here"));
            return;
        };
        let first = self.first.entry(entry.key.clone()).or_default();
        // What the plan itself says, or a file whose section was taken over whole, is not in it yet.
        if first.len() != present.len() {
            first.extend(present.iter().map(|entry| (entry.key.clone(), entry.key_span)));
        }
        for added in added {
            match first.get(&added.key) {
                Some(first) => self.problems.push(
                    wrong("duplicate-key", format!("`{}.{}` is defined twice", entry.key, added.key))
                        .at(added.key_span, "again here")
                        .at(*first, "first here"),
                ),
                None => {
                    first.insert(added.key.clone(), added.key_span);
                    present.push(added);
                }
            }
        }
    }
}

pub(super) fn template_refused(key: &str, span: Span) -> Diagnostic {
    wrong("template-not-allowed", format!("a template cannot stand in `{key}`: it is read before variables are"))
        .at(span, "here")
}

/// Whether a name is what a pattern says, in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let parts: Vec<&str> = pattern.split('*').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return pattern == name };
    let Some(mut rest) = name.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
    for part in middle {
        match rest.find(part) {
            Some(start) => rest = &rest[start + part.len()..],
            None => return false,
        }
    }
    !name.starts_with('.') || first.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        let table = [
            ("*.yaml", "web.yaml .hidden.yaml web.yml", "web.yaml"),
            ("a*b*c", "abc aXbYc ab acb", "abc aXbYc"),
            ("a*a", "a aa aba", "aa aba"),
        ];
        for (pattern, names, expected) in table {
            let found: Vec<&str> = names.split(' ').filter(|name| matches(pattern, name)).collect();
            assert_eq!(found.join(" "), expected, "{pattern}");
        }
    }
}
