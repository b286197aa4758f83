use super::answer::{failed, passed, quote};
use crate::{
    health::Answer,
    observed::{Health, Instance},
    runtime::Observe,
};

pub(super) async fn ask(instance: &Instance, runtime: &dyn Observe) -> Answer {
    match runtime.inspect(instance.runtime, &instance.id).await {
        Err(fault) => failed(quote(&fault.text)),
        Ok(None) => failed(format!("`{}` is gone", instance.name)),
        Ok(Some(now)) if !now.is_running() => failed(format!("`{}` is not running", instance.name)),
        Ok(Some(now)) => match now.health {
            Health::Healthy => passed("the engine's healthcheck says healthy"),
            Health::Starting => failed("the engine's healthcheck says starting"),
            Health::Unhealthy => Answer { is_final: true, ..failed("the engine's healthcheck says unhealthy") },
            Health::None => failed("the engine has no healthcheck for it"),
        },
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
}
