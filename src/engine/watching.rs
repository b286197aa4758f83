//! Asking instances how they are, and what the answers mean.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{
    Engine, MonitorId, Output,
    machine::{Due, Mode},
};
use crate::{
    action::Phase,
    diagnostic::Class,
    event::{Event, Stage},
    health::{Answer, Monitor, Verdict},
    observed::{Fault, Health, Instance, InstanceState},
    plan::{Check, CheckKind, Importance},
    time::Timestamp,
};

/// Probes and looks under way at most: enough for thousands of services, few enough for sockets.
const MOST_QUESTIONS: usize = 128;
/// What has no checks has to have stayed up for so long.
const STAY_UP: Duration = Duration::from_secs(1);
/// Between two looks at an instance: the event stream tells sooner, unless it has gaps.
pub(super) const SHORTEST_LOOK: Duration = Duration::from_millis(10);
const LONGEST_LOOK: Duration = Duration::from_secs(1);
/// An engine that restarts is back by then.
const LONGEST_BLINDNESS: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
struct Watched {
    slot: u32,
    monitor: Monitor,
    check: Arc<Check>,
    is_asked: bool,
    /// When it is to be asked next: there is one such moment at most.
    due_at: Option<Timestamp>,
    /// Has said that it passes; said again only after it has failed.
    has_passed: bool,
}

#[derive(Debug, Clone, Copy)]
enum Question {
    Probe(MonitorId),
    Look(u32),
}

/// The checks of a run, and the final round of questions.
#[derive(Debug, Default)]
pub(super) struct Watch {
    monitors: Vec<Watched>,
    asked: usize,
    waiting: VecDeque<Question>,
    /// What the final validation still waits for.
    pub probes_left: BTreeSet<MonitorId>,
    pub looks_left: BTreeSet<u32>,
}

impl Watch {
    pub fn is_validated(&self) -> bool {
        self.probes_left.is_empty() && self.looks_left.is_empty()
    }

    /// What was still to be asked is of no interest any more.
    pub fn forget_questions(&mut self) {
        self.waiting.clear();
        self.probes_left.clear();
        self.looks_left.clear();
    }
}

impl Engine {
    /// Begins to watch an instance that started at `started_at`.
    pub(super) fn watch_instance(&mut self, now: Timestamp, slot: u32, started_at: Timestamp) {
        let Some(index) = self.slots[slot as usize].service else { return };
        let mut checks = self.setup.services[index].critical_checks.clone();
        checks.extend(self.inherited_check(index, slot));
        if !checks.is_empty() {
            let service = self.setup.services[index].name.clone();
            self.emit(Event::ServiceStage { service, stage: Stage::Checking });
        }
        for check in checks {
            let monitor = self.add_monitor(slot, check, started_at);
            self.probe_at(now, monitor);
        }
        self.look_at(now + SHORTEST_LOOK, slot);
    }

    /// The healthcheck that an instance has from its image.
    pub(super) fn inherited_check(&self, index: usize, slot: u32) -> Option<Arc<Check>> {
        let instance = self.slots[slot as usize].instance.as_ref()?;
        let has_one = self.setup.services[index].inherits_healthcheck && instance.health != Health::None;
        has_one.then(|| Arc::new(Check::inherited()))
    }

    pub(super) fn add_monitor(&mut self, slot: u32, check: Arc<Check>, started_at: Timestamp) -> MonitorId {
        let id = MonitorId(u32::try_from(self.watch.monitors.len()).expect("checks are numbered with u32"));
        let monitor = Monitor::new(check.as_ref().clone(), started_at);
        self.watch.monitors.push(Watched { slot, monitor, check, is_asked: false, due_at: None, has_passed: false });
        self.slots[slot as usize].monitors.push(id);
        id
    }

    pub(super) fn ask(&mut self, id: MonitorId) {
        self.watch.monitors[id.0 as usize].due_at = None;
        if !self.watch.monitors[id.0 as usize].is_asked {
            self.watch.monitors[id.0 as usize].is_asked = true;
            self.watch.waiting.push_back(Question::Probe(id));
            self.send_questions();
        }
    }

    pub(super) fn look(&mut self, slot: u32) {
        self.slots[slot as usize].look_due_at = None;
        if !self.slots[slot as usize].is_looked_at {
            self.slots[slot as usize].is_looked_at = true;
            self.watch.waiting.push_back(Question::Look(slot));
            self.send_questions();
        }
    }

    /// The engine's own healthcheck has something new to say.
    pub(super) fn ask_engine_checks(&mut self, now: Timestamp, slot: u32) {
        for id in self.slots[slot as usize].monitors.clone() {
            if matches!(self.watch.monitors[id.0 as usize].check.kind, CheckKind::Engine) {
                self.probe_at(now, id);
            }
        }
    }

    pub(super) fn probe_at(&mut self, at: Timestamp, id: MonitorId) {
        if let Some(before) = self.watch.monitors[id.0 as usize].due_at.replace(at) {
            self.due.remove(&(before, Due::Probe(id)));
        }
        self.due.insert((at, Due::Probe(id)));
    }

    pub(super) fn look_at(&mut self, at: Timestamp, slot: u32) {
        if let Some(before) = self.slots[slot as usize].look_due_at.replace(at) {
            self.due.remove(&(before, Due::Look(slot)));
        }
        self.due.insert((at, Due::Look(slot)));
    }

    fn send_questions(&mut self) {
        while self.watch.asked < MOST_QUESTIONS
            && let Some(question) = self.watch.waiting.pop_front()
        {
            let output = match question {
                Question::Probe(monitor) => {
                    let watched = &self.watch.monitors[monitor.0 as usize];
                    let instance = self.slots[watched.slot as usize].instance.clone();
                    instance.map(|instance| Output::Probe { monitor, check: watched.check.clone(), instance })
                }
                Question::Look(slot) => {
                    let runtime = self.setup.actions.slots[slot as usize].runtime;
                    self.slots[slot as usize].id.clone().map(|id| Output::Inspect { slot, runtime, id })
                }
            };
            if let Some(output) = output {
                self.watch.asked += 1;
                self.outputs.push_back(output);
            }
        }
    }

    /// Takes the answer to a probe.
    pub(super) fn probed(&mut self, now: Timestamp, id: MonitorId, answer: Answer) {
        self.watch.asked -= 1;
        self.send_questions();
        let watched = &mut self.watch.monitors[id.0 as usize];
        watched.is_asked = false;
        watched.monitor.record(now, answer.clone());
        let slot = watched.slot;
        match self.mode {
            Mode::Forward => {}
            Mode::Proving => return self.restored_answered(now, id, slot, &answer),
            Mode::Draining | Mode::Preserving | Mode::Undoing | Mode::Committed | Mode::Telling(_) | Mode::Ended(_) => {
                return;
            }
        }
        let watched = &self.watch.monitors[id.0 as usize];
        match (watched.monitor.verdict(now), watched.check.severity) {
            (Verdict::Passing, _) => self.check_passes(now, id, slot, &answer),
            (Verdict::Waiting, Importance::Critical) => self.ask_again(now, id),
            (Verdict::Failing, Importance::Critical) => self.check_fails(now, id, slot, &answer),
            (Verdict::Waiting | Verdict::Failing, Importance::Warning) => {
                self.tell_check_failed(id, slot, &answer);
                self.watch.probes_left.remove(&id);
            }
        }
    }

    pub(super) fn ask_again(&mut self, now: Timestamp, id: MonitorId) {
        let monitor = &self.watch.monitors[id.0 as usize].monitor;
        // Never later than its deadline: that is when it has failed.
        let at = match monitor.verdict(now) {
            Verdict::Waiting => monitor.next_probe(now).min(monitor.deadline()),
            Verdict::Passing | Verdict::Failing => monitor.next_probe(now),
        };
        self.probe_at(at, id);
    }

    fn check_passes(&mut self, now: Timestamp, id: MonitorId, slot: u32, answer: &Answer) {
        if answer.has_passed {
            self.watch.probes_left.remove(&id);
            if !std::mem::replace(&mut self.watch.monitors[id.0 as usize].has_passed, true) {
                self.tell_check_passed(id, slot);
            }
        }
        if self.watch.monitors[id.0 as usize].check.severity == Importance::Critical {
            self.consider_ready(now, slot);
            self.ask_again(now, id);
        }
    }

    fn check_fails(&mut self, now: Timestamp, id: MonitorId, slot: u32, answer: &Answer) {
        self.tell_check_failed(id, slot, answer);
        let watched = &self.watch.monitors[id.0 as usize];
        let label = watched.check.label();
        let took = crate::time::format_duration(watched.monitor.allowance());
        let text = match (watched.has_passed, answer.is_final) {
            (true, _) => format!("check `{label}` fails after it had passed: {}", answer.text),
            (false, false) => format!("not ready after {took}: check `{label}`: {}", answer.text),
            (false, true) => format!("not ready: check `{label}`: {}", answer.text),
        };
        let fault = Fault::new(Class::HealthCheck, "unhealthy", text)
            .hint("if it only needs longer, raise the check's `start_period` or `retries`");
        let service = self.setup.actions.slots[slot as usize].service.clone();
        self.fail(now, fault, Some(service), Some(slot));
    }

    pub(super) fn tell_check_passed(&mut self, id: MonitorId, slot: u32) {
        let about = &self.setup.actions.slots[slot as usize];
        let (service, instance) = (about.service.clone(), about.name.clone());
        let check = self.watch.monitors[id.0 as usize].check.label();
        self.emit(Event::CheckPassed { service, instance, check });
    }

    pub(super) fn tell_check_failed(&mut self, id: MonitorId, slot: u32, answer: &Answer) {
        let about = &self.setup.actions.slots[slot as usize];
        let (service, instance) = (about.service.clone(), about.name.clone());
        let check = self.watch.monitors[id.0 as usize].check.label();
        self.emit(Event::CheckFailed { service, instance, check, text: answer.text.clone() });
    }

    pub(super) fn all_checks_pass(&self, now: Timestamp, slot: u32) -> bool {
        let passes = |id: &MonitorId| {
            let watched = &self.watch.monitors[id.0 as usize];
            watched.check.severity == Importance::Warning || watched.monitor.verdict(now) == Verdict::Passing
        };
        self.slots[slot as usize].monitors.iter().all(passes)
    }

    /// The last answer of each of an instance's checks, for the record.
    pub(super) fn last_answers(&self, slot: u32) -> Vec<String> {
        let monitors = self.slots[slot as usize].monitors.iter().map(|id| &self.watch.monitors[id.0 as usize]);
        let answered = monitors.filter_map(|watched| {
            let answer = watched.monitor.last_answer()?;
            Some(format!("{}: {}", watched.check.label(), answer.text))
        });
        answered.collect()
    }

    /// Takes a look at an instance.
    pub(super) fn inspected(&mut self, now: Timestamp, slot: u32, result: Result<Option<Box<Instance>>, Fault>) {
        if let Some(step) = self.looked_up.remove(&slot) {
            return self.found_out(now, step, result);
        }
        self.watch.asked -= 1;
        self.slots[slot as usize].is_looked_at = false;
        self.send_questions();
        match self.mode {
            Mode::Forward => {}
            Mode::Proving => return self.restored_seen(now, slot, result),
            Mode::Draining | Mode::Preserving | Mode::Undoing | Mode::Committed | Mode::Telling(_) | Mode::Ended(_) => {
                return;
            }
        }
        match result {
            Err(fault) => self.look_failed(now, slot, fault),
            Ok(None) => self.instance_vanished(now, slot),
            Ok(Some(instance)) => self.seen(now, slot, &instance),
        }
    }

    /// Whether looks at the instance have not failed for too long.
    pub(super) fn has_patience(&mut self, now: Timestamp, slot: u32) -> bool {
        let since = *self.slots[slot as usize].blind_since.get_or_insert(now);
        now.since(since) < LONGEST_BLINDNESS
    }

    pub(super) fn verdict_of(&self, now: Timestamp, id: MonitorId) -> Verdict {
        self.watch.monitors[id.0 as usize].monitor.verdict(now)
    }

    /// A look that failed says nothing of the instance, unless it goes on and on.
    fn look_failed(&mut self, now: Timestamp, slot: u32, fault: Fault) {
        match self.has_patience(now, slot) {
            true => self.look_again(now, slot),
            false => {
                let service = self.setup.actions.slots[slot as usize].service.clone();
                self.fail(now, fault, Some(service), Some(slot));
            }
        }
    }

    fn seen(&mut self, now: Timestamp, slot: u32, instance: &Instance) {
        self.slots[slot as usize].blind_since = None;
        let is_watched = self.slots[slot as usize].is_watched;
        if !is_watched && instance.has_completed() && self.is_job(slot) {
            return;
        }
        match instance.state {
            InstanceState::Exited { code, killed_for_memory } if is_watched => {
                self.instance_exited(now, slot, code, killed_for_memory);
            }
            InstanceState::Restarting if is_watched => self.instance_restarts(now, slot),
            InstanceState::Running if is_watched && self.has_restarted(slot, instance) => {
                self.instance_restarts(now, slot);
            }
            InstanceState::Running => self.seen_running(now, slot),
            InstanceState::Created
            | InstanceState::Paused
            | InstanceState::Restarting
            | InstanceState::Exited { .. }
            | InstanceState::Dead => self.kept_instance_is_down(now, slot),
        }
    }

    fn is_job(&self, slot: u32) -> bool {
        self.slots[slot as usize].service.is_some_and(|index| self.setup.services[index].is_job)
    }

    fn has_restarted(&self, slot: u32, instance: &Instance) -> bool {
        let known = self.slots[slot as usize].instance.as_ref();
        known.is_some_and(|known| instance.restart_count > known.restart_count)
    }

    fn seen_running(&mut self, now: Timestamp, slot: u32) {
        let stayed_up = self.slots[slot as usize].started_at.is_none_or(|at| now.since(at) >= STAY_UP);
        let has_checks = !self.slots[slot as usize].monitors.is_empty();
        if stayed_up || has_checks {
            self.watch.looks_left.remove(&slot);
        }
        self.look_again(now, slot);
    }

    /// Looks again as long as something hangs on it.
    fn look_again(&mut self, now: Timestamp, slot: u32) {
        let state = &self.slots[slot as usize];
        let is_in_last_round = self.watch.looks_left.contains(&slot);
        if !is_in_last_round && (!state.is_watched || state.is_ready) {
            return;
        }
        let up_for = state.started_at.map_or(Duration::ZERO, |at| now.since(at));
        let wait = (up_for / 10).clamp(SHORTEST_LOOK, LONGEST_LOOK);
        let to_stay_up = if is_in_last_round { STAY_UP.saturating_sub(up_for) } else { Duration::ZERO };
        self.look_at(now + wait.max(to_stay_up), slot);
    }

    fn instance_restarts(&mut self, now: Timestamp, slot: u32) {
        let about = &self.setup.actions.slots[slot as usize];
        let text = format!("`{}` exited and was started again by its restart policy", about.name);
        let fault = Fault::new(Class::Deployment, "restarted", text).hint("its last lines are below");
        let service = about.service.clone();
        self.fail(now, fault, Some(service), Some(slot));
    }

    fn instance_vanished(&mut self, now: Timestamp, slot: u32) {
        let about = &self.setup.actions.slots[slot as usize];
        let fault = Fault::new(Class::Deployment, "vanished", format!("`{}` was removed by someone else", about.name));
        let service = about.service.clone();
        self.fail(now, fault, Some(service), Some(slot));
    }

    fn kept_instance_is_down(&mut self, now: Timestamp, slot: u32) {
        let about = &self.setup.actions.slots[slot as usize];
        let text = format!("`{}` does not run any more", about.name);
        let fault = Fault::new(Class::HealthCheck, "not-running", text);
        let service = about.service.clone();
        self.fail(now, fault, Some(service), Some(slot));
    }

    /// The last round: every instance is looked at and every check asked once more, together.
    pub(super) fn begin_validation(&mut self, now: Timestamp) {
        debug_assert_eq!(self.phases.current(), Phase::HealthValidation);
        for index in 0..self.setup.services.len() {
            if self.setup.services[index].is_job {
                continue;
            }
            for slot in self.setup.services[index].slots.clone() {
                self.validate_instance(now, slot, index);
            }
        }
    }

    fn validate_instance(&mut self, now: Timestamp, slot: u32, index: usize) {
        if self.slots[slot as usize].id.is_none() {
            return;
        }
        let service = &self.setup.services[index];
        let (critical, warning) = (service.critical_checks.clone(), service.warning_checks.clone());
        if self.slots[slot as usize].monitors.is_empty() {
            for check in critical {
                self.add_monitor(slot, check, now);
            }
        }
        for check in warning {
            self.add_monitor(slot, check, now);
        }
        let monitors = self.slots[slot as usize].monitors.clone();
        // A program takes a moment to read what it was told of: what passes at once may be the old.
        let has_to_settle = monitors.is_empty() || self.begins_again(slot);
        let at = match (self.slots[slot as usize].started_at, has_to_settle) {
            (Some(started_at), true) => now.max(started_at + STAY_UP),
            (_, _) => now,
        };
        self.watch.looks_left.insert(slot);
        self.look_at(at, slot);
        for id in monitors {
            self.watch.probes_left.insert(id);
            self.probe_at(at, id);
        }
    }
}
