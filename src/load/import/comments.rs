use std::collections::HashSet;

use crate::{
    diagnostic::{FileId, Span},
    load::library::Library,
};

/// Comments of documents, each taken once.
pub(super) struct Comments<'a> {
    library: &'a Library,
    taken: HashSet<(FileId, usize)>,
}

impl<'a> Comments<'a> {
    pub fn new(library: &'a Library) -> Self {
        Self { library, taken: HashSet::new() }
    }

    /// What stands in lines of its own right before a key, and not before anything else; an empty line
    /// before it is kept.
    pub fn before(&mut self, span: Span) -> Vec<String> {
        let source = self.library.source(span.file);
        let lines: Vec<&str> = source.lines().collect();
        let mut found = Vec::new();
        let mut line = (span.line as usize).saturating_sub(1);
        // A key that is not the first of its line has no comment of its own before it.
        let is_first = lines.get(line).is_some_and(|text| {
            let before = text.chars().take((span.column as usize).saturating_sub(1));
            before.clone().all(|c| c.is_whitespace() || matches!(c, '-' | '?'))
        });
        if !is_first {
            return found;
        }
        while line > 0 {
            let text = lines.get(line - 1).map_or("", |text| text.trim());
            let is_comment = text.starts_with('#');
            if !(is_comment || text.is_empty()) || !self.taken.insert((span.file, line)) {
                break;
            }
            found.push(text.to_owned());
            line -= 1;
        }
        found.reverse();
        // Empty lines in front are only a gap.
        let first = found.iter().position(|text| !text.is_empty()).unwrap_or(found.len());
        let gap = first > 0;
        found.drain(..first);
        if gap {
            found.insert(0, String::new());
        }
        found
    }

    /// What stands behind a value or key, on its last line.
    pub fn behind(&mut self, span: Span) -> Option<String> {
        let source = self.library.source(span.file);
        let rest = source.get(span.end as usize..)?.lines().next()?;
        let rest = rest.strip_prefix(['"', '\'']).unwrap_or(rest).trim_start_matches(':');
        let comment = rest.trim();
        let line = source.get(..span.end as usize)?.matches('\n').count() + 1;
        let is_one = comment.starts_with('#') && rest.starts_with(char::is_whitespace);
        (is_one && self.taken.insert((span.file, line))).then(|| comment.to_owned())
    }
}
