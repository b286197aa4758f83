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
    pub outcome: Outcome,
    pub moments: Vec<Moment>,
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
    let mut run =
        Run { world, now: start, sequence: 0, queue: BTreeMap::new(), moments: Vec::new(), entries: Vec::new() };
    for _ in 0..MOST_INPUTS {
        if let Some(outcome) = run.carry_out(engine) {
            return Simulation { outcome, moments: run.moments, entries: run.entries, ended_at: run.now };
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

struct Run<'w> {
    world: &'w mut World,
    now: Timestamp,
    /// Keeps what is due at the same moment in the order in which it was said.
    sequence: u64,
    queue: BTreeMap<(Timestamp, u64), Input>,
    moments: Vec<Moment>,
    entries: Vec<Entry>,
}

impl Run<'_> {
    /// Does all that the engine says; answers the outcome if it has ended.
    fn carry_out(&mut self, engine: &mut Engine) -> Option<Outcome> {
        let mut recorded = None;
        loop {
            while let Some(output) = engine.poll() {
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
                    Output::Done(outcome) => return Some(outcome),
                }
            }
            engine.handle(self.now, Input::Recorded { number: recorded.take()? });
        }
    }

    fn later(&mut self, at: Timestamp, input: Input) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), input);
    }
}
