use std::{fmt, ops::Range};

use minijinja::machinery::Span;

/// What kind of mistake a template has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// It cannot be read.
    Syntax,
    /// A name that nothing defines.
    Undefined,
    /// A filter, test, function or method that does not exist.
    Unknown,
    /// A value of the wrong type for what is done with it.
    Type,
    /// It does or makes more than a template may.
    Limit,
    /// Secrets, or the process environment, used as a whole.
    Secret,
    /// A file that cannot be read.
    File,
}

/// Why a template has no value. Holds names, never values of secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ExpressionError {
    pub kind: ErrorKind,
    /// One line.
    pub text: String,
    /// Where in the template, in bytes.
    pub offset: Option<Range<usize>>,
    pub hint: Option<String>,
}

/// The longest text of an error, in characters: some quote what was written.
const LONGEST: usize = 240;

impl ExpressionError {
    pub(super) fn new(kind: ErrorKind, text: impl fmt::Display) -> Self {
        Self { kind, text: one_line(&text.to_string()), offset: None, hint: None }
    }

    pub(super) fn at(mut self, span: Span) -> Self {
        self.offset = Some(span.start_offset as usize..span.end_offset as usize);
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A hint that names what was probably meant, if anything comes close.
    pub(super) fn meant(mut self, name: Option<impl fmt::Display>) -> Self {
        self.hint = name.map(|name| format!("did you mean `{name}`?")).or(self.hint);
        self
    }
}

/// Carries ours through minijinja, which hands it back as the source of its own.
impl From<ExpressionError> for minijinja::Error {
    fn from(error: ExpressionError) -> Self {
        Self::from(minijinja::ErrorKind::InvalidOperation).with_source(error)
    }
}

fn one_line(text: &str) -> String {
    let mut line: String =
        text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim_end().into();
    if text.chars().count() > LONGEST {
        line.push('…');
    }
    line
}
