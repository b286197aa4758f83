//! Which engine is meant.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::EngineAddress;
use crate::{diagnostic::Class, name::Digest, observed::Fault};

/// The engine that is meant: `--host`, then the environment's `target.host`, then `DOCKER_HOST`,
/// then the Docker context, then the default socket.
///
/// # Errors
/// `engine-conflict` if `target` says another one than `flag` or `DOCKER_HOST`; others if an
/// address or a context cannot be read.
pub fn resolve_host(
    flag: Option<&str>,
    target: Option<&str>,
    env: &BTreeMap<String, String>,
) -> Result<EngineAddress, Fault> {
    let set = |name: &str| env.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let docker_host = set("DOCKER_HOST");
    let rival = flag.map(|flag| ("--host", flag)).or(docker_host.map(|host| ("DOCKER_HOST", host)));
    let address: EngineAddress = match (target, rival) {
        (Some(target), Some((source, rival))) => {
            let address = target.parse()?;
            agree(&address, source, &rival.parse()?)?;
            address
        }
        (Some(address), None) | (None, Some((_, address))) => address.parse()?,
        (None, None) => from_context(set("DOCKER_CONTEXT"), config_directory(env).as_deref())?,
    };
    let wants_tls = set("DOCKER_TLS_VERIFY").is_some() && matches!(address, EngineAddress::Tcp { .. });
    if wants_tls { Err(no_tls(&format!("`{address}` with DOCKER_TLS_VERIFY"))) } else { Ok(address) }
}

fn agree(target: &EngineAddress, source: &str, rival: &EngineAddress) -> Result<(), Fault> {
    if target == rival {
        return Ok(());
    }
    let summary = format!("the environment's target is `{target}`, but {source} says `{rival}`");
    let hint = format!("drop one of the two, or make {source} `{target}`");
    Err(Fault::new(Class::Configuration, "engine-conflict", summary).hint(hint))
}

fn no_tls(what: &str) -> Fault {
    Fault::new(Class::Configuration, "engine-address-unsupported", format!("{what} needs TLS, which is not supported"))
        .hint("forward the engine's socket by SSH, and name it as `unix:///path`")
}

fn config_directory(env: &BTreeMap<String, String>) -> Option<PathBuf> {
    let given = env.get("DOCKER_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    given.or_else(|| env.get("HOME").map(|home| Path::new(home).join(".docker")))
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ClientConfig {
    current_context: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContextMeta {
    endpoints: BTreeMap<String, Endpoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    host: Option<String>,
}

/// The engine of the named context, or else of the current one.
fn from_context(named: Option<&str>, directory: Option<&Path>) -> Result<EngineAddress, Fault> {
    let current = match (named, directory) {
        (Some(name), _) => Some(name.to_owned()),
        (None, Some(directory)) => current_context(&directory.join("config.json"))?,
        (None, None) => None,
    };
    let name = current.filter(|name| !name.is_empty() && name != "default");
    let (Some(name), Some(directory)) = (name, directory) else {
        return EngineAddress::DEFAULT.parse();
    };
    let key = Digest::of(name.as_bytes());
    let path = directory.join("contexts/meta").join(key.hex()).join("meta.json");
    let missing = || {
        Fault::new(Class::Configuration, "context-not-found", format!("the Docker context `{name}` does not exist"))
            .hint("list them with `docker context ls`, or choose one with `docker context use`")
    };
    let text = std::fs::read_to_string(&path).map_err(|_| missing())?;
    let meta: ContextMeta = serde_json::from_str(&text).map_err(|error| unreadable(&path, &error))?;
    let host = meta.endpoints.get("docker").and_then(|endpoint| endpoint.host.as_deref());
    let address: EngineAddress = host.unwrap_or(EngineAddress::DEFAULT).parse()?;
    let has_keys = directory.join("contexts/tls").join(key.hex()).join("docker").exists();
    if has_keys { Err(no_tls(&format!("the Docker context `{name}`"))) } else { Ok(address) }
}

fn current_context(path: &Path) -> Result<Option<String>, Fault> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, &error)),
    };
    let config: ClientConfig = serde_json::from_str(&text).map_err(|error| unreadable(path, &error))?;
    Ok(config.current_context)
}

fn unreadable(path: &Path, error: &dyn std::error::Error) -> Fault {
    let summary = format!("cannot read `{}`: {error}", path.display());
    Fault::new(Class::Configuration, "docker-config-unreadable", summary)
        .hint("set DOCKER_HOST, or name the engine with `--host`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(flag: Option<&str>, target: Option<&str>, env: &[(&str, &str)]) -> String {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        match resolve_host(flag, target, &env) {
            Ok(address) => address.to_string(),
            Err(fault) => format!("{}: {}", fault.code, fault.text),
        }
    }

    #[test]
    fn the_nearest_word_on_the_engine_wins() {
        let (a, b) = (Some("unix:///a"), Some("unix:///b"));
        assert_eq!(resolve(None, None, &[]), "unix:///var/run/docker.sock");
        assert_eq!(resolve(None, None, &[("DOCKER_HOST", "unix:///e")]), "unix:///e");
        assert_eq!(resolve(None, None, &[("DOCKER_HOST", "")]), "unix:///var/run/docker.sock");
        assert_eq!(resolve(None, a, &[]), "unix:///a");
        assert_eq!(resolve(b, None, &[("DOCKER_HOST", "unix:///e")]), "unix:///b");
        assert_eq!(resolve(a, a, &[("DOCKER_HOST", "unix:///e")]), "unix:///a");
        let conflict =
            |source| format!("engine-conflict: the environment's target is `unix:///a`, but {source} says `unix:///b`");
        assert_eq!(resolve(b, a, &[]), conflict("--host"));
        assert_eq!(resolve(None, a, &[("DOCKER_HOST", "unix:///b")]), conflict("DOCKER_HOST"));
        assert_eq!(
            resolve(None, None, &[("DOCKER_HOST", "tcp://h:1"), ("DOCKER_TLS_VERIFY", "1")]),
            "engine-address-unsupported: `tcp://h:1` with DOCKER_TLS_VERIFY needs TLS, which is not supported"
        );
    }

    #[test]
    fn a_docker_context_names_the_engine() {
        let home = tempfile::tempdir().unwrap();
        let docker = home.path().join(".docker");
        let meta = docker.join("contexts/meta").join(Digest::of(b"lab").hex());
        std::fs::create_dir_all(&meta).unwrap();
        std::fs::write(docker.join("config.json"), r#"{"currentContext": "lab", "auths": {}}"#).unwrap();
        let endpoint = r#"{"Name":"lab","Endpoints":{"docker":{"Host":"tcp://lab.example:2375"}}}"#;
        std::fs::write(meta.join("meta.json"), endpoint).unwrap();
        let home = ("HOME", home.path().to_str().unwrap());
        assert_eq!(resolve(None, None, &[home]), "tcp://lab.example:2375");
        assert_eq!(resolve(None, None, &[home, ("DOCKER_CONTEXT", "default")]), "unix:///var/run/docker.sock");
        assert_eq!(resolve(None, None, &[home, ("DOCKER_HOST", "unix:///e")]), "unix:///e");
        assert_eq!(
            resolve(None, None, &[home, ("DOCKER_CONTEXT", "x")]),
            "context-not-found: the Docker context `x` does not exist"
        );
    }
}
