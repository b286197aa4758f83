use std::path::Path;

use super::{
    comments::Comments,
    paths::{is_path, rebased},
    template::{PlanVariables, literal},
};
use crate::{
    diagnostic::Span,
    load::{
        Entry, Node, Scalar, ScalarKind, Value,
        compose::{Variables, replace},
        library::Library,
    },
    plan::{Mount, MountKind, Selinux},
};

/// Whether `$NAME`s become variables of the plan, or their values stand for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dollars {
    Variables,
    Values,
}

/// Writes a tree as the text of a plan.
pub(super) struct Writer<'a> {
    pub library: &'a Library,
    pub variables: &'a Variables,
    /// Where the plan will be.
    pub directory: &'a Path,
    pub dollars: Dollars,
    pub comments: Comments<'a>,
    pub plan_variables: PlanVariables,
    /// Places whose value stands for a variable.
    pub resolved: Vec<Span>,
    pub out: String,
    /// Keys and indices on the way to where it is.
    place: Vec<String>,
}

impl<'a> Writer<'a> {
    pub fn new(library: &'a Library, variables: &'a Variables, directory: &'a Path, dollars: Dollars) -> Self {
        Self {
            library,
            variables,
            directory,
            dollars,
            comments: Comments::new(library),
            plan_variables: PlanVariables::default(),
            resolved: Vec::new(),
            out: String::new(),
            place: Vec::new(),
        }
    }

    /// Writes entries of a mapping.
    pub fn entries(&mut self, entries: &[Entry], indent: usize) {
        for entry in entries {
            self.comments_before(entry.key_span, indent);
            self.entry(entry, indent);
        }
    }

    fn comments_before(&mut self, span: Span, indent: usize) {
        for line in self.comments.before(span) {
            let text = if line.is_empty() { "\n".to_owned() } else { format!("{}{line}\n", " ".repeat(indent)) };
            // No two gaps in a row, and none at the start.
            if text != "\n" || !(self.out.is_empty() || self.out.ends_with("\n\n")) {
                self.out.push_str(&text);
            }
        }
    }

    fn entry(&mut self, entry: &Entry, indent: usize) {
        self.out.push_str(&" ".repeat(indent));
        self.out.push_str(&quoted(&entry.key));
        self.out.push(':');
        self.place.push(entry.key.to_string());
        self.value(&entry.value, Some(&entry.key), (indent, indent + 2), entry.key_span);
        self.place.pop();
    }

    /// Writes a value behind a key or a dash. `indents` are those of the list and of the mapping that it
    /// may be.
    fn value(&mut self, node: &Node, key: Option<&str>, indents: (usize, usize), before: Span) {
        match &node.value {
            Value::Scalar(scalar) => {
                let text = self.scalar(node, scalar, key, indents.1);
                let behind = self.comments.behind(node.span);
                match text.split_once('\n') {
                    // A comment may only stand on the line on which a block begins.
                    Some((head, block)) => {
                        let comment = behind.map(|comment| format!(" {comment}")).unwrap_or_default();
                        self.out.push_str(&format!(" {head}{comment}\n{block}"));
                    }
                    None => {
                        let gap = if text.is_empty() { "" } else { " " };
                        self.out.push_str(&format!("{gap}{text}"));
                        self.end_line(behind);
                    }
                }
            }
            Value::List(items) if items.is_empty() => self.out.push_str(" []\n"),
            Value::Map(entries) if entries.is_empty() => self.out.push_str(" {}\n"),
            Value::List(items) => {
                let behind = self.comments.behind(before);
                self.end_line(behind);
                self.items(items, indents.0 + 2);
            }
            Value::Map(entries) => {
                let behind = self.comments.behind(before);
                self.end_line(behind);
                self.entries(entries, indents.1);
            }
        }
    }

    fn end_line(&mut self, comment: Option<String>) {
        if let Some(comment) = comment {
            self.out.push_str(&format!("  {comment}"));
        }
        self.out.push('\n');
    }

    fn items(&mut self, items: &[Node], indent: usize) {
        for (index, item) in items.iter().enumerate() {
            self.place.push(index.to_string());
            self.comments_before(item.span, indent);
            self.out.push_str(&" ".repeat(indent));
            self.out.push('-');
            if let Some(lines) = self.short_bind(item) {
                self.out.push_str(&lines.join(&format!("\n{}", " ".repeat(indent + 1))));
                let behind = self.comments.behind(item.span);
                self.end_line(behind);
                self.place.pop();
                continue;
            }
            match &item.value {
                // The first key stands behind the dash.
                Value::Map(entries) if !entries.is_empty() => {
                    let start = self.out.len();
                    self.entries(entries, indent + 2);
                    let written = self.out.split_off(start);
                    self.out.push(' ');
                    self.out.push_str(written.trim_start());
                }
                Value::Map(_) | Value::List(_) | Value::Scalar(_) => {
                    self.value(item, None, (indent, indent + 2), item.span);
                }
            }
            self.place.pop();
        }
    }

    fn scalar(&mut self, node: &Node, scalar: &Scalar, key: Option<&str>, indent: usize) -> String {
        if scalar.kind == ScalarKind::Null {
            return String::new();
        }
        if let Some(template) = self.template(node, scalar, key) {
            return quoted(&template);
        }
        let text = match is_path(&self.place) && scalar.kind == ScalarKind::String {
            true => rebased(&scalar.text, &self.place, &self.library.directory(node.span.file), self.directory),
            false => scalar.text.to_string(),
        };
        match scalar.kind {
            ScalarKind::String => block(&literal(&text), indent).unwrap_or_else(|| quoted(&literal(&text))),
            ScalarKind::Null | ScalarKind::Bool | ScalarKind::Integer | ScalarKind::Float => text,
        }
    }

    /// What Compose binds in the short form is made where it is not there: plans say that in the long
    /// form.
    fn short_bind(&mut self, item: &Node) -> Option<Vec<String>> {
        let is_mount = self.place.len() == 4 && self.place[0] == "services" && self.place[2] == "volumes";
        let scalar = item.as_scalar().filter(|_| is_mount)?;
        let mount: Mount = scalar.text.parse().ok()?;
        if mount.kind != MountKind::Bind {
            return None;
        }
        let split = self.template(item, scalar, None).map(|template| outside_braces(&template));
        let (source, target) = match split.as_deref() {
            Some([source, target, ..]) => (source.clone(), target.clone()),
            Some(_) | None => (literal(mount.source.as_deref()?), literal(&mount.target)),
        };
        self.place.push("source".to_owned());
        let base = self.library.directory(item.span.file);
        let source = match source.starts_with("{{") {
            true => source,
            false => rebased(&source, &self.place, &base, self.directory),
        };
        self.place.pop();
        let mut lines = vec![
            " type: bind".to_owned(),
            format!(" source: {}", quoted(&source)),
            format!(" target: {}", quoted(&target)),
        ];
        lines.extend(mount.read_only.then(|| " read_only: true".to_owned()));
        lines.extend([" bind:".to_owned(), "   create_host_path: true".to_owned()]);
        lines.extend(mount.bind.propagation.map(|word| format!("   propagation: {}", word.as_str())));
        lines.extend(mount.bind.selinux.map(|label| match label {
            Selinux::Shared => "   selinux: z".to_owned(),
            Selinux::Private => "   selinux: Z".to_owned(),
        }));
        Some(lines)
    }

    /// The text as it was written, with variables of the plan for its `$NAME`s.
    fn template(&mut self, node: &Node, scalar: &Scalar, key: Option<&str>) -> Option<String> {
        let source = self.library.source(node.span.file);
        let written = source.get(node.span.start as usize..node.span.end as usize)?;
        if node.from == 0 && !written.contains('$') {
            return None;
        }
        let template = self.template_of(written, scalar, key);
        if template.is_none() && written.contains("${") {
            self.resolved.push(node.span);
        }
        template
    }

    fn template_of(&mut self, written: &str, scalar: &Scalar, key: Option<&str>) -> Option<String> {
        if self.dollars == Dollars::Values {
            return None;
        }
        let text: String = serde_yaml::from_str(written).ok()?;
        // An item `NAME=value` of a list that is a mapping now.
        let text = key.and_then(|key| text.strip_prefix(key)?.strip_prefix('=')).unwrap_or(&text);
        // Of a block only the lines are there, so it may read as something else.
        let value = replace(text, &|name| self.variables.get(name)).ok()?.text;
        if !text.contains('$') || value.trim() != scalar.text.trim() {
            return None;
        }
        let template = self.plan_variables.template(text, self.variables)?;
        match scalar.kind {
            ScalarKind::String => Some(template),
            ScalarKind::Integer => {
                let whole = template.strip_prefix("{{ ").and_then(|rest| rest.strip_suffix(" }}"));
                whole.filter(|inner| !inner.contains("{{")).map(|inner| format!("{{{{ {inner}|int }}}}"))
            }
            ScalarKind::Null | ScalarKind::Bool | ScalarKind::Float => None,
        }
    }
}

/// The parts of a text between colons that are in no template.
fn outside_braces(template: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut rest = template;
    while let Some(c) = rest.chars().next() {
        let taken = match (c, rest.starts_with("{{")) {
            ('{', true) => rest.find("}}").map_or(rest.len(), |end| end + 2),
            (_, _) => c.len_utf8(),
        };
        match c {
            ':' => parts.push(String::new()),
            _ => parts.last_mut().expect("there is one from the start").push_str(&rest[..taken]),
        }
        rest = &rest[taken..];
    }
    parts
}

/// A text of several lines as a block, if that can hold it.
fn block(text: &str, indent: usize) -> Option<String> {
    let is_plain = |c: char| c == '\n' || c == '\t' || !c.is_control();
    if !text.contains('\n') || text.starts_with([' ', '\n', '\t']) || !text.chars().all(is_plain) {
        return None;
    }
    let body = text.trim_end_matches('\n');
    let chomp = match text.len() - body.len() {
        0 => "-",
        1 => "",
        _ => "+",
    };
    let pad = " ".repeat(indent);
    let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("{pad}{line}\n") };
    let blanks = "\n".repeat((text.len() - body.len()).saturating_sub(1));
    Some(format!("|{chomp}\n{}{blanks}", body.split('\n').map(line).collect::<String>()))
}

/// A text as a scalar on one line.
pub(super) fn quoted(text: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "_./@+-:=,~%".contains(c);
    let starts = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || "_./".contains(c));
    let words = ["yes", "no", "on", "off", "y", "n"];
    let is_plain = starts
        && text.chars().all(is_safe)
        && !text.ends_with(':')
        && Scalar::plain(text).kind == ScalarKind::String
        && !words.contains(&text.to_ascii_lowercase().as_str())
        // YAML 1.1 has numbers in base 60.
        && !text.bytes().all(|c| c.is_ascii_digit() || matches!(c, b':' | b'.' | b'_' | b'-'));
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_a_text() {
        let table = [
            ("nginx:1.27", "nginx:1.27"),
            ("8080:80", "\"8080:80\""),
            ("1.10", "\"1.10\""),
            ("yes", "\"yes\""),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("*", "\"*\""),
            ("./site:/srv:ro", "./site:/srv:ro"),
            ("a: b", "\"a: b\""),
            ("2026-11-20", "\"2026-11-20\""),
        ];
        for (text, expected) in table {
            assert_eq!(quoted(text), expected);
            assert_eq!(serde_yaml::from_str::<String>(&quoted(text)).unwrap(), text);
        }
        for text in ["a\nb\n", "a\n\nb", "a\n  b\n\n\n"] {
            let document = format!("k: {}", block(text, 2).unwrap());
            let read: std::collections::BTreeMap<String, String> = serde_yaml::from_str(&document).unwrap();
            assert_eq!(read["k"], text, "{document}");
        }
    }
}
