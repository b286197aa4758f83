//! The operator at night: the plan is gone, broken, or wants what nobody knows by heart.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use crate::scene::{Scene, assert_text, kill};

/// A service that says which version it is, as `version` says.
const VERSIONED: &str = r#"
vars: { version: { type: string, required: true } }
services:
  web:
    command: ["sh", "-c", "echo version $VERSION; exec sleep 1000"]
    environment: { VERSION: "{{ vars.version }}" }
    checks: [{ log: { matches: version } }]
"#;

/// A project that was deployed twice.
fn deployed_twice() -> Scene {
    let scene = Scene::new(VERSIONED);
    scene.ok("apply --var version=1 -m first");
    scene.ok("apply --yes --var version=2 -m second");
    scene
}

/// All that one does at night, with these words to name the project; each has to say `warning`.
fn looked_after(scene: &Scene, words: &str, warning: &str) {
    let ok = |line: &str| {
        let ran = scene.ok(&format!("{line} {words}"));
        assert!(ran.talk.starts_with(warning), "`{line} {words}` does not say {warning:?}: {ran:#?}");
        ran
    };
    let status = "\
SERVICE  INSTANCE     STATE    HEALTH   IMAGE  DEPLOYMENT
web      fleet-web-1  running  healthy  sh     ";
    assert!(ok("status").data.starts_with(status), "{}", ok("status").data);
    assert_eq!(ok("logs").data, "version 2\n");
    assert!(ok("check").data.contains("passed"), "{}", ok("check").data);
    let history = ok("history").data;
    assert!(history.contains("second") && history.contains("first"), "{history}");
    assert!(ok("rollback --dry-run").data.contains("1 service to replace"));

    ok("rollback --yes");
    assert_eq!(scene.log("web"), "version 1\n");
    assert_eq!(ok("logs").data, "version 1\n");
    ok("destroy --yes");
    assert!(scene.instances().is_empty());
    // It is gone, so nothing is missing.
    assert_text(&ok("status").data, "nothing runs, and nothing should\n");
    assert_text(&ok("destroy --yes").data, "unchanged: `fleet` on local processes, TIME\n");
}

#[test]
fn without_a_plan_the_project_is_named() {
    let scene = deployed_twice();
    std::fs::remove_file(scene.path("plan.yaml")).unwrap();
    for line in ["status", "logs", "check", "history", "rollback", "destroy --yes"] {
        let refused = scene.run(line);
        assert_eq!((refused.code, refused.data.as_str()), (1, ""), "{line}: {refused:#?}");
        assert_text(
            &refused.talk,
            "error: there is no plan here that says which project is meant\n  \
             hint: name a plan, or a project with `--project NAME`: known here are `fleet`\n",
        );
    }
    looked_after(&scene, "--project fleet", "");
}

#[test]
fn a_project_by_its_name_needs_no_plan_that_loads() {
    let scene = deployed_twice();
    scene.write("plan.yaml", "\u{1}%%% no plan\n");
    let refused = scene.run("status");
    assert_eq!(refused.code, 65, "{refused:#?}");
    let note = "note[by-name]: what was deployed can be named without its plan\n  \
                hint: `--project NAME`: known here are `fleet`\n";
    assert!(refused.talk.contains(note), "{}", refused.talk);
    looked_after(&scene, "--project fleet", "");
}

#[test]
fn a_plan_that_wants_variables_is_known_by_its_name() {
    let scene = deployed_twice();
    let warning = "warning[plan-not-loaded]: `plan.yaml` cannot be loaded, the plan that deployment `ID` left in force is used: \
                   plan.yaml:5: ";
    looked_after(&scene, "", warning);
}

#[test]
fn a_plan_with_broken_syntax_is_known_by_its_name() {
    let scene = deployed_twice();
    scene.plan(&VERSIONED.replace("services:", "services: ]"));
    looked_after(&scene, "", "warning[plan-not-loaded]: `plan.yaml` cannot be loaded, ");
    // With two names there is a doubt.
    scene.write("plan.yaml", "name: fleet\nname: other\nservices: ]\n");
    assert_eq!(scene.run("status").code, 65);
}

#[test]
fn the_environments_name_is_part_of_the_projects() {
    let scene = Scene::new(VERSIONED);
    scene.write("environments/lab.yaml", "name: laboratory\nvars: { version: \"1\" }\n");
    scene.ok("apply -e lab");
    scene.write("environments/lab.yaml", "name: laboratory\nvars: { vresion: \"1\" }\n");
    let status = scene.ok("status -e lab");
    assert!(status.data.contains("fleet-laboratory-web-1  running  healthy"), "{status:#?}");
    assert!(status.talk.contains("(and 1 more problem)"), "{status:#?}");
    // An environment that does not exist is a mistake, not another project.
    let refused = scene.run("status -e labor");
    assert_eq!(refused.code, 65, "{refused:#?}");
    assert!(refused.talk.contains("known here are `fleet-laboratory`"), "{refused:#?}");
    scene.ok("destroy --yes --project fleet-laboratory");
}

#[test]
fn a_name_that_nobody_knows_is_told() {
    let scene = deployed_twice();
    let ran = scene.run("history --project flet");
    assert_eq!((ran.code, ran.data.as_str()), (0, "no deployments yet\n"));
    assert_text(
        &ran.talk,
        "warning[unknown-project]: `flet` was never deployed from here: only what carries its name is looked at\n  \
         hint: did you mean `fleet`?\n",
    );
    assert_eq!(scene.run("check --project flet").code, 1);
    assert_eq!(scene.run("status plan.yaml --project fleet").code, 64);
    assert_eq!(scene.run("status --project Fleet!").code, 64);
}

#[test]
fn what_never_succeeded_is_found_by_its_name() {
    let scene = Scene::new(VERSIONED);
    scene.plan(
        &VERSIONED
            .replace("matches: version", "matches: never")
            .replace("checks:", "healthcheck: { test: [CMD, \"false\"], interval: 50ms, retries: 1 }\n    checks:"),
    );
    assert_eq!(scene.run("apply --var version=1 --no-rollback").code, 4);
    std::fs::remove_file(scene.path("plan.yaml")).unwrap();
    let status = scene.ok("status --project fleet");
    assert!(status.data.contains("running, not in the plan"), "{status:#?}");
    assert_eq!(scene.ok("logs --project fleet").data, "version 1\n");
    let destroyed = scene.ok("destroy --yes --project fleet");
    assert!(destroyed.data.starts_with("applied: `fleet` on local processes"), "{destroyed:#?}");
    assert!(scene.instances().is_empty());
}

/// Follows logs: what was written, line by line, until it ends.
fn following(scene: &Scene, line: &str) -> (Child, impl Iterator<Item = String>) {
    let mut child = scene.command(line).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines.map(Result::unwrap))
}

#[test]
fn followed_logs_go_on_with_what_is_started_meanwhile() {
    let scene = Scene::new(VERSIONED);
    scene.ok("apply --var version=1");
    let (mut child, mut lines) = following(&scene, "logs --follow --var version=1");
    assert_eq!(lines.next().unwrap(), "version 1");
    scene.ok("apply --yes --var version=2");
    assert_eq!(lines.next().unwrap(), "version 2");
    // A service that was not there before, too.
    scene.plan(&format!("{VERSIONED}  late: {{ command: [\"sh\", \"-c\", \"echo late; exec sleep 1000\"] }}\n"));
    scene.ok("apply --yes --var version=2");
    assert_eq!(lines.next().unwrap(), "late");
    scene.ok("destroy --yes --project fleet");
    assert!(child.wait().unwrap().success());
    assert_eq!(lines.next(), None);
}

#[test]
fn followed_logs_go_on_after_a_restart() {
    let scene = Scene::new(
        r#"
services:
  web: { command: ["sh", "-c", "echo up; until [ -e go ]; do sleep 0.02; done; rm go; exit 1"], restart: always }
"#,
    );
    scene.ok("apply");
    let (mut child, mut lines) = following(&scene, "logs --follow");
    assert_eq!(lines.next().unwrap(), "up");
    scene.write("go", "");
    assert_eq!(lines.next().unwrap(), "up");
    scene.ok("destroy --yes");
    assert!(child.wait().unwrap().success());
}

#[test]
fn an_apply_that_finds_another_half_way_is_told_who_it_is() {
    let scene = Scene::new(
        r#"
services:
  web: { command: [sleep, "1000"], checks: [{ file: { path: ready }, interval: 100ms, timeout: 30s, retries: 1000 }] }
"#,
    );
    let first = scene.until("apply", "web: starting");
    // What is there is as it should be, and is not well yet.
    let second = scene.run("apply");
    assert_eq!((second.code, second.data.as_str()), (5, ""), "{second:#?}");
    assert!(second.talk.starts_with("error: project `fleet` is locked by process PID"), "{second:#?}");
    scene.write("ready", "");
    assert_eq!(scene.ended(first).code, 0);
    std::fs::remove_file(scene.path("ready")).unwrap();
    assert_eq!(scene.run("apply").code, 1);
}

#[test]
fn what_was_cut_off_is_recovered_without_its_plan() {
    let scene = deployed_twice();
    scene.plan(
        &VERSIONED
            .replace("matches: version", "matches: never")
            .replace("checks: [{", "checks: [{ timeout: 1s, retries: 1000,"),
    );
    let child = scene.until("apply --yes --var version=3", "web: starting");
    kill(&child, rustix::process::Signal::KILL);
    assert_eq!(scene.ended(child).code, 137);
    std::fs::remove_file(scene.path("plan.yaml")).unwrap();
    let recovered = scene.ok("recover --project fleet");
    assert!(recovered.data.starts_with("rolled back: `fleet` on local processes"), "{recovered:#?}");
    // It was stopped, and was started again.
    assert_eq!(scene.log("web"), "version 2\nversion 2\n");
    assert_text(
        &scene.ok("abort --project fleet").talk,
        "nothing to recover: the last deployment has come to its end\n",
    );
}
