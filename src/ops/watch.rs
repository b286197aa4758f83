use std::ops::ControlFlow;

use tokio::sync::oneshot;

use super::{
    Context, OpsError, Project,
    context::State,
    run::left_behind,
    show::find_deployment,
    unfinished::{Last, cut_off_report, is_running, last, owner},
};
use crate::{
    diagnostic::Class,
    driver::Clock,
    engine::Setup,
    event::{Event, Moment},
    journal::{Journal, Outcome},
    name::{DeploymentId, ProjectName},
    observed::Fault,
    report::{Chronicle, DeploymentReport, Ending, UnfinishedReport},
    store::{DeploymentRecord, EventReader, EventWatch, StateDirectory, Store as _},
};

/// What to watch.
pub enum WatchTarget {
    /// The deployment whose id begins so.
    Deployment(String),
    /// The one of this project that runs.
    Project(Box<Project>),
}

/// Hears each event; breaks off when nobody wants to hear more.
pub type OnEvent<'a> = dyn FnMut(&Moment) -> ControlFlow<()> + Send + 'a;

/// How what was watched ended.
#[derive(Debug)]
pub enum Watched {
    /// Its outcome is in the record; what there is to report, if its events told of its end.
    Ended { record: Box<DeploymentRecord>, report: Option<Box<DeploymentReport>> },
    /// Nobody is at it any more, and it has not come to its end.
    CutOff(Box<UnfinishedReport>),
    /// None is running; the project's last, if it has one.
    Idle(Option<Box<DeploymentRecord>>),
    /// Nobody wanted to hear more.
    BrokenOff,
}

/// Follows a deployment that another process runs, from its first event to its end. Writes nothing,
/// and holds up nobody.
///
/// # Errors
/// If there is no such deployment, or its events cannot be followed.
pub async fn watch(context: &Context, target: WatchTarget, on_event: &mut OnEvent<'_>) -> Result<Watched, OpsError> {
    let (state, project, named) = match target {
        WatchTarget::Project(project) => (project.state, project.name, None),
        WatchTarget::Deployment(id) => {
            let state = context.state()?;
            let record = find_deployment(&state, &id)?;
            (state, record.project, Some(record.id))
        }
    };
    // Before the first look, so that nothing is missed between the two.
    let changes = state.directory.watch_events().map_err(unwatchable)?;
    let Some(deployment) = named.map_or_else(|| running(&state, &project), |id| Ok(Some(id)))? else {
        return Ok(match cut_off_report(&state, &project, Clock::start().now())? {
            Some(cut_off) => Watched::CutOff(Box::new(cut_off)),
            None => Watched::Idle(state.store.last_deployment(&project)?.map(Box::new)),
        });
    };
    let mut following = Following::new(&state, &project, deployment, named.is_some());
    following.follow(&changes, on_event).await
}

/// The project's deployment that someone is at: also one that is only about to begin.
fn running(state: &State, project: &ProjectName) -> Result<Option<DeploymentId>, OpsError> {
    match state.store.last_deployment(project)? {
        Some(last) if is_running(state, &last)? => Ok(Some(last.id)),
        Some(_) | None => Ok(owner(state, project)?.map(|owner| owner.deployment)),
    }
}

struct Following<'a> {
    state: &'a State,
    project: &'a ProjectName,
    deployment: DeploymentId,
    /// It was asked for by its id; otherwise what follows it under the same lock is watched as well.
    is_named: bool,
    reader: EventReader,
    /// All that was read.
    moments: Vec<Moment>,
    ended: Option<Outcome>,
    /// How the one before it ended: it may be that nothing comes after that.
    before: Option<Box<Watched>>,
}

impl<'a> Following<'a> {
    fn new(state: &'a State, project: &'a ProjectName, deployment: DeploymentId, is_named: bool) -> Self {
        let reader = state.directory.event_reader(deployment);
        Self { state, project, deployment, is_named, reader, moments: Vec::new(), ended: None, before: None }
    }

    async fn follow(&mut self, changes: &EventWatch, on_event: &mut OnEvent<'_>) -> Result<Watched, OpsError> {
        let mut released: Option<oneshot::Receiver<()>> = None;
        loop {
            // In this order: what is written before the lock is let go is read after it was held.
            let is_running = self.is_running()?;
            if self.read(on_event)?.is_break() {
                return Ok(Watched::BrokenOff);
            }
            if let Some(next) = self.next()? {
                let before = Some(Box::new(self.end()?));
                *self = Self { before, ..Self::new(self.state, self.project, next, false) };
                continue;
            }
            if self.ended.is_some() || !is_running {
                return self.end();
            }
            let wait = released.get_or_insert_with(|| on_release(&self.state.directory, self.project));
            let is_released = tokio::select! {
                changed = changes.changed() => changed.map(|()| false).map_err(unwatchable)?,
                _ = wait => true,
            };
            if is_released {
                // Someone else may have it by now.
                released = None;
            }
        }
    }

    /// Whether someone is at it, or about to begin it.
    fn is_running(&self) -> Result<bool, OpsError> {
        match self.state.store.last_deployment(self.project)? {
            Some(last) if last.id == self.deployment => is_running(self.state, &last),
            Some(_) | None => Ok(self.owned_by_its_owner()?),
        }
    }

    fn owned_by_its_owner(&self) -> Result<bool, OpsError> {
        Ok(owner(self.state, self.project)?.is_some_and(|owner| owner.deployment == self.deployment))
    }

    fn read(&mut self, on_event: &mut OnEvent<'_>) -> Result<ControlFlow<()>, OpsError> {
        loop {
            let moments = self.reader.read_on().map_err(unwatchable)?;
            if moments.is_empty() {
                return Ok(ControlFlow::Continue(()));
            }
            for moment in moments {
                if on_event(&moment).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                self.ended = match &moment.event {
                    Event::DeploymentCompleted { outcome, .. } | Event::DeploymentFailed { outcome, .. } => {
                        Some(*outcome)
                    }
                    Event::DeploymentResumed { .. } => None,
                    _ => self.ended,
                };
                self.moments.push(moment);
            }
        }
    }

    /// The deployment that was to begin, once the one that was cut off before it was brought to its
    /// end.
    fn next(&self) -> Result<Option<DeploymentId>, OpsError> {
        if self.is_named || self.ended.is_none_or(|outcome| outcome == Outcome::NeedsAttention) {
            return Ok(None);
        }
        let owner = owner(self.state, self.project)?.map(|owner| owner.deployment);
        Ok(owner.filter(|owner| *owner != self.deployment))
    }

    fn end(&mut self) -> Result<Watched, OpsError> {
        let Some(record) = self.state.store.deployment(self.deployment)? else {
            let before = self.before.take().map(|before| *before);
            return Ok(before.unwrap_or(Watched::Idle(None)));
        };
        let closed = match (self.ended, record.outcome) {
            (Some(outcome), _) => DeploymentRecord { outcome: Some(outcome), ..record },
            (None, Some(_)) => record,
            (None, None) => match last(self.state, self.project)? {
                Last::Unclosed { record: mut closed, end } if closed.id == record.id => {
                    closed.close(end);
                    *closed
                }
                Last::Ended | Last::Unclosed { .. } | Last::CutOff(_) | Last::Damaged { .. } => {
                    let report = cut_off_report(self.state, self.project, Clock::start().now())?;
                    let report = report.filter(|report| report.deployment == record.id);
                    let unknown = || UnfinishedReport::running(&record, Clock::start().now());
                    return Ok(Watched::CutOff(Box::new(report.unwrap_or_else(unknown))));
                }
            },
        };
        let report = self.ended.map(|outcome| self.report(&closed, outcome)).transpose()?.flatten();
        Ok(Watched::Ended { record: Box::new(closed), report: report.map(Box::new) })
    }

    /// The report, as whoever ran it has it; `None` where too little of it is kept.
    fn report(&self, record: &DeploymentRecord, outcome: Outcome) -> Result<Option<DeploymentReport>, OpsError> {
        let store = &self.state.store;
        let Some(setup) = store.setup(record.id)? else { return Ok(None) };
        let Ok(journal) = Journal::replay(&store.entries(record.id)?) else { return Ok(None) };
        let mut chronicle = Chronicle::resumed(&setup);
        self.moments.iter().for_each(|moment| chronicle.record(moment));
        let Setup { options, .. } = &setup;
        Ok(Some(chronicle.close(Ending {
            deployment: Some(record.id),
            plan: record.plan_name.clone(),
            environment: record.environment.clone(),
            engine: record.engine.clone(),
            outcome,
            evidence: store.evidence(record.id)?,
            arguments: format!("--project {}", record.project),
            left: left_behind(&journal, outcome, options.keep_failed, record.id),
        })))
    }
}

/// Tells when nobody holds the project's lock. The kernel tells a thread that waits for it, which
/// ends with the lock's owner, or with this process.
fn on_release(directory: &StateDirectory, project: &ProjectName) -> oneshot::Receiver<()> {
    let (tell, told) = oneshot::channel();
    let (directory, project) = (directory.clone(), project.clone());
    std::thread::spawn(move || {
        if directory.wait_for_lock(&project).is_ok() {
            // Nobody may be watching any more.
            let _ = tell.send(());
        }
    });
    told
}

fn unwatchable(error: std::io::Error) -> OpsError {
    let text = format!("the events of deployments cannot be followed: {error}");
    Fault::new(Class::Resource, "unwatchable", text).hint("`orchestrate history` tells how it ends").into()
}
