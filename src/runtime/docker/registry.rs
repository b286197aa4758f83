//! What a registry's or the network's words, as the engine passes them on, mean.

use super::logins::{Login, Lookup};
use crate::{diagnostic::Class, observed::Fault};

/// What was refused, missing or out of reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    NotFound,
    Denied,
    RateLimited,
    WrongArchitecture,
    PlainHttp,
    Certificate,
    Unavailable,
    Unreachable,
}

/// Parts of what is said, in lower case. The first that fits counts.
const MEANINGS: [(&[&str], Meaning); 8] = [
    (&["toomanyrequests", "too many requests", "rate limit"], Meaning::RateLimited),
    (&["no matching manifest", "does not match the specified platform"], Meaning::WrongArchitecture),
    (&["server gave http response to https client"], Meaning::PlainHttp),
    (&["x509:", "certificate", "tls: "], Meaning::Certificate),
    (
        &["manifest unknown", "not found", "pull access denied", "does not exist", "name unknown", "invalid reference"],
        Meaning::NotFound,
    ),
    (
        &["unauthorized", "authentication required", "no basic auth credentials", "denied", "403 forbidden"],
        Meaning::Denied,
    ),
    (
        &[
            "timeout",
            "timed out",
            "deadline exceeded",
            "500 internal",
            "502 bad",
            "503 service",
            "504 gateway",
            "unexpected eof",
            "connection reset",
        ],
        Meaning::Unavailable,
    ),
    (
        &["no such host", "connection refused", "network is unreachable", "server misbehaving", "no route to host"],
        Meaning::Unreachable,
    ),
];

/// An image that is not where it should be.
pub(super) fn not_found(lookup: &Lookup, text: String) -> Fault {
    let registry = &lookup.registry;
    let hint = match &lookup.login {
        Some(_) => format!("check its name and tag, and whether this login may see it (`docker login {registry}`)"),
        None => format!("check its name and tag; if it is private, log in: `docker login {registry}`"),
    };
    let fault = Fault::new(Class::Dependency, "image-not-found", text);
    fault.hint(with_trouble(lookup, hint))
}

/// Classifies why a registry did not give what was asked for.
pub(super) fn explain(lookup: &Lookup, fault: Fault) -> Fault {
    // What is only read, or done twice without harm, has not to be looked up first.
    let fault = Fault { is_outcome_unknown: false, ..fault };
    if matches!(fault.class, Class::Timeout | Class::Network) {
        return fault;
    }
    let lower = fault.text.to_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    let Some((_, meaning)) = MEANINGS.iter().find(|(parts, _)| says(parts)) else { return fault };
    let (registry, text) = (&lookup.registry, fault.text);
    match meaning {
        Meaning::NotFound => not_found(lookup, text),
        Meaning::Denied => denied(lookup, text),
        Meaning::RateLimited => {
            let fault = Fault::new(Class::Network, "registry-rate-limited", text).transient();
            fault.hint(match &lookup.login {
                Some(_) => "wait, or pull from a mirror".to_owned(),
                None => with_trouble(lookup, format!("wait, or log in for a higher limit: `docker login {registry}`")),
            })
        }
        Meaning::WrongArchitecture => Fault::new(Class::Dependency, "wrong-architecture", text)
            .hint("choose an image that was built for the engine's architecture, or say which with `platform`"),
        Meaning::PlainHttp => Fault::new(Class::Configuration, "registry-speaks-plain-http", text).hint(format!(
            "give `{registry}` a certificate, or add it to `insecure-registries` in the engine's daemon.json"
        )),
        Meaning::Certificate => Fault::new(Class::Configuration, "registry-certificate", text).hint(format!(
            "put the authority that signed it into /etc/docker/certs.d/{registry}/ca.crt on the engine's host"
        )),
        Meaning::Unavailable => {
            Fault::new(Class::Network, "registry-unavailable", text).hint(check_network(registry)).transient()
        }
        Meaning::Unreachable => Fault::new(Class::Network, "registry-unreachable", text).hint(check_network(registry)),
    }
}

fn denied(lookup: &Lookup, text: String) -> Fault {
    let registry = &lookup.registry;
    let hint = match &lookup.login {
        Some(Login { user: Some(user), .. }) => {
            format!("log in again, or as someone who may: `docker login {registry}` (it was `{user}`)")
        }
        Some(Login { user: None, .. }) => format!("the token may have expired: `docker login {registry}`"),
        None => format!("log in: `docker login {registry}`"),
    };
    Fault::new(Class::Permission, "registry-denied", text).hint(with_trouble(lookup, hint))
}

/// A login that could not be read may be why there was none.
fn with_trouble(lookup: &Lookup, hint: String) -> String {
    match &lookup.trouble {
        Some(trouble) => format!("no login was found: {trouble}; {hint}"),
        None => hint,
    }
}

fn check_network(registry: &str) -> String {
    format!("is `{registry}` up? check the engine host's network, proxy and name servers")
}

#[cfg(test)]
mod tests {
    use bollard::auth::DockerCredentials;

    use super::*;
    use crate::runtime::docker::{
        call::{Call, Intent},
        fault,
    };

    fn lookup(user: Option<&str>) -> Lookup {
        let credentials = DockerCredentials::default;
        let login = user.map(|user| Login { user: Some(user.to_owned()), credentials: credentials() });
        Lookup { registry: "r.example".to_owned(), login, trouble: None }
    }

    fn explained(lookup: &Lookup, message: &str) -> Fault {
        let doing = format!("pull `r.example/a:1` {}", lookup.wherefrom());
        let call = Call { intent: Intent::Change, doing, limit: std::time::Duration::ZERO };
        explain(lookup, fault::refused(&call, 500, message))
    }

    #[test]
    fn what_a_registry_says_is_classified() {
        let table = [
            ("manifest for a:1 not found: manifest unknown: manifest unknown", "Dependency image-not-found"),
            (
                "pull access denied for a, repository does not exist or may require 'docker login'",
                "Dependency image-not-found",
            ),
            ("unauthorized: authentication required", "Permission registry-denied"),
            ("Head \"http://r/v2/a/manifests/1\": no basic auth credentials", "Permission registry-denied"),
            ("denied: requested access to the resource is denied", "Permission registry-denied"),
            ("error parsing HTTP 403 response body: 403 Forbidden", "Permission registry-denied"),
            ("toomanyrequests: You have reached your pull rate limit", "Network registry-rate-limited transient"),
            ("no matching manifest for linux/arm64 in the manifest list entries", "Dependency wrong-architecture"),
            ("http: server gave HTTP response to HTTPS client", "Configuration registry-speaks-plain-http"),
            ("x509: certificate signed by unknown authority", "Configuration registry-certificate"),
            ("Get \"https://r/v2/\": dial tcp: lookup r on 1.1.1.1:53: no such host", "Network registry-unreachable"),
            (
                "Get \"https://r/v2/\": dial tcp 1.2.3.4:443: connect: connection refused",
                "Network registry-unreachable",
            ),
            ("Get \"https://r/v2/\": dial tcp 1.2.3.4:443: i/o timeout", "Network registry-unavailable transient"),
            ("received unexpected HTTP status: 503 Service Unavailable", "Network registry-unavailable transient"),
            ("write /var/lib/docker/tmp/x: no space left on device", "Resource disk-full"),
            ("something else", "Deployment engine-failed"),
        ];
        for (message, expected) in table {
            let fault = explained(&lookup(None), message);
            let transient = if fault.is_transient { " transient" } else { "" };
            assert_eq!(format!("{:?} {}{transient}", fault.class, fault.code), expected, "{message}");
        }
    }

    #[test]
    fn a_refusal_names_registry_user_and_the_login_to_run() {
        let words = "unauthorized: authentication required";
        let told = |lookup: &Lookup| {
            let fault = explained(lookup, words);
            format!("{}\n{}", fault.text, fault.hint.unwrap())
        };
        assert_eq!(
            told(&lookup(Some("me"))),
            "cannot pull `r.example/a:1` from `r.example` as `me`: unauthorized: authentication required\n\
             log in again, or as someone who may: `docker login r.example` (it was `me`)"
        );
        assert_eq!(
            told(&lookup(None)),
            "cannot pull `r.example/a:1` from `r.example` without a login: unauthorized: authentication required\n\
             log in: `docker login r.example`"
        );
        let broken = Lookup { trouble: Some("`docker-credential-x` failed: locked".to_owned()), ..lookup(None) };
        assert!(
            told(&broken).ends_with(
                "no login was found: `docker-credential-x` failed: locked; log in: `docker login r.example`"
            )
        );
    }
}
