//! Other contents for a container that goes on.

use serde_json::Value;

use crate::{
    engine,
    fixture::{Fixture, Ran},
};

/// It serves what it read last: at its start, and when it is told.
const READER: &str = "\
x-reader: &reader
  image: orchestrate-test/busybox:1
  command: [sh, -c, \"load() { cp /conf /www/conf; }; trap load HUP; mkdir -p /www; load; httpd -p 80 -h /www; while :; do sleep 0.1; done\"]
  stop_grace_period: 0s
  checks: [{ http: { port: 80, path: /conf, body: good }, interval: 100ms, retries: 10 }]
";

fn plan(services: &str) -> String {
    format!("{READER}configs: {{ conf: {{ file: conf.txt }} }}\nservices:\n{services}")
}

fn service(name: &str, on_change: &str) -> String {
    format!("  {name}: {{ <<: *reader, configs: [{{ source: conf, on_change: {on_change} }}] }}\n")
}

fn served(fixture: &Fixture, name: &str) -> String {
    fixture.exec(name, &["wget", "-qO-", "http://127.0.0.1/conf"]).trim().to_owned()
}

/// Where on the host the file lies that a service has mounted as `/conf`.
fn host_file(fixture: &Fixture, name: &str) -> String {
    let found = fixture.inspect(name);
    let mounts = found["Mounts"].as_array().unwrap().iter();
    let mut sources =
        mounts.filter(|mount| mount["Destination"] == "/conf").filter_map(|mount| mount["Source"].as_str());
    sources.next().expect("it has the file mounted").to_owned()
}

#[test]
fn the_same_container_serves_the_new_contents() {
    let Some(fixture) = Fixture::new() else { return };
    let text = plan(
        &[
            service("by-signal", "{ signal: SIGHUP }"),
            service("by-command", "{ command: [cp, /conf, /www/conf] }"),
            service("by-restart", "restart"),
            service("unheard", "ignore"),
            "  copied: { <<: *reader, volumes: [{ type: bind, source: conf.txt, target: /conf, on_change: { signal: HUP } }] }\n"
                .to_owned(),
        ]
        .concat(),
    );
    let names = ["by-command", "by-restart", "by-signal", "copied", "unheard"];
    fixture.write("conf.txt", "good one\n");
    fixture.applied(&text);
    let ids = fixture.ids();
    let started = |name: &str| fixture.inspect(name)["State"]["StartedAt"].clone();
    let before: Vec<Value> = names.iter().map(|name| started(name)).collect();

    // As an editor does it: another file takes the name.
    fixture.write("new.txt", "good two\n");
    std::fs::rename(fixture.path().join("plan/new.txt"), fixture.path().join("plan/conf.txt")).unwrap();
    let fields = ["configs[0]", "configs[0]", "configs[0]", "volumes[0]", "configs[0]"];
    let expected: Vec<String> =
        names.iter().zip(fields).map(|(name, field)| format!("{name} update: {field}")).collect();
    assert_eq!(fixture.changes(&text), expected);
    fixture.run(&["preview"]).exits(0).says(&["in place, by SIGHUP", "in place, by `cp /conf /www/conf`"]);
    fixture.applied(&text);

    assert_eq!(fixture.ids(), ids);
    let contents = names.map(|name| served(&fixture, name));
    assert_eq!(contents, ["good two", "good two", "good two", "good two", "good one"]);
    assert_eq!(fixture.exec("unheard", &["cat", "/conf"]), "good two\n");
    let restarted: Vec<bool> = names.iter().zip(before).map(|(name, before)| started(name) != before).collect();
    assert_eq!(restarted, [false, true, false, false, false]);
    assert_eq!(fixture.changes(&text), names.map(|name| format!("{name} none")));
    fixture.run(&["apply", "-y"]).exits(0).says(&["unchanged"]);

    // Going back goes the same way.
    fixture.run(&["rollback", "-y"]).exits(0);
    assert_eq!(fixture.ids(), ids);
    assert_eq!(names.map(|name| served(&fixture, name)), ["good one"; 5]);
}

#[test]
fn what_is_not_taken_goes_back_and_is_told_again() {
    let Some(fixture) = Fixture::new() else { return };
    let strict = "{ command: [sh, -c, \\\"grep -q good /conf && cp /conf /www/conf\\\"] }".replace('\\', "");
    for on_change in ["{ signal: SIGHUP }", "{ command: [cp, /conf, /www/conf] }", "restart", &strict] {
        let text = plan(&service("web", on_change));
        fixture.write("conf.txt", "good\n");
        fixture.applied(&text);
        let ids = fixture.ids();
        fixture.write("conf.txt", "bad\n");
        let report = fixture.run(&["apply", "-y", "--format", "json"]).exits(3).json();
        assert_eq!(report["outcome"], "rolled_back", "{on_change}");
        assert_eq!(fixture.ids(), ids, "{on_change}");
        assert_eq!(
            (served(&fixture, "web").as_str(), fixture.exec("web", &["cat", "/conf"]).as_str()),
            ("good", "good\n")
        );
        assert_eq!(fixture.changes(&text), ["web update: configs[0]"]);
        fixture.write("conf.txt", "good\n");
        assert_eq!(fixture.changes(&text), ["web none"]);
    }
}

#[test]
fn a_program_that_ends_over_new_contents_runs_again_with_the_old() {
    let Some(fixture) = Fixture::new() else { return };
    let text = plan(&service("web", "{ signal: SIGHUP }"))
        .replace("load() { cp /conf /www/conf; }", "load() { grep -q good /conf || exit 3; cp /conf /www/conf; }");
    fixture.write("conf.txt", "good\n");
    fixture.applied(&text);
    let ids = fixture.ids();
    fixture.write("conf.txt", "bad\n");
    let failed = fixture.run(&["apply", "-y"]).exits(3);
    failed.says(&["exit code 3"]);
    assert_eq!((fixture.ids(), served(&fixture, "web")), (ids, "good".to_owned()));
}

#[test]
fn another_change_beside_it_makes_a_new_container() {
    let Some(fixture) = Fixture::new() else { return };
    let text = plan(&service("web", "{ signal: SIGHUP }"));
    fixture.write("conf.txt", "good one\n");
    fixture.applied(&text);
    fixture.write("conf.txt", "good two\n");
    fixture.applied(&text);
    let id = fixture.id("web");
    // What was changed in place is no longer what its label says, and that is no change either.
    let plain = text.replace(", on_change: { signal: SIGHUP }", "");
    assert_eq!(fixture.changes(&plain), ["web none"]);
    fixture.write("conf.txt", "good one\n");
    assert_eq!(fixture.changes(&plain), ["web replace: configs[0].digest"]);
    let other = text.replace("stop_grace_period: 0s", "stop_grace_period: 1s");
    assert_eq!(fixture.changes(&other), ["web replace: stop_grace_period"]);
    fixture.applied(&other);
    assert_ne!(fixture.id("web"), id);
    assert_eq!(served(&fixture, "web"), "good one");
}

#[test]
fn what_someone_wrote_into_the_file_by_hand_is_put_right_and_what_they_removed_made_anew() {
    let Some(fixture) = Fixture::new() else { return };
    let text = plan(&service("web", "{ signal: SIGHUP }"));
    fixture.write("conf.txt", "good\n");
    fixture.applied(&text);
    let (id, file) = (fixture.id("web"), host_file(&fixture, "web"));
    std::fs::write(&file, "by hand\n").unwrap();
    assert_eq!(fixture.changes(&text), ["web update: configs[0]"]);
    fixture.applied(&text);
    assert_eq!((fixture.id("web"), fixture.exec("web", &["cat", "/conf"]).as_str()), (id.clone(), "good\n"));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(fixture.changes(&text), ["web replace: configs[0]"]);
    fixture.applied(&text);
    assert_ne!(fixture.id("web"), id);
}

#[test]
fn what_was_written_and_not_told_is_told_also_from_another_host() {
    let Some(fixture) = Fixture::new() else { return };
    let text = plan(&service("web", "{ signal: SIGHUP }"));
    fixture.write("conf.txt", "good one\n");
    fixture.applied(&text);
    let (id, file) = (fixture.id("web"), host_file(&fixture, "web"));
    // What a kill between the two leaves, if its journal is lost.
    fixture.write("conf.txt", "good two\n");
    let mark = std::path::Path::new(&file).with_file_name(".untold");
    std::fs::write(&mark, "").unwrap();
    std::fs::write(&file, "good two\n").unwrap();
    let elsewhere = |arguments: &[&str]| {
        let mut command = fixture.command(arguments);
        command.env("ORCHESTRATE_STATE_DIR", fixture.path().join("elsewhere"));
        Ran::of(command.output().unwrap())
    };
    elsewhere(&["preview"]).exits(0).says(&["contents that it was not told of"]);
    elsewhere(&["apply", "-y"]).exits(0);
    assert_eq!((fixture.id("web"), served(&fixture, "web").as_str()), (id, "good two"));
    assert!(!mark.exists());
    elsewhere(&["apply", "-y"]).exits(0).says(&["unchanged"]);
}

#[test]
fn a_secret_changes_in_place_and_is_nowhere_else() {
    const SECRETS: [&str; 2] = ["good-hunter2-correct", "good-hunter3-horse"];
    let Some(fixture) = Fixture::new() else { return };
    fixture.environment("secrets: { token: { file: token.txt } }\n");
    fixture.write("environments/token.txt", SECRETS[0]);
    let text = format!(
        "{READER}secrets: {{ token: {{}} }}\nservices:\n  web: {{ <<: *reader, secrets: [{{ source: token, target: /conf, on_change: {{ signal: SIGHUP }} }}] }}\n"
    );
    fixture.applied(&text);
    let id = fixture.id("web");
    fixture.write("environments/token.txt", SECRETS[1]);
    let preview = fixture.run(&["preview", "--format", "json"]).exits(0);
    let applied = fixture.run(&["apply", "-y", "-v", "--events", "events.json"]).exits(0);
    assert_eq!((fixture.id("web"), served(&fixture, "web").as_str()), (id, SECRETS[1]));
    let mut told = vec![preview.data.into_bytes(), applied.data.into_bytes(), applied.talk.into_bytes()];
    told.push(fixture.inspect("web").to_string().into_bytes());
    told.push(std::fs::read(fixture.path().join("plan/events.json")).unwrap());
    for entry in std::fs::read_dir(fixture.state()).unwrap() {
        let path = entry.unwrap().path();
        told.extend(path.is_file().then(|| std::fs::read(path).unwrap()));
    }
    for secret in SECRETS {
        assert!(told.iter().all(|bytes| !bytes.windows(secret.len()).any(|window| window == secret.as_bytes())));
    }
}

#[cfg(feature = "fail-points")]
#[test]
fn a_kill_in_the_middle_is_taken_back_or_finished() {
    let Some(fixture) = Fixture::new() else { return };
    for on_change in ["{ signal: SIGHUP }", "restart"] {
        for point in ["before-perform:1", "after-perform:1", "before-perform:2", "after-perform:2", "after-append:2"] {
            let text = plan(&service("web", on_change));
            fixture.write("conf.txt", "good one\n");
            fixture.applied(&text);
            let id = fixture.id("web");
            fixture.write("conf.txt", "good two\n");
            let mut apply = fixture.command(&["apply", "-y"]);
            apply.env("ORCHESTRATE_FAIL_POINT", point).output().unwrap();
            fixture.run(&["recover"]);
            let contents = served(&fixture, "web");
            assert!(["good one", "good two"].contains(&contents.as_str()), "{on_change} {point}: {contents}");
            assert_eq!(fixture.exec("web", &["cat", "/conf"]).trim(), contents, "{on_change} {point}");
            fixture.run(&["apply", "-y"]).exits(0);
            assert_eq!((fixture.id("web"), served(&fixture, "web").as_str()), (id, "good two"), "{on_change} {point}");
        }
    }
}

#[test]
fn what_shares_its_network_is_made_anew_with_a_restart() {
    let Some(fixture) = Fixture::new() else { return };
    let beside = "  beside: { <<: *idle, network_mode: \"service:web\" }\n";
    let text = plan(&[&service("web", "restart"), beside].concat());
    fixture.write("conf.txt", "good one\n");
    fixture.applied(&text);
    let web = fixture.id("web");
    fixture.write("conf.txt", "good two\n");
    assert_eq!(fixture.changes(&text), ["beside replace: network_mode", "web update: configs[0]"]);
    fixture.applied(&text);
    assert_eq!(fixture.id("web"), web);
    let beside = fixture.instance("beside");
    assert_eq!(engine::docker(&["exec", &beside, "wget", "-qO-", "http://127.0.0.1/conf"]), "good two\n");
}
