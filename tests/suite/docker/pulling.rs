//! Images out of a registry that wants a password.

use crate::{
    docker::registry::{PASSWORD, Registry},
    engine,
    fixture::{Fixture, Ran},
    scene::assert_text,
};

fn plan(image: &str) -> String {
    format!("services: {{ web: {{ <<: *server, image: \"{image}\" }} }}\n")
}

fn apply(fixture: &Fixture, docker_config: &std::path::Path) -> Ran {
    Ran::of(fixture.command(&["apply", "-y"]).env("DOCKER_CONFIG", docker_config).output().unwrap())
}

/// The error as it is told, without what comes before and after it.
fn error(registry: &Registry, ran: &Ran) -> String {
    let told = registry.normal(&ran.data);
    let lines = told.lines().skip_while(|line| !line.starts_with("error[")).take_while(|line| !line.is_empty());
    lines.map(|line| format!("{}\n", line.trim())).collect()
}

#[test]
fn a_private_image_is_pulled_with_dockers_own_login() {
    let (Some(mut registry), Some(fixture)) = (Registry::start(), Fixture::new()) else { return };
    let image = registry.push_image("team/app:1");
    fixture.plan(&plan(&image));
    apply(&fixture, &registry.log_in("docker", PASSWORD)).exits(0);
    assert_eq!(fixture.inspect("web")["Config"]["Image"].as_str(), Some(image.as_str()));
    let secrets = [PASSWORD.to_owned(), engine::base64(&format!("me:{PASSWORD}"))];
    for secret in secrets {
        let found = std::process::Command::new("grep").args(["-rlaF", "-e", &secret]).arg(fixture.state()).output();
        assert_eq!(String::from_utf8(found.unwrap().stdout).unwrap(), "", "the password is in the state");
    }
}

#[test]
fn a_login_comes_from_the_environment_and_from_helpers() {
    use std::os::unix::fs::PermissionsExt as _;
    let (Some(mut registry), Some(fixture)) = (Registry::start(), Fixture::new()) else { return };
    let image = registry.push_image("team/app:1");
    fixture.plan(&plan(&image));
    let nobody = registry.directory.path().join("nobody");
    std::fs::create_dir_all(&nobody).unwrap();
    let auth = engine::base64(&format!("me:{PASSWORD}"));
    let written = format!(r#"{{"auths": {{"{}": {{"auth": "{auth}"}}}}}}"#, registry.address);
    let mut command = fixture.command(&["apply", "-y"]);
    Ran::of(command.env("DOCKER_CONFIG", &nobody).env("DOCKER_AUTH_CONFIG", written).output().unwrap()).exits(0);

    fixture.run(&["destroy", "-y"]).exits(0);
    engine::untag(std::slice::from_ref(&image));
    std::fs::write(nobody.join("config.json"), r#"{"credsStore": "test"}"#).unwrap();
    let helper = nobody.join("docker-credential-test");
    let answer = format!(r#"{{"ServerURL":"x","Username":"me","Secret":"{PASSWORD}"}}"#);
    std::fs::write(&helper, format!("#!/bin/sh\ncat >/dev/null\necho '{answer}'\n")).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", nobody.display(), std::env::var("PATH").unwrap());
    let mut command = fixture.command(&["apply", "-y"]);
    Ran::of(command.env("DOCKER_CONFIG", &nobody).env("PATH", path).output().unwrap()).exits(0);
}

#[test]
fn what_a_registry_refuses_is_told_with_the_login_to_run() {
    let (Some(mut registry), Some(fixture)) = (Registry::start(), Fixture::new()) else { return };
    let image = registry.push_image("team/app:1");
    let (good, wrong) = (registry.log_in("docker", PASSWORD), registry.log_in("wrong", "guess"));
    let nobody = registry.directory.path().join("nobody");
    fixture.plan(&plan(&image));
    let ran = apply(&fixture, &wrong).exits(3);
    assert_text(
        &error(&registry, &ran),
        "error[registry-denied]: cannot pull `127.0.0.1:PORT/team/app:1` from `127.0.0.1:PORT` as `me`: \
         unauthorized: authentication required\n\
         hint: log in again, or as someone who may: `docker login 127.0.0.1:PORT` (it was `me`)\n",
    );
    let ran = apply(&fixture, &nobody).exits(3);
    assert_text(
        &error(&registry, &ran),
        "error[registry-denied]: cannot pull `127.0.0.1:PORT/team/app:1` from `127.0.0.1:PORT` without a login: \
         Head \"http://127.0.0.1:PORT/v2/team/app/manifests/1\": no basic auth credentials\n\
         hint: log in: `docker login 127.0.0.1:PORT`\n",
    );
    fixture.plan(&plan(&image.replace("app:1", "app:9")));
    let ran = apply(&fixture, &good).exits(3);
    assert_text(
        &error(&registry, &ran),
        "error[image-not-found]: cannot pull `127.0.0.1:PORT/team/app:9` from `127.0.0.1:PORT` as `me`: \
         manifest for 127.0.0.1:PORT/team/app:9 not found: manifest unknown: manifest unknown\n\
         hint: check its name and tag, and whether this login may see it (`docker login 127.0.0.1:PORT`)\n",
    );
    registry.stop();
    fixture.plan(&plan(&image));
    let ran = apply(&fixture, &good).exits(3);
    assert_text(
        &error(&registry, &ran),
        "error[registry-unreachable]: cannot pull `127.0.0.1:PORT/team/app:1` from `127.0.0.1:PORT` as `me`: \
         Get \"http://127.0.0.1:PORT/v2/\": dial tcp 127.0.0.1:PORT: connect: connection refused\n\
         hint: is `127.0.0.1:PORT` up? check the engine host's network, proxy and name servers\n",
    );
    assert!(fixture.containers().is_empty());
}

/// Another image under the same name, in the registry alone.
fn push_another(fixture: &Fixture, registry: &mut Registry, text: &str) -> String {
    let other = fixture.build_image(text, text);
    registry.push(&other, "team/app:1")
}

#[test]
fn a_newer_image_is_only_pulled_where_that_is_asked_for() {
    let (Some(mut registry), Some(fixture)) = (Registry::start(), Fixture::new()) else { return };
    let config = registry.log_in("docker", PASSWORD);
    let run = |words: &[&str]| Ran::of(fixture.command(words).env("DOCKER_CONFIG", &config).output().unwrap());
    let image = registry.push_image("team/app:1");
    fixture.plan(&plan(&image));
    run(&["apply", "-y"]).exits(0);
    let first = fixture.id("web");
    engine::docker(&["tag", &image, &format!("{image}-kept")]);
    push_another(&fixture, &mut registry, "two");
    engine::docker(&["tag", &format!("{image}-kept"), &image]);
    engine::untag(&[format!("{image}-kept")]);
    run(&["apply", "-y"]).exits(0);
    assert_eq!(fixture.id("web"), first, "nobody asked for it");
    run(&["preview", "--pull", "always"]).exits(0).says(&["newer in the registry", "pull image"]);
    fixture.plan(&plan(&image).replace("*server,", "*server, pull_policy: always,"));
    run(&["apply", "-y", "--pull", "missing"]).exits(0);
    assert_eq!(fixture.id("web"), first, "the flag counts");
    run(&["apply", "-y"]).exits(0);
    let second = fixture.id("web");
    assert_ne!(second, first);
    assert_eq!(fixture.inspect("web")["Config"]["Labels"]["text"], "two");
    run(&["apply", "-y"]).exits(0);
    assert_eq!(fixture.id("web"), second, "it is up to date");
    registry.stop();
    let ran = run(&["apply", "-y"]).exits(1);
    ran.says(&["cannot ask for", "as `me`", "connection refused"]);
    run(&["apply", "-y", "--pull", "never"]).exits(0);
}

#[test]
fn a_lock_pins_images_to_their_digests() {
    let (Some(mut registry), Some(fixture)) = (Registry::start(), Fixture::new()) else { return };
    let config = registry.log_in("docker", PASSWORD);
    let run = |words: &[&str]| Ran::of(fixture.command(words).env("DOCKER_CONFIG", &config).output().unwrap());
    let image = registry.push_image("team/app:1");
    fixture.plan(&plan(&image));
    run(&["apply", "-y"]).exits(0);
    let first = fixture.id("web");
    run(&["lock-images"]).exits(0).says(&["+ ", "1 image in orchestrate.lock"]);
    let path = fixture.path().join("plan/orchestrate.lock");
    let written: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let digest = written["images"][&image].as_str().unwrap().to_owned();
    assert_eq!((written["version"].as_u64(), digest.len()), (Some(1), 71));
    // The same image by another word: nothing has to be made anew.
    run(&["apply", "-y"]).exits(0);
    assert_eq!(fixture.id("web"), first);
    // Somewhere else, the digest counts whatever the tag leads to by now.
    run(&["destroy", "-y"]).exits(0);
    push_another(&fixture, &mut registry, "two");
    engine::untag(std::slice::from_ref(&image));
    run(&["apply", "-y"]).exits(0);
    assert_eq!(fixture.inspect("web")["Config"]["Labels"]["text"], serde_json::Value::Null);
    run(&["lock-images"]).exits(0).says(&["~ ", " -> sha256:"]);
    run(&["preview"]).exits(0).says(&[&digest, "image"]);
    run(&["apply", "-y"]).exits(0);
    assert_eq!(fixture.inspect("web")["Config"]["Labels"]["text"], "two");
    fixture.plan("services: { web: *server }\n");
    run(&["preview"]).exits(0).says(&["image-not-locked", "orchestrate lock-images"]);
    std::fs::write(&path, "{\"version\": 2, \"images\": {}}").unwrap();
    run(&["preview"]).exits(1).says(&["orchestrate.lock", "version 2"]);
    run(&["lock-images"]).exits(1).says(&["version 2"]);
}

#[test]
fn an_image_that_is_in_no_registry_is_left_out_of_the_lock() {
    let Some(fixture) = Fixture::new() else { return };
    let image = fixture.build_image("1", "made here");
    fixture.plan(&format!("services: {{ web: {{ <<: *server, image: \"{image}\" }} }}\n"));
    let ran = fixture.run(&["lock-images"]).exits(0);
    ran.says(&[&format!("! {image}: left out"), "0 images in orchestrate.lock"]);
    let written = std::fs::read_to_string(fixture.path().join("plan/orchestrate.lock")).unwrap();
    assert!(!written.contains(&image), "{written}");
}

/// A registry that always gives this answer, on a thread that ends with the process. Answers its
/// address, and how often a manifest was asked for.
fn always_answering(
    status: &'static str,
    body: &'static str,
) -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    use std::{
        io::{Read as _, Write as _},
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            // The engine tries TLS first.
            if !request.contains("HTTP/1.1") {
                continue;
            }
            let is_ping = request.starts_with("GET /v2/ ");
            counter.fetch_add(usize::from(!is_ping), Ordering::SeqCst);
            let (status, body) = if is_ping { ("200 OK", "{}") } else { (status, body) };
            let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n");
            drop(write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()));
        }
    });
    (address, asked)
}

#[test]
fn a_registry_that_limits_pulls_is_asked_again_and_one_that_forbids_is_not() {
    let Some(fixture) = Fixture::new() else { return };
    let nobody = fixture.path().join("nobody");
    let limit = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit"}]}"#;
    let (address, asked) = always_answering("429 Too Many Requests", limit);
    fixture.plan(&format!("retry: {{ attempts: 3, initial: 10ms }}\n{}", plan(&format!("{address}/app:1"))));
    let ran = apply(&fixture, &nobody).exits(3);
    ran.says(&["error[registry-rate-limited]", "attempt 2 failed", &format!("`docker login {address}`")]);
    let limited = asked.load(std::sync::atomic::Ordering::SeqCst);

    let forbidden = r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#;
    let (address, asked) = always_answering("403 Forbidden", forbidden);
    fixture.plan(&format!("retry: {{ attempts: 3, initial: 10ms }}\n{}", plan(&format!("{address}/app:1"))));
    let ran = apply(&fixture, &nobody).exits(3);
    ran.says(&["error[", "without a login", &format!("`docker login {address}`")]);
    let denied = asked.load(std::sync::atomic::Ordering::SeqCst);
    assert!(limited >= 3 * denied && denied > 0, "{limited} and {denied} requests");
}

#[test]
fn a_build_starts_from_a_private_image() {
    let (Some(mut registry), Some(fixture)) = (Registry::start(), Fixture::new()) else { return };
    let image = registry.push_image("team/base:1");
    let config = registry.log_in("docker", PASSWORD);
    fixture.plan(&format!(
        "services: {{ web: {{ <<: *idle, image: \"{}:built\", build: {{ dockerfile_inline: \"FROM {image}\" }} }} }}\n",
        fixture.project()
    ));
    let built = format!("{}:built", fixture.project());
    let ran = apply(&fixture, &registry.directory.path().join("nobody"));
    let told = error(&registry, &ran).replace(&fixture.project(), "PROJECT");
    assert_text(
        &told,
        "error[registry-denied]: cannot build `PROJECT:built`: Dockerfile line 1, `FROM 127.0.0.1:PORT/team/base:1`: \
         Head \"http://127.0.0.1:PORT/v2/team/base/manifests/1\": no basic auth credentials\n\
         hint: log in: `docker login 127.0.0.1:PORT`\n",
    );
    let ran = apply(&fixture, &config);
    engine::untag(std::slice::from_ref(&built));
    ran.exits(0);
}
