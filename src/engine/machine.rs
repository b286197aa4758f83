use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use super::{
    Input, Output, Setup,
    commands::Commands,
    phases::PhaseClock,
    services::{ServiceState, SlotState},
    steps::StepState,
    undo::UndoRun,
    watching::Watch,
};
use crate::{
    action::{Action, StepId},
    event::Event,
    journal::{Entry, Failure, Journal, Outcome, Record},
    name::ServiceName,
    observed::Fault,
    time::Timestamp,
};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Working through the phases.
    Forward,
    /// Something failed: what is under way comes to its end, nothing new begins.
    Draining,
    /// The failed instance's traces are being kept.
    Preserving,
    Undoing,
    /// What was put back has to show that it is well.
    Proving,
    /// The commit point is durable, or about to be: only cleanup is left.
    Committed,
    /// All is over but the commands that are told of a failure.
    Telling(Outcome),
    /// The last entry is on its way, or there.
    Ended(Outcome),
}

/// What the engine wants to be woken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// The deployment has taken too long.
    Deadline,
    Retry(StepId),
    RetryUndo(StepId),
    Probe(super::MonitorId),
    Look(u32),
}

/// A deployment under way.
pub struct Engine {
    pub(super) setup: Setup,
    pub(super) mode: Mode,
    pub(super) failure: Option<Failure>,
    pub(super) journal: Journal,
    pub(super) outputs: VecDeque<Output>,
    /// Actions whose entry is not durable yet, by the number of that entry.
    pub(super) unrecorded: BTreeMap<u64, (StepId, Arc<Action>)>,
    pub(super) steps: Vec<StepState>,
    /// Steps that could be performed now, the most urgent first.
    pub(super) ready: BTreeSet<super::steps::Urgency>,
    pub(super) under_way: usize,
    /// Slots that are looked at before their start is tried again.
    pub(super) looked_up: BTreeMap<u32, StepId>,
    pub(super) services: Vec<ServiceState>,
    pub(super) slots: Vec<SlotState>,
    pub(super) slot_by_id: BTreeMap<String, u32>,
    pub(super) watch: Watch,
    pub(super) due: BTreeSet<(Timestamp, Due)>,
    pub(super) phases: PhaseClock,
    pub(super) undo: UndoRun,
    pub(super) commands: Commands,
    pub(super) started_at: Timestamp,
    /// The number of the entry that ends the run.
    pub(super) final_entry: Option<u64>,
}

impl Engine {
    /// A run that has just begun: its first moves are in [`poll`](Self::poll).
    pub fn new(setup: Setup, now: Timestamp) -> Self {
        let mut engine = Self::blank(setup, now);
        engine.begin(now);
        engine
    }

    pub(super) fn blank(setup: Setup, now: Timestamp) -> Self {
        let (steps, services, slots) =
            (StepState::for_all(&setup), ServiceState::for_all(&setup), SlotState::for_all(&setup));
        Self {
            mode: Mode::Forward,
            failure: None,
            journal: Journal::default(),
            outputs: VecDeque::new(),
            unrecorded: BTreeMap::new(),
            steps,
            ready: BTreeSet::new(),
            under_way: 0,
            looked_up: BTreeMap::new(),
            services,
            slot_by_id: SlotState::by_id(&slots),
            slots,
            watch: Watch::default(),
            due: BTreeSet::new(),
            phases: PhaseClock::new(now),
            undo: UndoRun::default(),
            commands: Commands::default(),
            started_at: now,
            final_entry: None,
            setup,
        }
    }

    /// Takes something that happened. What it led to is in [`poll`](Self::poll).
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::Recorded { number } => self.recorded(number),
            Input::Performed { step, result } => self.performed(now, step, result),
            Input::Probed { monitor, answer } => self.probed(now, monitor, answer),
            Input::Inspected { slot, result } => self.inspected(now, slot, result),
            Input::Preserved => self.preserved(now),
            Input::Happened(event) => self.happened(now, event),
            Input::Woken => {}
            Input::Cancelled => self.cancel(now),
        }
        self.serve_due(now);
        self.advance(now);
    }

    /// The next thing to do, if there is one.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When the engine has to be [woken](Input::Woken) if it hears nothing before.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Why the run failed, if it did.
    pub fn failure(&self) -> Option<&Fault> {
        self.failure.as_ref().map(|failure| &failure.fault)
    }

    /// What the entries so far add up to.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// What each service runs, as far as it is known: the ids of images, the digests of programs.
    pub fn contents(&self) -> BTreeMap<ServiceName, String> {
        let stays = self.setup.actions.slots.iter().zip(&self.slots).filter(|(about, _)| about.stays);
        let known = stays.filter_map(|(about, slot)| {
            let content = &slot.instance.as_ref()?.image_id;
            (!content.is_empty()).then(|| (about.service.clone(), content.clone()))
        });
        known.collect()
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.outputs.push_back(Output::Emit(event));
    }

    /// Appends an entry; answers its number.
    pub(super) fn record(&mut self, now: Timestamp, record: Record) -> u64 {
        let entry = Entry { number: self.journal.next_number(), at: now, record };
        self.journal.append(&entry).expect("the engine only writes entries that follow from each other");
        let number = entry.number;
        self.outputs.push_back(Output::Record(entry));
        number
    }

    fn recorded(&mut self, number: u64) {
        let not_yet = self.unrecorded.split_off(&(number + 1));
        for (step, action) in std::mem::replace(&mut self.unrecorded, not_yet).into_values() {
            let runtime = self.setup.actions.steps[step.index()].runtime;
            self.outputs.push_back(Output::Perform { step, runtime, action });
        }
        if let (Some(last), Mode::Ended(outcome)) = (self.final_entry, self.mode)
            && last <= number
        {
            self.final_entry = None;
            self.outputs.push_back(Output::Done(outcome));
        }
    }

    pub(super) fn serve_due(&mut self, now: Timestamp) {
        while let Some(&(at, due)) = self.due.first()
            && at <= now
        {
            self.due.pop_first();
            match due {
                Due::Deadline => self.time_out(now),
                Due::Retry(step) => self.make_ready(step),
                Due::RetryUndo(step) => self.retry_undo(step),
                Due::Probe(monitor) => self.ask(monitor),
                Due::Look(slot) => self.look(slot),
            }
        }
    }

    /// Goes on as far as it can: begins what may begin, changes the phase, ends.
    pub(super) fn advance(&mut self, now: Timestamp) {
        match self.mode {
            Mode::Forward | Mode::Committed => {
                self.begin_steps(now);
                self.advance_phases(now);
            }
            Mode::Draining if self.under_way == 0 => self.preserve(now),
            Mode::Undoing => self.advance_undo(now),
            Mode::Proving => self.advance_proof(now),
            Mode::Telling(_) => self.begin_steps(now),
            Mode::Draining | Mode::Preserving | Mode::Ended(_) => {}
        }
    }

    /// Ends the run with this outcome, durably, once everyone has been told of a failure.
    pub(super) fn end(&mut self, now: Timestamp, outcome: Outcome) {
        if self.tell_of_failure(now, outcome) {
            return;
        }
        self.due.clear();
        let deployment = self.setup.options.deployment;
        let duration_ms = self.elapsed_ms(now);
        let number = self.record(now, Record::Ended { outcome });
        self.mode = Mode::Ended(outcome);
        self.final_entry = Some(number);
        let event = match &self.failure {
            None => Event::DeploymentCompleted { deployment, outcome, duration_ms },
            Some(failure) => Event::DeploymentFailed { deployment, outcome, duration_ms, error: failure.fault.clone() },
        };
        self.emit(event);
    }

    fn elapsed_ms(&self, now: Timestamp) -> u64 {
        let prelude: std::time::Duration = self.setup.options.prelude.iter().map(|(_, duration)| *duration).sum();
        u64::try_from((now.since(self.started_at) + prelude).as_millis()).unwrap_or(u64::MAX)
    }
}
