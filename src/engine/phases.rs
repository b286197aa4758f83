//! The order of a deployment.

use std::collections::{BTreeMap, VecDeque};

use super::{
    Engine, Output, Setup,
    machine::{Due, Mode},
};
use crate::{
    action::{Phase, StepId},
    event::{Event, PhaseStatus},
    journal::{Outcome, Record},
    time::Timestamp,
};

/// Which phase it is, since when, and what is left to do in each.
#[derive(Debug)]
pub(super) struct PhaseClock {
    current: Phase,
    started_at: Timestamp,
    steps_left: BTreeMap<Phase, usize>,
    /// For each group, how many of its services are not ready; and the groups that may start.
    unready_in_group: Vec<usize>,
    open_groups: usize,
    /// How many of the services that this run starts are not ready.
    unready_started: usize,
}

impl PhaseClock {
    pub fn new(now: Timestamp) -> Self {
        Self {
            current: Phase::EnvironmentSetup,
            started_at: now,
            steps_left: BTreeMap::new(),
            unready_in_group: Vec::new(),
            open_groups: 1,
            unready_started: 0,
        }
    }

    fn count(&mut self, setup: &Setup, is_done: impl Fn(StepId) -> bool) {
        for step in setup.actions.steps.iter().filter(|step| !is_done(step.id) && !step.is_on_failure) {
            *self.steps_left.entry(step.phase).or_default() += 1;
        }
        for service in &setup.services {
            let groups = self.unready_in_group.len().max(service.group + 1);
            self.unready_in_group.resize(groups, 0);
            self.unready_in_group[service.group] += 1;
            self.unready_started += usize::from(service.is_started_now);
        }
    }

    pub fn current(&self) -> Phase {
        self.current
    }

    pub fn step_done(&mut self, phase: Phase) {
        if let Some(left) = self.steps_left.get_mut(&phase) {
            *left -= 1;
        }
    }

    pub fn service_ready(&mut self, group: usize) {
        self.unready_in_group[group] -= 1;
    }

    pub fn started_service_ready(&mut self) {
        self.unready_started -= 1;
    }

    /// The next group that may start because all before it are ready, once each.
    pub fn next_open_group(&mut self) -> Option<usize> {
        let is_next_open = self.open_groups < self.unready_in_group.len()
            && self.unready_in_group[..self.open_groups].iter().all(|unready| *unready == 0);
        is_next_open.then(|| {
            self.open_groups += 1;
            self.open_groups - 1
        })
    }

    /// Nothing is left to do in the phase that is under way.
    pub fn has_no_steps_left(&self) -> bool {
        self.steps_left.get(&self.current).is_none_or(|left| *left == 0)
    }

    /// The phase that is under way has failed.
    pub fn failed(&mut self, now: Timestamp, outputs: &mut VecDeque<Output>) {
        outputs.push_back(Output::Emit(self.completed(now, PhaseStatus::Failed)));
    }

    fn completed(&self, now: Timestamp, status: PhaseStatus) -> Event {
        let duration_ms = u64::try_from(now.since(self.started_at).as_millis()).unwrap_or(u64::MAX);
        Event::PhaseCompleted { phase: self.current, status, duration_ms }
    }
}

impl Engine {
    /// The first moves of a run.
    pub(super) fn begin(&mut self, now: Timestamp) {
        let options = &self.setup.options;
        self.emit(Event::DeploymentStarted {
            deployment: options.deployment,
            plan: self.setup.plan_name.clone(),
            environment: self.setup.environment.clone(),
            services: self.setup.services.len(),
        });
        for (phase, duration) in self.setup.options.prelude.clone() {
            self.emit(Event::PhaseStarted { phase });
            let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            self.emit(Event::PhaseCompleted { phase, status: PhaseStatus::Completed, duration_ms });
        }
        self.open(now);
        self.serve_due(now);
        self.advance(now);
    }

    /// Opens the first phase that does something.
    pub(super) fn open(&mut self, now: Timestamp) {
        if let Some(timeout) = self.setup.options.timeout {
            self.due.insert((now + timeout, Due::Deadline));
        }
        self.phases.count(&self.setup, |step| self.steps[step.index()].is_done);
        self.emit(Event::PhaseStarted { phase: Phase::EnvironmentSetup });
        self.release_phase();
        self.settle_kept_services(now);
    }

    /// Opens the last phase, after the commit point.
    pub(super) fn begin_cleanup(&mut self, now: Timestamp) {
        self.phases.count(&self.setup, |step| self.steps[step.index()].is_done);
        self.phases.current = Phase::Cleanup;
        self.phases.started_at = now;
        self.emit(Event::PhaseStarted { phase: Phase::Cleanup });
        self.release_phase();
    }

    /// Goes to the next phase as often as the one under way is done.
    pub(super) fn advance_phases(&mut self, now: Timestamp) {
        while self.is_phase_done() {
            let status = match self.phases.current() {
                Phase::IntegrationTesting if !self.has_steps_in(Phase::IntegrationTesting) => PhaseStatus::Skipped,
                Phase::PreValidation
                | Phase::DependencyResolution
                | Phase::EnvironmentSetup
                | Phase::ServiceDeployment
                | Phase::HealthValidation
                | Phase::IntegrationTesting
                | Phase::PostDeployment
                | Phase::Cleanup => PhaseStatus::Completed,
            };
            self.emit(self.phases.completed(now, status));
            let Some(next) = next_phase(self.phases.current()) else {
                self.end(now, Outcome::Applied);
                return;
            };
            self.enter(now, next);
        }
    }

    fn has_steps_in(&self, phase: Phase) -> bool {
        self.setup.actions.steps.iter().any(|step| step.phase == phase)
    }

    fn is_phase_done(&self) -> bool {
        if !matches!(self.mode, Mode::Forward | Mode::Committed) || !self.phases.has_no_steps_left() {
            return false;
        }
        match self.phases.current() {
            Phase::ServiceDeployment => self.phases.unready_started == 0,
            Phase::HealthValidation => self.watch.is_validated(),
            Phase::PreValidation
            | Phase::DependencyResolution
            | Phase::EnvironmentSetup
            | Phase::IntegrationTesting
            | Phase::PostDeployment
            | Phase::Cleanup => true,
        }
    }

    fn enter(&mut self, now: Timestamp, phase: Phase) {
        if phase == Phase::Cleanup {
            self.record(now, Record::Committed);
            self.mode = Mode::Committed;
            self.due.clear();
        }
        self.phases.current = phase;
        self.phases.started_at = now;
        self.emit(Event::PhaseStarted { phase });
        match phase {
            Phase::ServiceDeployment => self.announce_waiting(),
            // Its hooks come before it.
            Phase::HealthValidation if self.phases.has_no_steps_left() => self.begin_validation(now),
            Phase::PreValidation
            | Phase::DependencyResolution
            | Phase::EnvironmentSetup
            | Phase::HealthValidation
            | Phase::IntegrationTesting
            | Phase::PostDeployment
            | Phase::Cleanup => {}
        }
        self.release_phase();
        self.serve_due(now);
        self.begin_steps(now);
    }
}

fn next_phase(phase: Phase) -> Option<Phase> {
    let position = Phase::ALL.iter().position(|candidate| *candidate == phase)?;
    Phase::ALL.get(position + 1).copied()
}
