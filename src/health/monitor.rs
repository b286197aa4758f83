use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    plan::{Check, CheckKind},
    time::Timestamp,
};

/// What one probe saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub has_passed: bool,
    /// What was seen, one line, cleaned and bounded: `status 503, expected 200`.
    pub text: String,
}

/// What a check's answers add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not ready yet, and still in time.
    Waiting,
    Passing,
    /// Not ready in time, or no longer.
    Failing,
}

/// The first wait, and the least: a probe costs a fraction of a millisecond.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);
/// Commands cost a process each, so they are asked at most this often.
const SHORTEST_COMMAND_WAIT: Duration = Duration::from_secs(1);
/// The engine's healthcheck is only looked up, but no more often than the eye can tell.
const LONGEST_ENGINE_WAIT: Duration = Duration::from_millis(250);

/// One check of one instance, over time.
#[derive(Debug, Clone)]
pub struct Monitor {
    check: Check,
    started_at: Timestamp,
    passes_in_a_row: u32,
    failures_in_a_row: u32,
    has_been_ready: bool,
    last: Option<(Timestamp, Answer)>,
}

impl Monitor {
    /// A check of an instance that started at `started_at`.
    pub fn new(check: Check, started_at: Timestamp) -> Self {
        Self { check, started_at, passes_in_a_row: 0, failures_in_a_row: 0, has_been_ready: false, last: None }
    }

    pub fn check(&self) -> &Check {
        &self.check
    }

    pub fn last_answer(&self) -> Option<&Answer> {
        self.last.as_ref().map(|(_, answer)| answer)
    }

    /// Takes an answer that came at `now`.
    pub fn record(&mut self, now: Timestamp, answer: Answer) {
        if answer.has_passed {
            self.passes_in_a_row += 1;
            self.failures_in_a_row = 0;
            self.has_been_ready |= self.passes_in_a_row >= self.check.success_threshold;
        } else {
            self.passes_in_a_row = 0;
            self.failures_in_a_row += 1;
        }
        self.last = Some((now, answer));
    }

    pub fn verdict(&self, now: Timestamp) -> Verdict {
        if self.has_been_ready {
            let has_failed = self.failures_in_a_row >= self.check.failure_threshold;
            return if has_failed { Verdict::Failing } else { Verdict::Passing };
        }
        if now >= self.deadline() { Verdict::Failing } else { Verdict::Waiting }
    }

    /// Until when it has to have become ready.
    pub fn deadline(&self) -> Timestamp {
        self.started_at + self.allowance()
    }

    /// How long it may take to become ready.
    pub fn allowance(&self) -> Duration {
        self.check.start_period.0 + self.check.interval.0.saturating_mul(self.check.retries.max(1))
    }

    /// When to ask next: soon at first, and less often the longer it takes.
    pub fn next_probe(&self, now: Timestamp) -> Timestamp {
        let Some((asked_at, answer)) = &self.last else { return now };
        let interval = self.check.interval.0;
        let is_settled = self.has_been_ready && answer.has_passed;
        let wait = if is_settled { interval } else { self.impatient_wait(*asked_at).min(interval) };
        (*asked_at + wait).max(now)
    }

    fn impatient_wait(&self, asked_at: Timestamp) -> Duration {
        let wait = (asked_at.since(self.started_at) / 10).max(SHORTEST_WAIT);
        match self.check.kind {
            CheckKind::Command(_) => wait.max(SHORTEST_COMMAND_WAIT),
            CheckKind::Engine => wait.min(LONGEST_ENGINE_WAIT),
            CheckKind::Http(_) | CheckKind::Tcp(_) | CheckKind::File(_) | CheckKind::Log(_) => wait,
        }
    }
}
