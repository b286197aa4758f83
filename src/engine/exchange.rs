use std::sync::Arc;

use crate::{
    action::{Action, Effect, StepId},
    event::Event,
    health::Answer,
    journal::{Entry, Outcome},
    name::ServiceName,
    observed::{Fault, Instance, RuntimeEvent},
    plan::{Check, RuntimeKind},
};

/// One check of one instance within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonitorId(pub u32);

/// What the engine hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// All entries up to and with this number are durable.
    Recorded {
        number: u64,
    },
    Performed {
        step: StepId,
        result: Result<Effect, Fault>,
    },
    Probed {
        monitor: MonitorId,
        answer: Answer,
    },
    /// The instance in this slot as it is now; `Ok(None)` if it is gone.
    Inspected {
        slot: u32,
        result: Result<Option<Box<Instance>>, Fault>,
    },
    /// The failed instance's log and state are kept.
    Preserved,
    Happened(RuntimeEvent),
    /// The time that was asked for has come.
    Woken,
    /// Someone wants it to stop.
    Cancelled,
}

/// What the engine says.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    Record(Entry),
    Perform {
        step: StepId,
        runtime: RuntimeKind,
        action: Arc<Action>,
    },
    Probe {
        monitor: MonitorId,
        check: Arc<Check>,
        instance: Arc<Instance>,
    },
    Inspect {
        slot: u32,
        runtime: RuntimeKind,
        id: String,
    },
    /// Keep what shows why this instance failed, before it is taken away.
    Preserve {
        service: ServiceName,
        slot: u32,
        runtime: RuntimeKind,
        id: String,
        probes: Vec<String>,
    },
    Emit(Event),
    Done(Outcome),
}
