use std::collections::{HashMap, HashSet};

use serde_yaml::granit_parser::{
    Event, Options, Parser, ScalarStyle, ScanError, Span as YamlSpan, StructureStyle, Tag,
};

use super::{Entry, MergeTag, Node, Scalar, Value, dollar, problem::MOST_PROBLEMS};
use crate::diagnostic::{Class, Diagnostic, Diagnostics, FileId, Span};

/// The deepest nesting that is read. Plans are less than 12 deep; this keeps the stack safe.
const MAX_DEPTH: usize = 64;
/// The most nodes of a plan's documents: a plan of 10,000 services has 300,000.
const MAX_NODES: usize = 500_000;
/// The most entries of one list or mapping: twice the services of a large plan.
pub(super) const MAX_ENTRIES: usize = 20_000;
/// The longest scalar, in bytes: the largest config that an engine takes has a megabyte.
const MAX_SCALAR: usize = 4 << 20;
/// What aliases may repeat: so many times what was written, and some for small files.
const REPLAY_FACTOR: usize = 10;
const REPLAY_FREE: usize = 10_000;
/// And all together: 25 nodes for each of 10,000 services, some 40 MB.
const MAX_REPLAYED: usize = 250_000;

/// What was read of one plan's documents, which share the bounds.
#[derive(Debug, Default)]
pub struct Reading {
    written: usize,
    replayed: usize,
    /// Whether any value has a tag that says how it merges.
    pub has_merge_tags: bool,
    /// What stands in the same file after its first document, each with the place where it begins.
    pub further: Vec<(Span, Node)>,
}

/// Reads a text's first YAML document. Problems that do not end the reading are added to `problems`; `None`
/// if nothing could be made of the text.
pub fn parse(file: FileId, text: &str, problems: &mut Diagnostics) -> Option<Node> {
    parse_more(file, text, &mut Reading::default(), problems)
}

/// [`parse`], after other documents of the same plan. What follows in the text is kept in
/// `reading.further`.
pub fn parse_more(file: FileId, text: &str, reading: &mut Reading, problems: &mut Diagnostics) -> Option<Node> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(text, options),
        text,
        file,
        anchors: HashMap::new(),
        reading,
        problems,
    };
    match reader.document() {
        Ok(root) => root,
        Err(Stop::Syntax(error)) => {
            let diagnostic = syntax_error(file, text, &error);
            // A template with text behind it was taken for a mapping before the parser gave up.
            let line = diagnostic.labels[0].span.line;
            let same = |known: &Diagnostic| known.code == diagnostic.code && known.labels[0].span.line == line;
            problems.retain(|known| known.code != "unquoted-template" || !same(known));
            problems.push(diagnostic);
            None
        }
        Err(Stop::Reported) => None,
    }
}

/// Why the reading ended early.
enum Stop {
    Syntax(Box<ScanError>),
    Reported,
}

impl From<ScanError> for Stop {
    fn from(error: ScanError) -> Self {
        Self::Syntax(Box::new(error))
    }
}

struct Reader<'t, 'p> {
    events: Parser<'t, serde_yaml::granit_parser::StrInput<'t>>,
    text: &'t str,
    file: FileId,
    anchors: HashMap<usize, Node>,
    reading: &'p mut Reading,
    problems: &'p mut Diagnostics,
}

impl<'t> Reader<'t, '_> {
    fn next(&mut self) -> Result<(Event<'t>, YamlSpan), Stop> {
        match self.events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(error.into()),
            None => Ok((Event::StreamEnd, YamlSpan::default())),
        }
    }

    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut root: Option<Node> = None;
        let mut start = Span { file: self.file, start: 0, end: 0, line: 1, column: 1 };
        loop {
            let (event, at) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::DocumentStart(..) => {
                    start = self.span(at);
                    self.anchors.clear();
                }
                Event::StreamStart | Event::DocumentEnd => {}
                event => {
                    let node = self.node(event, at, 0)?;
                    match &root {
                        Some(first) if !first.is_null() => self.reading.further.push((start, node)),
                        Some(_) | None => root = Some(node),
                    }
                }
            }
        }
    }

    fn node(&mut self, event: Event<'t>, at: YamlSpan, depth: usize) -> Result<Node, Stop> {
        let span = self.span(at);
        self.reading.written += 1;
        if depth > MAX_DEPTH || self.reading.written > MAX_NODES {
            let what = match depth > MAX_DEPTH {
                true => format!("the document is nested deeper than {MAX_DEPTH} levels"),
                false => format!("the plan's files hold more than {MAX_NODES} values"),
            };
            return Err(self.stop(configuration("too-large", what).at(span, "here")));
        }
        if self.problems.len() > MOST_PROBLEMS {
            return Err(Stop::Reported);
        }
        match event {
            Event::Scalar(text, ..) if text.len() > MAX_SCALAR => {
                Err(self.too_large("a value", "MiB of text", MAX_SCALAR >> 20, span))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let merge = self.check_tag(tag.as_deref(), &["str", "int", "float", "bool", "null"], span);
                let scalar = scalar(text.into_owned().into(), style, tag.as_deref());
                self.anchored(anchor, Node { tag: merge, ..Node::scalar(span, scalar) })
            }
            Event::SequenceStart(_, anchor, tag) => {
                let tag = self.check_tag(tag.as_deref(), &["seq"], span);
                let mut items = Vec::new();
                loop {
                    let (event, at) = self.next()?;
                    if matches!(event, Event::SequenceEnd) {
                        items.shrink_to_fit();
                        let span = self.until(span, at);
                        return self.anchored(anchor, Node { tag, ..Node::new(span, Value::List(items)) });
                    }
                    items.push(self.node(event, at, depth + 1)?);
                    if items.len() > MAX_ENTRIES {
                        return Err(self.too_large("a list", "items", MAX_ENTRIES, items[MAX_ENTRIES].span));
                    }
                }
            }
            Event::MappingStart(style, anchor, tag) => {
                let tag = self.check_tag(tag.as_deref(), &["map"], span);
                let node = self.mapping(style, span, depth)?;
                self.anchored(anchor, Node { tag, ..node })
            }
            Event::Alias(anchor) => self.alias(anchor, span),
            other => unreachable!("the parser does not put {other:?} in a value's place"),
        }
    }

    fn mapping(&mut self, style: StructureStyle, span: Span, depth: usize) -> Result<Node, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged: Vec<Node> = Vec::new();
        // Only large mappings get an index: most have a handful of keys.
        let mut index: HashMap<Box<str>, usize> = HashMap::new();
        loop {
            let (event, at) = self.next()?;
            let key_span = self.span(at);
            let key: Box<str> = match event {
                Event::MappingEnd => {
                    let span = self.until(span, at);
                    return Ok(Node::new(span, Value::Map(self.merge(entries, merged)?)));
                }
                Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<" => {
                    let (event, at) = self.next()?;
                    merged.push(self.node(event, at, depth + 1)?);
                    continue;
                }
                Event::Scalar(text, _, anchor, _) => {
                    let key: Box<str> = text.into_owned().into();
                    if anchor > 0 {
                        self.anchors.insert(anchor, Node::scalar(key_span, Scalar::string(key.clone())));
                    }
                    key
                }
                Event::Alias(anchor) => match self.anchors.get(&anchor).and_then(Node::as_text) {
                    Some(text) => text.into(),
                    None => return Err(self.stop(complex_key(key_span))),
                },
                Event::MappingStart(..) if style == StructureStyle::Flow => {
                    self.node(event, at, depth + 1)?;
                    return self.unquoted_template(span, depth);
                }
                _ => return Err(self.stop(complex_key(key_span))),
            };
            let (event, at) = self.next()?;
            let value = self.node(event, at, depth + 1)?;
            let first = match entries.len() {
                0..16 => entries.iter().position(|entry| entry.key == key),
                length => {
                    index.extend((index.len()..length).map(|position| (entries[position].key.clone(), position)));
                    index.get(&key).copied()
                }
            };
            if entries.len() >= MAX_ENTRIES {
                return Err(self.too_large("a mapping", "keys", MAX_ENTRIES, key_span));
            }
            match first {
                Some(first) => self.duplicate(&key, key_span, entries[first].key_span),
                None => entries.push(Entry { key, key_span, value }),
            }
        }
    }

    /// `a: {{ x }}` is, to YAML, a mapping whose key is a mapping. Skips the rest of it.
    fn unquoted_template(&mut self, span: Span, depth: usize) -> Result<Node, Stop> {
        loop {
            let (event, at) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                let span = self.until(span, at);
                let written = &self.text[span.start as usize..span.end as usize];
                let diagnostic = match written.starts_with("{{") {
                    true => unquoted(span).hint(format!("write it as \"{}\"", written.replace('"', "'"))),
                    false => complex_key(span),
                };
                self.problems.push(diagnostic);
                return Ok(Node::broken(span));
            }
            self.node(event, at, depth + 1)?;
        }
    }

    fn check_tag(&mut self, tag: Option<&Tag>, known: &[&str], span: Span) -> MergeTag {
        let Some(tag) = tag else { return MergeTag::None };
        if known.iter().any(|known| tag.is_yaml_core_schema_tag(known)) || tag.original() == "!" {
            return MergeTag::None;
        }
        let name = tag.original();
        let merge = match &*name {
            "!reset" => MergeTag::Reset,
            "!override" => MergeTag::Override,
            _ => {
                let summary = format!("the tag `{name}` is not supported");
                self.problems.push(configuration("unknown-tag", summary).at(span, "on this value"));
                return MergeTag::None;
            }
        };
        self.reading.has_merge_tags = true;
        merge
    }

    /// Keeps a copy of what an anchor names. It counts as a repetition, since anchors nest.
    fn anchored(&mut self, anchor: usize, node: Node) -> Result<Node, Stop> {
        if anchor > 0 {
            self.replay(node.weight(), node.span)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// A copy of what an anchor names. Its values keep the places where they were written.
    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, Stop> {
        let Some(size) = self.anchors.get(&anchor).map(Node::weight) else {
            let diagnostic = configuration("syntax", "an alias cannot be used inside of what it names");
            return Err(self.stop(diagnostic.at(span, "used here")));
        };
        self.replay(size, span)?;
        Ok(self.anchors[&anchor].clone())
    }

    fn replay(&mut self, weight: usize, span: Span) -> Result<(), Stop> {
        self.reading.replayed += weight;
        let most = self.reading.written * REPLAY_FACTOR + REPLAY_FREE;
        if self.reading.replayed <= most.min(MAX_REPLAYED) {
            return Ok(());
        }
        let summary = match most < MAX_REPLAYED {
            true => format!("aliases repeat more than {REPLAY_FACTOR} times what the file holds"),
            false => format!("aliases repeat more than {MAX_REPLAYED} values"),
        };
        Err(self.stop(configuration("too-large", summary).at(span, "this one went too far")))
    }

    /// Puts in what `<<` names: keys that are written win, and earlier sources over later ones.
    fn merge(&mut self, mut entries: Vec<Entry>, merged: Vec<Node>) -> Result<Vec<Entry>, Stop> {
        if merged.is_empty() {
            entries.shrink_to_fit();
            return Ok(entries);
        }
        let mut written: HashSet<Box<str>> = entries.iter().map(|entry| entry.key.clone()).collect();
        for source in merged {
            let span = source.span;
            let sources = match source.value {
                Value::List(items) => items,
                value => vec![Node { value, ..source }],
            };
            for source in sources {
                let Value::Map(found) = source.value else {
                    return Err(self.stop(configuration("syntax", "`<<` needs a mapping").at(span, "this is none")));
                };
                for entry in found {
                    if written.insert(entry.key.clone()) {
                        entries.push(entry);
                    }
                }
            }
        }
        entries.shrink_to_fit();
        Ok(entries)
    }

    fn duplicate(&mut self, key: &str, again: Span, first: Span) {
        self.problems.push(
            configuration("duplicate-key", format!("`{key}` is written twice in one mapping"))
                .at(again, "again here")
                .at(first, "first here"),
        );
    }

    fn too_large(&mut self, what: &str, units: &str, most: usize, span: Span) -> Stop {
        let summary = format!("{what} holds more than {most} {units}");
        self.stop(configuration("too-large", summary).at(span, "here"))
    }

    fn stop(&mut self, diagnostic: Diagnostic) -> Stop {
        self.problems.push(diagnostic);
        Stop::Reported
    }

    fn span(&self, at: YamlSpan) -> Span {
        let range = at.byte_range().unwrap_or_default();
        Span {
            file: self.file,
            start: offset(range.start),
            end: offset(range.end),
            line: offset(at.start.line()).max(1),
            column: offset(at.start.col() + 1),
        }
    }

    /// From the start of one to the end of the other, for flow collections; block collections
    /// end where the next thing begins, so theirs stay at their first line.
    fn until(&self, span: Span, at: YamlSpan) -> Span {
        let end = self.span(at).end;
        let opened = self.text.as_bytes().get(span.start as usize);
        match opened {
            Some(b'{' | b'[') => Span { end: end.max(span.end), ..span },
            Some(_) | None => span,
        }
    }
}

fn scalar(text: Box<str>, style: ScalarStyle, tag: Option<&Tag>) -> Scalar {
    let is_string = tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
    match style == ScalarStyle::Plain && !is_string {
        true => Scalar::plain(text),
        false => Scalar::string(text),
    }
}

fn offset(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

fn configuration(code: &'static str, summary: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code, Class::Configuration, summary)
}

fn complex_key(span: Span) -> Diagnostic {
    configuration("wrong-type", "a key has to be a string").at(span, "this is none")
}

fn unquoted(span: Span) -> Diagnostic {
    configuration("unquoted-template", "a template has to stand in quotes: without them YAML reads a mapping")
        .at(span, "quote this")
}

fn syntax_error(file: FileId, text: &str, error: &ScanError) -> Diagnostic {
    let marker = error.marker();
    let start = marker.byte_offset().unwrap_or(text.len()).min(text.len());
    let span = Span {
        file,
        start: offset(start),
        end: offset((start + 1).min(text.len())),
        line: offset(marker.line()).max(1),
        column: offset(marker.col() + 1),
    };
    let line = text.lines().nth(span.line as usize - 1).unwrap_or_default();
    let value = line.split_once(": ").map_or(line, |(_, value)| value).trim_start_matches(['-', ' ']);
    if value.starts_with("{{") {
        return unquoted(span).hint(format!("write it as \"{}\"", value.trim_end().replace('"', "'")));
    }
    let message = error.info();
    let message = message.trim_end_matches('.');
    let diagnostic = configuration("syntax", format!("this is not YAML: {message}")).at(span, "here");
    let dollar = line.contains("${").then(|| dollar::quoted(line)).flatten();
    match (message.starts_with("tabs"), dollar) {
        (true, _) => diagnostic.hint("indent with spaces"),
        (false, Some(hint)) => diagnostic.hint(hint),
        (false, None) => diagnostic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_of_a_plan_share_their_bounds() {
        let mut reading = Reading { written: MAX_NODES - 6, ..Reading::default() };
        let mut problems = Vec::new();
        let mut parse = |text: &str| parse_more(FileId(0), text, &mut reading, &mut problems).is_some();
        assert!(parse("a: [1, 2]\n"));
        assert!(!parse("a: [1, 2]\n"));
        assert_eq!(problems[0].summary, format!("the plan's files hold more than {MAX_NODES} values"));
    }
}
