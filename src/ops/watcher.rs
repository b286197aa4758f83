use super::Preview;
use crate::{
    diagnostic::{Diagnostic, Sources},
    event::Moment,
};

/// Who follows a use case while it runs, and answers its question.
pub trait Watcher: Send {
    /// Something happened.
    fn event(&mut self, moment: &Moment);

    /// What someone should know who relies on the result. Often there is nothing.
    fn warn(&mut self, _warnings: &[Diagnostic]) {}

    /// What is to be said about a plan before it is applied, with the texts that it was read from.
    fn warn_of_plan(&mut self, _warnings: &[Diagnostic], _sources: &Sources) {}

    /// Whether to go on with what would replace or remove something. `None` if there is nobody to
    /// ask.
    fn confirm(&mut self, preview: &Preview) -> Option<bool>;
}

/// Hears nothing and agrees to everything: for libraries and pipelines.
#[derive(Debug, Default)]
pub struct Quiet;

impl Watcher for Quiet {
    fn event(&mut self, _: &Moment) {}

    fn confirm(&mut self, _: &Preview) -> Option<bool> {
        Some(true)
    }
}
