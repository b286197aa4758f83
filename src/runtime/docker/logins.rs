//! Who one is at which registry, as Docker's own command line knows it.
//!
//! Read when an image is pulled, and not before. What is found goes to the engine with the request
//! and nowhere else: nothing here can be printed.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::Engine as _;
use bollard::auth::DockerCredentials;
use serde::Deserialize;

use super::credential_helper;
use crate::plan::ImageReference;

/// How much of a `config.json` is read; they have a few kilobytes.
const LONGEST_CONFIG: u64 = 1 << 20;

/// Docker Hub's key in `config.json`, and what it is called beside.
const HUB_KEY: &str = "https://index.docker.io/v1/";
const HUB_NAMES: [&str; 3] = ["index.docker.io", ImageReference::HUB, "registry-1.docker.io"];

/// What leads to logins: `DOCKER_AUTH_CONFIG`, `DOCKER_CONFIG`, `HOME`, and `PATH` for helpers.
#[derive(Clone, Default)]
pub struct Logins(Arc<BTreeMap<String, String>>);

/// A login at a registry.
pub(super) struct Login {
    /// A token says nothing of its user.
    pub user: Option<String>,
    pub credentials: DockerCredentials,
}

/// What is known of a registry's login.
pub(super) struct Lookup {
    pub registry: String,
    pub login: Option<Login>,
    /// Why there may be one that could not be read: an image that anyone may pull needs none.
    pub trouble: Option<String>,
}

/// The parts of a `config.json` that count here.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Config {
    auths: BTreeMap<String, Option<Entry>>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    /// `user:password` in base64.
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl Logins {
    /// Those of whoever has these environment variables.
    pub fn of(env: Arc<BTreeMap<String, String>>) -> Self {
        Self(env)
    }

    /// The login for an image's registry: of `DOCKER_AUTH_CONFIG`, else of what `config.json` says.
    pub(super) async fn find(&self, image: &ImageReference) -> Lookup {
        self.find_at(image.registry()).await
    }

    /// The login for a registry.
    pub(super) async fn find_at(&self, registry: &str) -> Lookup {
        let registry = registry.to_owned();
        let (login, trouble) = match self.search(&registry).await {
            Ok(login) => (login, None),
            Err(trouble) => (None, Some(trouble)),
        };
        Lookup { registry, login, trouble }
    }

    async fn search(&self, registry: &str) -> Result<Option<Login>, String> {
        if let Some(text) = self.0.get("DOCKER_AUTH_CONFIG").filter(|text| !text.trim().is_empty()) {
            let config = parse(text).map_err(|why| format!("DOCKER_AUTH_CONFIG {why}"))?;
            if let Some(login) = config.written_for(registry).map_err(|why| format!("DOCKER_AUTH_CONFIG {why}"))? {
                return Ok(Some(login));
            }
        }
        let Some(path) = self.config_file() else { return Ok(None) };
        let unreadable = |why: String| format!("`{}` {why}", path.display());
        let Some(text) = read(&path).map_err(unreadable)? else { return Ok(None) };
        let config = parse(&text).map_err(unreadable)?;
        if let Some(helper) = config.helper_for(registry) {
            let server = if registry == ImageReference::HUB { HUB_KEY } else { registry };
            if let Some(login) = credential_helper::ask(helper, server, &self.0).await? {
                return Ok(Some(login));
            }
        }
        config.written_for(registry).map_err(unreadable)
    }

    fn config_file(&self) -> Option<PathBuf> {
        let set = |name: &str| self.0.get(name).filter(|value| !value.is_empty());
        let directory = set("DOCKER_CONFIG").map(PathBuf::from);
        Some(directory.or_else(|| set("HOME").map(|home| Path::new(home).join(".docker")))?.join("config.json"))
    }
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Logins")
    }
}

impl Lookup {
    /// What is to be sent with a request.
    pub fn credentials(&self) -> Option<DockerCredentials> {
        self.login.as_ref().map(|login| login.credentials.clone())
    }

    /// ``from `registry.example` as `me` ``.
    pub fn wherefrom(&self) -> String {
        let registry = &self.registry;
        match &self.login {
            Some(Login { user: Some(user), .. }) => format!("from `{registry}` as `{user}`"),
            Some(Login { user: None, .. }) => format!("from `{registry}` with a token"),
            None => format!("from `{registry}` without a login"),
        }
    }
}

impl Config {
    fn helper_for(&self, registry: &str) -> Option<&str> {
        let own = self.cred_helpers.iter().find(|(key, _)| is_for(key, registry));
        let helper = own.map(|(_, helper)| helper).or(self.creds_store.as_ref());
        helper.map(String::as_str).filter(|helper| !helper.is_empty())
    }

    /// The login that is written in the document itself.
    fn written_for(&self, registry: &str) -> Result<Option<Login>, String> {
        let entries = || self.auths.iter().filter_map(|(key, entry)| Some((key, entry.as_ref()?)));
        let exact = entries().find(|(key, _)| key.as_str() == registry);
        let Some((key, entry)) = exact.or_else(|| entries().find(|(key, _)| is_for(key, registry))) else {
            return Ok(None);
        };
        entry.login(key).ok_or_else(|| format!("has an `auth` for `{key}` that is not a user and a password in base64"))
    }
}

impl Entry {
    /// `None` if it cannot be read; nothing in it is no login.
    fn login(&self, key: &str) -> Option<Option<Login>> {
        let encoded = self.auth.as_deref().filter(|auth| !auth.is_empty());
        let (user, password) = match encoded {
            Some(encoded) => decode(encoded).map(|(user, password)| (Some(user), Some(password)))?,
            None => (self.username.clone(), self.password.clone()),
        };
        let set = |text: Option<String>| text.filter(|text| !text.is_empty());
        let credentials = DockerCredentials {
            username: set(user),
            password: set(password),
            identitytoken: set(self.identitytoken.clone()),
            registrytoken: set(self.registrytoken.clone()),
            serveraddress: Some(key.to_owned()),
            ..DockerCredentials::default()
        };
        let secrets = [&credentials.password, &credentials.identitytoken, &credentials.registrytoken];
        let has_any = secrets.iter().any(|secret| secret.is_some());
        Some(has_any.then(|| Login { user: credentials.username.clone(), credentials }))
    }
}

/// `user:password`, out of base64 with or without its padding.
fn decode(encoded: &str) -> Option<(String, String)> {
    let bare = encoded.trim().trim_end_matches('=');
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD.decode(bare).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.trim_matches('\0').to_owned()))
}

/// Whether a key of a `config.json` means a registry: keys may have a scheme and a path.
fn is_for(key: &str, registry: &str) -> bool {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let host = bare.split('/').next().unwrap_or(bare);
    host == registry || (registry == ImageReference::HUB && HUB_NAMES.contains(&host))
}

/// The file's text; `None` if there is no file.
fn read(path: &Path) -> Result<Option<String>, String> {
    use std::io::Read as _;
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    let mut text = String::new();
    file.take(LONGEST_CONFIG).read_to_string(&mut text).map_err(|error| format!("cannot be read: {error}"))?;
    Ok(Some(text))
}

/// The parser's own words may quote what it read, which nobody is to see.
fn parse(text: &str) -> Result<Config, String> {
    serde_json::from_str(text).map_err(|error| format!("is not what Docker writes there: line {}", error.line()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The login as `user:password` (`+token`) at a key, or why there is none.
    async fn found(config: &str, env: &[(&str, &str)], image: &str) -> String {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("config.json"), config).unwrap();
        let mut all: BTreeMap<String, String> =
            env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        all.insert("DOCKER_CONFIG".to_owned(), home.path().display().to_string());
        let lookup = Logins::of(Arc::new(all)).find(&image.parse().unwrap()).await;
        if let Some(trouble) = lookup.trouble {
            return trouble.replace(&home.path().display().to_string(), "$D");
        }
        let Some(login) = lookup.login else { return "none".to_owned() };
        let DockerCredentials { username, password, identitytoken, serveraddress, .. } = login.credentials;
        let token = identitytoken.map_or_else(String::new, |token| format!("+{token}"));
        let part = |text: Option<String>| text.unwrap_or_default();
        format!("{}:{}{token} at {}", part(username), part(password), part(serveraddress))
    }

    #[tokio::test]
    async fn a_registrys_login_is_found_under_every_key_that_means_it() {
        // `me:p` and `me:p:q` in base64.
        let table = [
            (r#"{"auths":{"r.example:5000":{"auth":"bWU6cA=="}}}"#, "r.example:5000/a", "me:p at r.example:5000"),
            (
                r#"{"auths":{"https://r.example/v2/":{"auth":"bWU6cDpx"}}}"#,
                "r.example/a",
                "me:p:q at https://r.example/v2/",
            ),
            (
                r#"{"auths":{"https://index.docker.io/v1/":{"auth":"bWU6cA"}}}"#,
                "nginx",
                "me:p at https://index.docker.io/v1/",
            ),
            (
                r#"{"auths":{"docker.io":{"username":"me","password":"p"}}}"#,
                "docker.io/library/nginx",
                "me:p at docker.io",
            ),
            (r#"{"auths":{"r.example":{"auth":"bWU6","identitytoken":"t"}}}"#, "r.example/a", "me:+t at r.example"),
            (r#"{"auths":{"r.example":{"auth":"bWU6cA=="}}}"#, "r.example:5000/a", "none"),
            (r#"{"auths":{"r.example":{}, "s.example":null}}"#, "r.example/a", "none"),
            (
                r#"{"auths":{"r.example":{"auth":"?"}}}"#,
                "r.example/a",
                "`$D/config.json` has an `auth` for `r.example` that is not a user and a password in base64",
            ),
            (r#"{"auths":7}"#, "r.example/a", "`$D/config.json` is not what Docker writes there: line 1"),
            ("{}", "r.example/a", "none"),
        ];
        for (config, image, expected) in table {
            assert_eq!(found(config, &[], image).await, expected, "{config}");
        }
    }

    #[tokio::test]
    async fn the_environment_comes_before_the_file() {
        let file = r#"{"auths":{"r.example":{"auth":"bWU6cA=="},"s.example":{"auth":"bWU6cA=="}}}"#;
        let env = [("DOCKER_AUTH_CONFIG", r#"{"auths":{"r.example":{"username":"ci","password":"x"}}}"#)];
        assert_eq!(found(file, &env, "r.example/a").await, "ci:x at r.example");
        assert_eq!(found(file, &env, "s.example/a").await, "me:p at s.example");
        let broken = [("DOCKER_AUTH_CONFIG", "secret")];
        assert_eq!(
            found(file, &broken, "r.example/a").await,
            "DOCKER_AUTH_CONFIG is not what Docker writes there: line 1"
        );
    }

    #[tokio::test]
    async fn helpers_are_asked() {
        use std::os::unix::fs::PermissionsExt as _;
        let bin = tempfile::tempdir().unwrap();
        let helper = |name: &str, script: &str| {
            let path = bin.path().join(format!("docker-credential-{name}"));
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        helper("good", r#"read server; printf '{"ServerURL":"%s","Username":"me","Secret":"p"}' "$server""#);
        helper("token", r#"cat >/dev/null; echo '{"Username":"<token>","Secret":"t"}'"#);
        helper("empty", "cat >/dev/null; echo 'credentials not found in native keychain'; exit 1");
        helper("locked", "cat >/dev/null; echo 'the keychain is locked'; exit 1");
        helper("broken", "cat >/dev/null; echo 'secret words'");
        let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap());
        let table = [
            (r#"{"credsStore":"good"}"#, "r.example/a", "me:p at r.example"),
            (r#"{"credsStore":"good"}"#, "nginx", "me:p at https://index.docker.io/v1/"),
            (r#"{"credsStore":"broken","credHelpers":{"r.example":"token"}}"#, "r.example/a", ":+t at r.example"),
            (r#"{"credsStore":"empty"}"#, "r.example/a", "none"),
            (r#"{"credsStore":"locked"}"#, "r.example/a", "`docker-credential-locked` failed: the keychain is locked"),
            (r#"{"credsStore":"broken"}"#, "r.example/a", "`docker-credential-broken` did not answer with a login"),
            (
                r#"{"credsStore":"no-such"}"#,
                "r.example/a",
                "`docker-credential-no-such` cannot be run: No such file or directory (os error 2)",
            ),
            (r#"{"credsStore":"../x"}"#, "r.example/a", "`../x` is not a credential helper's name"),
        ];
        for (config, image, expected) in table {
            assert_eq!(found(config, &[("PATH", &path)], image).await, expected, "{config}");
        }
    }
}
