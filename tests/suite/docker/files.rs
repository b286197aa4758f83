//! Configs, secrets and volumes.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use base64::Engine as _;

use crate::{engine, fixture::Fixture};

const SECRET: &str = "hunter2-correct-horse";

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// Whether bytes hold the secret, as it is or in base64 at any offset.
fn betrays(bytes: &[u8]) -> bool {
    let encoded = (0..3).map(|skipped| {
        let whole = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&SECRET.as_bytes()[skipped..]);
        whole.as_bytes()[..whole.len() - 2].to_vec()
    });
    let mut needles = encoded.chain([SECRET.as_bytes().to_vec()]);
    needles.any(|needle| bytes.windows(needle.len()).any(|window| window == needle))
}

#[test]
fn configs_and_secrets_are_files_and_the_secret_is_nowhere_else() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.environment("secrets: { token: { file: token.txt } }\n");
    fixture.write("environments/token.txt", &format!("{SECRET}\n"));
    fixture.write("motd.txt", "hello\n");
    let text = |check: &str| {
        format!(
            "\
secrets: {{ token: {{}} }}
configs: {{ motd: {{ file: motd.txt }}, inline: {{ content: \"a line\" }} }}
services:
  web:
    <<: *server
    user: \"1000:1000\"
    environment: {{ CHECKED: \"{check}\" }}
    command: [sh, -c, \"cat /run/secrets/token; echo; exec httpd -f -p 8080 -h /\"]
    configs:
      - motd
      - {{ source: inline, target: /etc/inline.conf, mode: 0440, uid: \"1000\", gid: \"1000\" }}
    secrets: [{{ source: token, mode: 0400, uid: \"1000\", gid: \"1000\" }}]
    checks:
      - http: {{ port: 8080, path: \"{check}\", headers: {{ X-Token: \"{{{{ secrets.token }}}}\" }} }}
        interval: 100ms
        retries: 10
"
        )
    };
    fixture.plan(&text("/motd"));
    let applied = fixture.run(&["apply", "-y", "-v", "--events", "events.json"]).exits(0);
    assert_eq!(fixture.exec("web", &["cat", "/motd", "/etc/inline.conf"]), "hello\na line");
    assert_eq!(fixture.exec("web", &["cat", "/run/secrets/token"]), SECRET);
    let stat = |path: &str| fixture.exec("web", &["stat", "-c", "%a %u:%g", path]);
    assert_eq!(stat("/motd"), "444 0:0\n");
    assert_eq!(stat("/etc/inline.conf"), "440 1000:1000\n");
    assert_eq!(stat("/run/secrets/token"), "400 1000:1000\n");
    assert!(!betrays(fixture.inspect("web").to_string().as_bytes()));

    // It fails, with the secret in its log, and its check's answer.
    fixture.plan(&text("/none"));
    let failed = fixture.run(&["apply", "-y", "-v", "--events", "failed.json"]).exits(3);
    failed.says(&["| ***"]);
    let preview = fixture.run(&["preview", "--format", "json"]).exits(0);
    for ran in [&applied, &failed, &preview] {
        assert!(!betrays(ran.data.as_bytes()) && !betrays(ran.talk.as_bytes()));
    }
    // What containers mount has to be plain; it is where only its owner gets to.
    let mounted = fixture.state().join("files");
    assert_eq!(std::fs::metadata(&mounted).unwrap().permissions().mode() & 0o777, 0o700);
    let mut written = files_below(&fixture.state());
    written.retain(|path| !path.starts_with(&mounted));
    assert!(written.iter().any(|path| path.ends_with("state.db")));
    written.extend(["events.json", "failed.json"].map(|name| fixture.path().join("plan").join(name)));
    for path in written {
        assert!(!betrays(&std::fs::read(&path).unwrap()), "{}", path.display());
    }
    assert_eq!(files_below(&mounted).len(), 3);

    fixture.run(&["destroy", "-y"]).exits(0);
    assert_eq!(files_below(&mounted), Vec::<PathBuf>::new());
}

#[test]
fn another_secret_or_config_replaces_without_telling_it() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.environment("secrets: { token: { file: token.txt } }\n");
    fixture.write("environments/token.txt", SECRET);
    fixture.write("motd.txt", "hello\n");
    let text = "\
secrets: { token: {} }
configs: { motd: { file: motd.txt } }
services:
  a: { <<: *server, secrets: [token] }
  b: { <<: *server, configs: [motd] }
  c: { <<: *server, environment: { TOKEN: \"{{ secrets.token }}\" } }
";
    fixture.applied(text);
    assert_eq!(fixture.changes(text), ["a none", "b none", "c none"]);
    let labels = fixture.inspect("c")["Config"]["Labels"].to_string();
    assert!(!betrays(labels.as_bytes()));
    fixture.write("environments/token.txt", "another");
    fixture.write("motd.txt", "hallo\n");
    assert_eq!(
        fixture.changes(text),
        ["a replace: secrets[0].digest", "b replace: configs[0].digest", "c replace: environment.TOKEN"]
    );
    let preview = fixture.run(&["preview"]).exits(0);
    preview.says(&["environment.TOKEN: *** → ***"]);
    fixture.applied(text);
    assert_eq!(fixture.exec("a", &["cat", "/run/secrets/token"]), "another");
    assert_eq!(fixture.exec("b", &["cat", "/motd"]), "hallo\n");
    assert_eq!(fixture.exec("c", &["sh", "-c", "echo $TOKEN"]), "another\n");
}

#[test]
fn data_in_a_volume_outlives_everything_but_its_own_removal() {
    let Some(fixture) = Fixture::new() else { return };
    let text = |version: &str| {
        format!(
            "services: {{ web: {{ <<: *server, environment: {{ V: \"{version}\" }}, volumes: [\"data:/data\"] }} }}\n\
             volumes: {{ data: {{}} }}\n"
        )
    };
    fixture.applied(&text("1"));
    fixture.exec("web", &["sh", "-c", "echo kept > /data/kept"]);
    fixture.applied(&text("2"));
    assert_eq!(fixture.exec("web", &["cat", "/data/kept"]), "kept\n");
    fixture.run(&["destroy"]).exits(1).says(&["no terminal to ask on"]);
    assert_eq!(fixture.states(), ["web-1 running"]);
    fixture.run(&["destroy", "-y"]).exits(0);
    assert_eq!(engine::labelled("network ls -q", &fixture.project()), Vec::<String>::new());
    fixture.applied(&text("2"));
    assert_eq!(fixture.exec("web", &["cat", "/data/kept"]), "kept\n");
    fixture.run(&["destroy", "-y", "--volumes", "dta"]).exits(64).says(&["no volume `dta`"]);
    assert_eq!(fixture.states(), ["web-1 running"]);
    fixture.run(&["destroy", "-y", "--volumes", "data"]).exits(0);
    assert_eq!(engine::labelled("volume ls -q", &fixture.project()), Vec::<String>::new());
    assert_eq!(fixture.states(), Vec::<String>::new());
}
