use std::time::Duration;

use crate::{plan::RestartPolicy, time::Backoff};

/// The wait before a restart: long enough not to spin, short enough not to be noticed once.
const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(100), max: Duration::from_secs(10) };

/// Having run so long, it counts as having started well, and a later end as a new trouble.
const STEADY: Duration = Duration::from_secs(10);

/// Something that happened to the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// It and all of its descendants are gone.
    Ended {
        code: i64,
    },
    StopAsked {
        grace: Duration,
    },
    PolicySet(RestartPolicy),
    /// The time may have come that was asked for.
    Woken,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask it to stop.
    Signal,
    Kill,
    /// Say that it waits to be started again.
    Wait,
    Spawn,
    /// It has ended for good.
    Finish,
}

/// When a service is started again, signalled, killed and given up: decisions without I/O. Times
/// are since any fixed moment.
#[derive(Debug)]
pub(super) struct Lifecycle {
    policy: RestartPolicy,
    phase: Phase,
    /// Restarts since it last ran steadily.
    attempts: u32,
    last_code: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running { since: Duration },
    Stopping { kill_at: Duration },
    Killed,
    Waiting { until: Duration },
    Finished,
}

impl Lifecycle {
    /// A service that was started at `now`.
    pub(super) fn new(policy: RestartPolicy, now: Duration) -> Self {
        Self { policy, phase: Phase::Running { since: now }, attempts: 0, last_code: 0 }
    }

    /// When to say [`Input::Woken`].
    pub(super) fn wake_at(&self) -> Option<Duration> {
        match self.phase {
            Phase::Stopping { kill_at } => Some(kill_at),
            Phase::Waiting { until } => Some(until),
            Phase::Running { .. } | Phase::Killed | Phase::Finished => None,
        }
    }

    pub(super) fn handle(&mut self, now: Duration, input: Input) -> Option<Step> {
        match input {
            Input::Ended { code } => self.ended(now, code),
            Input::StopAsked { grace } => self.stop_asked(now + grace),
            Input::PolicySet(policy) => self.policy_set(policy),
            Input::Woken => self.woken(now),
        }
    }

    fn ended(&mut self, now: Duration, code: i64) -> Option<Step> {
        self.last_code = code;
        match self.phase {
            Phase::Running { since } => {
                if now.saturating_sub(since) >= STEADY {
                    self.attempts = 0;
                }
                if !self.is_restart_due() {
                    return self.finish();
                }
                self.attempts += 1;
                self.phase = Phase::Waiting { until: now + BACKOFF.delay(self.attempts, 0.0) };
                Some(Step::Wait)
            }
            Phase::Stopping { .. } | Phase::Killed => self.finish(),
            Phase::Waiting { .. } | Phase::Finished => None,
        }
    }

    fn is_restart_due(&self) -> bool {
        match self.policy {
            RestartPolicy::No => false,
            RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
            RestartPolicy::OnFailure { max_attempts } => {
                self.last_code != 0 && (max_attempts == 0 || self.attempts < max_attempts)
            }
        }
    }

    fn stop_asked(&mut self, kill_at: Duration) -> Option<Step> {
        match &mut self.phase {
            Phase::Running { .. } => {
                self.phase = Phase::Stopping { kill_at };
                Some(Step::Signal)
            }
            // Someone has less patience than the one before.
            Phase::Stopping { kill_at: earlier } => {
                *earlier = kill_at.min(*earlier);
                None
            }
            Phase::Waiting { .. } => self.finish(),
            Phase::Killed | Phase::Finished => None,
        }
    }

    fn policy_set(&mut self, policy: RestartPolicy) -> Option<Step> {
        self.policy = policy;
        match self.phase {
            Phase::Waiting { .. } if policy == RestartPolicy::No => self.finish(),
            Phase::Waiting { .. }
            | Phase::Running { .. }
            | Phase::Stopping { .. }
            | Phase::Killed
            | Phase::Finished => None,
        }
    }

    fn woken(&mut self, now: Duration) -> Option<Step> {
        match self.phase {
            Phase::Stopping { kill_at } if now >= kill_at => {
                self.phase = Phase::Killed;
                Some(Step::Kill)
            }
            Phase::Waiting { until } if now >= until => {
                self.phase = Phase::Running { since: now };
                Some(Step::Spawn)
            }
            Phase::Running { .. }
            | Phase::Stopping { .. }
            | Phase::Killed
            | Phase::Waiting { .. }
            | Phase::Finished => None,
        }
    }

    fn finish(&mut self) -> Option<Step> {
        self.phase = Phase::Finished;
        Some(Step::Finish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON_FAILURE: RestartPolicy = RestartPolicy::OnFailure { max_attempts: 2 };

    /// Plays `at:event` words, and tells what came of them as `at:step`; time passes by itself to
    /// the next moment that was asked for.
    fn play(policy: RestartPolicy, script: &str) -> String {
        let mut lifecycle = Lifecycle::new(policy, Duration::ZERO);
        let mut told = Vec::new();
        let mut tell = |now: Duration, step: Option<Step>| {
            told.extend(step.map(|step| format!("{}:{step:?}", now.as_millis()).to_lowercase()));
        };
        for word in script.split(' ') {
            let (at, event) = word.split_once(':').unwrap();
            let at = Duration::from_millis(at.parse().unwrap());
            while let Some(wake) = lifecycle.wake_at().filter(|wake| *wake <= at) {
                tell(wake, lifecycle.handle(wake, Input::Woken));
            }
            let input = match event.split_once('=') {
                Some(("exit", code)) => Input::Ended { code: code.parse().unwrap() },
                Some(("stop", grace)) => Input::StopAsked { grace: Duration::from_millis(grace.parse().unwrap()) },
                Some(("policy", policy)) => Input::PolicySet(policy.parse().unwrap()),
                _ => Input::Woken,
            };
            tell(at, lifecycle.handle(at, input));
        }
        told.join(" ")
    }

    #[test]
    fn services_restart_as_their_policy_says() {
        let table = [
            (RestartPolicy::No, "5:exit=1", "5:finish"),
            (RestartPolicy::Always, "5:exit=0 200:tick", "5:wait 105:spawn"),
            (RestartPolicy::UnlessStopped, "5:exit=1 200:tick", "5:wait 105:spawn"),
            (ON_FAILURE, "5:exit=0", "5:finish"),
            (ON_FAILURE, "0:exit=1 100:exit=1 300:exit=1", "0:wait 100:spawn 100:wait 300:spawn 300:finish"),
            // Having run for ten seconds, it has its attempts again.
            (
                ON_FAILURE,
                "0:exit=1 100:exit=1 10300:exit=1 10400:exit=1 10600:exit=1",
                "0:wait 100:spawn 100:wait 300:spawn 10300:wait 10400:spawn 10400:wait 10600:spawn 10600:finish",
            ),
        ];
        for (policy, script, expected) in table {
            assert_eq!(play(policy, script), expected, "{policy} {script}");
        }
    }

    #[test]
    fn waits_double_up_to_ten_seconds() {
        let mut lifecycle = Lifecycle::new(RestartPolicy::Always, Duration::ZERO);
        let mut now = Duration::ZERO;
        let waits: Vec<u128> = (0..9)
            .map(|_| {
                lifecycle.handle(now, Input::Ended { code: 1 });
                let until = lifecycle.wake_at().unwrap();
                let wait = until - now;
                now = until;
                lifecycle.handle(now, Input::Woken);
                wait.as_millis()
            })
            .collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }

    #[test]
    fn stopping_signals_then_kills_and_nothing_starts_again() {
        let always = RestartPolicy::Always;
        let table = [
            ("0:stop=1000 500:exit=0", "0:signal 500:finish"),
            ("0:stop=1000 2000:tick 2001:exit=137", "0:signal 1000:kill 2001:finish"),
            ("0:stop=5000 10:stop=100 200:tick", "0:signal 110:kill"),
            ("0:stop=100 10:stop=5000 200:tick", "0:signal 100:kill"),
            ("0:exit=1 50:stop=1000", "0:wait 50:finish"),
            ("0:exit=1 50:policy=no", "0:wait 50:finish"),
            ("0:policy=no 50:exit=1", "50:finish"),
        ];
        for (script, expected) in table {
            assert_eq!(play(always, script), expected, "{script}");
        }
    }
}
