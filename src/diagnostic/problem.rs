use serde::{Deserialize, Serialize};

use super::Span;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Error,
    Warning,
    Note,
}

/// What kind of trouble it is: decides whether a try again can help, and what to look at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The document, the flags or the environment are wrong.
    Configuration,
    /// Something that this needs is not there or failed.
    Dependency,
    /// The runtime refused or failed at what it was asked to do.
    Deployment,
    /// It runs, but does not work.
    HealthCheck,
    Timeout,
    /// Out of memory, disk, ports, addresses.
    Resource,
    /// A connection could not be made or broke.
    Network,
    Permission,
}

/// A stretch of a file, and what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

/// One problem. The first label is the place; further ones are related places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Stable, kebab-case, greppable: `unknown-key`.
    pub code: &'static str,
    pub class: Class,
    /// One line, lower-case, no period, names in backticks.
    pub summary: String,
    pub detail: Option<String>,
    pub labels: Vec<Label>,
    pub hints: Vec<String>,
    /// A warning to whoever looks at the plan, an error to whoever applies it.
    pub is_obstacle: bool,
}

const OBSTACLE: &str = "`apply` does not begin before this is put right";

pub type Diagnostics = Vec<Diagnostic>;

impl Diagnostic {
    pub fn error(code: &'static str, class: Class, summary: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            class,
            summary: summary.into(),
            detail: None,
            labels: Vec::new(),
            hints: Vec::new(),
            is_obstacle: false,
        }
    }

    pub fn warning(code: &'static str, class: Class, summary: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, class, summary) }
    }

    /// Adds a place: the first one is where the problem is.
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same as what keeps a plan from being applied, and from nothing else.
    pub fn obstacle(self) -> Self {
        Self { severity: Severity::Warning, is_obstacle: true, ..self }.hint(OBSTACLE)
    }

    /// An obstacle as the error that it is where a plan is applied.
    pub fn insurmountable(&self) -> Self {
        let hints = self.hints.iter().filter(|hint| *hint != OBSTACLE).cloned().collect();
        Self { severity: Severity::Error, is_obstacle: false, hints, ..self.clone() }
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
