use std::{collections::BTreeMap, sync::Arc};

use super::{Direction, Entry, Failure, Outcome, Record};
use crate::{
    action::{Action, Effect, Inverse, StepId},
    observed::Fault,
    plan::RuntimeKind,
    secret::Text,
};

/// Where a step stands.
#[derive(Debug, Clone, PartialEq)]
pub enum StepStatus {
    /// It was about to be performed; whether it took effect is not known.
    Intended,
    Succeeded,
    Failed(Fault),
    UndoIntended,
    Undone,
    UndoFailed(Fault),
}

impl StepStatus {
    /// It took effect, or may have, and nobody knows that it was undone.
    pub fn is_to_be_undone(&self) -> bool {
        match self {
            Self::Intended | Self::Succeeded | Self::UndoIntended | Self::UndoFailed(_) => true,
            Self::Failed(_) | Self::Undone => false,
        }
    }
}

/// What the journal knows of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRecord {
    pub runtime: RuntimeKind,
    pub action: Arc<Action>,
    pub status: StepStatus,
    /// What it brought to light, once it has succeeded.
    pub effect: Option<Effect>,
    /// The number of the entry that last changed its status forward: undoing goes by it, last first.
    pub finished_at: u64,
}

/// A call that takes a step back.
#[derive(Debug, Clone, PartialEq)]
pub struct Undo {
    pub step: StepId,
    pub runtime: RuntimeKind,
    pub action: Action,
}

/// Where a deployment stands that has not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfinished {
    /// It could go on, or back.
    Underway,
    /// It has failed: it can only go back.
    Abandoned,
    /// Only cleanup is left.
    Committed,
    /// It has ended, and left something that can be undone now, perhaps.
    NeedsAttention,
}

/// The entries do not follow from each other: the journal is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {number} of the journal does not follow from those before it: {reason}")]
pub struct IllegalEntry {
    pub number: u64,
    pub reason: &'static str,
}

/// What a deployment's entries add up to.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    steps: BTreeMap<StepId, StepRecord>,
    next_number: u64,
    failure: Option<Failure>,
    is_committed: bool,
    outcome: Option<Outcome>,
}

impl Journal {
    /// Adds up a whole journal.
    ///
    /// # Errors
    /// If an entry does not follow from those before it.
    pub fn replay<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Result<Self, IllegalEntry> {
        let mut journal = Self::default();
        entries.into_iter().try_for_each(|entry| journal.append(entry))?;
        Ok(journal)
    }

    /// Adds one entry.
    ///
    /// # Errors
    /// If it does not follow from those before it; nothing is changed then.
    pub fn append(&mut self, entry: &Entry) -> Result<(), IllegalEntry> {
        let illegal = |reason| IllegalEntry { number: entry.number, reason };
        if entry.number != self.next_number {
            return Err(illegal("its number is not the next one"));
        }
        let is_resumed = matches!(entry.record, Record::Resumed { .. });
        if self.outcome.is_some() && !(is_resumed && self.outcome == Some(Outcome::NeedsAttention)) {
            return Err(illegal("the deployment has ended"));
        }
        match &entry.record {
            Record::Intended { step, runtime, action } => self.intend(*step, *runtime, action).map_err(illegal)?,
            Record::Succeeded { step, effect } => {
                self.move_step(entry, *step, StepStatus::Succeeded).map_err(illegal)?;
                self.keep_effect(*step, effect);
            }
            Record::Failed { step, fault } => {
                self.move_step(entry, *step, StepStatus::Failed(fault.clone())).map_err(illegal)?;
            }
            Record::Abandoned { .. } if self.failure.is_some() || self.is_committed => {
                return Err(illegal("it was abandoned or committed before"));
            }
            Record::Abandoned { failure } => self.failure = Some(failure.clone()),
            Record::UndoIntended { step, .. } => {
                self.move_step(entry, *step, StepStatus::UndoIntended).map_err(illegal)?;
            }
            Record::UndoSucceeded { step } => self.move_step(entry, *step, StepStatus::Undone).map_err(illegal)?,
            Record::UndoFailed { step, fault } => {
                self.move_step(entry, *step, StepStatus::UndoFailed(fault.clone())).map_err(illegal)?;
            }
            Record::Committed if self.is_committed || self.failure.is_some() => {
                return Err(illegal("it was abandoned or committed before"));
            }
            Record::Committed => self.is_committed = true,
            Record::Ended { outcome } => self.outcome = Some(*outcome),
            Record::Resumed { direction: Direction::Forward } if self.failure.is_some() => {
                return Err(illegal("it was abandoned before"));
            }
            Record::Resumed { .. } => self.outcome = None,
        }
        self.next_number += 1;
        Ok(())
    }

    /// The number that the next entry has to have.
    pub fn next_number(&self) -> u64 {
        self.next_number
    }

    pub fn is_committed(&self) -> bool {
        self.is_committed
    }

    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// Why it does not go on, once it was abandoned.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// How it may be brought to its end: `None` if it has come to it. What needs attention may be
    /// tried again.
    pub fn unfinished(&self) -> Option<Unfinished> {
        match (self.outcome, self.is_committed) {
            (Some(Outcome::NeedsAttention), _) => Some(Unfinished::NeedsAttention),
            (Some(Outcome::Applied | Outcome::Unchanged | Outcome::Failed | Outcome::RolledBack), _) => None,
            (None, true) => Some(Unfinished::Committed),
            (None, false) if self.failure.is_some() => Some(Unfinished::Abandoned),
            (None, false) => Some(Unfinished::Underway),
        }
    }

    pub fn steps(&self) -> impl Iterator<Item = (StepId, &StepRecord)> {
        self.steps.iter().map(|(id, step)| (*id, step))
    }

    pub fn step(&self, id: StepId) -> Option<&StepRecord> {
        self.steps.get(&id)
    }

    /// Hands every text of its actions that may be secret to `visit`: to open them.
    pub fn visit_texts(&mut self, visit: &mut dyn FnMut(&mut Text)) {
        self.steps.values_mut().for_each(|step| Arc::make_mut(&mut step.action).visit_texts(visit));
    }

    /// What takes back all that took effect, or may have, what finished last first. Undoing what
    /// had not taken effect changes nothing: runtimes answer that it was so already.
    pub fn inverse(&self) -> Vec<Undo> {
        let mut done: Vec<(StepId, &StepRecord)> =
            self.steps().filter(|(_, step)| step.status.is_to_be_undone()).collect();
        done.sort_by_key(|(_, step)| std::cmp::Reverse(step.finished_at));
        done.into_iter()
            .filter_map(|(id, step)| match step.action.inverse(step.effect.as_ref().unwrap_or(&Effect::Done)) {
                Inverse::Action(action) => Some(Undo { step: id, runtime: step.runtime, action }),
                Inverse::None(_) => None,
            })
            .collect()
    }

    fn intend(&mut self, id: StepId, runtime: RuntimeKind, action: &Arc<Action>) -> Result<(), &'static str> {
        if let Some(before) = self.steps.get(&id)
            && !matches!(before.status, StepStatus::Failed(_))
        {
            return Err("the step was begun before and has not failed");
        }
        let (action, status) = (action.clone(), StepStatus::Intended);
        let finished_at = self.next_number;
        self.steps.insert(id, StepRecord { runtime, action, status, effect: None, finished_at });
        Ok(())
    }

    fn keep_effect(&mut self, id: StepId, effect: &Effect) {
        if let Some(step) = self.steps.get_mut(&id) {
            step.effect = Some(effect.clone());
        }
    }

    fn move_step(&mut self, entry: &Entry, id: StepId, to: StepStatus) -> Result<(), &'static str> {
        let step = self.steps.get_mut(&id).ok_or("the step was never begun")?;
        let is_legal = match &to {
            StepStatus::Succeeded | StepStatus::Failed(_) => step.status == StepStatus::Intended,
            StepStatus::UndoIntended => step.status.is_to_be_undone(),
            StepStatus::Undone | StepStatus::UndoFailed(_) => step.status == StepStatus::UndoIntended,
            StepStatus::Intended => false,
        };
        if !is_legal {
            return Err("the step was not in a state for it");
        }
        if to == StepStatus::Succeeded {
            step.finished_at = entry.number;
        }
        step.status = to;
        Ok(())
    }
}
