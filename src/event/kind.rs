use serde::{Deserialize, Serialize};

use crate::{
    action::{CommandKind, Phase},
    journal::{Direction, Outcome},
    name::{DeploymentId, EnvironmentName, PlanName, ServiceName},
    observed::Fault,
    time::Timestamp,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseStatus {
    Completed,
    Failed,
    /// There was nothing to do in it, or the deployment ended before it.
    Skipped,
}

/// What is being done for a service right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Pulling,
    Building,
    Creating,
    /// Waiting for what it depends on.
    Waiting,
    Stopping,
    Starting,
    /// Started; its checks are being asked, or its job runs.
    Checking,
    Ready,
    Removing,
    /// Its data is being saved.
    Saving,
    Restoring,
    Failed,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    DeploymentStarted {
        deployment: DeploymentId,
        plan: PlanName,
        environment: Option<EnvironmentName>,
        services: usize,
    },
    /// A deployment that was cut off is brought to its end.
    DeploymentResumed {
        deployment: DeploymentId,
        plan: PlanName,
        environment: Option<EnvironmentName>,
        services: usize,
        direction: Direction,
    },
    DeploymentCompleted {
        deployment: DeploymentId,
        outcome: Outcome,
        duration_ms: u64,
    },
    DeploymentFailed {
        deployment: DeploymentId,
        outcome: Outcome,
        duration_ms: u64,
        error: Fault,
    },
    PhaseStarted {
        phase: Phase,
    },
    PhaseCompleted {
        phase: Phase,
        status: PhaseStatus,
        duration_ms: u64,
    },
    /// A service's work came to another stage.
    ServiceStage {
        service: ServiceName,
        stage: Stage,
    },
    ServiceStarting {
        service: ServiceName,
        instance: String,
    },
    ServiceReady {
        service: ServiceName,
        /// From the start of its last instance.
        ready_ms: u64,
    },
    ServiceFailed {
        service: ServiceName,
        instance: Option<String>,
        error: Fault,
    },
    CheckPassed {
        service: ServiceName,
        instance: String,
        check: String,
    },
    CheckFailed {
        service: ServiceName,
        instance: String,
        check: String,
        text: String,
    },
    /// An image is being pulled: bytes so far, of how many.
    PullProgress {
        image: String,
        current: u64,
        total: u64,
    },
    /// An image is being built: which step, of how many.
    BuildProgress {
        image: String,
        step: u32,
        steps: u32,
        text: String,
    },
    /// A call failed for a passing reason and is made again.
    Retrying {
        action: String,
        attempt: u32,
        delay_ms: u64,
        error: Fault,
    },
    /// A hook or test of the plan begins.
    CommandStarted {
        kind: CommandKind,
        command: String,
    },
    CommandCompleted {
        kind: CommandKind,
        command: String,
        duration_ms: u64,
        /// The last lines that it wrote.
        output: Vec<String>,
    },
    CommandFailed {
        kind: CommandKind,
        command: String,
        duration_ms: u64,
        error: Fault,
    },
    Warning {
        text: String,
    },
    RollbackStarted {
        actions: usize,
    },
    RollbackCompleted {
        failed: usize,
    },
    ServiceRestored {
        service: ServiceName,
    },
}

/// An event and when it happened: a line of `--events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    pub at: Timestamp,
    #[serde(flatten)]
    pub event: Event,
}
