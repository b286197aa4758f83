//! Programs that keep logins: `docker-credential-NAME`.

use std::{collections::BTreeMap, process::Stdio, time::Duration};

use bollard::auth::DockerCredentials;
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
};

use super::{fault::clean, logins::Login};

/// A helper may wait for someone who unlocks a keychain, but a pipeline has nobody.
const LONGEST_ANSWER_TIME: Duration = Duration::from_secs(30);

/// A token has a few kilobytes.
const LONGEST_ANSWER: u64 = 64 << 10;

/// What a helper calls a login that is a token.
const TOKEN_USER: &str = "<token>";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks a helper for a server's login; `None` if it has none. The error is text for a person, without
/// anything that a helper said when it succeeded.
pub(super) async fn ask(helper: &str, server: &str, env: &BTreeMap<String, String>) -> Result<Option<Login>, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !helper.chars().all(is_name) {
        return Err(format!("`{}` is not a credential helper's name", clean(helper)));
    }
    let program = format!("docker-credential-{helper}");
    let talk = tokio::time::timeout(LONGEST_ANSWER_TIME, talk(&program, server, env)).await;
    let (succeeded, said) = match talk {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(format!("`{program}` cannot be run: {error}")),
        Err(_) => return Err(format!("`{program}` did not answer within {}s", LONGEST_ANSWER_TIME.as_secs())),
    };
    if !succeeded {
        let is_absent = said.contains("credentials not found");
        return if is_absent { Ok(None) } else { Err(format!("`{program}` failed: {}", clean(&said))) };
    }
    let answer: Answer = serde_json::from_str(&said).map_err(|_| format!("`{program}` did not answer with a login"))?;
    let server = Some(server.to_owned());
    Ok(Some(if answer.username == TOKEN_USER {
        let credentials = DockerCredentials {
            identitytoken: Some(answer.secret),
            serveraddress: server,
            ..DockerCredentials::default()
        };
        Login { user: None, credentials }
    } else {
        let credentials = DockerCredentials {
            username: Some(answer.username.clone()),
            password: Some(answer.secret),
            serveraddress: server,
            ..DockerCredentials::default()
        };
        Login { user: Some(answer.username), credentials }
    }))
}

/// Whether it succeeded, and what it said.
async fn talk(program: &str, server: &str, env: &BTreeMap<String, String>) -> std::io::Result<(bool, String)> {
    let mut child = Command::new(program)
        .arg("get")
        .env_clear()
        .envs(env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut input = child.stdin.take().expect("it was made with a pipe");
    let output = child.stdout.take().expect("it was made with a pipe");
    // One that answers without reading what it was asked has answered all the same.
    drop(input.write_all(format!("{server}\n").as_bytes()).await);
    drop(input);
    let mut said = Vec::new();
    output.take(LONGEST_ANSWER).read_to_end(&mut said).await?;
    Ok((child.wait().await?.success(), String::from_utf8_lossy(&said).into_owned()))
}
