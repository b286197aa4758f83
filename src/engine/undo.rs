//! The way back: what was done is undone, what was done last first.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use super::{
    Engine, Output,
    machine::{Due, Mode},
};
use crate::{
    action::{Action, Effect, InstanceHandle, StepId},
    event::{Event, Stage},
    journal::{Outcome, Record, StepStatus, Undo},
    name::ServiceName,
    observed::Fault,
    plan::{Interval, RollbackStrategy},
    time::Timestamp,
};

/// What is left to undo.
#[derive(Debug, Default)]
pub(super) struct UndoRun {
    undos: BTreeMap<StepId, Undo>,
    /// How many steps that built on it have to be undone before.
    blockers: BTreeMap<StepId, usize>,
    /// The steps that it built on.
    foundations: BTreeMap<StepId, Vec<StepId>>,
    pub ready: VecDeque<StepId>,
    /// What is free, and belongs to a later stage than the one under way.
    parked: BTreeMap<usize, Vec<StepId>>,
    stage: usize,
    /// What is under way, or waits for another try, and how often it was tried.
    attempts: BTreeMap<StepId, u32>,
    under_way: BTreeSet<StepId>,
    /// How many wait for another try.
    waiting: usize,
    /// What makes an instance again that is gone, before its undo is tried again.
    remaking: BTreeMap<StepId, Action>,
    /// What was made again: once is enough.
    remade: BTreeSet<StepId>,
    left: usize,
    pub failed: usize,
    /// Undos left for each service.
    left_of_service: BTreeMap<ServiceName, usize>,
    /// Instances that were started again.
    pub restored: BTreeSet<u32>,
}

impl UndoRun {
    pub fn is_under_way(&self, step: StepId) -> bool {
        self.under_way.contains(&step)
    }

    /// Nothing more can be done before the next stage.
    fn is_stage_over(&self) -> bool {
        self.ready.is_empty() && self.under_way.is_empty() && self.waiting == 0
    }
}

impl Engine {
    /// Nothing is under way any more: keeps what shows why the instance failed.
    pub(super) fn preserve(&mut self, now: Timestamp) {
        self.mode = Mode::Preserving;
        let failure = self.failure.as_ref().expect("only a failure drains a run");
        let failed = failure.slot.zip(failure.service.clone());
        let known = failed.and_then(|(slot, service)| Some((slot, service, self.slots[slot as usize].id.clone()?)));
        match known {
            Some((slot, service, id)) => {
                let runtime = self.setup.actions.slots[slot as usize].runtime;
                let probes = self.last_answers(slot);
                self.outputs.push_back(Output::Preserve { service, slot, runtime, id, probes });
            }
            None => self.preserved(now),
        }
    }

    pub(super) fn preserved(&mut self, now: Timestamp) {
        if self.mode != Mode::Preserving {
            return;
        }
        if !self.has_changed_anything() {
            self.end(now, Outcome::Failed);
        } else if self.is_manual() {
            self.end(now, Outcome::NeedsAttention);
        } else {
            self.begin_undo(now);
        }
    }

    /// Whether anything took effect, or may have, that anyone could notice.
    fn has_changed_anything(&self) -> bool {
        let actions = self.journal.steps().filter(|(_, step)| !matches!(*step.action, Action::RunCommand { .. }));
        actions.into_iter().any(|(_, step)| {
            let is_harmless = matches!(
                *step.action,
                Action::PullImage { .. }
                    | Action::BuildImage { .. }
                    | Action::HoldImage { .. }
                    | Action::SaveVolume { .. }
                    | Action::Dump { .. }
            );
            match &step.status {
                StepStatus::Succeeded => step.effect != Some(Effect::AlreadySo) && !is_harmless,
                StepStatus::Intended | StepStatus::UndoIntended | StepStatus::Undone | StepStatus::UndoFailed(_) => {
                    true
                }
                StepStatus::Failed(_) => false,
            }
        })
    }

    fn begin_undo(&mut self, now: Timestamp) {
        self.mode = Mode::Undoing;
        self.due.clear();
        self.watch.forget_questions();
        let stays = self.services_behind_the_line();
        let needed = self.shared_foundations(&stays);
        let is_undone = |step: StepId| !self.is_of(step, &stays) && !needed.contains(&step);
        let undos = self.journal.inverse().into_iter().filter(|undo| is_undone(undo.step));
        self.undo.undos = undos.map(|undo| (undo.step, self.kept_body(undo))).collect();
        self.undo.left = self.undo.undos.len();
        self.link_undos();
        let mut services: BTreeMap<ServiceName, usize> = BTreeMap::new();
        for step in self.undo.undos.keys() {
            if let Some(service) = &self.setup.actions.steps[step.index()].service {
                *services.entry(service.clone()).or_default() += 1;
            }
        }
        self.emit(Event::RollbackStarted { actions: self.undo.left });
        for service in services.keys() {
            self.emit(Event::ServiceStage { service: service.clone(), stage: Stage::Restoring });
        }
        self.undo.left_of_service = services;
        if !stays.is_empty() {
            let names: Vec<&str> = stays.iter().map(|index| self.setup.services[*index].name.as_str()).collect();
            let mut text = format!("an irreversible job has run: not taken back: {}", names.join(", "));
            if let Some(saved) = self.saved_before() {
                text.push_str(&saved);
            }
            self.undo.failed += 1;
            self.emit(Event::Warning { text });
        }
        let free: Vec<StepId> =
            self.undo.blockers.iter().filter(|(_, count)| **count == 0).map(|(step, _)| *step).collect();
        free.into_iter().for_each(|step| self.undo_is_free(step));
        self.advance_undo(now);
    }

    /// Irreversible jobs that have run, and what they need: a rollback does not cross them.
    fn services_behind_the_line(&self) -> BTreeSet<usize> {
        let may_have_run = self
            .journal
            .steps()
            .filter(|(_, step)| matches!(*step.action, Action::Start { .. }) && step.status.is_to_be_undone());
        let services = may_have_run.filter_map(|(id, _)| self.steps[id.index()].service);
        let mut to_visit: Vec<usize> = services.filter(|index| self.setup.services[*index].is_irreversible).collect();
        let mut found = BTreeSet::new();
        while let Some(index) = to_visit.pop() {
            if found.insert(index) {
                to_visit.extend(self.setup.services[index].dependencies.iter().map(|(needed, _)| *needed));
            }
        }
        found
    }

    /// Which snapshot could restore what a job has changed: one has its deployment's id.
    fn saved_before(&self) -> Option<String> {
        let is_saved = |step: &crate::journal::StepRecord| matches!(step.effect, Some(Effect::Saved { .. }));
        let saved = self.journal.steps().filter(|(_, step)| is_saved(step));
        let services: BTreeSet<&ServiceName> =
            saved.filter_map(|(id, _)| self.setup.actions.steps[id.index()].service.as_ref()).collect();
        if services.is_empty() {
            return None;
        }
        let names: Vec<&str> = services.into_iter().map(ServiceName::as_str).collect();
        let id = self.setup.options.deployment;
        Some(format!(
            "; the data of {} from before is in snapshot `{id}`: `orchestrate snapshot restore {id}`",
            names.join(", ")
        ))
    }

    fn is_of(&self, step: StepId, services: &BTreeSet<usize>) -> bool {
        self.steps[step.index()].service.is_some_and(|index| services.contains(&index))
    }

    /// Steps of no service that services which stay are built on: their networks.
    fn shared_foundations(&self, services: &BTreeSet<usize>) -> BTreeSet<StepId> {
        let of_services = self.journal.steps().filter(|(id, _)| self.is_of(*id, services));
        let foundations = of_services.flat_map(|(id, _)| &self.setup.actions.steps[id.index()].after).copied();
        foundations.filter(|step| self.steps[step.index()].service.is_none()).collect()
    }

    /// Leaves the failed instance's body under a name of its own, if that was asked for.
    fn kept_body(&self, undo: Undo) -> Undo {
        let failed_slot = self.failure.as_ref().and_then(|failure| failure.slot);
        match undo.action {
            Action::Remove { instance, .. } if self.setup.options.keep_failed && Some(instance.slot) == failed_slot => {
                let name = &self.setup.actions.slots[instance.slot as usize].name;
                let to = format!("{name}.failed-{}", self.setup.options.deployment);
                Undo { action: Action::Rename { instance, to }, ..undo }
            }
            action => Undo { action, ..undo },
        }
    }

    /// Puts each undo behind the undos of what built on its step.
    fn link_undos(&mut self) {
        let executed: BTreeSet<StepId> = self.journal.steps().map(|(id, _)| id).collect();
        let mut starts: BTreeMap<usize, Vec<StepId>> = BTreeMap::new();
        for id in &executed {
            if let (Action::Start { .. }, Some(service), false) = (
                &self.setup.actions.steps[id.index()].action,
                self.steps[id.index()].service,
                self.undoes_all_at_once(),
            ) {
                starts.entry(service).or_default().push(*id);
            }
        }
        for id in &executed {
            let step = &self.setup.actions.steps[id.index()];
            let mut foundations: Vec<StepId> =
                step.after.iter().filter(|before| executed.contains(before)).copied().collect();
            if let (true, Some(service)) = (step.waits_for_dependencies, self.steps[id.index()].service) {
                let needed = self.setup.services[service].dependencies.iter().map(|(needed, _)| needed);
                foundations.extend(needed.filter_map(|needed| starts.get(needed)).flatten());
            }
            self.undo.blockers.entry(*id).or_default();
            for foundation in &foundations {
                *self.undo.blockers.entry(*foundation).or_default() += 1;
            }
            self.undo.foundations.insert(*id, foundations);
        }
    }

    /// Whether services go back without regard to what depends on what.
    fn undoes_all_at_once(&self) -> bool {
        match self.setup.options.strategy {
            RollbackStrategy::Immediate | RollbackStrategy::Aggressive => true,
            RollbackStrategy::Batch | RollbackStrategy::Graceful | RollbackStrategy::Manual => false,
        }
    }

    /// The last stage: the only one, unless services go back group by group.
    fn last_stage(&self) -> usize {
        match self.setup.options.strategy {
            RollbackStrategy::Batch => self.setup.services.iter().map(|service| service.group + 1).max().unwrap_or(0),
            RollbackStrategy::Immediate
            | RollbackStrategy::Graceful
            | RollbackStrategy::Aggressive
            | RollbackStrategy::Manual => 0,
        }
    }

    /// The stage in which a step is undone: the last group comes first, what is shared at the end.
    fn stage_of(&self, step: StepId) -> usize {
        let group = self.steps[step.index()].service.map(|index| self.setup.services[index].group);
        let last = self.last_stage();
        group.map_or(last, |group| last.saturating_sub(group + 1))
    }

    /// Nothing is built on the step any more: it is undone, or skipped if there is nothing to undo.
    fn undo_is_free(&mut self, step: StepId) {
        let mut free = vec![step];
        while let Some(step) = free.pop() {
            if self.undo.undos.contains_key(&step) {
                match self.stage_of(step) {
                    stage if stage > self.undo.stage => self.undo.parked.entry(stage).or_default().push(step),
                    _ => self.undo.ready.push_back(step),
                }
            } else {
                free.extend(self.release_foundations(step));
            }
        }
    }

    fn release_foundations(&mut self, step: StepId) -> Vec<StepId> {
        let foundations = self.undo.foundations.remove(&step).unwrap_or_default();
        let mut free = Vec::new();
        for foundation in foundations {
            let blockers = self.undo.blockers.get_mut(&foundation).expect("every executed step is linked");
            *blockers -= 1;
            if *blockers == 0 {
                free.push(foundation);
            }
        }
        free
    }

    pub(super) fn advance_undo(&mut self, now: Timestamp) {
        while self.undo.under_way.len() < self.setup.options.parallelism.max(1)
            && let Some(step) = self.undo.ready.pop_front()
        {
            self.begin_undo_of(now, step);
        }
        if self.mode == Mode::Undoing && self.undo.is_stage_over() {
            self.mode = Mode::Proving;
            self.begin_proof(now);
            self.advance_proof(now);
        }
    }

    /// What was put back in a stage is well, or is known not to be: on to the next stage, or to the
    /// end of the run.
    pub(super) fn stage_is_proven(&mut self, now: Timestamp) {
        match self.undo.parked.pop_first() {
            Some((stage, steps)) => {
                self.undo.stage = stage;
                self.undo.ready.extend(steps);
                self.mode = Mode::Undoing;
                self.advance_undo(now);
            }
            None => {
                debug_assert_eq!(self.undo.left, 0, "what is not undone is parked, ready or under way");
                let failed = self.undo.failed;
                self.emit(Event::RollbackCompleted { failed });
                let outcome = if failed == 0 { Outcome::RolledBack } else { Outcome::NeedsAttention };
                self.end(now, outcome);
            }
        }
    }

    fn begin_undo_of(&mut self, now: Timestamp, step: StepId) {
        let undo = &self.undo.undos[&step];
        let runtime = undo.runtime;
        let action = Arc::new(match self.undo.remaking.get(&step) {
            Some(remake) => remake.clone(),
            None => self.with_known_id(self.as_strict(undo.action.clone())),
        });
        self.undo.under_way.insert(step);
        let attempts = self.undo.attempts.entry(step).or_default();
        *attempts += 1;
        if *attempts > 1 {
            self.outputs.push_back(Output::Perform { step, runtime, action });
            return;
        }
        let number = self.record(now, Record::UndoIntended { step, action: action.clone() });
        self.unrecorded.insert(number, (step, action));
    }

    /// As the strategy wants it: an aggressive one kills.
    fn as_strict(&self, action: Action) -> Action {
        match (action, self.setup.options.strategy) {
            (Action::Stop { instance, .. }, RollbackStrategy::Aggressive) => {
                Action::Stop { instance, grace: Interval::from_millis(0) }
            }
            (action, _) => action,
        }
    }

    pub(super) fn retry_undo(&mut self, step: StepId) {
        self.undo.waiting -= 1;
        self.undo.ready.push_back(step);
    }

    pub(super) fn undo_performed(&mut self, now: Timestamp, step: StepId, result: Result<Effect, Fault>) {
        self.undo.under_way.remove(&step);
        let attempts = self.undo.attempts[&step];
        let is_aggressive = self.setup.options.strategy == RollbackStrategy::Aggressive;
        match result {
            Ok(effect) if self.undo.remaking.contains_key(&step) => self.remade(now, step, effect),
            Ok(effect) => {
                self.record(now, Record::UndoSucceeded { step });
                self.note_restored(step, effect);
                self.undo_is_over(step, true);
            }
            Err(fault) if fault.is_instance_gone() && self.remake(now, step) => {}
            Err(fault) if !is_aggressive && self.is_worth_another_try(attempts, &fault) => {
                let delay = self.retry_delay(step, attempts);
                self.undo.waiting += 1;
                self.due.insert((now + delay, Due::RetryUndo(step)));
            }
            Err(fault) => {
                let action = self.undo.undos[&step].action.to_string();
                self.record(now, Record::UndoFailed { step, fault: fault.clone() });
                self.emit(Event::Warning { text: format!("could not {action}: {fault}") });
                self.undo.failed += 1;
                self.undo_is_over(step, false);
            }
        }
    }

    /// Someone has removed what is to be put back: it is made again from its snapshot, if there is
    /// one, and then the undo is tried again.
    fn remake(&mut self, now: Timestamp, step: StepId) -> bool {
        let Some(handle) = self.undo.undos[&step].action.instance() else { return false };
        let about = &self.setup.actions.slots[handle.slot as usize];
        let Some(spec) = about.snapshot.clone() else { return false };
        if !self.undo.remade.insert(step) {
            return false;
        }
        let instance = InstanceHandle { slot: handle.slot, name: about.name.clone(), id: None };
        self.emit(Event::Warning { text: format!("`{}` was removed by someone: it is made again", about.name) });
        self.undo.remaking.insert(step, Action::Create { instance, spec });
        self.undo.attempts.remove(&step);
        self.begin_undo_of(now, step);
        true
    }

    fn remade(&mut self, now: Timestamp, step: StepId, effect: Effect) {
        if let (Effect::Created { id }, Some(handle)) = (effect, self.undo.undos[&step].action.instance()) {
            self.name_slot(handle.slot, id);
        }
        self.undo.remaking.remove(&step);
        self.undo.attempts.remove(&step);
        self.begin_undo_of(now, step);
    }

    /// What an undo started again has to show later that it is well.
    fn note_restored(&mut self, step: StepId, effect: Effect) {
        let slot = self.undo.undos[&step].action.instance().map(|instance| instance.slot);
        if let (Some(slot), Effect::Started { instance }) = (slot, effect) {
            self.slots[slot as usize].instance = Some(Arc::from(instance));
            self.undo.restored.insert(slot);
        }
    }

    fn undo_is_over(&mut self, step: StepId, has_succeeded: bool) {
        self.undo.left -= 1;
        if !has_succeeded {
            self.keep_what_it_needs(step);
        }
        for free in self.release_foundations(step) {
            self.undo_is_free(free);
        }
        let Some(service) = self.setup.actions.steps[step.index()].service.clone() else { return };
        let Some(left) = self.undo.left_of_service.get_mut(&service) else { return };
        *left -= 1;
        if !has_succeeded {
            self.undo.left_of_service.remove(&service);
        } else if *left == 0 {
            self.emit(Event::ServiceRestored { service });
        }
    }

    /// An instance that could not be removed keeps the files and networks that it was made with.
    fn keep_what_it_needs(&mut self, step: StepId) {
        if !matches!(self.setup.actions.steps[step.index()].action, Action::Create { .. }) {
            return;
        }
        for foundation in self.undo.foundations.get(&step).cloned().unwrap_or_default() {
            if self.undo.undos.remove(&foundation).is_some() {
                self.undo.left -= 1;
            }
        }
    }
}
