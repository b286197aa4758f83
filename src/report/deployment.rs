use serde::{Serialize, Serializer};

use super::{CommandReport, OutputReport, json::versioned_json, outputs::by_name};
use crate::{
    action::Phase,
    change::Op,
    diagnostic::Class,
    event::PhaseStatus,
    journal::{Evidence, Outcome},
    name::{DeploymentId, EnvironmentName, PlanName, ServiceName},
    observed::Fault,
};

/// How a deployment went, and what is left of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeploymentReport {
    /// `None` if there was nothing to do, so none began.
    pub deployment: Option<DeploymentId>,
    pub plan: PlanName,
    pub environment: Option<EnvironmentName>,
    /// As in [`EngineFacts::name`](crate::observed::EngineFacts).
    pub engine: String,
    pub outcome: Outcome,
    pub duration_ms: u64,
    pub phases: Vec<PhaseReport>,
    pub services: Vec<ServiceReport>,
    /// What it failed of.
    pub error: Option<ErrorReport>,
    /// What the user has to type after a command to mean the same plan: `plan.yaml -e staging`.
    #[serde(skip)]
    pub arguments: String,
    /// What is kept of the instances that failed.
    #[serde(serialize_with = "evidence_without_inspect")]
    pub evidence: Vec<Evidence>,
    /// What it made or changed and did not take back, a line each: volumes, kept bodies, undos
    /// that failed.
    pub left: Vec<String>,
    /// The hooks and tests that ran.
    pub commands: Vec<CommandReport>,
    /// What the plan gives out, if all is as it says.
    #[serde(serialize_with = "by_name")]
    pub outputs: Vec<OutputReport>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PhaseReport {
    pub name: Phase,
    pub status: PhaseStatus,
    pub duration_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceReport {
    pub name: ServiceName,
    /// What was to be done with it.
    pub op: Op,
    pub status: ServiceResult,
    /// From the start of its last instance until it was ready.
    pub ready_ms: Option<u64>,
}

/// What became of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceResult {
    /// It runs, and its checks pass.
    Ready,
    /// A job that ran to its end.
    Completed,
    /// Limits or restart policy were changed in place.
    Updated,
    Removed,
    /// What was done for it failed, and was not put back.
    Failed,
    /// It is as it was before: put back, or gone again if there was nothing.
    Restored,
    /// Its turn never came.
    NotReached,
    Unchanged,
}

/// What a deployment failed of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorReport {
    pub class: Class,
    pub code: String,
    pub summary: String,
    pub hint: Option<String>,
}

impl From<&Fault> for ErrorReport {
    fn from(fault: &Fault) -> Self {
        let Fault { class, code, text, hint, output: _, is_transient: _, is_outcome_unknown: _ } = fault;
        Self { class: *class, code: code.clone(), summary: text.clone(), hint: hint.clone() }
    }
}

impl DeploymentReport {
    /// For programs: `{format_version, deployment, …, outcome, duration_ms, phases, services, error, …}`.
    pub fn to_json(&self) -> String {
        versioned_json(self)
    }
}

impl ServiceResult {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Completed => "completed",
            Self::Updated => "updated",
            Self::Removed => "removed",
            Self::Failed => "failed",
            Self::Restored => "restored",
            Self::NotReached => "not reached",
            Self::Unchanged => "unchanged",
        }
    }
}

/// The runtime's own words about an instance can be long, and are kept in the store.
fn evidence_without_inspect<S: Serializer>(evidence: &[Evidence], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Shown<'a> {
        service: &'a ServiceName,
        instance: &'a str,
        exit_code: Option<i64>,
        killed_for_memory: bool,
        log: &'a [String],
        probes: &'a [String],
    }
    serializer.collect_seq(evidence.iter().map(|found| Shown {
        service: &found.service,
        instance: &found.instance,
        exit_code: found.exit_code,
        killed_for_memory: found.killed_for_memory,
        log: &found.log,
        probes: &found.probes,
    }))
}
