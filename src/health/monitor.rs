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
    /// It failed for good: who asks the question has asked often enough, and says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_final: bool,
}

impl Answer {
    pub fn passed(text: impl Into<String>) -> Self {
        Self { has_passed: true, text: text.into(), is_final: false }
    }

    pub fn failed(text: impl Into<String>) -> Self {
        Self { has_passed: false, text: text.into(), is_final: false }
    }
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

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    Ready,
    /// It was ready, and failed too often in a row since.
    Lost,
}

/// One check of one instance, over time.
#[derive(Debug, Clone)]
pub struct Monitor {
    check: Check,
    started_at: Timestamp,
    passes_in_a_row: u32,
    failures_in_a_row: u32,
    phase: Phase,
    last: Option<(Timestamp, Answer)>,
}

impl Monitor {
    /// A check of an instance that started at `started_at`.
    pub fn new(check: Check, started_at: Timestamp) -> Self {
        Self { check, started_at, passes_in_a_row: 0, failures_in_a_row: 0, phase: Phase::Starting, last: None }
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
        } else {
            self.passes_in_a_row = 0;
            self.failures_in_a_row += 1;
        }
        if self.passes_in_a_row >= self.check.success_threshold.max(1) {
            self.phase = Phase::Ready;
        } else if self.has_lost(&answer) {
            self.phase = Phase::Lost;
        }
        self.last = Some((now, answer));
    }

    fn has_lost(&self, answer: &Answer) -> bool {
        match self.phase {
            Phase::Starting => answer.is_final,
            Phase::Ready => self.failures_in_a_row >= self.check.failure_threshold.max(1),
            Phase::Lost => true,
        }
    }

    pub fn verdict(&self, now: Timestamp) -> Verdict {
        match self.phase {
            Phase::Ready => Verdict::Passing,
            Phase::Lost => Verdict::Failing,
            Phase::Starting if now >= self.deadline() => Verdict::Failing,
            Phase::Starting => Verdict::Waiting,
        }
    }

    /// Until when it has to have become ready.
    pub fn deadline(&self) -> Timestamp {
        self.started_at + self.allowance()
    }

    /// How long it may take to become ready. The engine counts its interval from the end of one
    /// probe to the next, so its word takes longer by what the probes take.
    pub fn allowance(&self) -> Duration {
        let between = match self.check.kind {
            CheckKind::Engine => self.check.interval.0.saturating_add(self.check.timeout.0),
            CheckKind::Http(_) | CheckKind::Tcp(_) | CheckKind::Command(_) | CheckKind::File(_) | CheckKind::Log(_) => {
                self.check.interval.0
            }
        };
        self.check.start_period.0.saturating_add(between.saturating_mul(self.check.retries.max(1)))
    }

    /// When to ask next: soon at first, and less often the longer it takes.
    pub fn next_probe(&self, now: Timestamp) -> Timestamp {
        let Some((asked_at, answer)) = &self.last else { return now };
        let interval = self.check.interval.0;
        let is_settled = self.phase == Phase::Ready && answer.has_passed;
        let wait = if is_settled { interval.max(SHORTEST_WAIT) } else { self.impatient_wait(*asked_at) };
        (*asked_at + wait).max(now)
    }

    fn impatient_wait(&self, asked_at: Timestamp) -> Duration {
        let growing = asked_at.since(self.started_at) / 10;
        let wait = growing.min(self.check.interval.0).max(SHORTEST_WAIT);
        match self.check.kind {
            CheckKind::Command(_) => wait.max(SHORTEST_COMMAND_WAIT),
            CheckKind::Engine => wait.min(LONGEST_ENGINE_WAIT),
            CheckKind::Http(_) | CheckKind::Tcp(_) | CheckKind::File(_) | CheckKind::Log(_) => wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::EPOCH;

    fn at(millis: u64) -> Timestamp {
        START + Duration::from_millis(millis)
    }

    fn monitor(fields: &str) -> Monitor {
        Monitor::new(serde_json::from_str(&format!("{{{fields}}}")).unwrap(), START)
    }

    /// When an instance that never gets ready is asked, in microseconds, until its deadline. A probe
    /// takes no time.
    fn asked_at(fields: &str) -> Vec<u64> {
        let mut monitor = monitor(fields);
        let (mut now, mut asked) = (START, Vec::new());
        while monitor.verdict(now) == Verdict::Waiting {
            asked.push(now.since(START).as_micros() as u64);
            monitor.record(now, Answer::failed(""));
            now = monitor.next_probe(now);
        }
        asked
    }

    #[test]
    fn waits_grow_with_the_time_it_takes_up_to_the_interval() {
        let seconds: Vec<u64> = (0..5).map(|second| second * 1000).collect();
        let table = [
            (r#""tcp": {"port": 1}, "interval": "20ms""#, vec![0, 10, 20, 30, 40, 50]),
            (r#""tcp": {"port": 1}, "interval": "2ms""#, vec![0]),
            (r#""tcp": {"port": 1}, "interval": "0s", "start_period": "25ms""#, vec![0, 10, 20]),
            (r#""command": ["true"], "interval": "100ms", "start_period": "4700ms""#, seconds.clone()),
            (r#""command": ["true"], "interval": "2s", "start_period": "0s", "retries": 2"#, seconds[..4].to_vec()),
        ];
        for (fields, expected) in table {
            let asked: Vec<u64> = asked_at(fields).into_iter().map(|micros| micros / 1000).collect();
            assert_eq!(asked, expected, "{fields}");
        }
        // From a tenth of what has passed to the interval: quick at first, patient later.
        let asked = asked_at(r#""http": {"port": 1}, "interval": "2s", "start_period": "24s""#);
        let waits: Vec<u64> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(waits[..10], [10_000; 10]);
        assert!(
            waits.is_sorted() && waits.iter().zip(&asked).all(|(wait, at)| *wait == (at / 10).clamp(10_000, 2_000_000))
        );
        assert_eq!((asked.len(), *waits.last().unwrap()), (71, 2_000_000));
    }

    #[test]
    fn the_engine_s_healthcheck_is_looked_up_at_least_four_times_a_second() {
        let mut monitor = monitor(r#""tcp": {"port": 1}, "start_period": "1h""#);
        monitor.check.kind = CheckKind::Engine;
        monitor.record(at(60_000), Answer::failed(""));
        assert_eq!(monitor.next_probe(at(60_000)), at(60_250));
    }

    #[test]
    fn the_engine_has_the_time_that_its_probes_take_and_the_last_word() {
        let mut monitor = monitor(r#""tcp": {"port": 1}, "interval": "2s", "timeout": "1s", "retries": 3"#);
        monitor.check.kind = CheckKind::Engine;
        assert_eq!(monitor.deadline(), at(9000));
        monitor.record(at(7000), Answer::failed("starting"));
        assert_eq!(monitor.verdict(at(7000)), Verdict::Waiting);
        monitor.record(at(7500), Answer { is_final: true, ..Answer::failed("unhealthy") });
        assert_eq!(monitor.verdict(at(7500)), Verdict::Failing);
    }

    #[test]
    fn the_deadline_is_the_start_period_and_all_retries() {
        let table = [
            (r#""interval": "1s", "retries": 3"#, 3000),
            (r#""interval": "1s", "retries": 3, "start_period": "10s""#, 13_000),
            (r#""interval": "1s", "retries": 0"#, 1000),
            ("", 30_000),
        ];
        for (fields, deadline) in table {
            let comma = if fields.is_empty() { "" } else { "," };
            let monitor = monitor(&format!(r#""tcp": {{"port": 1}}{comma} {fields}"#));
            assert_eq!(monitor.deadline(), at(deadline), "{fields}");
            assert_eq!(monitor.verdict(at(deadline - 1)), Verdict::Waiting, "{fields}");
            assert_eq!(monitor.verdict(at(deadline)), Verdict::Failing, "{fields}");
        }
        let endless =
            r#""tcp": {"port": 1}, "interval": "2000000h", "retries": 4294967295, "start_period": "2000000h""#;
        assert_eq!(monitor(endless).verdict(at(1 << 40)), Verdict::Waiting);
    }

    /// Answers a second apart, `+` and `-`, each followed by the verdict after it: `w`aiting,
    /// `p`assing or `f`ailing. The deadline is after the fifth.
    #[test]
    fn answers_in_a_row_decide() {
        let table = [
            ("", "-w-w+p+p-p-p-f-f+p"),
            // Flapping below the threshold stays passing.
            ("", "+p-p-p+p-p-p+p-p-p+p"),
            (r#""failure_threshold": 1"#, "+p-f+p-f"),
            (r#""failure_threshold": 0"#, "+p-f"),
            (r#""success_threshold": 2"#, "+w-w+w+p-p+p"),
            // What was lost needs as many as what starts.
            (r#""success_threshold": 2, "failure_threshold": 2"#, "+w+p-p-f+f+p-p+p"),
            (r#""success_threshold": 2"#, "+w-w+w-w+f-f+f+p"),
            // In the start period too, what was ready and is no longer has failed.
            (r#""start_period": "1h", "failure_threshold": 2"#, "-w-w-w-w-w-w+p-p-f"),
            ("", "-w-w-w-w-f-f+p"),
        ];
        for (fields, expected) in table {
            let comma = if fields.is_empty() { "" } else { "," };
            let timing = r#""interval": "1s", "retries": 5"#;
            let mut monitor = monitor(&format!(r#""tcp": {{"port": 1}}, {timing}{comma} {fields}"#));
            let mut found = String::new();
            for (index, sign) in expected.chars().step_by(2).enumerate() {
                let now = at(1000 * (index as u64 + 1));
                monitor.record(now, Answer { has_passed: sign == '+', ..Answer::failed(sign) });
                assert_eq!(monitor.last_answer().unwrap().text, sign.to_string());
                found.push(sign);
                found.push(match monitor.verdict(now) {
                    Verdict::Waiting => 'w',
                    Verdict::Passing => 'p',
                    Verdict::Failing => 'f',
                });
            }
            assert_eq!(found, expected, "{fields}");
        }
    }

    #[test]
    fn what_is_ready_is_asked_every_interval_and_what_fails_sooner() {
        let mut monitor = monitor(r#""tcp": {"port": 1}, "interval": "10s""#);
        assert_eq!(monitor.next_probe(at(5)), at(5));
        monitor.record(at(1000), Answer::passed(""));
        assert_eq!(monitor.next_probe(at(1000)), at(11_000));
        assert_eq!(monitor.next_probe(at(20_000)), at(20_000));
        monitor.record(at(11_000), Answer::failed(""));
        assert_eq!(monitor.next_probe(at(11_000)), at(12_100));
    }
}
