use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Outcome;
use crate::{
    action::{Action, Effect, StepId},
    name::ServiceName,
    observed::Fault,
    plan::RuntimeKind,
    secret::Text,
    time::Timestamp,
};

/// Which way a deployment that was cut off is brought to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// What it did is undone. Past the commit point there is nothing to undo, only cleanup.
    Back,
    /// It goes on where it was.
    Forward,
}

/// Why a deployment does not go on, and whose fault it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    pub fault: Fault,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// The instance, as its actions number it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u32>,
}

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
    /// It failed: from here on what was done is only undone.
    Abandoned {
        failure: Failure,
    },
    /// Written again if what undoes the step turns out to be something else.
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
    /// It was cut off, or ended with something left to do, and is brought to its end now.
    Resumed {
        direction: Direction,
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
            | Record::Abandoned { .. }
            | Record::Committed
            | Record::Ended { .. }
            | Record::Resumed { .. } => {}
        }
    }
}
