use std::collections::{BTreeMap, BTreeSet};

use super::{
    Context, OpsError, Project, Watcher,
    context::State,
    hold::Hold,
    put_right::PuttingRight,
    run::{Execution, RunOptions, new_deployment},
    stored::open_texts,
    unfinished::{Last, last},
};
use crate::{
    action::Effect,
    driver::Clock,
    engine::{Engine, Setup, cut_off},
    journal::{DeploymentRecord, Direction, Journal, Unfinished},
    name::{ProjectName, ServiceName},
    plan::{RuntimeKind, TargetDocument},
    report::{Chronicle, DeploymentReport},
    secret::Scrubber,
    store::Store as _,
};

/// What to bring to its end, and how.
#[derive(Debug, Clone)]
pub struct RecoverRequest {
    pub direction: Direction,
    pub run: RunOptions,
}

/// A project's last deployment, which has not come to its end.
pub(super) struct CutOff {
    pub record: DeploymentRecord,
    pub journal: Journal,
    pub stands: Unfinished,
}

impl CutOff {
    /// Whether it is ended by whatever comes next. What has ended and needs attention is not: it is
    /// a person's to decide.
    pub fn is_to_be_ended(&self) -> bool {
        match self.stands {
            Unfinished::Underway | Unfinished::Abandoned | Unfinished::Committed => true,
            Unfinished::NeedsAttention => false,
        }
    }
}

/// Brings a deployment to its end that was cut off: back, or forward if that is asked for. Past
/// its commit point it is on with the cleanup. `None` if there is none.
///
/// # Errors
/// If someone else holds the lock, the journal is damaged, or a runtime
/// cannot be asked. How the deployment ended is in its report.
pub async fn recover(
    context: &Context,
    project: &Project,
    request: &RecoverRequest,
    watcher: &mut dyn Watcher,
) -> Result<Option<DeploymentReport>, OpsError> {
    let Project { state, name, target, .. } = project;
    let (hold, runtimes) = Hold::of_project(context, project, new_deployment(), request.run.message.as_ref()).await?;
    let putting = PuttingRight { context, state, runtimes: &runtimes, target, hold: &hold, project: name };
    let ended = putting.put_right(request.direction, true, watcher).await;
    hold.release().await;
    ended
}

/// The project's last deployment, if it has not come to its end. The caller holds the lock, or
/// knows that whoever does may still be at it.
pub(super) fn find_cut_off(state: &State, project: &ProjectName) -> Result<Option<CutOff>, OpsError> {
    match last(state, project)? {
        Last::Ended => Ok(None),
        Last::CutOff(cut_off) => Ok(Some(*cut_off)),
        Last::Damaged { record, reason } => Err(damaged(&record, &reason)),
        Last::Unclosed { record, end } => {
            state.store.finish(record.id, &end)?;
            Ok(None)
        }
    }
}

/// What the services that a deployment started ran.
pub(super) fn started_contents(journal: &Journal) -> BTreeMap<ServiceName, String> {
    let effects = journal.steps().filter_map(|(_, step)| step.effect.as_ref());
    let started = effects.filter_map(|effect| match effect {
        Effect::Started { instance } => Some((instance.identity.service.clone(), instance.image_id.clone())),
        Effect::Done | Effect::AlreadySo | Effect::Created { .. } | Effect::Saved { .. } | Effect::Ran { .. } => None,
    });
    started.filter(|(_, content)| !content.is_empty()).collect()
}

/// Brings it to its end. The caller holds the lock.
pub(super) async fn bring_to_its_end(
    context: &Context,
    state: &State,
    target: &TargetDocument,
    hold: &Hold,
    cut_off_deployment: CutOff,
    direction: Direction,
    watcher: &mut dyn Watcher,
) -> Result<DeploymentReport, OpsError> {
    let CutOff { record, mut journal, stands: _ } = cut_off_deployment;
    let clock = Clock::start();
    let (setup, scrubber) = stored_setup(state, &record, &mut journal)?;
    let needed: BTreeSet<RuntimeKind> = setup.actions.steps.iter().map(|step| step.runtime).collect();
    // What it began it began on its own engine, whatever the environment says by now.
    let target = if record.target.host.is_some() { &record.target } else { target };
    let runtimes = context.runtimes(state, &record.project, target, &needed)?;
    let chronicle = Chronicle::resumed(&setup);
    let engine = Engine::resume(setup, journal, direction, cut_off(), clock.now())
        .map_err(|error| OpsError::Missing(format!("deployment `{}` cannot be resumed: {error}", record.id)))?;
    let execution = Execution {
        context,
        state,
        runtimes: &runtimes,
        hold,
        record: &record,
        scrubber: &scrubber,
        arguments: String::new(),
        keep_failed: false,
    };
    execution.drive(engine, chronicle, clock, watcher).await
}

/// What the deployment was given. Its secrets are opened, and those of its journal: what takes a step
/// back is made from there.
fn stored_setup(
    state: &State,
    record: &DeploymentRecord,
    journal: &mut Journal,
) -> Result<(Setup, Scrubber), OpsError> {
    let mut setup = state.store.setup(record.id)?.ok_or_else(|| damaged(record, "what it was to do is not there"))?;
    let opened = open_texts(state, |visit| {
        setup.visit_texts(visit);
        journal.visit_texts(visit);
    });
    let scrubber = opened.map_err(|error| damaged(record, &error.to_string()))?;
    Ok((setup, scrubber))
}

fn damaged(record: &DeploymentRecord, reason: &str) -> OpsError {
    OpsError::Missing(format!("deployment `{}` cannot be brought to its end from its journal: {reason}", record.id))
}
