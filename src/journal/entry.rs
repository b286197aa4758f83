use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Outcome;
use crate::{
    action::{Action, Effect, StepId},
    observed::Fault,
    plan::RuntimeKind,
    secret::Text,
    time::Timestamp,
};

/// One fact of a deployment. Numbers count from 0 without gaps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub number: u64,
    pub at: Timestamp,
    pub record: Record,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "record")]
pub enum Record {
    /// The action is about to be performed: from here on it may have taken effect.
    Intended {
        step: StepId,
        runtime: RuntimeKind,
        action: Arc<Action>,
    },
    Succeeded {
        step: StepId,
        effect: Effect,
    },
    /// It failed, and nothing of it took effect; or it was looked at, and had not.
    Failed {
        step: StepId,
        fault: Fault,
    },
    UndoIntended {
        step: StepId,
        action: Arc<Action>,
    },
    UndoSucceeded {
        step: StepId,
    },
    UndoFailed {
        step: StepId,
        fault: Fault,
    },
    /// The commit point: from here on there is only cleanup, forward.
    Committed,
    Ended {
        outcome: Outcome,
    },
}

impl Entry {
    /// Hands every text that may be secret to `visit`: to seal or open them.
    pub fn visit_texts(&mut self, visit: &mut dyn FnMut(&mut Text)) {
        match &mut self.record {
            Record::Intended { action, .. } | Record::UndoIntended { action, .. } => {
                Arc::make_mut(action).visit_texts(visit)
            }
            Record::Succeeded { .. }
            | Record::Failed { .. }
            | Record::UndoSucceeded { .. }
            | Record::UndoFailed { .. }
            | Record::Committed
            | Record::Ended { .. } => {}
        }
    }
}
