use super::answer::{failed, passed, quote};
use crate::{
    health::Answer,
    observed::{Health, Instance},
    runtime::Observe,
};

/// How much of a healthcheck's output is shown, in characters.
const LONGEST_OUTPUT: usize = 200;

pub(super) async fn ask(instance: &Instance, runtime: &dyn Observe) -> Answer {
    match runtime.inspect(instance.runtime, &instance.id).await {
        Err(fault) => failed(quote(&fault.text)),
        Ok(None) => failed(format!("`{}` is gone", instance.name)),
        Ok(Some(now)) if !now.is_running() => failed(format!("`{}` is not running", instance.name)),
        Ok(Some(now)) => match now.health {
            Health::Healthy => passed("the engine's healthcheck says healthy"),
            Health::Starting => failed(said("starting", &now)),
            Health::Unhealthy => Answer { is_final: true, ..failed(said("unhealthy", &now)) },
            Health::None => failed("the engine has no healthcheck for it"),
        },
    }
}

/// The engine's word, and what its command wrote.
fn said(word: &str, instance: &Instance) -> String {
    let text = format!("the engine's healthcheck says {word}");
    match &instance.health_output {
        Some(output) => format!("{text}: {}", end_of(output)),
        None => text,
    }
}

/// The last words of an output, which tend to tell what went wrong, as one line.
fn end_of(output: &str) -> String {
    let line = output.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().rev().nth(LONGEST_OUTPUT - 1) {
        Some((start, _)) if start > 0 => format!("…{}", &line[start..]),
        Some(_) | None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        observed::InstanceState,
        probe::stub::{Stub, instance},
    };

    #[tokio::test]
    async fn only_healthy_and_running_passes() {
        let table = [
            (Health::Healthy, InstanceState::Running, "true the engine's healthcheck says healthy"),
            (Health::Starting, InstanceState::Running, "false the engine's healthcheck says starting"),
            (Health::Unhealthy, InstanceState::Running, "false the engine's healthcheck says unhealthy"),
            (Health::None, InstanceState::Running, "false the engine has no healthcheck for it"),
            (Health::Healthy, InstanceState::Restarting, "false `shop-web-1` is not running"),
        ];
        for (health, state, expected) in table {
            let now = crate::observed::Instance { health, state, ..instance() };
            let answer = ask(&instance(), &Stub { now: Some(now), ..Stub::default() }).await;
            assert_eq!(format!("{} {}", answer.has_passed, answer.text), expected);
        }
        let answer = ask(&instance(), &Stub::default()).await;
        assert_eq!(answer, failed("`shop-web-1` is gone"));
    }

    #[tokio::test]
    async fn what_the_healthcheck_wrote_is_told_from_its_end_on_one_line() {
        let long = format!("{} the end\n", "x".repeat(500));
        let table = [
            ("  no database\x1b\n  at db:5432\n", "no database\u{fffd} at db:5432".to_owned()),
            (&*long, format!("…{} the end", "x".repeat(192))),
        ];
        for (output, expected) in table {
            let now = Instance { health: Health::Unhealthy, health_output: Some(output.to_owned()), ..instance() };
            let answer = ask(&instance(), &Stub { now: Some(now), ..Stub::default() }).await;
            assert_eq!(answer.text, format!("the engine's healthcheck says unhealthy: {expected}"));
            assert!(answer.is_final && answer.text.chars().count() <= 300);
        }
    }
}
