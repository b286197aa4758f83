use super::{PlanEnd, Preview};
use crate::{
    diagnostic::{Diagnostic, Sources},
    event::Moment,
    name::PlanName,
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

    /// [`confirm`](Self::confirm), once for several plans.
    fn confirm_all(&mut self, previews: &[&Preview]) -> Option<bool> {
        previews.iter().try_fold(true, |is_agreed, preview| Some(is_agreed && self.confirm(preview)?))
    }

    /// The turn of one of several plans has come.
    fn plan_begins(&mut self, _plan: &PlanName, _file: &str) {}

    /// One of several plans has come to its end, or its turn never came.
    fn plan_ended(&mut self, _end: &PlanEnd) {}
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
