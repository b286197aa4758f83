//! Hooks and tests inside containers: in one of a service, and in one of their own.

use crate::fixture::Fixture;

fn plan(version: u32) -> String {
    format!(
        r#"
services:
  web:
    image: orchestrate-test/busybox:1
    command: [sh, -c, "mkdir -p /w; echo version {version} >/w/index.html; exec httpd -f -p 80 -h /w"]
    checks: [{{ http: {{ port: 80 }}, interval: 1s }}]
    stop_grace_period: 0s
hooks:
  pre_deploy: [{{ name: before, service: web, command: [sh, -c, "cat /w/index.html; exit 0"] }}]
  post_deploy: [{{ name: after, service: web, command: [sh, -c, "grep -q 'version {version}' /w/index.html"] }}]
tests:
  - name: through the network
    image: orchestrate-test/busybox:2
    command: [sh, -c, "wget -qO- http://web/ && test $(cat /version) = 2 && echo $ORCHESTRATE_VERSIONS"]
"#
    )
}

#[test]
fn commands_run_in_instances_and_in_containers_of_their_own() {
    let Some(fixture) = Fixture::new() else { return };
    let applied = |version: u32| {
        fixture.plan(&plan(version));
        fixture.run(&["apply", "-y", "--format", "json"]).exits(0).json()
    };
    let first = applied(1);
    let names = |document: &serde_json::Value| -> Vec<String> {
        let commands = document["commands"].as_array().unwrap();
        commands.iter().map(|command| command["name"].as_str().unwrap().to_owned()).collect()
    };
    // There is nothing that the first hook could run in.
    assert_eq!(names(&first), ["through the network", "after"]);
    let output = &first["commands"][0]["output"];
    assert_eq!(output[0], "version 1");
    assert!(output[1].as_str().unwrap().contains(r#""web":"orchestrate-test/busybox:1""#), "{output}");

    let second = applied(2);
    assert_eq!(names(&second), ["before", "through the network", "after"]);
    assert_eq!(second["commands"][0]["output"][0], "version 1");
    assert_eq!(fixture.containers().len(), 1, "{:?}", fixture.containers());
}

#[test]
fn a_test_in_a_container_that_fails_takes_everything_back() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.applied(&plan(1));
    let id = fixture.id("web");
    let broken = plan(2).replace("test $(cat /version) = 2", "test $(cat /version) = 3");
    fixture.plan(&broken);
    let failed = fixture.run(&["apply", "-y", "--format", "json"]).exits(3);
    assert_eq!(failed.json()["error"]["code"], "test-failed");
    assert_eq!(fixture.id("web"), id);
    assert_eq!(fixture.containers().len(), 1, "{:?}", fixture.containers());
}
