//! What becomes of services and their instances.

use std::{collections::BTreeMap, sync::Arc};

use super::{Engine, MonitorId, Setup, machine::Mode};
use crate::{
    action::{Action, Effect, Phase, StepId},
    diagnostic::Class,
    event::{Event, Stage},
    journal::{Failure, Record},
    name::ServiceName,
    observed::{Fault, Health, Instance, InstanceState, RuntimeEvent},
    plan::{Condition, RollbackStrategy, Schedule},
    time::Timestamp,
};

#[derive(Debug, Clone, Default)]
pub(super) struct ServiceState {
    /// Conditions of its dependencies that do not hold yet, and the group before its own if groups
    /// are waited for.
    unmet: usize,
    /// Steps that wait for them.
    waiting: Vec<StepId>,
    /// Services that wait for this one.
    dependents: Vec<(usize, Condition)>,
    first_started_at: Option<Timestamp>,
    pub is_started: bool,
    pub is_ready: bool,
    pub has_failed: bool,
}

#[derive(Debug, Clone)]
pub(super) struct SlotState {
    pub service: Option<usize>,
    pub id: Option<String>,
    pub instance: Option<Arc<Instance>>,
    pub started_at: Option<Timestamp>,
    /// The step that starts it, or tells it of something, if there is one.
    begun_by: Option<StepId>,
    /// Started by this run, and to be there in the end.
    pub is_watched: bool,
    pub is_ready: bool,
    /// An exit that was heard of before the start's own answer.
    early_exit: Option<(i64, bool)>,
    pub monitors: Vec<MonitorId>,
    pub is_looked_at: bool,
    /// When it is to be looked at next.
    pub look_due_at: Option<Timestamp>,
    /// Since when looks at it have failed.
    pub blind_since: Option<Timestamp>,
}

impl ServiceState {
    pub fn for_all(setup: &Setup) -> Vec<Self> {
        let is_grouped = setup.schedule == Schedule::Grouped;
        let mut states: Vec<Self> = setup
            .services
            .iter()
            .map(|service| Self {
                unmet: service.dependencies.len() + usize::from(is_grouped && service.group > 0),
                ..Self::default()
            })
            .collect();
        for (index, service) in setup.services.iter().enumerate() {
            for (needed, condition) in &service.dependencies {
                states[*needed].dependents.push((index, *condition));
            }
        }
        for step in setup.actions.steps.iter().filter(|step| step.waits_for_dependencies) {
            let name = step.service.as_ref().expect("only steps of services wait for dependencies");
            let index = setup.services.binary_search_by(|service| service.name.cmp(name));
            states[index.expect("a waiting step's service is in the plan")].waiting.push(step.id);
        }
        states
    }
}

impl SlotState {
    pub fn for_all(setup: &Setup) -> Vec<Self> {
        let slot = |slot: &crate::action::Slot| Self {
            service: setup.services.binary_search_by(|service| service.name.cmp(&slot.service)).ok(),
            id: slot.observed.as_ref().map(|instance| instance.id.clone()),
            instance: slot.observed.as_ref().map(|instance| Arc::new(instance.as_ref().clone())),
            started_at: None,
            begun_by: None,
            is_watched: false,
            is_ready: false,
            early_exit: None,
            monitors: Vec::new(),
            is_looked_at: false,
            look_due_at: None,
            blind_since: None,
        };
        let mut slots: Vec<Self> = setup.actions.slots.iter().map(slot).collect();
        for step in setup.actions.steps.iter().filter(|step| step.action.begins_a_run()) {
            if let Some(instance) = step.action.instance() {
                slots[instance.slot as usize].begun_by = Some(step.id);
            }
        }
        slots
    }
}

impl SlotState {
    /// The slots whose instance's id is known.
    pub fn by_id(slots: &[Self]) -> BTreeMap<String, u32> {
        let numbered = (0_u32..).zip(slots);
        numbered.filter_map(|(number, slot)| Some((slot.id.clone()?, number))).collect()
    }
}

impl Engine {
    /// Settles what holds from the beginning: services that this run leaves as they are.
    pub(super) fn settle_kept_services(&mut self, now: Timestamp) {
        for index in 0..self.services.len() {
            if self.services[index].unmet == 0 {
                self.release_waiting(index);
            }
            let service = &self.setup.services[index];
            let has_checks =
                |slot: u32| !service.critical_checks.is_empty() || self.inherited_check(index, slot).is_some();
            let has_to_prove = |slot: &&u32| service.is_awaited && has_checks(**slot) && self.is_kept(**slot);
            let kept: Vec<u32> = service.slots.iter().filter(has_to_prove).copied().collect();
            let is_started_now = service.is_started_now;
            if !is_started_now {
                self.mark_started(index);
            }
            if kept.is_empty() && !is_started_now {
                self.mark_ready(now, index);
            }
            kept.into_iter().for_each(|slot| self.watch_kept_instance(now, slot));
        }
    }

    /// Whether the instance ran before this run, and goes on as if there were none.
    fn is_kept(&self, slot: u32) -> bool {
        if self.slots[slot as usize].begun_by.is_some() {
            return false;
        }
        let observed = self.setup.actions.slots[slot as usize].observed.as_ref();
        observed.is_some_and(|instance| instance.is_running() || instance.has_completed())
    }

    fn watch_kept_instance(&mut self, now: Timestamp, slot: u32) {
        self.slots[slot as usize].is_watched = true;
        self.watch_instance(now, slot, now);
    }

    /// What begins with an action, before it is performed.
    pub(super) fn note_begin(&mut self, action: &Action) {
        // From here on its exit is our doing.
        if let Action::Stop { instance, .. } | Action::Remove { instance, .. } = action {
            self.slots[instance.slot as usize].is_watched = false;
        }
    }

    /// What an action's effect means for its instance.
    pub(super) fn note_effect(&mut self, now: Timestamp, slot: u32, effect: &Effect) {
        match effect {
            Effect::Created { id } => self.name_slot(slot, id.clone()),
            Effect::Started { instance } => {
                self.slots[slot as usize].instance = Some(Arc::new(instance.as_ref().clone()));
                if self.mode == Mode::Forward {
                    self.instance_started(now, slot, instance);
                }
            }
            Effect::Done | Effect::AlreadySo | Effect::Saved { .. } | Effect::Ran { .. } => {}
        }
    }

    /// The instance of a slot has this id.
    pub(super) fn name_slot(&mut self, slot: u32, id: String) {
        self.slots[slot as usize].id = Some(id.clone());
        self.slot_by_id.insert(id, slot);
    }

    fn instance_started(&mut self, now: Timestamp, slot: u32, instance: &Instance) {
        let Some(index) = self.slots[slot as usize].service else { return };
        let state = &mut self.slots[slot as usize];
        state.is_watched = true;
        state.started_at = Some(now);
        let early_exit = state.early_exit.take();
        self.services[index].first_started_at.get_or_insert(now);
        if self.all_instances_have_started(index) {
            self.mark_started(index);
        }
        self.watch_instance(now, slot, now);
        if self.waits_in_vain_for_health(index, instance) {
            let name = &self.setup.services[index].name;
            let text = format!("a service waits until `{name}` is healthy, but neither it nor its image has a check");
            let hint = format!("give `{name}` a `checks` or a `healthcheck`, or wait for `service_started`");
            let fault = Fault::new(Class::Configuration, "no-checks", text).hint(hint);
            return self.fail(now, fault, Some(name.clone()), Some(slot));
        }
        let exited = match instance.state {
            InstanceState::Exited { code, killed_for_memory } => Some((code, killed_for_memory)),
            InstanceState::Created
            | InstanceState::Running
            | InstanceState::Paused
            | InstanceState::Restarting
            | InstanceState::Dead => early_exit,
        };
        if let Some((code, killed_for_memory)) = exited {
            self.instance_exited(now, slot, code, killed_for_memory);
        } else {
            self.consider_ready(now, slot);
        }
    }

    /// Whether a service waits for the health of one that has none: its image was not known before.
    fn waits_in_vain_for_health(&self, index: usize, instance: &Instance) -> bool {
        let service = &self.setup.services[index];
        let has_checks = !service.critical_checks.is_empty() || instance.health != Health::None;
        service.inherits_healthcheck && service.is_awaited && instance.is_running() && !has_checks
    }

    /// Whether all instances of the service have started, in this run or before it.
    fn all_instances_have_started(&self, index: usize) -> bool {
        let slots = &self.setup.services[index].slots;
        slots.iter().all(|slot| {
            let state = &self.slots[*slot as usize];
            let is_running = || state.instance.as_ref().is_some_and(|instance| instance.is_running());
            state.started_at.is_some() || (is_running() && !self.has_start_ahead(*slot))
        })
    }

    /// An instance has passed all it has to pass, if it has.
    pub(super) fn consider_ready(&mut self, now: Timestamp, slot: u32) {
        let state = &self.slots[slot as usize];
        let Some(index) = state.service else { return };
        if state.is_ready || self.setup.services[index].is_job || !self.all_checks_pass(now, slot) {
            return;
        }
        self.instance_ready(now, slot, index);
    }

    fn instance_ready(&mut self, now: Timestamp, slot: u32, index: usize) {
        self.slots[slot as usize].is_ready = true;
        let is_settled = |slot: &u32| {
            let state = &self.slots[*slot as usize];
            state.is_ready || (state.started_at.is_none() && !state.is_watched && !self.has_start_ahead(*slot))
        };
        if self.setup.services[index].slots.iter().all(is_settled) {
            self.mark_ready(now, index);
        }
    }

    /// Whether a step of this run is still to start the instance.
    fn has_start_ahead(&self, slot: u32) -> bool {
        let state = &self.slots[slot as usize];
        let is_to_begin = state.begun_by.is_some_and(|step| !self.steps[step.index()].is_done);
        is_to_begin
            || state.instance.as_ref().is_none_or(|instance| !instance.is_running() && !instance.has_completed())
    }

    /// Whether the instance ran before this run, and begins another run of its own in it: what is
    /// heard of an exit may be of the one before, and come late.
    pub(super) fn begins_again(&self, slot: u32) -> bool {
        let observed = self.setup.actions.slots[slot as usize].observed.as_ref();
        observed.is_some_and(|instance| instance.is_active()) && self.slots[slot as usize].begun_by.is_some()
    }

    fn mark_started(&mut self, index: usize) {
        if !std::mem::replace(&mut self.services[index].is_started, true) {
            self.satisfy(index, Condition::ServiceStarted);
        }
    }

    fn mark_ready(&mut self, now: Timestamp, index: usize) {
        if std::mem::replace(&mut self.services[index].is_ready, true) {
            return;
        }
        if self.setup.services[index].is_started_now {
            self.phases.started_service_ready();
            let since = self.services[index].first_started_at.unwrap_or(now);
            let ready_ms = u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX);
            self.emit(Event::ServiceReady { service: self.setup.services[index].name.clone(), ready_ms });
        }
        self.phases.service_ready(self.setup.services[index].group);
        self.satisfy(index, Condition::ServiceHealthy);
        self.satisfy(index, Condition::ServiceCompletedSuccessfully);
        if self.setup.schedule == Schedule::Grouped {
            while let Some(group) = self.phases.next_open_group() {
                let members = (0..self.services.len()).filter(|index| self.setup.services[*index].group == group);
                members.collect::<Vec<_>>().into_iter().for_each(|index| self.one_less_unmet(index));
            }
        }
    }

    fn satisfy(&mut self, index: usize, condition: Condition) {
        let dependents = self.services[index].dependents.clone();
        for (dependent, _) in dependents.into_iter().filter(|(_, wanted)| *wanted == condition) {
            self.one_less_unmet(dependent);
        }
    }

    fn one_less_unmet(&mut self, index: usize) {
        self.services[index].unmet -= 1;
        if self.services[index].unmet == 0 {
            self.release_waiting(index);
        }
    }

    fn release_waiting(&mut self, index: usize) {
        for step in std::mem::take(&mut self.services[index].waiting) {
            self.unblock(step);
        }
    }

    /// Says which services wait for others as their phase begins.
    pub(super) fn announce_waiting(&mut self) {
        let waiting: Vec<ServiceName> = (0..self.services.len())
            .filter(|index| !self.services[*index].waiting.is_empty())
            .map(|index| self.setup.services[index].name.clone())
            .collect();
        for service in waiting {
            self.emit(Event::ServiceStage { service, stage: Stage::Waiting });
        }
    }

    /// Says that a service waits for others, now that an instance of it has been made.
    pub(super) fn announce_waiting_of(&mut self, index: usize) {
        if self.phases.current() == Phase::ServiceDeployment && !self.services[index].waiting.is_empty() {
            let service = self.setup.services[index].name.clone();
            self.emit(Event::ServiceStage { service, stage: Stage::Waiting });
        }
    }

    /// Something happened to an instance, as its runtime tells.
    pub(super) fn happened(&mut self, now: Timestamp, event: RuntimeEvent) {
        match event {
            RuntimeEvent::Exited { id, code, killed_for_memory } => {
                let Some(slot) = self.slot_of(&id) else { return };
                match self.slots[slot as usize].is_watched {
                    true if self.begins_again(slot) => self.look(slot),
                    false if self.begins_again(slot) => {}
                    true => self.instance_exited(now, slot, code, killed_for_memory),
                    false => self.slots[slot as usize].early_exit = Some((code, killed_for_memory)),
                }
            }
            RuntimeEvent::HealthChanged { id, .. } => {
                if let Some(slot) = self.slot_of(&id) {
                    self.ask_engine_checks(now, slot);
                }
            }
            RuntimeEvent::Started { .. } => {}
        }
    }

    fn slot_of(&self, id: &str) -> Option<u32> {
        self.slot_by_id.get(id).copied()
    }

    pub(super) fn instance_exited(&mut self, now: Timestamp, slot: u32, code: i64, killed_for_memory: bool) {
        if self.mode != Mode::Forward {
            return;
        }
        let state = &mut self.slots[slot as usize];
        let Some(index) = state.service else { return };
        if !state.is_watched {
            return;
        }
        if self.setup.services[index].is_job && code == 0 {
            state.is_watched = false;
            self.instance_ready(now, slot, index);
            return;
        }
        let name = &self.setup.actions.slots[slot as usize].name;
        let fault = match (killed_for_memory, self.setup.services[index].is_job) {
            (true, _) => {
                Fault::new(Class::Resource, "killed-for-memory", format!("`{name}` was killed: out of memory"))
                    .hint("raise `deploy.resources.limits.memory`, or find out what it uses it for")
            }
            (false, true) => {
                Fault::new(Class::Deployment, "job-failed", format!("job `{name}` exited with code {code}"))
            }
            (false, false) => Fault::new(Class::Deployment, "exited", format!("`{name}` exited with code {code}"))
                .hint("its last lines are below; a service has to keep running (use `kind: job` for what ends)"),
        };
        let service = self.setup.services[index].name.clone();
        self.fail(now, fault, Some(service), Some(slot));
    }

    /// The deployment cannot go on.
    pub(super) fn fail(&mut self, now: Timestamp, fault: Fault, service: Option<ServiceName>, slot: Option<u32>) {
        if self.mode != Mode::Forward {
            return;
        }
        if let Some(service) = &service {
            let instance = slot.map(|slot| self.setup.actions.slots[slot as usize].name.clone());
            self.emit(Event::ServiceFailed { service: service.clone(), instance, error: fault.clone() });
            if let Ok(index) = self.setup.services.binary_search_by(|candidate| candidate.name.cmp(service)) {
                self.services[index].has_failed = true;
            }
        }
        let failure = Failure { fault, service, slot };
        self.record(now, Record::Abandoned { failure: failure.clone() });
        self.failure = Some(failure);
        self.mode = Mode::Draining;
        self.ready.clear();
        self.due.clear();
        // What was about to be performed and is not durable yet is let go on: it is counted as
        // under way, and the way back takes it into account.
        self.phases.failed(now, &mut self.outputs);
    }

    pub(super) fn time_out(&mut self, now: Timestamp) {
        let timeout = self.setup.options.timeout.unwrap_or_default();
        let text = format!("the deployment took longer than {}", crate::time::format_duration(timeout));
        let fault = Fault::new(Class::Timeout, "deployment-timeout", text).hint("allow more time with `--timeout`");
        self.fail(now, fault, None, None);
    }

    pub(super) fn cancel(&mut self, now: Timestamp) {
        let fault = Fault::new(Class::Deployment, "interrupted", "the deployment was interrupted");
        self.fail(now, fault, None, None);
    }

    /// Whether the way back is to be taken at all.
    pub(super) fn is_manual(&self) -> bool {
        self.setup.options.strategy == RollbackStrategy::Manual
    }
}
