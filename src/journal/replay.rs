use std::{collections::BTreeMap, sync::Arc};

use super::{Entry, Outcome, Record};
use crate::{
    action::{Action, Effect, Inverse, StepId},
    observed::Fault,
    plan::RuntimeKind,
};

/// Where a step stands.
#[derive(Debug, Clone, PartialEq)]
pub enum StepStatus {
    /// It was about to be performed; whether it took effect is not known.
    Intended,
    Succeeded(Effect),
    Failed(Fault),
    UndoIntended,
    Undone,
    UndoFailed(Fault),
}

/// What the journal knows of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRecord {
    pub runtime: RuntimeKind,
    pub action: Arc<Action>,
    pub status: StepStatus,
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
        if self.outcome.is_some() {
            return Err(illegal("the deployment has ended"));
        }
        match &entry.record {
            Record::Intended { step, runtime, action } => self.intend(*step, *runtime, action).map_err(illegal)?,
            Record::Succeeded { step, effect } => {
                self.move_step(entry, *step, StepStatus::Succeeded(effect.clone())).map_err(illegal)?;
            }
            Record::Failed { step, fault } => {
                self.move_step(entry, *step, StepStatus::Failed(fault.clone())).map_err(illegal)?;
            }
            Record::UndoIntended { step, .. } => {
                self.move_step(entry, *step, StepStatus::UndoIntended).map_err(illegal)?;
            }
            Record::UndoSucceeded { step } => self.move_step(entry, *step, StepStatus::Undone).map_err(illegal)?,
            Record::UndoFailed { step, fault } => {
                self.move_step(entry, *step, StepStatus::UndoFailed(fault.clone())).map_err(illegal)?;
            }
            Record::Committed if self.is_committed => return Err(illegal("it was committed before")),
            Record::Committed => self.is_committed = true,
            Record::Ended { outcome } => self.outcome = Some(*outcome),
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

    pub fn steps(&self) -> impl Iterator<Item = (StepId, &StepRecord)> {
        self.steps.iter().map(|(id, step)| (*id, step))
    }

    pub fn step(&self, id: StepId) -> Option<&StepRecord> {
        self.steps.get(&id)
    }

    /// What takes back all that took effect, or may have, what finished last first. Undoing what
    /// had not taken effect changes nothing: runtimes answer that it was so already.
    pub fn inverse(&self) -> Vec<Undo> {
        let mut done: Vec<(StepId, &StepRecord, &Effect)> = self
            .steps
            .iter()
            .filter_map(|(id, step)| match &step.status {
                StepStatus::Succeeded(effect) => Some((*id, step, effect)),
                StepStatus::Intended => Some((*id, step, &Effect::Done)),
                StepStatus::Failed(_) | StepStatus::UndoIntended | StepStatus::Undone | StepStatus::UndoFailed(_) => {
                    None
                }
            })
            .collect();
        done.sort_by_key(|(_, step, _)| std::cmp::Reverse(step.finished_at));
        done.into_iter()
            .filter_map(|(id, step, effect)| match step.action.inverse(effect) {
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
        let status = StepStatus::Intended;
        self.steps.insert(id, StepRecord { runtime, action: action.clone(), status, finished_at: self.next_number });
        Ok(())
    }

    fn move_step(&mut self, entry: &Entry, id: StepId, to: StepStatus) -> Result<(), &'static str> {
        let step = self.steps.get_mut(&id).ok_or("the step was never begun")?;
        let is_legal = match (&step.status, &to) {
            (StepStatus::Intended, StepStatus::Succeeded(_) | StepStatus::Failed(_)) => true,
            // What may have taken effect is undone like what has; an undo that failed may be tried again.
            (StepStatus::Intended | StepStatus::Succeeded(_) | StepStatus::UndoFailed(_), StepStatus::UndoIntended) => {
                true
            }
            (StepStatus::UndoIntended, StepStatus::Undone | StepStatus::UndoFailed(_)) => true,
            (
                StepStatus::Intended
                | StepStatus::Succeeded(_)
                | StepStatus::Failed(_)
                | StepStatus::UndoIntended
                | StepStatus::Undone
                | StepStatus::UndoFailed(_),
                _,
            ) => false,
        };
        if !is_legal {
            return Err("the step was not in a state for it");
        }
        if matches!(to, StepStatus::Succeeded(_)) {
            step.finished_at = entry.number;
        }
        step.status = to;
        Ok(())
    }
}
