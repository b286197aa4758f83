use std::collections::BTreeMap;

use super::account::Account;
use crate::{observed::Identity, plan::Service, secret::Secret, secret::Text};

/// What a process is given of the caller's environment, besides `LC_*`.
const INHERITED: [&str; 8] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR"];

/// Where programs are looked for if nobody says so.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The whole environment of a process: a little of the caller's, who it is, and what its service
/// says, each over the one before. What a service passes on from the caller is kept as a secret,
/// since the plan did not show it.
pub(super) fn environment(
    service: &Service,
    identity: &Identity,
    account: Option<&Account>,
    caller: impl Iterator<Item = (String, String)>,
) -> BTreeMap<String, Text> {
    let caller: BTreeMap<String, String> = caller.collect();
    let is_inherited = |name: &str| INHERITED.contains(&name) || name.starts_with("LC_");
    let mut environment: BTreeMap<String, Text> = [("PATH".to_owned(), DEFAULT_PATH.into())].into();
    let inherited = caller.iter().filter(|(name, _)| is_inherited(name));
    environment.extend(inherited.map(|(name, value)| (name.clone(), value.clone().into())));
    if let Some(login) = account.and_then(|account| account.login.as_ref()) {
        let fields = [("HOME", &login.home), ("USER", &login.name), ("LOGNAME", &login.name), ("SHELL", &login.shell)];
        environment.extend(fields.map(|(name, value)| (name.to_owned(), value.clone().into())));
    }
    let own = [
        ("ORCHESTRATE_PROJECT", identity.project.to_string()),
        ("ORCHESTRATE_SERVICE", identity.service.to_string()),
        ("ORCHESTRATE_INSTANCE", identity.number.to_string()),
    ];
    environment.extend(own.map(|(name, value)| (name.to_owned(), value.into())));
    for (name, value) in &service.environment {
        let passed_on = || caller.get(name).map(|value| Text::Secret(Secret::new(value.as_str())));
        if let Some(value) = value.clone().or_else(passed_on) {
            environment.insert(name.clone(), value);
        }
    }
    environment
}

/// Where programs are looked for in this environment.
pub(super) fn search_path(environment: &BTreeMap<String, Text>) -> &str {
    environment.get("PATH").map_or(DEFAULT_PATH, Text::expose)
}

/// Where the caller's own programs are looked for.
pub(super) fn caller_path() -> String {
    std::env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_is_inherited_and_the_service_wins() {
        let service = Service {
            environment: [
                ("LANG".to_owned(), Some("C".into())),
                ("TOKEN".to_owned(), None),
                ("ABSENT".to_owned(), None),
            ]
            .into(),
            ..Service::default()
        };
        let identity = Identity {
            project: "fleet".parse().unwrap(),
            service: "web".parse().unwrap(),
            number: 2,
            environment: None,
            deployment: "abcd1234".parse().unwrap(),
        };
        let caller = [("PATH", "/bin"), ("LANG", "de"), ("LC_ALL", "de"), ("TOKEN", "t"), ("AWS_SECRET", "s")];
        let caller = caller.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter();
        let environment = environment(&service, &identity, None, caller);
        let told: Vec<String> = environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            told,
            [
                "LANG=C",
                "LC_ALL=de",
                "ORCHESTRATE_INSTANCE=2",
                "ORCHESTRATE_PROJECT=fleet",
                "ORCHESTRATE_SERVICE=web",
                "PATH=/bin",
                "TOKEN=***"
            ]
        );
    }
}
