//! Which action is performed when.

use std::{cmp::Reverse, sync::Arc, time::Duration};

use super::{
    Engine, Setup,
    machine::{Due, Mode},
};
use crate::{
    action::{Action, Effect, Phase, StepId},
    diagnostic::Class,
    event::{Event, Stage},
    journal::Record,
    observed::{Fault, Instance, InstanceState},
    time::{Backoff, Timestamp},
};

/// A step that may be performed: by the service's priority, then by how much waits for it, then in
/// the order of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Urgency {
    priority: Reverse<i32>,
    behind: Reverse<usize>,
    service: usize,
    pub step: StepId,
}

#[derive(Debug, Clone)]
pub(super) struct StepState {
    /// Steps, and the dependencies of its service as one, that it still waits for.
    blockers: usize,
    /// Steps that wait for it.
    followers: Vec<StepId>,
    pub service: Option<usize>,
    /// It has succeeded, in this run or before it was cut off.
    pub is_done: bool,
    attempts: u32,
    /// An attempt may have taken effect without our hearing of it.
    is_outcome_unknown: bool,
}

impl StepState {
    pub fn for_all(setup: &Setup) -> Vec<Self> {
        let service_index = |name| setup.services.binary_search_by(|service| service.name.cmp(name)).ok();
        let mut states: Vec<Self> = setup
            .actions
            .steps
            .iter()
            .map(|step| Self {
                blockers: step.after.len() + usize::from(step.waits_for_dependencies),
                followers: Vec::new(),
                service: step.service.as_ref().and_then(service_index),
                is_done: false,
                attempts: 0,
                is_outcome_unknown: false,
            })
            .collect();
        for step in &setup.actions.steps {
            for before in &step.after {
                states[before.index()].followers.push(step.id);
            }
        }
        states
    }

    /// It was begun before the run was cut off, and may have taken effect.
    pub fn begin_again(&mut self) {
        self.attempts = 1;
        self.is_outcome_unknown = true;
    }
}

impl Engine {
    /// The step had succeeded before the run was cut off: nothing waits for it.
    pub(super) fn step_was_done(&mut self, id: StepId) {
        self.steps[id.index()].is_done = true;
        for follower in std::mem::take(&mut self.steps[id.index()].followers) {
            self.steps[follower.index()].blockers -= 1;
        }
    }

    /// Makes the steps of the phase that begins ready, as far as nothing holds them.
    pub(super) fn release_phase(&mut self) {
        let phase = self.phases.current();
        let free: Vec<StepId> = self
            .setup
            .actions
            .steps
            .iter()
            .filter(|step| step.phase == phase && !step.is_on_failure && self.steps[step.id.index()].blockers == 0)
            .map(|step| step.id)
            .collect();
        free.into_iter().for_each(|step| self.make_ready(step));
    }

    pub(super) fn make_ready(&mut self, step: StepId) {
        if self.steps[step.index()].is_done {
            return;
        }
        let service = self.steps[step.index()].service;
        let (priority, behind) = match service {
            Some(index) => (self.setup.services[index].priority, self.setup.services[index].behind),
            // What all share comes before anything of a single service.
            None => (i32::MAX, usize::MAX),
        };
        self.ready.insert(Urgency {
            priority: Reverse(priority),
            behind: Reverse(behind),
            service: service.unwrap_or(0),
            step,
        });
    }

    /// One thing less that the step waits for.
    pub(super) fn unblock(&mut self, step: StepId) {
        let state = &mut self.steps[step.index()];
        state.blockers -= 1;
        if state.blockers == 0 && self.setup.actions.steps[step.index()].phase == self.phases.current() {
            self.make_ready(step);
        }
    }

    /// Begins as many steps as may be under way.
    pub(super) fn begin_steps(&mut self, now: Timestamp) {
        while self.under_way < self.setup.options.parallelism.max(1)
            && let Some(urgency) = self.ready.pop_first()
        {
            self.begin_step(now, urgency.step);
        }
    }

    fn begin_step(&mut self, now: Timestamp, id: StepId) {
        self.under_way += 1;
        let step = &self.setup.actions.steps[id.index()];
        let runtime = step.runtime;
        let is_retry = self.steps[id.index()].attempts > 0;
        self.steps[id.index()].attempts += 1;
        let action = Arc::new(self.with_story(self.with_known_id(step.action.clone())));
        if self.steps[id.index()].is_outcome_unknown
            && let Some(fault) = self.must_not_run_again(id)
        {
            self.performed(now, id, Err(fault));
            return;
        }
        if let Some(look) = self.look_before_running_again(id, &action) {
            self.outputs.push_back(look);
            return;
        }
        if is_retry {
            // Its intent is in the journal already.
            self.outputs.push_back(super::Output::Perform { step: id, runtime, action });
            return;
        }
        self.announce(&action, id);
        self.command_begins(now, id);
        self.note_begin(&action);
        let number = self.record(now, Record::Intended { step: id, runtime, action: action.clone() });
        self.unrecorded.insert(number, (id, action));
    }

    /// A job that may have been started already, unheard, is looked at: it must not run twice.
    fn look_before_running_again(&mut self, id: StepId, action: &Action) -> Option<super::Output> {
        let Action::Start { instance, .. } = action else { return None };
        let state = &self.steps[id.index()];
        let is_job = state.service.is_some_and(|index| self.setup.services[index].is_job);
        let is_new = self.setup.actions.slots[instance.slot as usize].observed.is_none();
        if !(state.is_outcome_unknown && is_job && is_new) {
            return None;
        }
        let (slot, instance_id) = (instance.slot, instance.id.clone()?);
        let runtime = self.setup.actions.steps[id.index()].runtime;
        self.looked_up.insert(slot, id);
        Some(super::Output::Inspect { slot, runtime, id: instance_id })
    }

    /// Takes the look at a job that may have been started: if it was, that is its start's answer.
    pub(super) fn found_out(&mut self, now: Timestamp, id: StepId, result: Result<Option<Box<Instance>>, Fault>) {
        match result {
            Ok(Some(instance)) if instance.state != InstanceState::Created => {
                self.performed(now, id, Ok(Effect::Started { instance }));
            }
            Ok(_) if self.mode != Mode::Forward => {
                let fault = Fault::new(Class::Deployment, "not-started", "it was not started again");
                self.performed(now, id, Err(fault.outcome_unknown()));
            }
            Ok(_) => {
                let step = &self.setup.actions.steps[id.index()];
                let (runtime, action) = (step.runtime, Arc::new(self.with_known_id(step.action.clone())));
                self.outputs.push_back(super::Output::Perform { step: id, runtime, action });
            }
            Err(fault) => self.performed(now, id, Err(fault.outcome_unknown())),
        }
    }

    /// Fills in the id that the action's instance has now, if it is known.
    pub(super) fn with_known_id(&self, mut action: Action) -> Action {
        if let Some(instance) = action.instance_mut()
            && let Some(id) = &self.slots[instance.slot as usize].id
        {
            instance.id = Some(id.clone());
        }
        if let Action::Create { spec, .. } = &mut action {
            for peer in spec.peers.values_mut() {
                if let Some(id) = self.slots.get(peer.slot as usize).and_then(|slot| slot.id.as_ref()) {
                    peer.id = Some(id.clone());
                }
            }
        }
        action
    }

    fn announce(&mut self, action: &Action, id: StepId) {
        let Some(service) = self.setup.actions.steps[id.index()].service.clone() else { return };
        let stage = match action {
            Action::Create { .. } => Stage::Creating,
            Action::Stop { .. } => Stage::Stopping,
            Action::Start { instance, .. } => {
                self.emit(Event::ServiceStarting { service, instance: instance.name.clone() });
                return;
            }
            Action::Remove { .. } => Stage::Removing,
            Action::PullImage { .. } => Stage::Pulling,
            Action::BuildImage { .. } => Stage::Building,
            Action::SaveVolume { .. } | Action::Dump { .. } => Stage::Saving,
            Action::HoldImage { .. }
            | Action::ReleaseImage { .. }
            | Action::CreateNetwork { .. }
            | Action::RemoveNetwork { .. }
            | Action::CreateVolume { .. }
            | Action::RemoveVolume { .. }
            | Action::WriteFile { .. }
            | Action::RemoveFile { .. }
            | Action::Rename { .. }
            | Action::SetRestartPolicy { .. }
            | Action::SetLimits { .. }
            | Action::SetAliases { .. }
            | Action::SetFiles { .. }
            | Action::RunCommand { .. } => return,
        };
        if !matches!(self.mode, Mode::Committed) || stage != Stage::Removing {
            self.emit(Event::ServiceStage { service, stage });
        }
    }

    /// Takes the result of an action, forward or back.
    pub(super) fn performed(&mut self, now: Timestamp, id: StepId, result: Result<Effect, Fault>) {
        if self.undo.is_under_way(id) {
            self.undo_performed(now, id, result);
            return;
        }
        self.under_way -= 1;
        match result {
            Ok(effect) => self.step_succeeded(now, id, effect),
            Err(fault) if self.may_retry(id, &fault) => self.retry_later(now, id, fault),
            Err(fault) => self.step_failed(now, id, fault),
        }
    }

    fn step_succeeded(&mut self, now: Timestamp, id: StepId, effect: Effect) {
        // What an attempt did unheard is ours to undo, though the next one found it done.
        let effect = match effect {
            Effect::AlreadySo if self.steps[id.index()].is_outcome_unknown => Effect::Done,
            effect => effect,
        };
        self.record(now, Record::Succeeded { step: id, effect: effect.clone() });
        self.steps[id.index()].is_done = true;
        self.command_succeeded(now, id, &effect);
        self.step_is_over(now, id);
        let slot = self.setup.actions.steps[id.index()].action.instance().map(|instance| instance.slot);
        if let Some(slot) = slot {
            self.note_effect(now, slot, &effect);
        }
        if let (Effect::Created { .. }, Some(index)) = (&effect, self.steps[id.index()].service) {
            self.announce_waiting_of(index);
        }
        if matches!(self.mode, Mode::Forward | Mode::Committed) {
            self.unblock_followers(id);
        }
    }

    /// One thing less to do in its phase.
    fn step_is_over(&mut self, now: Timestamp, id: StepId) {
        let step = &self.setup.actions.steps[id.index()];
        if step.is_on_failure {
            self.told(now);
            return;
        }
        let phase = step.phase;
        self.phases.step_done(phase);
        if phase == Phase::HealthValidation && self.mode == Mode::Forward && self.phases.has_no_steps_left() {
            self.begin_validation(now);
        }
    }

    fn unblock_followers(&mut self, id: StepId) {
        for follower in std::mem::take(&mut self.steps[id.index()].followers) {
            self.unblock(follower);
        }
    }

    fn step_failed(&mut self, now: Timestamp, id: StepId, fault: Fault) {
        let step = &self.setup.actions.steps[id.index()];
        let (service, slot) = (step.service.clone(), step.action.instance().map(|instance| instance.slot));
        // Whose outcome is not known stays intended: the way back undoes it as if it had taken effect.
        if !fault.is_outcome_unknown && !self.steps[id.index()].is_outcome_unknown {
            self.record(now, Record::Failed { step: id, fault: fault.clone() });
        }
        self.command_failed(now, id, &fault);
        if let Mode::Telling(_) = self.mode {
            self.emit(Event::Warning { text: format!("on failure: {fault}") });
            self.step_is_over(now, id);
            return;
        }
        if self.mode == Mode::Committed {
            self.emit(Event::Warning { text: format!("cleanup: {fault}") });
            self.step_is_over(now, id);
            // Cleanup goes on: what builds on this says itself whether it can be done.
            self.unblock_followers(id);
            return;
        }
        self.fail(now, fault, service, slot);
    }

    fn may_retry(&self, id: StepId, fault: &Fault) -> bool {
        let may_go_on = matches!(self.mode, Mode::Forward | Mode::Committed | Mode::Telling(_));
        let attempts = self.steps[id.index()].attempts;
        let is_worth_it = || self.is_worth_another_try(attempts, fault);
        may_go_on && self.may_run_again(id, attempts, fault).unwrap_or_else(is_worth_it)
    }

    pub(super) fn is_worth_another_try(&self, attempts: u32, fault: &Fault) -> bool {
        fault.is_transient && self.setup.retry.on.contains(&fault.class) && attempts < self.setup.retry.attempts
    }

    fn retry_later(&mut self, now: Timestamp, id: StepId, fault: Fault) {
        self.steps[id.index()].is_outcome_unknown |= fault.is_outcome_unknown;
        let attempt = self.steps[id.index()].attempts;
        let delay = self.retry_delay(id, attempt);
        self.emit(Event::Retrying {
            action: self.setup.actions.steps[id.index()].action.to_string(),
            attempt,
            delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            error: fault,
        });
        self.due.insert((now + delay, Due::Retry(id)));
    }

    pub(super) fn retry_delay(&self, id: StepId, attempt: u32) -> Duration {
        let retry = &self.setup.retry;
        let backoff = Backoff { initial: retry.initial.0, max: retry.max.0 };
        backoff.delay(attempt, jitter(self.setup.options.seed, id, attempt))
    }
}

/// A number in 0..1 that differs from step to step and from attempt to attempt, and is the same
/// for the same seed (SplitMix64's mixing).
fn jitter(seed: u64, step: StepId, attempt: u32) -> f64 {
    let mut x = seed ^ (u64::from(step.0) << 32) ^ u64::from(attempt);
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^= x >> 31;
    (x >> 11) as f64 / (1_u64 << 53) as f64
}
