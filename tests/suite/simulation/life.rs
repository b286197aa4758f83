//! One process's life: from its first move until the run ends, or it is killed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use orchestrate::{
    action::{Action, Effect, InstanceHandle, StepId},
    engine::{Engine, Input, MonitorId, Output},
    event::Event,
    health::Answer,
    journal::{Entry, Outcome, Record},
    observed::{Fault, Instance, InstanceState, RuntimeEvent},
    plan::{Check, RuntimeKind},
    secret::Text,
    store::Store as _,
    time::Timestamp,
};

use super::{
    invariants,
    kinds::kind,
    mutation::Mutation,
    oracle::Oracle,
    rig::Rig,
    watchdog::Invariant,
    weather::{Fate, Weather},
};

/// What a process can be killed before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// An intent is durable.
    Entry,
    /// The intent is durable, the call was not made.
    Effect,
    /// The call has had its effect, the answer was not heard.
    Answer,
    /// The answer was heard, and is not durable.
    Outcome,
    /// Any other entry is durable.
    Other,
}

/// When a process is killed beyond what the weather does: after so many points; never if there is
/// no number.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cut(pub Option<usize>);

pub enum Lived {
    Ended(Outcome),
    CutOff,
}

enum Delivery {
    Answer { step: StepId, action: Arc<Action>, result: Result<Effect, Fault> },
    Probed { monitor: MonitorId, id: String, label: String, answer: Answer },
    Inspected { slot: u32, instance: Option<Box<Instance>> },
    Preserved,
    Happened { event: RuntimeEvent, is_repeated: bool },
}

/// A bound on inputs, far above what any of these runs needs.
const MOST_INPUTS: usize = 200_000;

pub struct Life<'r> {
    rig: &'r mut Rig,
    engine: Engine,
    oracle: Oracle,
    weather: &'r Weather,
    cut: Cut,
    queue: BTreeMap<(Timestamp, u64), Delivery>,
    sequence: u64,
    /// What a wrong engine has put off.
    put_off: Option<(RuntimeKind, Arc<Action>)>,
}

/// The process is killed here.
struct Killed;

impl<'r> Life<'r> {
    pub fn new(rig: &'r mut Rig, engine: Engine, oracle: Oracle, weather: &'r Weather, cut: Cut) -> Self {
        Self { rig, engine, oracle, weather, cut, queue: BTreeMap::new(), sequence: 0, put_off: None }
    }

    pub fn live(mut self) -> (Lived, Oracle) {
        for _ in 0..MOST_INPUTS {
            match self.carry_out() {
                Err(Killed) => return (Lived::CutOff, self.oracle),
                Ok(Some(outcome)) => return (Lived::Ended(outcome), self.oracle),
                Ok(None) => {}
            }
            match self.next_input() {
                Err(Killed) => return (Lived::CutOff, self.oracle),
                Ok(Some(input)) => self.engine.handle(self.rig.shown(), input),
                Ok(None) => {
                    let hangs = || Err("it waits for nothing, and has not ended".to_owned());
                    self.rig.watchdog.check(Invariant::EveryRunEnds, hangs);
                    return (Lived::CutOff, self.oracle);
                }
            }
        }
        self.rig
            .watchdog
            .check(Invariant::EveryRunEnds, || Err(format!("it has not ended after {MOST_INPUTS} inputs")));
        (Lived::CutOff, self.oracle)
    }

    /// Whether the process is killed at this point.
    fn survives(&mut self, point: Point, action: Option<&Action>) -> Result<(), Killed> {
        if let Some(after) = self.cut.0 {
            let Some(left) = after.checked_sub(1) else { return Err(Killed) };
            self.cut.0 = Some(left);
            self.oracle.points.push((point, action.map(kind)));
        }
        match self.rig.dice.chance(self.weather.crash) {
            true => Err(Killed),
            false => Ok(()),
        }
    }

    fn carry_out(&mut self) -> Result<Option<Outcome>, Killed> {
        loop {
            let mut recorded = None;
            while let Some(output) = self.engine.poll() {
                match output {
                    Output::Record(entry) => recorded = Some(self.write(entry)?),
                    Output::Perform { step, runtime, action } => self.perform(step, runtime, action)?,
                    Output::Probe { monitor, check, instance } => self.probe(monitor, &check, &instance),
                    Output::Inspect { slot, id, .. } => self.inspect(slot, &id),
                    Output::Preserve { .. } => self.later(Duration::ZERO, Delivery::Preserved),
                    Output::Emit(event) => self.tell(&event),
                    Output::Done(outcome) => return Ok(Some(outcome)),
                }
            }
            let Some(number) = recorded else { return Ok(None) };
            self.engine.handle(self.rig.shown(), Input::Recorded { number });
        }
    }

    /// Writes an entry down; answers its number.
    fn write(&mut self, entry: Entry) -> Result<u64, Killed> {
        let number = entry.number;
        let step_of = |step: StepId| self.oracle.intents.get(&step).cloned();
        let (point, action) = match &entry.record {
            Record::Intended { action, .. } | Record::UndoIntended { action, .. } => {
                (Point::Entry, Some(action.clone()))
            }
            Record::Succeeded { step, .. }
            | Record::Failed { step, .. }
            | Record::UndoSucceeded { step }
            | Record::UndoFailed { step, .. } => (Point::Outcome, step_of(*step)),
            Record::Abandoned { .. } | Record::Committed | Record::Ended { .. } | Record::Resumed { .. } => {
                (Point::Other, None)
            }
        };
        self.survives(point, action.as_deref())?;
        if self.rig.has(Mutation::SkipsEntry)
            && matches!(entry.record, Record::Intended { .. })
            && number.is_multiple_of(3)
        {
            return Ok(number);
        }
        let mut sealed = entry.clone();
        if self.rig.has(Mutation::WritesSecrets) {
            sealed.visit_texts(&mut |text| {
                if let Text::Secret(secret) = text {
                    *text = Text::Plain(secret.expose().to_owned());
                }
            });
        }
        sealed.visit_texts(&mut |text| text.seal(&self.rig.sealer));
        if self.rig.is_closely_watched(Invariant::NoSecretSeen) {
            let written = serde_json::to_string(&sealed).expect("it can be written");
            self.rig.watchdog.check(Invariant::NoSecretSeen, || invariants::no_secret_seen("an entry", &written));
        }
        if self.rig.transcript.is_readable() {
            let written = serde_json::to_string(&sealed).expect("it can be written");
            self.rig.transcript.line(format_args!("  {written}"));
        }
        self.rig.transcript.line(format_args!("record {number} {point:?}"));
        let appended = self.rig.store.append(self.oracle.setup.options.deployment, &[sealed]);
        let learnt = appended.map_err(|error| error.to_string()).and_then(|()| self.oracle.learn(&entry));
        let (oracle, world) = (&self.oracle, &self.rig.world);
        self.rig.watchdog.check(Invariant::JournalAgreesWithWorld, || {
            learnt?;
            invariants::journal_agrees_with_world(oracle, world)
        });
        Ok(number)
    }

    fn perform(&mut self, step: StepId, runtime: RuntimeKind, action: Arc<Action>) -> Result<(), Killed> {
        self.survives(Point::Effect, Some(&action))?;
        let action = self.redirected(action);
        self.watch_call(step, &action);
        self.oracle.in_flight += 1;
        if self.is_only_said_to_be_done(step, runtime, &action) {
            self.later(Duration::from_millis(5), Delivery::Answer { step, action, result: Ok(Effect::Done) });
            return Ok(());
        }
        let call = action.to_string();
        let fate = self.fate(&call);
        if let Action::RunCommand { run } = action.as_ref()
            && !run.is_idempotent
            && (fate.takes_effect || fate.fault.as_ref().is_some_and(|fault| fault.is_outcome_unknown))
        {
            self.oracle.has_run.insert(step);
        }
        if self.earlier_is_kept() {
            self.rig.earlier = Some(Box::new(self.rig.world.clone()));
        }
        let calls = self.rig.world.calls.len();
        let takes;
        let mut result =
            Err(fate.fault.clone().unwrap_or_else(|| Fault::new(orchestrate::diagnostic::Class::Network, "", "")));
        if fate.takes_effect {
            let mut performed = self.rig.world.perform(self.rig.now, runtime, &self.as_performed(&action));
            takes = performed.takes * (50 + self.rig.dice.below(150) as u32) / 100;
            self.oracle.effects += self.rig.world.calls.len() - calls;
            if let (Ok(Effect::Started { .. }), Action::Start { instance, .. }) = (&performed.result, action.as_ref()) {
                self.oracle.started.insert(instance.slot);
            }
            for (at, event) in performed.later.drain(..) {
                self.happens(at, event);
            }
            if fate.fault.is_none() {
                result = performed.result;
            }
        } else {
            takes = Duration::from_millis(3);
        }
        self.rig.transcript.line(format_args!("perform {call}: {}", if result.is_ok() { "ok" } else { "fails" }));
        self.later(takes, Delivery::Answer { step, action: action.clone(), result });
        self.meddle(runtime, &action);
        Ok(())
    }

    /// What has to hold whenever a call is made.
    fn watch_call(&mut self, step: StepId, action: &Action) {
        let (oracle, rig) = (&self.oracle, &mut *self.rig);
        let (now, world, dog) = (rig.now, &mut rig.world, &mut rig.watchdog);
        dog.check(Invariant::EffectsAreIntended, || invariants::effects_are_intended(oracle, step, action));
        dog.check(Invariant::EffectsAreIntended, || invariants::runs_at_most_once(oracle, step, action));
        dog.check(Invariant::DataStays, || invariants::data_stays(oracle, action));
        dog.check(Invariant::ForeignStays, || invariants::foreign_stays(oracle, world, action));
        dog.check(Invariant::OrderAndParallelism, || {
            invariants::order_and_parallelism(oracle, world, now, step, action)
        });
    }

    /// What becomes of a call.
    fn fate(&mut self, call: &str) -> Fate {
        if let Some(fate) = self.rig.lasting.get(call) {
            self.rig.counts.fault("lasting");
            return fate.clone();
        }
        let fate = self.weather.fate(&mut self.rig.dice);
        if fate.fault.is_some() {
            self.rig.counts.fault(
                match (fate.fault.as_ref().is_some_and(|it| it.is_outcome_unknown), fate.takes_effect) {
                    (false, _) => "refused",
                    (true, true) => "answer_lost",
                    (true, false) => "request_lost",
                },
            );
            if self.rig.dice.chance(self.weather.lasting) {
                self.rig.lasting.insert(call.to_owned(), fate.clone());
            }
        }
        fate
    }

    fn earlier_is_kept(&mut self) -> bool {
        self.weather.stale > 0 && self.rig.dice.chance(50)
    }

    /// What others do to the world, after a call.
    fn meddle(&mut self, runtime: RuntimeKind, action: &Action) {
        let rig = &mut *self.rig;
        if rig.dice.chance(self.weather.vanish) {
            let ours: Vec<(String, super::belief::Key)> = rig
                .world
                .instances()
                .filter(|instance| instance.identity.project == self.oracle.plan.project)
                .map(|instance| (instance.id.clone(), super::belief::key(&instance.identity)))
                .collect();
            if !ours.is_empty() {
                let (id, key) = rig.dice.pick(&ours).clone();
                rig.counts.fault("removed_by_someone");
                rig.transcript.line(format_args!("someone removes {id}"));
                rig.world.vanish(&id);
                self.oracle.removed.insert(key);
            }
        }
        if rig.dice.chance(self.weather.daemon) {
            rig.counts.fault("daemon_restarted");
            rig.transcript.line(format_args!("the daemon restarts"));
            rig.world.restart_daemon(rig.now);
            self.oracle.is_daemon_restarted = true;
            rig.disturbed.extend(self.oracle.plan.services.keys().map(ToString::to_string));
        }
        if rig.has(Mutation::RemovesEarly) && matches!(action, Action::Start { .. }) {
            let retired = rig.world.instances().find(|instance| instance.name.contains(".old-"));
            if let Some(id) = retired.map(|instance| instance.id.clone()) {
                let instance = InstanceHandle { slot: 0, name: String::new(), id: Some(id) };
                rig.world.perform(rig.now, runtime, &Action::Remove { instance, made_by: None });
            }
        }
        if rig.has(Mutation::RemovesVolumes) && self.oracle.journal.failure().is_some() {
            let volumes: Vec<String> = rig.world.volumes().keys().cloned().collect();
            for name in volumes {
                rig.world.perform(rig.now, runtime, &Action::RemoveVolume { name });
            }
        }
    }

    /// What a wrong engine does instead of a call.
    fn is_only_said_to_be_done(&mut self, step: StepId, runtime: RuntimeKind, action: &Arc<Action>) -> bool {
        let is_undo = self
            .oracle
            .journal
            .step(step)
            .is_some_and(|step| matches!(step.status, orchestrate::journal::StepStatus::UndoIntended));
        match self.rig.mutation {
            Some(Mutation::InverseLeftOut) => is_undo && matches!(**action, Action::Rename { .. }),
            Some(Mutation::ForgetsPolicy) => is_undo && matches!(**action, Action::SetRestartPolicy { .. }),
            Some(Mutation::ForgetsLimits) => matches!(**action, Action::SetLimits { .. }),
            Some(Mutation::StopsLate) => {
                if let (Action::Start { .. }, Some((runtime, stop))) = (&**action, self.put_off.take()) {
                    self.rig.world.perform(self.rig.now, runtime, &stop);
                }
                let is_stop = matches!(**action, Action::Stop { .. }) && !is_undo;
                if is_stop {
                    self.put_off = Some((runtime, action.clone()));
                }
                is_stop
            }
            _ => false,
        }
    }

    /// The action as a wrong engine means it.
    fn redirected(&self, action: Arc<Action>) -> Arc<Action> {
        match action.as_ref() {
            Action::Stop { instance, grace } if self.rig.has(Mutation::StopsForeign) => {
                let instance = InstanceHandle { id: Some("foreign".to_owned()), ..instance.clone() };
                Arc::new(Action::Stop { instance, grace: *grace })
            }
            _ => action,
        }
    }

    /// The action as a wrong engine performs it.
    fn as_performed(&self, action: &Arc<Action>) -> Arc<Action> {
        let mut performed = action.clone();
        if self.rig.has(Mutation::WrongLabel)
            && let Action::Create { spec, .. } = Arc::make_mut(&mut performed)
        {
            let mut document = spec.document.as_ref().clone();
            document["service"]["hostname"] = "elsewhere".into();
            spec.document = Arc::new(document);
        }
        performed
    }

    fn probe(&mut self, monitor: MonitorId, check: &Check, instance: &Instance) {
        let answer = self.rig.world.probe(self.rig.now, check, &instance.id);
        let told = match self.rig.has(Mutation::ProbesLie) {
            true => Answer::passed("it is well"),
            false => answer.clone(),
        };
        let (id, label) = (instance.id.clone(), check.label());
        // The oracle hears what is true.
        let label = if answer.has_passed { label } else { String::new() };
        let takes = Duration::from_micros(self.rig.dice.below(2000) as u64);
        self.later(takes, Delivery::Probed { monitor, id, label, answer: told });
    }

    fn inspect(&mut self, slot: u32, id: &str) {
        let is_stale = self.rig.earlier.is_some() && self.rig.dice.chance(self.weather.stale);
        let (now, world) = (self.rig.now, &mut self.rig.world);
        let mut instance = world.inspect(now, id);
        if is_stale {
            self.rig.counts.fault("stale_look");
            instance = self.rig.earlier.as_mut().and_then(|earlier| earlier.inspect(now, id));
        }
        let takes = Duration::from_micros(self.rig.dice.below(1000) as u64);
        self.later(takes, Delivery::Inspected { slot, instance: instance.map(Box::new) });
    }

    fn tell(&mut self, event: &Event) {
        if matches!(event, Event::Warning { .. }) {
            self.oracle.warnings += 1;
        }
        let is_closely_watched = self.rig.is_closely_watched(Invariant::NoSecretSeen);
        if is_closely_watched || self.rig.transcript.is_readable() {
            let told = serde_json::to_string(event).expect("it can be written");
            self.rig.watchdog.check(Invariant::NoSecretSeen, || invariants::no_secret_seen("an event", &told));
            if self.rig.transcript.is_readable() {
                self.rig.transcript.line(format_args!("{} {told}", self.rig.shown()));
            }
        }
    }

    /// The runtime tells what happened, unless the event is lost; perhaps twice.
    fn happens(&mut self, at: Timestamp, event: RuntimeEvent) {
        if self.rig.dice.chance(self.weather.lose_event) {
            self.rig.counts.fault("event_lost");
            return;
        }
        if self.rig.dice.chance(self.weather.repeat_event) {
            self.rig.counts.fault("event_repeated");
            let after = at.since(self.rig.now) + Duration::from_millis(self.rig.dice.below(2000) as u64);
            self.later(after, Delivery::Happened { event: event.clone(), is_repeated: true });
        }
        self.later(at.since(self.rig.now), Delivery::Happened { event, is_repeated: false });
    }

    fn later(&mut self, after: Duration, delivery: Delivery) {
        self.sequence += 1;
        self.queue.insert((self.rig.now + after, self.sequence), delivery);
    }

    /// What the engine hears next: `None` if there is nothing that it waits for.
    fn next_input(&mut self) -> Result<Option<Input>, Killed> {
        if self.rig.dice.chance(self.weather.cancel) {
            self.rig.counts.fault("interrupted");
            self.rig.transcript.line(format_args!("interrupted"));
            return Ok(Some(Input::Cancelled));
        }
        if self.rig.dice.chance(self.weather.jump) {
            let jumps = [-3_600_000_000, -5_000_000, -1000, 1000, 2_000_000, 7_200_000_000];
            self.rig.skew += *self.rig.dice.pick(&jumps);
            self.rig.counts.fault("clock_jumped");
        }
        loop {
            let due = self.queue.first_key_value().map(|((at, _), _)| *at);
            let wake = self.engine.next_wake();
            // The world's time at which the orchestrator's clock shows what it waits for.
            let wake = wake.map(|wake| Timestamp::from_micros(wake.as_micros() - self.rig.skew));
            match (due, wake) {
                (Some(at), wake) if wake.is_none_or(|wake| at <= wake) => {
                    self.rig.now = self.rig.now.max(at);
                    let (_, delivery) = self.queue.pop_first().expect("the queue has a first entry");
                    if let Some(input) = self.deliver(delivery)? {
                        return Ok(Some(input));
                    }
                }
                (_, Some(wake)) => {
                    self.rig.now = self.rig.now.max(wake);
                    return Ok(Some(Input::Woken));
                }
                (_, None) => return Ok(None),
            }
        }
    }

    fn deliver(&mut self, delivery: Delivery) -> Result<Option<Input>, Killed> {
        Ok(Some(match delivery {
            Delivery::Answer { step, action, result } => {
                if self.rig.has(Mutation::SwallowsAnswers) && step.0 % 4 == 3 {
                    return Ok(None);
                }
                self.survives(Point::Answer, Some(&action))?;
                self.oracle.in_flight -= 1;
                Input::Performed { step, result }
            }
            Delivery::Probed { monitor, id, label, answer } => {
                self.oracle.passed.entry(id).or_default().insert(label);
                Input::Probed { monitor, answer }
            }
            Delivery::Inspected { slot, instance } => {
                if let Some(instance) = instance.as_ref().filter(|instance| instance.has_completed()) {
                    self.oracle.completed.insert(instance.id.clone());
                }
                Input::Inspected { slot, result: Ok(instance) }
            }
            Delivery::Preserved => Input::Preserved,
            Delivery::Happened { event, is_repeated } => {
                let RuntimeEvent::Exited { id, code, .. } = &event else { return Ok(Some(Input::Happened(event))) };
                let found = self.rig.world.inspect(self.rig.now, id);
                let is_true = found.is_some_and(|instance| {
                    matches!(instance.state, InstanceState::Exited { .. }) || instance.restart_count > 0
                });
                if !is_true && !is_repeated {
                    return Ok(None);
                }
                if *code == 0 && is_true {
                    self.oracle.completed.insert(id.clone());
                }
                Input::Happened(event)
            }
        }))
    }
}
