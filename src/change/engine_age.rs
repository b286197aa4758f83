//! What a plan asks of an engine that is too old for it, and passes over it without a word.

use crate::{
    diagnostic::{Class, Diagnostic, Diagnostics, Origins},
    observed::Observed,
    plan::{Plan, RuntimeKind, Service},
};

/// Warns of keys that the engine does not know yet.
pub fn unknown_to_engine(plan: &Plan, observed: &Observed, origins: &dyn Origins) -> Diagnostics {
    let Some(engine) = observed.engines.get(&RuntimeKind::Docker) else { return Diagnostics::new() };
    let Some(version) = engine.major_version else { return Diagnostics::new() };
    let mut warnings = Diagnostics::new();
    for (name, service) in plan.services.iter().filter(|(_, service)| service.runtime() == RuntimeKind::Docker) {
        for (path, since) in asked(service).into_iter().filter(|(_, since)| version < *since) {
            let key = path.join(".");
            let summary = format!(
                "`{key}` of `{name}` has no effect: it needs an engine of version {since}, and this is {version}"
            );
            let steps: Vec<&str> = ["services", name.as_str()].into_iter().chain(path).collect();
            let warning = Diagnostic::warning("engine-too-old", Class::Configuration, summary);
            warnings.push(match origins.origin(&steps) {
                Some(origin) => warning.detail(format!("written at {}", origin.position)),
                None => warning,
            });
        }
    }
    let ipv4 = plan.networks.iter().filter(|(_, network)| network.enable_ipv4 == Some(false) && version < 28);
    warnings.extend(ipv4.map(|(key, _)| {
        let summary = format!(
            "`enable_ipv4` of the network `{key}` has no effect: it needs an engine of version 28, and this is {version}"
        );
        Diagnostic::warning("engine-too-old", Class::Configuration, summary)
    }));
    warnings
}

/// What a service asks for that not every engine knows, each with the first version that does.
fn asked(service: &Service) -> Vec<(Vec<&str>, u32)> {
    let mut asked = Vec::new();
    let mut ask = |is_said: bool, path: Vec<&'static str>, since: u32| {
        asked.extend(is_said.then_some((path, since)));
    };
    ask(!service.annotations.is_empty(), vec!["annotations"], 25);
    let has_start_interval = service.healthcheck.as_ref().is_some_and(|check| check.start_interval.is_some());
    ask(has_start_interval, vec!["healthcheck", "start_interval"], 25);
    for (network, attachment) in &service.networks {
        let said = [
            ("mac_address", attachment.mac_address.is_some(), 25),
            ("gw_priority", attachment.gw_priority.is_some(), 28),
            ("interface_name", attachment.interface_name.is_some(), 28),
        ];
        let said = said.into_iter().filter(|(_, is_said, _)| *is_said);
        asked.extend(said.map(|(key, _, since)| (vec!["networks", network.as_str(), key], since)));
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnostic::{Origin, Position},
        observed::EngineFacts,
    };

    struct Line;

    impl Origins for Line {
        fn origin(&self, path: &[&str]) -> Option<Origin> {
            let position = Position { file: path.join("/").into(), line: 3, column: 1 };
            Some(Origin { position, from: None })
        }
    }

    fn warnings(major_version: Option<u32>) -> Vec<String> {
        let plan: Plan = serde_json::from_value(serde_json::json!({
            "name": "a",
            "project": "a",
            "parallelism": 8,
            "networks": { "front": { "enable_ipv4": false } },
            "services": { "web": {
                "image": "a",
                "healthcheck": { "start_interval": "5s" },
                "networks": { "front": { "mac_address": "02:42:ac:11:00:02" } },
            } },
        }))
        .unwrap();
        let mut observed = Observed::default();
        let facts = EngineFacts { name: "docker".to_owned(), major_version, is_local: true };
        observed.engines.insert(RuntimeKind::Docker, facts);
        let text = |warning: Diagnostic| format!("{} ({})", warning.summary, warning.detail.unwrap_or_default());
        unknown_to_engine(&plan, &observed, &Line).into_iter().map(text).collect()
    }

    #[test]
    fn keys_that_the_engine_is_too_old_for_are_named_with_their_line() {
        assert_eq!(
            warnings(Some(20)),
            [
                "`healthcheck.start_interval` of `web` has no effect: it needs an engine of version 25, and this is 20 \
                 (written at services/web/healthcheck/start_interval:3)",
                "`networks.front.mac_address` of `web` has no effect: it needs an engine of version 25, and this is 20 \
                 (written at services/web/networks/front/mac_address:3)",
                "`enable_ipv4` of the network `front` has no effect: it needs an engine of version 28, and this is 20 ()",
            ]
        );
        assert_eq!(warnings(Some(28)), [""; 0]);
        assert_eq!(warnings(None), [""; 0]);
    }
}
