use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{
    Context, OpsError, Watcher,
    context::State,
    hold::Hold,
    look::wanted,
    past::refuse_unreachable,
    recover::{CutOff, bring_to_its_end, find_cut_off},
    run::{engine_names, random},
    shared::push_ended,
    snapshot::cut_off::start_again,
    stored::{StoredPlan, stored_plan},
};
use crate::{
    action::{Actions, put_right},
    diagnostic::Class,
    driver::{Clock, Connections, FailPoint, drive, fail_point},
    engine::{Engine, Options, Setup},
    event::{Event, Moment},
    journal::{DeploymentEnd, DeploymentRecord, Direction, Entry, Outcome, Record, Unfinished},
    name::{DeploymentId, ProjectName, ServiceName},
    observed::{Fault, Observed, Reached, UnfinishedDeployment},
    plan::{Plan, Retry, RollbackStrategy, Schedule, Service, TargetDocument},
    report::{Chronicle, DeploymentReport, Ending},
    runtime::{Observe as _, Runtimes},
    secret::Scrubber,
    store::{DeploymentKind, MemoryStore, Store as _},
};

/// Where things are put right, and how.
pub(super) struct PuttingRight<'a> {
    pub context: &'a Context,
    pub state: &'a State,
    pub runtimes: &'a Runtimes,
    pub target: &'a TargetDocument,
    pub hold: &'a Hold,
    pub project: &'a ProjectName,
}

/// A client that was killed may have called just before, and its engine does that yet, after the first
/// look, if it is busy: so the world is looked at again until there is nothing left to do. Each look
/// makes another such call less likely; what comes later still, the next deployment sees.
const MOST_LOOKS_AGAIN: usize = 3;

impl PuttingRight<'_> {
    /// [Puts right](Self::put_right) what is half done, back, before something new begins. Answers the
    /// report of what could not be put right, so that nothing is built on it.
    ///
    /// # Errors
    /// As there.
    pub async fn before_anything_else(&self, watcher: &mut dyn Watcher) -> Result<Option<DeploymentReport>, OpsError> {
        let report = self.put_right(Direction::Back, false, watcher).await?;
        Ok(report.filter(|report| report.outcome == Outcome::NeedsAttention))
    }

    /// Puts right whatever earlier deployments of the project left half done: the one of this host
    /// from its journal, in the direction that is asked for; those of other hosts, or whose journal
    /// is lost, back, from names and labels. The caller holds the lock. What has ended and needs
    /// attention is only tried again if `is_asked`. Answers the report of the last one.
    ///
    /// # Errors
    /// If a runtime or the state fails.
    pub async fn put_right(
        &self,
        direction: Direction,
        is_asked: bool,
        watcher: &mut dyn Watcher,
    ) -> Result<Option<DeploymentReport>, OpsError> {
        let Self { context, state, runtimes: _, target, hold, project } = self;
        let mut report = None;
        if let Some(found) = find_cut_off(state, project)?.filter(|found| is_asked || found.is_to_be_ended()) {
            let deployment = found.record.id;
            fail_point(FailPoint::CutOffFound);
            match is_settled_elsewhere(state, hold, &found).await? {
                true => self.close_elsewhere(&found).await?,
                false => {
                    let found = self.as_lock_says(found).await?;
                    let ended = bring_to_its_end(context, state, target, hold, found, direction, watcher).await?;
                    if ended.outcome == Outcome::NeedsAttention {
                        return Ok(Some(ended));
                    }
                    report = Some(ended);
                }
            }
            fail_point(FailPoint::BeforeSettled);
            hold.settle(deployment).await;
        }
        let work = state.directory.snapshots(project).work()?;
        for left in hold.unfinished().await {
            let is_of_data = work.as_ref().is_some_and(|work| work.id.deployment() == left.deployment);
            if is_of_data || left.reached == Reached::Restoring {
                continue;
            }
            let known = state.store.deployment(left.deployment)?;
            // It came to its end here; only its lock was never given back.
            if known.as_ref().is_none_or(|record| record.outcome.is_none()) {
                report = Some(self.by_labels(left, known, watcher).await?);
            }
            hold.settle(left.deployment).await;
        }
        if let Some(work) = work.filter(|work| !work.is_in_doubt()) {
            start_again(state, self.runtimes, project, &work).await?;
            hold.settle(work.id.deployment()).await;
        }
        Ok(report)
    }

    /// Puts a deployment right of which only the lock, names and labels tell.
    async fn by_labels(
        &self,
        left: UnfinishedDeployment,
        known: Option<DeploymentRecord>,
        watcher: &mut dyn Watcher,
    ) -> Result<DeploymentReport, OpsError> {
        let Self { state, runtimes, hold, project, .. } = *self;
        let clock = Clock::start();
        let plan = StoredPlan::nothing(project, known.as_ref()).plan;
        let in_force = self.in_force(left.deployment)?;
        let record = known.clone().unwrap_or_else(|| record(&plan, left, clock));
        let (observed, setup) = self.look(&plan, left, &in_force).await?;
        let mut chronicle = Chronicle::resumed(&setup);
        self.run(&setup, &record, clock, &mut |moment| {
            let moment = as_resumed(moment);
            chronicle.record(&moment);
            watcher.event(&moment);
        })
        .await?;
        for _ in 0..MOST_LOOKS_AGAIN {
            let (_, again) = self.look(&plan, left, &in_force).await?;
            if again.actions.steps.is_empty() {
                break;
            }
            self.run(&again, &record, clock, &mut |_| {}).await?;
        }
        fail_point(FailPoint::PutRightByLabels);
        let (outcome, error) = match left.reached {
            Reached::Commit => (Outcome::Applied, None),
            Reached::BeforeCommit | Reached::Restoring => (Outcome::RolledBack, Some(put_right_by_labels())),
        };
        if known.is_none() {
            state.store.begin(&record, &setup, &serde_json::Value::Null)?;
        }
        let end = DeploymentEnd { at: clock.now(), outcome, error, contents: BTreeMap::new() };
        state.store.finish(left.deployment, &end)?;
        let untold = push_ended(state, runtimes, hold, &record).await;
        Ok(chronicle.close(Ending {
            deployment: Some(left.deployment),
            plan: plan.name.clone(),
            environment: plan.environment.clone(),
            engine: engine_names(&observed),
            outcome,
            evidence: Vec::new(),
            arguments: String::new(),
            left: untold.into_iter().collect(),
        }))
    }

    /// What is there, and what puts it right.
    async fn look(
        &self,
        plan: &Plan,
        left: UnfinishedDeployment,
        in_force: &BTreeMap<ServiceName, Arc<Service>>,
    ) -> Result<(Observed, Setup), OpsError> {
        let observed = self.runtimes.observe(&wanted(plan)).await?;
        refuse_unreachable(&observed)?;
        let actions = put_right(&observed.instances, left.deployment, left.reached, in_force);
        Ok((observed, setup(plan, actions, left)))
    }

    /// Does what puts a deployment right.
    async fn run(
        &self,
        setup: &Setup,
        record: &DeploymentRecord,
        clock: Clock,
        on_event: &mut (dyn FnMut(&Moment) + Send),
    ) -> Result<(), OpsError> {
        let Self { context, state, runtimes, target: _, hold, project } = *self;
        // It can be found out again from what is there, so its journal need not outlive it.
        let journal = Arc::new(MemoryStore::default());
        journal.begin(record, setup, &serde_json::Value::Null)?;
        let mut engine = Engine::new(setup.clone(), clock.now());
        let connections = Connections {
            runtime: Arc::new(runtimes.clone()),
            store: journal,
            sealer: &state.sealer(),
            scrubber: &Scrubber::new([]),
            project,
            deployment: record.id,
            plan_directory: Path::new("/"),
            clock,
            lock: hold.keeper.as_ref(),
            is_commit_told: false,
            interrupt: context.interrupt.clone(),
            on_event,
        };
        let driven = drive(&mut engine, connections).await;
        let driven = driven.map_err(|source| OpsError::CutOff { deployment: record.id, source })?;
        if driven != Outcome::Applied {
            let text = format!("deployment `{}` was cut off elsewhere, and cannot be put right", record.id);
            let why = engine.failure().cloned();
            return Err(why.unwrap_or_else(|| Fault::new(Class::Deployment, "not-put-right", text)).into());
        }
        Ok(())
    }
}

impl PuttingRight<'_> {
    /// What the lock says of the commit point counts, since other hosts go by it: cut off between
    /// the two, the journal learns of it first.
    async fn as_lock_says(&self, mut found: CutOff) -> Result<CutOff, OpsError> {
        let deployment = found.record.id;
        let is_past = |left: &UnfinishedDeployment| left.deployment == deployment && left.reached == Reached::Commit;
        if found.stands != Unfinished::Underway || !self.hold.unfinished().await.iter().any(is_past) {
            return Ok(found);
        }
        let at = Clock::start().now();
        let committed = Entry { number: found.journal.next_number(), at, record: Record::Committed };
        self.state.store.append(deployment, std::slice::from_ref(&committed))?;
        let damaged = |error: &dyn std::fmt::Display| OpsError::Missing(format!("deployment `{deployment}`: {error}"));
        found.journal.append(&committed).map_err(|error| damaged(&error))?;
        found.stands = Unfinished::Committed;
        Ok(found)
    }

    /// Closes what another host put right, and tells the engine what only this one knows: its plan.
    async fn close_elsewhere(&self, found: &CutOff) -> Result<(), OpsError> {
        let outcome = if found.journal.is_committed() { Outcome::Applied } else { Outcome::RolledBack };
        let text = "the deployment was cut off, and another host put it right";
        let error = Some(Fault::new(Class::Deployment, "put-right-elsewhere", text));
        let end = DeploymentEnd { at: Clock::start().now(), outcome, error, contents: BTreeMap::new() };
        self.state.store.finish(found.record.id, &end)?;
        // Without it other hosts know as much as before.
        drop(push_ended(self.state, self.runtimes, self.hold, &found.record).await);
        Ok(())
    }

    /// The services of the last deployment before this one that succeeded and whose plan is known: what
    /// the engine keeps of history has been brought in by now. Of one that was put right by labels there
    /// is no plan.
    fn in_force(&self, cut_off: DeploymentId) -> Result<BTreeMap<ServiceName, Arc<Service>>, OpsError> {
        let records = self.state.store.deployments(Some(self.project))?;
        let mut succeeded =
            records.iter().filter(|record| record.outcome == Some(Outcome::Applied) && record.id != cut_off);
        // Without one less is known; what is there is put right all the same.
        let stored = succeeded.find_map(|record| stored_plan(self.state, record).ok());
        Ok(stored.map(|stored| stored.plan.services).unwrap_or_default())
    }
}

fn put_right_by_labels() -> Fault {
    let text = "the deployment was cut off, and taken back from what names and labels say";
    Fault::new(Class::Deployment, "cut-off", text)
}

/// It has begun elsewhere: here it goes on.
fn as_resumed(moment: &Moment) -> Moment {
    let event = match moment.event.clone() {
        Event::DeploymentStarted { deployment, plan, environment, services } => {
            Event::DeploymentResumed { deployment, plan, environment, services, direction: Direction::Back }
        }
        event => event,
    };
    Moment { at: moment.at, event }
}

/// Whether another host has put right what this host's journal still calls unfinished: it took the
/// lock over, and the lock does not name it any more.
async fn is_settled_elsewhere(state: &State, hold: &Hold, found: &CutOff) -> Result<bool, OpsError> {
    // What ended here and needs attention gave its lock back; nobody else has heard of it.
    if !found.is_to_be_ended() {
        return Ok(false);
    }
    let Some(keeper) = &hold.keeper else { return Ok(false) };
    let setup = state.store.setup(found.record.id)?;
    let uses_engine = setup.is_some_and(|setup| setup.uses_engine());
    let lock = keeper.lock().await;
    let is_named = lock.unfinished().iter().any(|left| left.deployment == found.record.id);
    Ok(uses_engine && !hold.is_first && !is_named)
}

fn setup(plan: &Plan, actions: Actions, left: UnfinishedDeployment) -> Setup {
    Setup {
        plan_name: plan.name.clone(),
        environment: plan.environment.clone(),
        actions,
        services: Vec::new(),
        retry: Retry::default(),
        schedule: Schedule::default(),
        options: Options {
            deployment: left.deployment,
            parallelism: Plan::PARALLELISM,
            // What fails half-way is not undone again: the next one goes on with it.
            strategy: RollbackStrategy::Manual,
            keep_failed: false,
            timeout: None,
            prelude: Vec::new(),
            seed: random(),
        },
    }
}

/// All that is known of a deployment that another host began.
fn record(plan: &Plan, left: UnfinishedDeployment, clock: Clock) -> DeploymentRecord {
    DeploymentRecord {
        id: left.deployment,
        kind: DeploymentKind::Apply,
        project: plan.project.clone(),
        plan_name: plan.name.clone(),
        environment: plan.environment.clone(),
        plan_file: String::new(),
        plan_directory: Default::default(),
        author: "another host".to_owned(),
        message: None,
        engine: String::new(),
        target: TargetDocument::default(),
        runtimes: None,
        started_at: clock.now(),
        ended_at: None,
        outcome: None,
        error: None,
        contents: BTreeMap::new(),
        summary: String::new(),
    }
}
