//! Going on with a run that was cut off, from its journal.

use super::{Engine, Setup, machine::Mode};
use crate::{
    action::{Effect, StepId},
    diagnostic::Class,
    event::Event,
    journal::{Direction, Failure, Journal, Record, StepStatus, Unfinished},
    observed::Fault,
    plan::RollbackStrategy,
    time::Timestamp,
};

/// A run cannot be gone on with in this way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CannotResume {
    #[error("it has come to its end")]
    HasEnded,
    #[error("it has failed, and can only be taken back")]
    HasFailed,
    #[error("it is past its commit point: nothing takes it back but another deployment")]
    IsCommitted,
}

impl Engine {
    /// A run that goes on where its journal ends: back, forward, or, past the commit point, on with
    /// the cleanup, whichever way was asked for. What may have taken effect is performed or undone
    /// again, which runtimes answer by looking.
    ///
    /// # Errors
    /// If the journal does not allow it.
    pub fn resume(
        setup: Setup,
        journal: Journal,
        direction: Direction,
        why: Fault,
        now: Timestamp,
    ) -> Result<Self, CannotResume> {
        let unfinished = journal.unfinished().ok_or(CannotResume::HasEnded)?;
        match (unfinished, direction) {
            (Unfinished::Abandoned | Unfinished::NeedsAttention, Direction::Forward) => {
                return Err(CannotResume::HasFailed);
            }
            (Unfinished::NeedsAttention, Direction::Back) if journal.is_committed() => {
                return Err(CannotResume::IsCommitted);
            }
            (Unfinished::Underway | Unfinished::Abandoned | Unfinished::NeedsAttention, _)
            | (Unfinished::Committed, _) => {}
        }
        let mut engine = Self::blank(setup, now);
        engine.journal = journal;
        engine.adopt_journal();
        engine.record(now, Record::Resumed { direction });
        engine.announce_resumption(direction);
        match (engine.journal.is_committed(), direction) {
            (true, _) => engine.resume_cleanup(now),
            (false, Direction::Forward) => engine.resume_forward(now),
            (false, Direction::Back) => engine.resume_back(now, why),
        }
        engine.serve_due(now);
        engine.advance(now);
        Ok(engine)
    }

    /// Where its steps stand, and the ids of what it made.
    fn adopt_journal(&mut self) {
        let steps: Vec<(StepId, StepStatus, Option<Effect>)> =
            self.journal.steps().map(|(id, step)| (id, step.status.clone(), step.effect.clone())).collect();
        for (id, status, effect) in steps {
            match status {
                StepStatus::Intended => self.steps[id.index()].begin_again(),
                StepStatus::Succeeded => self.step_was_done(id),
                StepStatus::Failed(_) | StepStatus::UndoIntended | StepStatus::Undone | StepStatus::UndoFailed(_) => {}
            }
            let slot = self.setup.actions.steps[id.index()].action.instance().map(|instance| instance.slot);
            match (slot, effect) {
                (Some(slot), Some(Effect::Created { id })) => self.name_slot(slot, id),
                (Some(slot), Some(Effect::Started { instance })) => {
                    self.slots[slot as usize].instance = Some(std::sync::Arc::new(*instance));
                }
                (_, _) => {}
            }
        }
    }

    fn announce_resumption(&mut self, direction: Direction) {
        self.emit(Event::DeploymentResumed {
            deployment: self.setup.options.deployment,
            plan: self.setup.plan_name.clone(),
            environment: self.setup.environment.clone(),
            services: self.setup.services.len(),
            direction,
        });
    }

    fn resume_cleanup(&mut self, now: Timestamp) {
        self.mode = Mode::Committed;
        self.begin_cleanup(now);
    }

    fn resume_forward(&mut self, now: Timestamp) {
        self.open(now);
        let started: Vec<(u32, Effect)> = self
            .journal
            .steps()
            .filter(|(_, step)| step.status == StepStatus::Succeeded)
            .filter_map(|(_, step)| Some((step.action.instance()?.slot, step.effect.clone()?)))
            .filter(|(_, effect)| matches!(effect, Effect::Started { .. }))
            .collect();
        for (slot, effect) in started {
            self.note_effect(now, slot, &effect);
        }
    }

    fn resume_back(&mut self, now: Timestamp, why: Fault) {
        // Whoever asks for it now wants it, whatever the plan wished for the first time.
        if self.setup.options.strategy == RollbackStrategy::Manual {
            self.setup.options.strategy = RollbackStrategy::Graceful;
        }
        let failure = self.journal.failure().cloned().unwrap_or_else(|| {
            let failure = Failure { fault: why, service: None, slot: None };
            self.record(now, Record::Abandoned { failure: failure.clone() });
            failure
        });
        self.failure = Some(failure);
        self.mode = Mode::Preserving;
        self.preserved(now);
    }
}

/// Why a deployment is taken back that was cut off.
pub fn cut_off() -> Fault {
    Fault::new(Class::Deployment, "cut-off", "the deployment was cut off before it had come to its end")
}
