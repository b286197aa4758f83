//! The plan's own commands, its hooks and tests, as far as they are unlike other actions: nobody can
//! look whether one has run, and some run only when all else is over.

use std::collections::{BTreeMap, VecDeque};

use super::{Engine, machine::Mode};
use crate::{
    action::{Action, CommandKind, CommandRun, Effect, StepId},
    diagnostic::Class,
    event::Event,
    journal::{Outcome, StepStatus},
    observed::Fault,
    time::Timestamp,
};

/// Commands under way, and those that are told of a failure.
#[derive(Debug, Default)]
pub(super) struct Commands {
    begun_at: BTreeMap<StepId, Timestamp>,
    /// What is left to run after a failure.
    untold: VecDeque<StepId>,
}

impl Engine {
    fn command(&self, id: StepId) -> Option<&CommandRun> {
        match &self.setup.actions.steps[id.index()].action {
            Action::RunCommand { run } => Some(run),
            _ => None,
        }
    }

    /// A command that was begun before the run was cut off may have run, and may not run twice.
    pub(super) fn must_not_run_again(&self, id: StepId) -> Option<Fault> {
        let run = self.command(id).filter(|run| !run.is_idempotent)?;
        let text = format!("nobody knows whether the {} `{}` ran to its end", run.kind.as_str(), run.name);
        Some(
            Fault::new(Class::Deployment, "command-unknown", text)
                .hint("set `idempotent: true` if running it again does no harm")
                .outcome_unknown(),
        )
    }

    /// Whether a command that failed is tried again; `None` for other actions.
    pub(super) fn may_run_again(&self, id: StepId, attempts: u32, fault: &Fault) -> Option<bool> {
        let run = self.command(id)?;
        if fault.is_outcome_unknown && !run.is_idempotent {
            return Some(false);
        }
        Some(attempts <= run.retries || self.is_worth_another_try(attempts, fault))
    }

    pub(super) fn command_begins(&mut self, now: Timestamp, id: StepId) {
        let Some((kind, command)) = self.command(id).map(|run| (run.kind, run.name.clone())) else { return };
        self.commands.begun_at.insert(id, now);
        self.emit(Event::CommandStarted { kind, command });
    }

    pub(super) fn command_succeeded(&mut self, now: Timestamp, id: StepId, effect: &Effect) {
        let Some((kind, command, duration_ms)) = self.command_ended(now, id) else { return };
        let output = match effect {
            Effect::Ran { output } => output.clone(),
            _ => Vec::new(),
        };
        self.emit(Event::CommandCompleted { kind, command, duration_ms, output });
    }

    pub(super) fn command_failed(&mut self, now: Timestamp, id: StepId, error: &Fault) {
        let Some((kind, command, duration_ms)) = self.command_ended(now, id) else { return };
        self.emit(Event::CommandFailed { kind, command, duration_ms, error: error.clone() });
    }

    fn command_ended(&mut self, now: Timestamp, id: StepId) -> Option<(CommandKind, String, u64)> {
        let (kind, command) = self.command(id).map(|run| (run.kind, run.name.clone()))?;
        let begun_at = self.commands.begun_at.remove(&id).unwrap_or(now);
        Some((kind, command, u64::try_from(now.since(begun_at).as_millis()).unwrap_or(u64::MAX)))
    }

    /// Runs the next of the commands that are for a failure; answers whether there was one.
    pub(super) fn tell_of_failure(&mut self, now: Timestamp, outcome: Outcome) -> bool {
        if self.failure.is_none() {
            return false;
        }
        if !matches!(self.mode, Mode::Telling(_)) {
            self.due.clear();
            self.commands.untold = self.untold();
            self.mode = Mode::Telling(outcome);
        }
        let Some(step) = self.commands.untold.pop_front() else { return false };
        self.make_ready(step);
        self.begin_steps(now);
        true
    }

    /// What has not run before this run was cut off, or may run again.
    fn untold(&self) -> VecDeque<StepId> {
        let steps = self.setup.actions.steps.iter().filter(|step| step.is_on_failure);
        let is_left = |id: StepId| match self.journal.step(id).map(|step| &step.status) {
            None => true,
            Some(StepStatus::Intended) => self.must_not_run_again(id).is_none(),
            Some(_) => false,
        };
        steps.map(|step| step.id).filter(|id| is_left(*id)).collect()
    }

    /// A command after a failure has come to its end, one way or the other.
    pub(super) fn told(&mut self, now: Timestamp) {
        if let Mode::Telling(outcome) = self.mode {
            self.end(now, outcome);
        }
    }

    /// A command after a failure is told how the deployment ended, and of what it failed.
    pub(super) fn with_story(&self, mut action: Action) -> Action {
        if let (Action::RunCommand { run }, Mode::Telling(outcome), Some(failure)) =
            (&mut action, self.mode, &self.failure)
        {
            let service = failure.service.as_ref().map(ToString::to_string).unwrap_or_default();
            let story = [
                ("ORCHESTRATE_OUTCOME", outcome.as_str().to_owned()),
                ("ORCHESTRATE_ERROR", failure.fault.text.clone()),
                ("ORCHESTRATE_FAILED_SERVICE", service),
            ];
            run.environment.extend(story.map(|(name, value)| (name.to_owned(), value.into())));
        }
        action
    }
}
