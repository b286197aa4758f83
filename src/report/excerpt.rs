//! Source excerpts with their labels, drawn by miette.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan,
    SpanContents,
};

use super::Ink;
use crate::diagnostic::{FileId, Label, Sources};

/// A line that is longer than this is not shown: nobody would see the place in it.
const LONGEST_LINE: usize = 400;

/// Draws excerpts; keeps the texts that it cleaned, since a file has many problems at times.
pub struct Excerpts<'a> {
    sources: &'a Sources,
    handler: GraphicalReportHandler,
    texts: BTreeMap<FileId, Lines<'a>>,
}

impl<'a> Excerpts<'a> {
    pub fn new(sources: &'a Sources, ink: Ink, width: usize) -> Self {
        let theme = match ink {
            Ink::Plain => GraphicalTheme::unicode_nocolor(),
            Ink::Colour => GraphicalTheme::unicode(),
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_links(false)
            .with_wrap_lines(false)
            .with_context_lines(1)
            .with_width(width);
        Self { sources, handler, texts: BTreeMap::new() }
    }

    /// The labels of one diagnostic, each file's together, in the order of their first labels.
    pub fn draw(&mut self, labels: &[Label]) -> String {
        let mut files: Vec<FileId> = Vec::new();
        for label in labels {
            if !files.contains(&label.span.file) {
                files.push(label.span.file);
            }
        }
        files.into_iter().map(|file| self.draw_file(file, labels)).collect()
    }

    fn draw_file(&mut self, file: FileId, labels: &[Label]) -> String {
        let here: Vec<&Label> = labels.iter().filter(|label| label.span.file == file).collect();
        let place = self.sources.position(here[0].span);
        let name = format!("{}:{}:{}", place.file, place.line, place.column);
        let source = self.texts.entry(file).or_insert_with(|| Lines::new(clean(self.sources.text(file))));
        if here.iter().any(|label| source.is_long_around(label.span.start as usize)) {
            return format!("  at {name}\n");
        }
        let excerpt = Excerpt {
            labels: here.iter().enumerate().map(|(number, label)| labeled_span(number, label, &source.text)).collect(),
            source: Named { file: &place.file, lines: source },
        };
        let mut drawn = String::new();
        match self.handler.render_report(&mut drawn, &excerpt) {
            // The first line is miette's for a message, which is not its to show here.
            Ok(()) => drawn.split_once('\n').map(|(_, rest)| rest.to_owned()).unwrap_or_default(),
            Err(fmt::Error) => format!("  at {name}\n"),
        }
    }
}

/// A text and where its lines start, so that a place far down is found as quickly as the first.
#[derive(Debug)]
struct Lines<'a> {
    text: Cow<'a, str>,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: Cow<'a, str>) -> Self {
        let bytes = text.as_bytes();
        // A line ends as miette has it: at `\n`, `\r\n` and `\r`.
        let ends = |index: &usize| match bytes[*index] {
            b'\n' => true,
            b'\r' => bytes.get(index + 1) != Some(&b'\n'),
            _ => false,
        };
        let starts = std::iter::once(0).chain((0..bytes.len()).filter(ends).map(|index| index + 1)).collect();
        Self { text, starts }
    }

    fn line_of(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset) - 1
    }

    /// Whether a line at a place, or one beside it, is too long to be shown.
    fn is_long_around(&self, offset: usize) -> bool {
        let line = self.line_of(offset);
        let end = |line: usize| self.starts.get(line + 1).copied().unwrap_or(self.text.len());
        let lines = line.saturating_sub(1)..(line + 2).min(self.starts.len());
        lines.into_iter().any(|line| end(line) - self.starts[line] > LONGEST_LINE + 1)
    }
}

/// A text under its file's name, of which miette is only shown what is around a place: it reads
/// from the beginning of what it is given, once for every label.
#[derive(Debug)]
struct Named<'e> {
    file: &'e str,
    lines: &'e Lines<'e>,
}

impl SourceCode for Named<'_> {
    fn read_span<'s>(
        &'s self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'s> + 's>, MietteError> {
        let line = self.lines.line_of(span.offset());
        let first = line.saturating_sub(lines_before + 1);
        let skipped = self.lines.starts[first];
        let near = &self.lines.text.as_bytes()[skipped..];
        let found = near.read_span(&(span.offset() - skipped, span.len()).into(), lines_before, lines_after)?;
        let place = (found.span().offset() + skipped, found.span().len()).into();
        let data = &near[found.span().offset()..][..found.span().len()];
        let (line, column, count) = (found.line() + first, found.column(), found.line_count() + first);
        Ok(Box::new(MietteSpanContents::new_named(self.file.to_owned(), data, place, line, column, count)))
    }
}

/// What miette wants to know of a diagnostic.
#[derive(Debug)]
struct Excerpt<'e> {
    source: Named<'e>,
    labels: Vec<LabeledSpan>,
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl std::error::Error for Excerpt<'_> {}

impl miette::Diagnostic for Excerpt<'_> {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

/// The label, kept inside its file and its first line.
fn labeled_span(number: usize, label: &Label, source: &str) -> LabeledSpan {
    let start = floor_boundary(source, label.span.start as usize);
    let end = floor_boundary(source, label.span.end as usize).max(start);
    let length = source[start..end].find('\n').unwrap_or(end - start);
    let text = Some(clean(&label.text).into_owned()).filter(|text| !text.is_empty());
    match number {
        0 => LabeledSpan::new_primary_with_span(text, (start, length)),
        _ => LabeledSpan::new_with_span(text, (start, length)),
    }
}

fn floor_boundary(source: &str, offset: usize) -> usize {
    let mut offset = offset.min(source.len());
    while !source.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// Puts a `?` for each byte of a control character, so that offsets stay and terminals are safe.
pub fn clean(text: &str) -> Cow<'_, str> {
    let is_foul = |c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\r');
    if !text.contains(is_foul) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        match is_foul(c) {
            true => cleaned.extend(std::iter::repeat_n('?', c.len_utf8())),
            false => cleaned.push(c),
        }
    }
    Cow::Owned(cleaned)
}
