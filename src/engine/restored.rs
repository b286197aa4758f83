//! Whether what was put back is well: a rollback that leaves a sick service behind is none.

use std::{sync::Arc, time::Duration};

use super::{Engine, MonitorId, watching::SHORTEST_LOOK};
use crate::{
    event::{Event, Stage},
    health::{Answer, Verdict},
    observed::{Fault, Instance, InstanceState},
    plan::{Check, Importance},
    time::Timestamp,
};

/// What has no checks has to have stayed up for so long after it was put back.
const STAY_UP: Duration = Duration::from_secs(1);

impl Engine {
    /// Begins to ask what was started again in this stage.
    pub(super) fn begin_proof(&mut self, now: Timestamp) {
        for slot in std::mem::take(&mut self.undo.restored) {
            let checks = self.checks_of_predecessor(slot);
            let service = self.setup.actions.slots[slot as usize].service.clone();
            self.emit(Event::ServiceStage { service, stage: Stage::Checking });
            self.slots[slot as usize].started_at = Some(now);
            let has_checks = !checks.is_empty();
            for check in checks {
                let id = self.add_monitor(slot, check, now);
                self.watch.probes_left.insert(id);
                self.probe_at(now, id);
            }
            self.watch.looks_left.insert(slot);
            self.look_at(if has_checks { now } else { now + STAY_UP }, slot);
        }
    }

    /// The checks that gate what ran before.
    fn checks_of_predecessor(&self, slot: u32) -> Vec<Arc<Check>> {
        let snapshot = self.setup.actions.slots[slot as usize].snapshot.as_ref();
        let checks = snapshot.into_iter().flat_map(|spec| spec.service.gating_checks());
        checks.filter(|check| check.severity == Importance::Critical).map(Arc::new).collect()
    }

    pub(super) fn advance_proof(&mut self, now: Timestamp) {
        if self.watch.is_validated() {
            self.stage_is_proven(now);
        }
    }

    /// Takes the answer of something that was put back.
    pub(super) fn restored_answered(&mut self, now: Timestamp, id: MonitorId, slot: u32, answer: &Answer) {
        if !self.watch.probes_left.contains(&id) {
            return;
        }
        match self.verdict_of(now, id) {
            Verdict::Passing => {
                self.tell_check_passed(id, slot);
                self.watch.probes_left.remove(&id);
            }
            Verdict::Waiting => self.ask_again(now, id),
            Verdict::Failing => {
                self.tell_check_failed(id, slot, answer);
                self.watch.probes_left.remove(&id);
                self.restored_is_unwell(slot, &answer.text);
            }
        }
    }

    /// Takes a look at something that was put back.
    pub(super) fn restored_seen(&mut self, now: Timestamp, slot: u32, result: Result<Option<Box<Instance>>, Fault>) {
        if !self.watch.looks_left.contains(&slot) {
            return;
        }
        let text = match result {
            Ok(Some(instance)) => match instance.state {
                InstanceState::Running | InstanceState::Paused => None,
                // A job that was stopped on its way may run to its end.
                InstanceState::Exited { code: 0, .. } => None,
                InstanceState::Exited { code, .. } => Some(format!("it exited with code {code}")),
                InstanceState::Created | InstanceState::Dead => Some("it does not run".to_owned()),
                InstanceState::Restarting => Some("it exits, and is started again by its restart policy".to_owned()),
            },
            Ok(None) => Some("it is gone".to_owned()),
            Err(fault) if fault.is_transient && self.has_patience(now, slot) => {
                self.look_at(now + SHORTEST_LOOK.max(STAY_UP / 4), slot);
                return;
            }
            Err(fault) => Some(fault.to_string()),
        };
        self.watch.looks_left.remove(&slot);
        if let Some(text) = text {
            self.restored_is_unwell(slot, &text);
        }
    }

    fn restored_is_unwell(&mut self, slot: u32, why: &str) {
        let name = &self.setup.actions.slots[slot as usize].name;
        let text = format!("`{name}` was put back, but is not well: {why}");
        self.undo.failed += 1;
        self.emit(Event::Warning { text });
    }
}
