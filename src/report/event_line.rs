use serde::Serialize;

use super::{bytes_text, count, json::versioned_json_line, millis_text};
use crate::{
    event::{Event, Moment, PhaseStatus, Stage},
    journal::{Direction, Outcome},
};

/// How much of what happens is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Only what went wrong.
    Quiet,
    Normal,
    /// Everything but the bytes of pulls.
    Verbose,
}

/// An event as one plain line (without its end), if it is told at this level.
pub fn event_line(event: &Event, level: Level) -> Option<String> {
    let (told_from, line) = line(event)?;
    (level >= told_from).then_some(line)
}

/// A moment as a line of JSON: `{format_version, at, event, …}`, with the time in RFC 3339.
pub fn event_json(moment: &Moment) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        at: String,
        #[serde(flatten)]
        event: &'a Event,
    }
    versioned_json_line(&Line { at: moment.at.to_string(), event: &moment.event })
}

/// An event's line, and the lowest level at which it is told.
fn line(event: &Event) -> Option<(Level, String)> {
    use Level::{Normal, Quiet, Verbose};

    let told = match event {
        Event::DeploymentStarted { deployment, plan, environment, services } => {
            let target = environment.as_ref().map(|name| format!(" to `{name}`")).unwrap_or_default();
            (Normal, format!("deployment `{deployment}` of `{plan}`{target}: {}", count(*services, "service")))
        }
        Event::DeploymentResumed { deployment, plan, direction, .. } => {
            let doing = match direction {
                Direction::Back => "is brought to its end",
                Direction::Forward => "goes on",
            };
            (Normal, format!("deployment `{deployment}` of `{plan}`, which was cut off, {doing}"))
        }
        Event::DeploymentCompleted { deployment, outcome, duration_ms } => (
            Verbose,
            format!("deployment `{deployment}` {} after {}", outcome_words(*outcome), millis_text(*duration_ms)),
        ),
        Event::DeploymentFailed { deployment, outcome, duration_ms, error } => {
            let ended = outcome_words(*outcome);
            (Quiet, format!("deployment `{deployment}` {ended} after {}: {error}", millis_text(*duration_ms)))
        }
        Event::PhaseStarted { phase } => (Verbose, format!("phase {} started", phase.as_str())),
        Event::PhaseCompleted { phase, status, duration_ms } => {
            let (level, ended) = match status {
                PhaseStatus::Completed => (Normal, format!("completed in {}", millis_text(*duration_ms))),
                PhaseStatus::Failed => (Normal, format!("failed after {}", millis_text(*duration_ms))),
                PhaseStatus::Skipped => (Verbose, "skipped".to_owned()),
            };
            (level, format!("phase {} {ended}", phase.as_str()))
        }
        Event::ServiceStage { service, stage } => {
            let (level, doing) = stage_words(*stage)?;
            (level, format!("{service}: {doing}"))
        }
        Event::ServiceStarting { service, .. } => (Normal, format!("{service}: starting")),
        Event::ServiceReady { service, ready_ms } => {
            (Normal, format!("{service}: ready after {}", millis_text(*ready_ms)))
        }
        Event::ServiceFailed { service, error, .. } => (Quiet, format!("{service}: failed: {error}")),
        Event::CheckPassed { service, check, .. } => (Verbose, format!("{service}: check {check} passed")),
        Event::CheckFailed { service, check, text, .. } => {
            (Verbose, format!("{service}: check {check} failed: {text}"))
        }
        Event::PullProgress { image, current, total } if current == total && *total > 0 => {
            (Verbose, format!("image {image}: pulled {}", bytes_text(*total)))
        }
        Event::PullProgress { .. } => return None,
        Event::BuildProgress { image, step, steps, text } => {
            (Verbose, format!("image {image}: step {step} of {steps}: {text}"))
        }
        Event::Retrying { action, attempt, delay_ms, error } => {
            let wait = millis_text(*delay_ms);
            (Normal, format!("{action}: attempt {attempt} failed, once more in {wait}: {error}"))
        }
        Event::CommandStarted { kind, command } => (Verbose, format!("{} {command}: running", kind.as_str())),
        Event::CommandCompleted { kind, command, duration_ms, .. } => {
            (Normal, format!("{} {command}: done in {}", kind.as_str(), millis_text(*duration_ms)))
        }
        Event::CommandFailed { kind, command, duration_ms, error } => {
            (Quiet, format!("{} {command}: failed after {}: {error}", kind.as_str(), millis_text(*duration_ms)))
        }
        Event::Warning { text } => (Quiet, format!("warning: {text}")),
        Event::RollbackStarted { actions } => (Quiet, format!("rolling back {}", count(*actions, "action"))),
        Event::RollbackCompleted { failed: 0 } => (Normal, "rolled back".to_owned()),
        Event::RollbackCompleted { failed } => (Quiet, format!("rollback failed at {}", count(*failed, "action"))),
        Event::ServiceRestored { service } => (Normal, format!("{service}: restored")),
    };
    Some(told)
}

/// What is done at a stage, unless another event says it better.
fn stage_words(stage: Stage) -> Option<(Level, &'static str)> {
    match stage {
        Stage::Pulling => Some((Level::Normal, "pulling its image")),
        Stage::Building => Some((Level::Normal, "building its image")),
        Stage::Creating => Some((Level::Verbose, "creating")),
        Stage::Waiting => Some((Level::Verbose, "waiting for its dependencies")),
        Stage::Stopping => Some((Level::Normal, "stopping")),
        Stage::Checking => Some((Level::Verbose, "checking")),
        Stage::Removing => Some((Level::Normal, "removing")),
        Stage::Saving => Some((Level::Normal, "saving its data")),
        Stage::Restoring => Some((Level::Verbose, "restoring")),
        Stage::Starting | Stage::Ready | Stage::Failed => None,
    }
}

/// How a deployment ended, after its name in a sentence.
pub fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Applied => "applied",
        Outcome::Unchanged => "unchanged",
        Outcome::Failed => "failed",
        Outcome::RolledBack => "failed and rolled back",
        Outcome::NeedsAttention => "needs attention",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{action::Phase, diagnostic::Class, observed::Fault, time::Timestamp};

    fn events() -> Vec<Event> {
        let fault = || Fault::new(Class::Network, "refused", "connection refused");
        let service = || "web".parse().unwrap();
        let (instance, check) = ("shop-web-1".to_owned(), "http :80/".to_owned());
        let deployment = "abcd1234".parse().unwrap();
        let mut events = vec![
            Event::DeploymentStarted {
                deployment,
                plan: "shop".parse().unwrap(),
                environment: Some("production".parse().unwrap()),
                services: 1,
            },
            Event::PhaseStarted { phase: Phase::EnvironmentSetup },
        ];
        let stages = [
            Stage::Pulling,
            Stage::Creating,
            Stage::Waiting,
            Stage::Stopping,
            Stage::Starting,
            Stage::Checking,
            Stage::Ready,
            Stage::Removing,
            Stage::Saving,
            Stage::Restoring,
            Stage::Failed,
        ];
        events.extend(stages.map(|stage| Event::ServiceStage { service: service(), stage }));
        let (image, action) = ("nginx:1".to_owned(), "pull image nginx:1".to_owned());
        events.extend([
            Event::PullProgress { image: image.clone(), current: 5, total: 1_500_000 },
            Event::PullProgress { image, current: 1_500_000, total: 1_500_000 },
            Event::Retrying { action, attempt: 1, delay_ms: 500, error: fault() },
            Event::ServiceStarting { service: service(), instance: instance.clone() },
            Event::CheckFailed {
                service: service(),
                instance: instance.clone(),
                check: check.clone(),
                text: "status 503, expected 200".to_owned(),
            },
            Event::CheckPassed { service: service(), instance: instance.clone(), check },
            Event::ServiceReady { service: service(), ready_ms: 412 },
            Event::Warning { text: "the volume `data` stays".to_owned() },
            Event::ServiceFailed { service: service(), instance: Some(instance), error: fault() },
            Event::PhaseCompleted {
                phase: Phase::ServiceDeployment,
                status: PhaseStatus::Completed,
                duration_ms: 1200,
            },
            Event::PhaseCompleted { phase: Phase::HealthValidation, status: PhaseStatus::Failed, duration_ms: 30 },
            Event::PhaseCompleted { phase: Phase::Cleanup, status: PhaseStatus::Skipped, duration_ms: 0 },
            Event::RollbackStarted { actions: 5 },
            Event::ServiceRestored { service: service() },
            Event::RollbackCompleted { failed: 0 },
            Event::RollbackCompleted { failed: 1 },
            Event::DeploymentCompleted { deployment, outcome: Outcome::Applied, duration_ms: 3400 },
            Event::DeploymentFailed { deployment, outcome: Outcome::RolledBack, duration_ms: 3400, error: fault() },
        ]);
        events
    }

    fn told(level: Level) -> String {
        events().iter().filter_map(|event| event_line(event, level)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn everything_is_told_when_verbose() {
        insta::assert_snapshot!(told(Level::Verbose), @r"
        deployment `abcd1234` of `shop` to `production`: 1 service
        phase environment_setup started
        web: pulling its image
        web: creating
        web: waiting for its dependencies
        web: stopping
        web: checking
        web: removing
        web: saving its data
        web: restoring
        image nginx:1: pulled 1.5 MB
        pull image nginx:1: attempt 1 failed, once more in 0.5s: connection refused
        web: starting
        web: check http :80/ failed: status 503, expected 200
        web: check http :80/ passed
        web: ready after 0.4s
        warning: the volume `data` stays
        web: failed: connection refused
        phase service_deployment completed in 1.2s
        phase health_validation failed after 30ms
        phase cleanup skipped
        rolling back 5 actions
        web: restored
        rolled back
        rollback failed at 1 action
        deployment `abcd1234` applied after 3.4s
        deployment `abcd1234` failed and rolled back after 3.4s: connection refused
        ");
    }

    #[test]
    fn what_changes_is_told_normally() {
        insta::assert_snapshot!(told(Level::Normal), @r"
        deployment `abcd1234` of `shop` to `production`: 1 service
        web: pulling its image
        web: stopping
        web: removing
        web: saving its data
        pull image nginx:1: attempt 1 failed, once more in 0.5s: connection refused
        web: starting
        web: ready after 0.4s
        warning: the volume `data` stays
        web: failed: connection refused
        phase service_deployment completed in 1.2s
        phase health_validation failed after 30ms
        rolling back 5 actions
        web: restored
        rolled back
        rollback failed at 1 action
        deployment `abcd1234` failed and rolled back after 3.4s: connection refused
        ");
    }

    #[test]
    fn what_went_wrong_is_told_even_when_quiet() {
        insta::assert_snapshot!(told(Level::Quiet), @r"
        warning: the volume `data` stays
        web: failed: connection refused
        rolling back 5 actions
        rollback failed at 1 action
        deployment `abcd1234` failed and rolled back after 3.4s: connection refused
        ");
    }

    #[test]
    fn a_moment_is_a_line_of_json() {
        let at = Timestamp::from_micros(1_795_168_800_123_456);
        let event = Event::ServiceReady { service: "web".parse().unwrap(), ready_ms: 412 };
        assert_eq!(
            event_json(&Moment { at, event }),
            "{\"format_version\":1,\"at\":\"2026-11-20T10:00:00.123Z\",\"event\":\"service_ready\",\
             \"service\":\"web\",\"ready_ms\":412}\n"
        );
    }
}
