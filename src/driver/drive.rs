use std::{path::Path, sync::Arc};

use futures_util::{StreamExt as _, stream::BoxStream};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{Clock, FailPoint, LockKeeper, evidence, fail_point};
use crate::{
    action::{Action, Effect},
    engine::{Engine, Input, Output},
    event::{Event, Moment},
    journal::{Entry, Outcome, Record},
    name::{DeploymentId, ProjectName},
    observed::{Fault, RuntimeEvent},
    probe::probe,
    runtime::{Progress, Runtime},
    secret::{Scrubber, Sealer},
    store::{EngineLockError, Store, StoreError},
};

/// What a run is connected with.
pub struct Connections<'a> {
    pub runtime: Arc<dyn Runtime>,
    pub store: Arc<dyn Store>,
    pub sealer: &'a Sealer,
    pub scrubber: &'a Scrubber,
    pub project: &'a ProjectName,
    pub deployment: DeploymentId,
    /// Where relative paths of checks start.
    pub plan_directory: &'a Path,
    pub clock: Clock,
    /// The project's lock on its engine, if it has one.
    pub lock: Option<&'a LockKeeper>,
    /// The commit point is written down with the lock. Not where a deployment is taken back from
    /// labels: then it has none.
    pub is_commit_told: bool,
    /// Cancelled when someone wants the run to stop and go back.
    pub interrupt: CancellationToken,
    pub on_event: &'a mut (dyn FnMut(&Moment) + Send),
}

/// Why a run was cut off.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    #[error("its journal cannot be written")]
    Journal(#[from] StoreError),
    #[error("its lock cannot be relied on")]
    Lock(#[from] EngineLockError),
}

/// Progress messages that may wait to be shown; more are dropped, they only count upwards.
const MOST_PROGRESS: usize = 64;

/// Runs a deployment to its end.
///
/// # Errors
/// If the journal cannot be written, or the lock is another's: then nothing new is begun, and what
/// is under way is waited for. The world is as the journal's last entries say.
pub async fn drive(engine: &mut Engine, connections: Connections<'_>) -> Result<Outcome, DriveError> {
    let events = connections.runtime.watch(connections.project).await;
    let (progress, progress_heard) = mpsc::channel(MOST_PROGRESS);
    let mut drive = Drive { connections, tasks: JoinSet::new(), progress };
    let result =
        drive.run(engine, events.unwrap_or_else(|_| futures_util::stream::empty().boxed()), progress_heard).await;
    match &result {
        Ok(_) => drive.tasks.shutdown().await,
        Err(_) => while drive.tasks.join_next().await.is_some() {},
    }
    result
}

struct Drive<'a> {
    connections: Connections<'a>,
    tasks: JoinSet<Input>,
    progress: mpsc::Sender<Progress>,
}

impl Drive<'_> {
    async fn run(
        &mut self,
        engine: &mut Engine,
        mut events: BoxStream<'static, RuntimeEvent>,
        mut progress: mpsc::Receiver<Progress>,
    ) -> Result<Outcome, DriveError> {
        let clock = self.connections.clock;
        let mut is_interrupted = false;
        let mut has_events = true;
        loop {
            if let Some(outcome) = self.carry_out(engine).await? {
                return Ok(outcome);
            }
            let wake = engine.next_wake();
            let input = tokio::select! {
                Some(joined) = self.tasks.join_next() => finished(joined),
                event = events.next(), if has_events => match event {
                    Some(event) => Input::Happened(event),
                    None => {
                        has_events = false;
                        continue;
                    }
                },
                Some(heard) = progress.recv() => {
                    let event = self.progress_event(heard);
                    self.tell(event);
                    continue;
                }
                () = lost(self.connections.lock) => {
                    // What was lost is looked at: the error says to whom.
                    self.rely_on_lock().await?;
                    continue;
                }
                () = self.connections.interrupt.cancelled(), if !is_interrupted => {
                    is_interrupted = true;
                    Input::Cancelled
                }
                () = sleep_until(clock, wake) => Input::Woken,
            };
            engine.handle(clock.now(), input);
            // What else has come in by now goes into the same write to the journal.
            while let Some(joined) = self.tasks.try_join_next() {
                engine.handle(clock.now(), finished(joined));
            }
        }
    }

    /// Does all that the engine says; answers the outcome if it has ended.
    async fn carry_out(&mut self, engine: &mut Engine) -> Result<Option<Outcome>, DriveError> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            while let Some(output) = engine.poll() {
                match output {
                    Output::Record(entry) => entries.push(entry),
                    Output::Emit(event) => self.tell(event),
                    Output::Done(outcome) => return Ok(Some(outcome)),
                    Output::Perform { .. } => {
                        self.rely_on_lock().await?;
                        if engine.journal().is_committed() {
                            fail_point(FailPoint::InCleanup);
                        }
                        self.begin(output);
                    }
                    other => self.begin(other),
                }
            }
            let Some(last) = entries.last() else { return Ok(None) };
            let number = last.number;
            for entry in &mut entries {
                entry.visit_texts(&mut |text| text.seal(self.connections.sealer));
            }
            if entries.iter().any(is_ending) {
                fail_point(FailPoint::BeforeEnding);
            }
            fail_point(FailPoint::BeforeAppend);
            let Connections { store, deployment, .. } = &self.connections;
            let lock = self.connections.lock.filter(|_| self.connections.is_commit_told);
            let has_commit = entries.iter().any(is_commit);
            // The commit point is the lock's word, which other hosts can read; the journal repeats it. All
            // that comes before is written down first, so that one who hears of it can go on from there.
            if let (Some(lock), Some(at)) = (lock, entries.iter().position(is_commit)) {
                let before: Vec<Entry> = entries.drain(..at).collect();
                if !before.is_empty() {
                    store.append(*deployment, &before)?;
                }
                fail_point(FailPoint::BeforeLockCommit);
                lock.mark_committed(*deployment).await?;
                fail_point(FailPoint::BetweenCommits);
            }
            store.append(*deployment, &entries)?;
            fail_point(FailPoint::AfterAppend);
            if has_commit {
                fail_point(FailPoint::AfterCommit);
            }
            entries.clear();
            engine.handle(self.connections.clock.now(), Input::Recorded { number });
        }
    }

    fn progress_event(&self, progress: Progress) -> Event {
        match progress {
            Progress::Pull { image, current_bytes, total_bytes } => {
                Event::PullProgress { image, current: current_bytes, total: total_bytes }
            }
            Progress::Build { image, step, steps, text } => {
                Event::BuildProgress { image, step, steps, text: self.connections.scrubber.line(&text) }
            }
        }
    }

    /// Nothing is done under a lock that may be another's.
    async fn rely_on_lock(&self) -> Result<(), EngineLockError> {
        match self.connections.lock {
            Some(lock) => lock.before_acting().await,
            None => Ok(()),
        }
    }

    fn tell(&mut self, event: Event) {
        let at = self.connections.clock.now();
        (self.connections.on_event)(&Moment { at, event });
    }

    /// Begins what takes time; its end comes back as an input.
    fn begin(&mut self, output: Output) {
        let runtime = self.connections.runtime.clone();
        match output {
            Output::Perform { step, runtime: kind, action } => {
                let (progress, scrubber) = (self.progress.clone(), self.connections.scrubber.clone());
                let (store, deployment) = (self.connections.store.clone(), self.connections.deployment);
                self.tasks.spawn(async move {
                    // A watcher that falls behind misses steps, not the end.
                    let tell = move |message| drop(progress.try_send(message));
                    fail_point(FailPoint::BeforePerform);
                    let result = runtime.perform(kind, &action, &tell).await;
                    fail_point(FailPoint::AfterPerform);
                    let result = result.map(|effect| quietened(effect, &scrubber)).map_err(|fault| {
                        let fault = scrubbed(fault, &scrubber);
                        if let Some(evidence) = evidence::of_build(&action, &fault) {
                            drop(store.keep_evidence(deployment, &evidence));
                        }
                        match *action {
                            // Its last lines are all that is kept of a command.
                            Action::RunCommand { .. } => fault,
                            _ => Fault { output: Vec::new(), ..fault },
                        }
                    });
                    Input::Performed { step, result }
                });
            }
            Output::Probe { monitor, check, instance } => {
                let (directory, scrubber) =
                    (self.connections.plan_directory.to_owned(), self.connections.scrubber.clone());
                self.tasks.spawn(async move {
                    let mut answer = probe(&check, &instance, runtime.as_ref(), &directory).await;
                    answer.text = scrubber.line(&answer.text);
                    Input::Probed { monitor, answer }
                });
            }
            Output::Inspect { slot, runtime: kind, id } => {
                self.tasks.spawn(async move {
                    Input::Inspected { slot, result: runtime.inspect(kind, &id).await.map(|found| found.map(Box::new)) }
                });
            }
            Output::Preserve { service, slot: _, runtime: kind, id, probes } => {
                let (scrubber, store) = (self.connections.scrubber.clone(), self.connections.store.clone());
                let deployment = self.connections.deployment;
                self.tasks.spawn(async move {
                    let evidence = evidence::gather(runtime.as_ref(), kind, service, &id, probes, &scrubber).await;
                    // Going back matters more than the traces: if they cannot be kept, they are not.
                    drop(store.keep_evidence(deployment, &evidence));
                    Input::Preserved
                });
            }
            Output::Record(_) | Output::Emit(_) | Output::Done(_) => {
                unreachable!("these are carried out at once")
            }
        }
    }
}

fn is_commit(entry: &Entry) -> bool {
    matches!(entry.record, Record::Committed)
}

fn is_ending(entry: &Entry) -> bool {
    matches!(entry.record, Record::Ended { .. })
}

async fn lost(lock: Option<&LockKeeper>) {
    match lock {
        Some(lock) => lock.lost().await,
        None => std::future::pending().await,
    }
}

fn finished(joined: Result<Input, tokio::task::JoinError>) -> Input {
    match joined {
        Ok(input) => input,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// What a command wrote, without secrets.
fn quietened(effect: Effect, scrubber: &Scrubber) -> Effect {
    match effect {
        Effect::Ran { output } => Effect::Ran { output: output.iter().map(|line| scrubber.line(line)).collect() },
        effect => effect,
    }
}

fn scrubbed(fault: Fault, scrubber: &Scrubber) -> Fault {
    let output = fault.output.iter().map(|line| scrubber.line(line)).collect();
    Fault { text: scrubber.line(&fault.text), output, ..fault }
}

async fn sleep_until(clock: Clock, wake: Option<crate::time::Timestamp>) {
    match wake {
        Some(moment) => tokio::time::sleep(clock.until(moment)).await,
        None => std::future::pending().await,
    }
}
