use std::collections::BTreeMap;

use super::{CommandReport, DeploymentReport, ErrorReport, PhaseReport, ServiceReport, ServiceResult};
use crate::{
    action::Phase,
    change::{Changes, Op},
    engine::Setup,
    event::{Event, Moment, PhaseStatus},
    journal::{Evidence, Outcome},
    name::{DeploymentId, EnvironmentName, PlanName, ServiceName},
    observed::Fault,
};

/// Follows a deployment's events, and knows in the end what became of everything.
#[derive(Debug)]
pub struct Chronicle {
    services: BTreeMap<ServiceName, Entry>,
    phases: Vec<PhaseReport>,
    error: Option<Fault>,
    duration_ms: u64,
    left: Vec<String>,
    commands: Vec<CommandReport>,
}

#[derive(Debug)]
struct Entry {
    op: Op,
    is_job: bool,
    ready_ms: Option<u64>,
    has_begun: bool,
    has_failed: bool,
    is_restored: bool,
}

/// What a chronicle cannot know by itself.
#[derive(Debug)]
pub struct Ending {
    pub deployment: Option<DeploymentId>,
    pub plan: PlanName,
    pub environment: Option<EnvironmentName>,
    pub engine: String,
    pub outcome: Outcome,
    pub evidence: Vec<Evidence>,
    /// What it made or changed and did not take back, beside what events told.
    pub left: Vec<String>,
    /// As in [`DeploymentReport::arguments`].
    pub arguments: String,
}

impl Chronicle {
    /// The chronicle of a deployment that is to make these changes.
    pub fn new(changes: &Changes) -> Self {
        let entry = |change: &crate::change::Change| Entry {
            op: change.op,
            is_job: change.is_job,
            ready_ms: None,
            has_begun: false,
            has_failed: false,
            is_restored: false,
        };
        Self {
            services: changes.services.iter().map(|change| (change.service.clone(), entry(change))).collect(),
            phases: Vec::new(),
            error: None,
            duration_ms: 0,
            left: Vec::new(),
            commands: Vec::new(),
        }
    }

    /// The chronicle of a deployment that is gone on with.
    pub fn resumed(setup: &Setup) -> Self {
        let mut chronicle = Self::new(&Changes::default());
        let entry =
            |op, is_job| Entry { op, is_job, ready_ms: None, has_begun: false, has_failed: false, is_restored: false };
        // What is in no service of the plan was to go.
        let removed = setup.actions.slots.iter().map(|slot| (slot.service.clone(), entry(Op::Remove, false)));
        let named = setup.services.iter().map(|service| (service.name.clone(), entry(service.op, service.is_job)));
        chronicle.services = removed.chain(named).collect();
        chronicle
    }

    /// Takes what happened.
    pub fn record(&mut self, moment: &Moment) {
        match &moment.event {
            Event::PhaseCompleted { phase, status, duration_ms } => {
                self.phases.push(PhaseReport { name: *phase, status: *status, duration_ms: *duration_ms });
            }
            Event::ServiceReady { service, ready_ms } => self.change(service, |entry| entry.ready_ms = Some(*ready_ms)),
            Event::ServiceFailed { service, .. } => self.change(service, |entry| {
                entry.has_failed = true;
                // It may have looked ready for a moment.
                entry.ready_ms = None;
            }),
            Event::ServiceRestored { service } => self.change(service, |entry| entry.is_restored = true),
            Event::ServiceStage { service, .. } | Event::ServiceStarting { service, .. } => {
                self.change(service, |entry| entry.has_begun = true);
            }
            Event::DeploymentCompleted { duration_ms, .. } => self.duration_ms = *duration_ms,
            Event::DeploymentFailed { duration_ms, error, .. } => {
                self.duration_ms = *duration_ms;
                self.error = Some(error.clone());
            }
            Event::Warning { text } => self.left.push(text.clone()),
            Event::CommandCompleted { kind, command, duration_ms, output } => self.commands.push(CommandReport {
                kind: *kind,
                name: command.clone(),
                duration_ms: *duration_ms,
                error: None,
                output: output.clone(),
            }),
            Event::CommandFailed { kind, command, duration_ms, error } => self.commands.push(CommandReport {
                kind: *kind,
                name: command.clone(),
                duration_ms: *duration_ms,
                error: Some(error.text.clone()),
                output: error.output.clone(),
            }),
            Event::CommandStarted { .. }
            | Event::DeploymentStarted { .. }
            | Event::DeploymentResumed { .. }
            | Event::PhaseStarted { .. }
            | Event::CheckPassed { .. }
            | Event::CheckFailed { .. }
            | Event::PullProgress { .. }
            | Event::BuildProgress { .. }
            | Event::Retrying { .. }
            | Event::RollbackStarted { .. }
            | Event::RollbackCompleted { .. } => {}
        }
    }

    /// What it failed of, if it did.
    pub fn error(&self) -> Option<&Fault> {
        self.error.as_ref()
    }

    /// The whole story.
    pub fn close(self, ending: Ending) -> DeploymentReport {
        let Ending { deployment, plan, environment, engine, outcome, evidence, left, arguments } = ending;
        let service = |(name, entry): (ServiceName, Entry)| ServiceReport {
            name,
            op: entry.op,
            status: entry.result(outcome),
            ready_ms: entry.ready_ms,
        };
        DeploymentReport {
            deployment,
            plan,
            environment,
            engine,
            outcome,
            duration_ms: self.duration_ms,
            phases: with_skipped(self.phases),
            services: self.services.into_iter().map(service).collect(),
            error: self.error.as_ref().map(ErrorReport::from),
            arguments,
            evidence,
            left: self.left.into_iter().chain(left).collect(),
            commands: self.commands,
            outputs: Vec::new(),
        }
    }

    fn change(&mut self, service_name: &ServiceName, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.services.get_mut(service_name) {
            change(entry);
        }
    }
}

impl Entry {
    fn result(&self, outcome: Outcome) -> ServiceResult {
        let is_done = outcome == Outcome::Applied;
        match self.op {
            Op::None => ServiceResult::Unchanged,
            Op::Remove if is_done => ServiceResult::Removed,
            // There was nothing before it.
            Op::Create if self.is_restored => ServiceResult::Removed,
            Op::Replace | Op::Update | Op::Remove if self.is_restored => ServiceResult::Restored,
            Op::Create | Op::Replace | Op::Update | Op::Remove if self.has_failed => ServiceResult::Failed,
            Op::Create | Op::Replace | Op::Update if self.ready_ms.is_some() && self.is_job => ServiceResult::Completed,
            Op::Create | Op::Replace | Op::Update if self.ready_ms.is_some() => ServiceResult::Ready,
            Op::Update if is_done => ServiceResult::Updated,
            Op::Create | Op::Replace | Op::Update | Op::Remove => ServiceResult::NotReached,
        }
    }
}

/// All eight phases: those that never came are skipped.
fn with_skipped(phases: Vec<PhaseReport>) -> Vec<PhaseReport> {
    let find = |name: Phase| phases.iter().find(|phase| phase.name == name).cloned();
    let skipped = |name: Phase| PhaseReport { name, status: PhaseStatus::Skipped, duration_ms: 0 };
    Phase::ALL.into_iter().map(|name| find(name).unwrap_or_else(|| skipped(name))).collect()
}
