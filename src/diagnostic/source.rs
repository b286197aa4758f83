use std::sync::Arc;

use super::Diagnostic;

/// A file among [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A stretch of one file. Offsets are bytes, `end` is exclusive; line and column count from 1, the
/// column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub file: FileId,
    pub start: u32,
    pub end: u32,
    pub line: u32,
    pub column: u32,
}

/// By how much the files of some [`Sources`] moved when others absorbed them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileShift(u32);

impl FileShift {
    pub fn span(self, span: Span) -> Span {
        Span { file: FileId(span.file.0 + self.0), ..span }
    }

    pub fn diagnostic(self, mut diagnostic: Diagnostic) -> Diagnostic {
        diagnostic.labels.iter_mut().for_each(|label| label.span = self.span(label.span));
        diagnostic
    }
}

/// A place that outlives its file's text: kept with changes, stored with deployments.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// The file's path as the user would type it.
    pub file: Arc<str>,
    pub line: u32,
    pub column: u32,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Where a value of a plan was written, and what carried it there.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Origin {
    pub position: Position,
    /// The variable that it came through and where that got its value:
    /// `vars.version from environments/production.yaml:3`.
    pub from: Option<String>,
}

/// Tells where the values of a plan were written. A plan that was stored has no origins.
pub trait Origins {
    /// The origin of the value at a path of keys and indices (`services`, `web`, `image`), or of
    /// the nearest thing around it that was written.
    fn origin(&self, path: &[&str]) -> Option<Origin>;

    /// The stretch of the value at a path, for an excerpt, where the texts are at hand.
    fn span(&self, _path: &[&str]) -> Option<Span> {
        None
    }
}

/// The texts that were read, for excerpts.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<(Arc<str>, Arc<str>)>,
}

impl Sources {
    /// Adds a file's text under the path that is shown to people.
    pub fn add(&mut self, path: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).expect("load reads at most a few thousand files"));
        self.files.push((path.into(), text.into()));
        id
    }

    /// Adds all files of others behind its own, and tells where their spans lead from now on.
    pub fn absorb(&mut self, others: &Self) -> FileShift {
        let shift = FileShift(u32::try_from(self.files.len()).expect("plans have at most a few thousand files each"));
        self.files.extend(others.files.iter().cloned());
        shift
    }

    pub fn path(&self, file: FileId) -> &Arc<str> {
        &self.files[file.0 as usize].0
    }

    pub fn text(&self, file: FileId) -> &Arc<str> {
        &self.files[file.0 as usize].1
    }

    pub fn position(&self, span: Span) -> Position {
        Position { file: self.path(span.file).clone(), line: span.line, column: span.column }
    }
}
