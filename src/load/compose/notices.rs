use crate::diagnostic::{Class, Diagnostic, Diagnostics};

/// Warnings about a Compose file. They are kept apart from problems, of which there may only be so
/// many: a large file can have a warning for each of its services.
#[derive(Debug, Default)]
pub(super) struct Notices {
    all: Diagnostics,
    left_out: usize,
}

/// Nobody reads more.
const MOST: usize = 1000;

impl Notices {
    pub fn add(&mut self, notice: Diagnostic) {
        match self.all.len() < MOST {
            true => self.all.push(notice),
            false => self.left_out += 1,
        }
    }

    pub fn into_diagnostics(mut self) -> Diagnostics {
        if self.left_out > 0 {
            self.all.push(warning("too-many-warnings", format!("{} further warnings are not shown", self.left_out)));
        }
        self.all
    }
}

pub(super) fn warning(code: &'static str, summary: impl Into<String>) -> Diagnostic {
    Diagnostic::warning(code, Class::Configuration, summary)
}
