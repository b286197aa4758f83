use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use super::{
    Context, OpsError, Watcher,
    context::State,
    hold::Hold,
    past::to_remember,
    retain::{forget_old, released_images},
    shared::{prepare_beside, push_ended},
    snapshot::around,
    snapshots::snapshots,
};
use crate::{
    action::{self, Action, CommandKind, Phase},
    change::Changes,
    driver::{Clock, Connections, FailPoint, drive, fail_point},
    engine::{Engine, Options, Setup},
    graph::Graph,
    journal::{DeploymentEnd, Journal, Outcome, StepStatus},
    name::DeploymentId,
    observed::Observed,
    plan::{Plan, RollbackStrategy, TargetDocument},
    report::{Chronicle, DeploymentReport, Ending},
    runtime::Runtimes,
    secret::{Scrubber, Sealer},
    store::{DeploymentKind, DeploymentRecord, Store as _},
};

/// How a deployment is made, beyond what its plan says.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Runtime calls under way at most; the plan's own by default.
    pub parallelism: Option<usize>,
    /// How long it may take until its commit point; an hour by default.
    pub timeout: Option<Duration>,
    /// Leave everything as it is after a failure.
    pub no_rollback: bool,
    /// Leave the body of an instance that failed.
    pub keep_failed: bool,
    /// Go on without saving data that is at stake.
    pub no_snapshot: bool,
    /// Why, for the history.
    pub message: Option<String>,
}

/// A deployment that is about to begin: locked, looked at, agreed to.
pub(super) struct Run<'a> {
    pub context: &'a Context,
    pub state: &'a State,
    pub runtimes: &'a Runtimes,
    pub hold: &'a Hold,
    pub deployment: DeploymentId,
    pub kind: DeploymentKind,
    pub plan: &'a Plan,
    pub graph: &'a Graph,
    pub changes: &'a Changes,
    pub observed: &'a Observed,
    pub scrubber: &'a Scrubber,
    /// What the environment says about the engine.
    pub target: &'a TargetDocument,
    /// As the user would type it.
    pub plan_file: &'a str,
    pub plan_directory: &'a Path,
    /// What the user types after a command to mean the same plan.
    pub arguments: String,
    pub options: &'a RunOptions,
    /// How long the phases before the engine took.
    pub prelude: Vec<(Phase, Duration)>,
}

/// How long a deployment may take unless someone says otherwise: every run ends, also one whose job
/// hangs.
const LONGEST_DEPLOYMENT: Duration = Duration::from_secs(3600);

/// A new deployment's id.
pub(super) fn new_deployment() -> DeploymentId {
    DeploymentId::from_random(random())
}

/// A deployment that runs, from its beginning or from where it was cut off.
pub(super) struct Execution<'a> {
    pub context: &'a Context,
    pub state: &'a State,
    pub runtimes: &'a Runtimes,
    pub hold: &'a Hold,
    pub record: &'a DeploymentRecord,
    pub scrubber: &'a Scrubber,
    /// What the user types after a command to mean the same plan.
    pub arguments: String,
    pub keep_failed: bool,
}

impl Execution<'_> {
    /// Runs it to its end, and says how it went.
    pub async fn drive(
        self,
        mut engine: Engine,
        mut chronicle: Chronicle,
        clock: Clock,
        watcher: &mut dyn Watcher,
    ) -> Result<DeploymentReport, OpsError> {
        let record = self.record;
        prepare_beside(self.runtimes, self.hold, &record.project);
        let mut event_log = self.state.directory.event_log(record.id);
        let mut on_event = |moment: &crate::event::Moment| {
            chronicle.record(moment);
            event_log.write(moment, self.scrubber);
            watcher.event(moment);
        };
        let connections = Connections {
            runtime: Arc::new(self.runtimes.clone()),
            store: self.state.store.clone(),
            sealer: &self.state.sealer(),
            scrubber: self.scrubber,
            project: &record.project,
            deployment: record.id,
            plan_directory: Path::new(&record.plan_directory),
            clock,
            lock: self.hold.keeper.as_ref(),
            is_commit_told: true,
            interrupt: self.context.interrupt.clone(),
            on_event: &mut on_event,
        };
        let outcome = drive(&mut engine, connections)
            .await
            .map_err(|source| OpsError::CutOff { deployment: record.id, source })?;
        let store = &self.state.store;
        self.remember_commands(engine.journal())?;
        let saved = self.snapshot(engine.journal(), outcome);
        let contents = if outcome == Outcome::Applied { engine.contents() } else { BTreeMap::new() };
        let end = DeploymentEnd { at: clock.now(), outcome, error: chronicle.error().cloned(), contents };
        fail_point(FailPoint::BeforeFinish);
        store.finish(record.id, &end)?;
        fail_point(FailPoint::AfterFinish);
        let untold = push_ended(self.state, self.runtimes, self.hold, record).await;
        Ok(chronicle.close(Ending {
            deployment: Some(record.id),
            plan: record.plan_name.clone(),
            environment: record.environment.clone(),
            engine: record.engine.clone(),
            outcome,
            evidence: store.evidence(record.id)?,
            arguments: self.arguments.clone(),
            left: left_behind(engine.journal(), outcome, self.keep_failed, record.id)
                .into_iter()
                .chain(saved)
                .chain(untold)
                .collect(),
        }))
    }
}

impl Execution<'_> {
    /// What runs once for a project is remembered with the values that were made once.
    fn remember_commands(&self, journal: &Journal) -> Result<(), OpsError> {
        for (_, step) in journal.steps().filter(|(_, step)| step.status == StepStatus::Succeeded) {
            if let Action::RunCommand { run } = &*step.action
                && let Some(once) = &run.once
            {
                let when = self.state.sealer().seal(&self.record.id.to_string());
                self.state.store.made_once(&self.record.project, once, &when)?;
            }
        }
        Ok(())
    }

    /// Finishes the snapshot; answers what is to be said of it.
    fn snapshot(&self, journal: &Journal, outcome: Outcome) -> Vec<String> {
        match around::conclude(self.state, self.record, journal) {
            Ok(Some(id)) if outcome != Outcome::Applied => {
                let command = format!("orchestrate snapshot restore {id} --project {}", self.record.project);
                vec![format!("the data from before is in snapshot `{id}`: `{command}` would put it back")]
            }
            Ok(_) => Vec::new(),
            Err(error) => vec![format!("the snapshot `{}` could not be finished: {error}", self.record.id)],
        }
    }
}

impl Run<'_> {
    /// Runs it to its end, and says how it went.
    pub async fn execute(self, watcher: &mut dyn Watcher) -> Result<DeploymentReport, OpsError> {
        let clock = Clock::start();
        let record = self.record(clock);
        let setup = self.setup().await?;
        around::prepare(self.state, &record, self.plan, self.observed, &setup)?;
        let mut sealed = setup.clone();
        let sealer = self.state.sealer();
        sealed.visit_texts(&mut |text| text.seal(&sealer));
        fail_point(FailPoint::BeforeBegin);
        self.state.store.begin(&record, &sealed, &self.sealed_plan(&sealer))?;
        fail_point(FailPoint::AfterBegin);
        let engine = Engine::new(setup, clock.now());
        let execution = Execution {
            context: self.context,
            state: self.state,
            runtimes: self.runtimes,
            hold: self.hold,
            record: &record,
            scrubber: self.scrubber,
            arguments: self.arguments,
            keep_failed: self.options.keep_failed,
        };
        let report = execution.drive(engine, Chronicle::new(self.changes), clock, watcher).await?;
        if report.outcome == Outcome::Applied {
            let what = (&self.plan.project, self.plan.retain);
            // What cannot be forgotten now is forgotten the next time.
            drop(forget_old(self.state, self.runtimes, self.hold, what).await);
        }
        Ok(report)
    }

    async fn setup(&self) -> Result<Setup, OpsError> {
        let context = action::Context {
            deployment: self.deployment,
            salt_seed: crate::store::random_text(32),
            files_directory: self.state.directory.files().display().to_string(),
            snapshots: snapshots(self.state, self.changes, &self.plan.moved)?,
            snapshot_directory: around::directory(
                self.state,
                &self.plan.project,
                self.deployment,
                self.kind,
                self.options.no_snapshot,
            ),
            commands: self.commands()?,
            released_images: released_images(self.state, self.runtimes, (self.plan, self.kind), self.observed).await?,
        };
        let actions = action::build(self.plan, self.graph, self.changes, self.observed, &context);
        let options = Options {
            deployment: self.deployment,
            parallelism: self.options.parallelism.unwrap_or(self.plan.parallelism),
            strategy: match self.options.no_rollback {
                true => RollbackStrategy::Manual,
                false => self.plan.rollback.strategy,
            },
            keep_failed: self.options.keep_failed,
            timeout: Some(self.options.timeout.unwrap_or(LONGEST_DEPLOYMENT)),
            prelude: self.prelude.clone(),
            seed: random(),
        };
        Ok(Setup::new(self.plan, self.graph, self.changes, actions, options))
    }

    /// Hooks and tests are for bringing a plan about, not for taking everything away.
    fn commands(&self) -> Result<Option<action::CommandContext>, OpsError> {
        match self.kind {
            DeploymentKind::Apply | DeploymentKind::Rollback => Ok(Some(action::CommandContext {
                directory: self.plan_directory.display().to_string(),
                done: self.state.store.made_values(&self.plan.project)?.into_keys().collect(),
            })),
            DeploymentKind::Destroy => Ok(None),
        }
    }

    fn sealed_plan(&self, sealer: &Sealer) -> serde_json::Value {
        let mut sealed = self.plan.clone();
        sealed.visit_texts(&mut |text| text.seal(sealer));
        serde_json::to_value(&sealed).expect("a plan has only string keys")
    }

    fn record(&self, clock: Clock) -> DeploymentRecord {
        let counts = self.changes.counts();
        DeploymentRecord {
            id: self.deployment,
            kind: self.kind,
            project: self.plan.project.clone(),
            plan_name: self.plan.name.clone(),
            environment: self.plan.environment.clone(),
            plan_file: self.plan_file.to_owned(),
            author: self.context.author(),
            message: self.options.message.clone(),
            engine: engine_names(self.observed),
            started_at: clock.now(),
            ended_at: None,
            outcome: None,
            error: None,
            contents: BTreeMap::new(),
            summary: format!("+{} ±{} ~{} -{}", counts.create, counts.replace, counts.update, counts.remove),
            target: self.target.clone(),
            plan_directory: self.plan_directory.display().to_string(),
            runtimes: Some(to_remember(self.plan, self.observed)),
        }
    }
}

/// What the engines are called, with commas.
pub(super) fn engine_names(observed: &Observed) -> String {
    let names: Vec<&str> = observed.engines.values().map(|facts| facts.name.as_str()).collect();
    names.join(", ")
}

/// What a deployment that did not succeed made and did not take back.
pub(super) fn left_behind(
    journal: &Journal,
    outcome: Outcome,
    keep_failed: bool,
    deployment: DeploymentId,
) -> Vec<String> {
    let is_manual = outcome == Outcome::NeedsAttention && !journal.steps().any(|(_, step)| is_undone(&step.status));
    let mut left: Vec<String> = journal
        .steps()
        .filter(|(_, step)| matches!(&step.status, StepStatus::Succeeded | StepStatus::Intended))
        .filter_map(|(_, step)| match &*step.action {
            Action::CreateVolume { name, .. } => Some(format!("volume `{name}` was made and stays, it may hold data")),
            Action::PullImage { .. }
            | Action::BuildImage { .. }
            | Action::HoldImage { .. }
            | Action::ReleaseImage { .. } => None,
            Action::RunCommand { run } if run.kind == CommandKind::Hook => {
                let has_run = if step.status == StepStatus::Succeeded { "has run" } else { "may have run" };
                Some(format!("hook `{}` {has_run}: what it did stays", run.name))
            }
            Action::RunCommand { .. } => None,
            action if is_manual => Some(format!("done and left: {action}")),
            _ => None,
        })
        .collect();
    if outcome == Outcome::Applied {
        left.clear();
    }
    if keep_failed && outcome != Outcome::Applied {
        left.push(format!("bodies of failed instances are named `….failed-{deployment}`"));
    }
    left
}

fn is_undone(status: &StepStatus) -> bool {
    match status {
        StepStatus::UndoIntended | StepStatus::Undone | StepStatus::UndoFailed(_) => true,
        StepStatus::Intended | StepStatus::Succeeded | StepStatus::Failed(_) => false,
    }
}

pub(super) fn random() -> u64 {
    u64::from_le_bytes(crate::store::random_bytes().expect("the operating system gives random bytes"))
}
