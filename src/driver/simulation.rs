use std::collections::BTreeMap;

use crate::{
    engine::{Engine, Input, Output},
    event::Moment,
    journal::{Entry, Outcome},
    runtime::simulated::World,
    time::Timestamp,
};

/// What came of a simulated run.
#[derive(Debug)]
pub struct Simulation {
    /// `None` if it was cut off.
    pub outcome: Option<Outcome>,
    pub moments: Vec<Moment>,
    /// What is durable of its journal: its own entries.
    pub entries: Vec<Entry>,
    pub ended_at: Timestamp,
}

/// A run is cut off after so many inputs: a bound on what an engine that loops could do.
const MOST_INPUTS: usize = 10_000_000;

/// Runs a deployment to its end in virtual time.
///
/// # Panics
/// If the engine neither ends nor waits for anything.
pub fn simulate(engine: &mut Engine, world: &mut World, start: Timestamp) -> Simulation {
    simulate_until(engine, world, start, usize::MAX)
}

/// [`simulate`], cut off after so many writes and calls, as if the process had been killed there:
/// what was written is durable, what was called has taken effect, and nobody heard the answer.
pub fn simulate_until(engine: &mut Engine, world: &mut World, start: Timestamp, cut_off_after: usize) -> Simulation {
    let mut run = Run {
        world,
        now: start,
        sequence: 0,
        queue: BTreeMap::new(),
        moments: Vec::new(),
        entries: Vec::new(),
        left: cut_off_after,
    };
    for _ in 0..MOST_INPUTS {
        match run.carry_out(engine) {
            Carried::Waits => {}
            Carried::Ended(outcome) => return run.close(Some(outcome)),
            Carried::CutOff => return run.close(None),
        }
        let next = run.queue.first_key_value().map(|((at, _), _)| *at);
        let input = match (next, engine.next_wake()) {
            (Some(at), wake) if wake.is_none_or(|wake| at <= wake) => {
                let ((at, _), input) = run.queue.pop_first().expect("the queue has a first entry");
                run.now = run.now.max(at);
                input
            }
            (_, Some(wake)) => {
                run.now = run.now.max(wake);
                Input::Woken
            }
            (_, None) => panic!("the engine waits for nothing and has not ended"),
        };
        engine.handle(run.now, input);
    }
    panic!("the engine has not ended after {MOST_INPUTS} inputs");
}

/// How far the engine's outputs were carried out.
enum Carried {
    /// All of them: it waits for something.
    Waits,
    Ended(Outcome),
    CutOff,
}

struct Run<'w> {
    world: &'w mut World,
    now: Timestamp,
    /// Keeps what is due at the same moment in the order in which it was said.
    sequence: u64,
    queue: BTreeMap<(Timestamp, u64), Input>,
    moments: Vec<Moment>,
    entries: Vec<Entry>,
    /// The writes and calls until it is cut off.
    left: usize,
}

impl Run<'_> {
    fn close(self, outcome: Option<Outcome>) -> Simulation {
        Simulation { outcome, moments: self.moments, entries: self.entries, ended_at: self.now }
    }

    /// Does all that the engine says.
    fn carry_out(&mut self, engine: &mut Engine) -> Carried {
        let mut recorded = None;
        loop {
            while let Some(output) = engine.poll() {
                if matches!(output, Output::Record(_) | Output::Perform { .. }) {
                    let Some(left) = self.left.checked_sub(1) else { return Carried::CutOff };
                    self.left = left;
                }
                match output {
                    Output::Record(entry) => {
                        recorded = Some(entry.number);
                        self.entries.push(entry);
                    }
                    Output::Perform { step, runtime, action } => {
                        let performance = self.world.perform(self.now, runtime, &action);
                        self.later(self.now + performance.takes, Input::Performed { step, result: performance.result });
                        for (at, event) in performance.later {
                            self.later(at, Input::Happened(event));
                        }
                    }
                    Output::Probe { monitor, check, instance } => {
                        let answer = self.world.probe(self.now, &check, &instance.id);
                        self.later(self.now, Input::Probed { monitor, answer });
                    }
                    Output::Inspect { slot, id, .. } => {
                        let result = Ok(self.world.inspect(self.now, &id).map(Box::new));
                        self.later(self.now, Input::Inspected { slot, result });
                    }
                    Output::Preserve { .. } => self.later(self.now, Input::Preserved),
                    Output::Emit(event) => self.moments.push(Moment { at: self.now, event }),
                    Output::Done(outcome) => return Carried::Ended(outcome),
                }
            }
            let Some(number) = recorded.take() else { return Carried::Waits };
            engine.handle(self.now, Input::Recorded { number });
        }
    }

    fn later(&mut self, at: Timestamp, input: Input) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), input);
    }
}
