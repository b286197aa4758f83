//! What a process is given: its environment, directory, user and checks.

use crate::scene::{Scene, assert_text};

#[test]
fn the_environment_is_what_the_plan_says_and_little_else() {
    let scene = Scene::new(
        r#"
services:
  show:
    command: ["sh", "-c", "echo $GIVEN $PASSED ${ABSENT-absent} ${FOREIGN-foreign}; pwd; exec sleep 1000"]
    working_dir: sub
    environment: { GIVEN: given, PASSED: , ABSENT: }
    checks: [{ log: { matches: /sub } }]
"#,
    )
    .env("PASSED", "passed")
    .env("FOREIGN", "leaked");
    std::fs::create_dir(scene.path("sub")).unwrap();
    scene.ok("apply");
    assert_eq!(scene.normal(&scene.log("show")), "given passed absent foreign\n$TMP/work/sub\n");
}

#[test]
fn another_user_runs_it() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let scene = Scene::new(
        r#"
services:
  show:
    command: ["sh", "-c", "id -un; exec sleep 1000"]
    working_dir: /
    user: nobody
    checks: [{ log: { matches: . } }]
"#,
    );
    scene.ok("apply");
    assert_eq!(scene.log("show"), "nobody\n");
    scene.plan("\nservices:\n  show: { command: [sleep, \"1000\"], user: nobody-of-this-name }\n");
    let refused = scene.run("apply");
    assert_eq!(refused.code, 1, "{refused:#?}");
    assert!(refused.data.contains("`nobody-of-this-name`"), "{}", refused.data);
    assert_eq!(scene.log("show"), "nobody\n");
}

#[test]
fn its_own_healthcheck_gates_it() {
    let plan = |word: &str| {
        format!(
            r#"
services:
  show:
    command: [sleep, "1000"]
    healthcheck: {{ test: [CMD, "{word}"], interval: 1s, retries: 2 }}
"#
        )
    };
    let scene = Scene::new(&plan("true"));
    scene.ok("apply");
    let before = scene.pids();
    scene.plan(&plan("false"));
    let failed = scene.run("apply");
    assert_eq!(failed.code, 3);
    assert!(failed.data.contains("error[unhealthy]: "), "{}", failed.data);
    // The one before runs again.
    assert_eq!(scene.pids().keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
}

#[test]
fn a_log_is_bounded_by_its_options_and_no_others_are_known() {
    let scene = Scene::new(
        "\nservices:\n  show: { command: [sleep, \"1000\"], logging: { options: { max-size: 1k, max-file: 2 } } }\n",
    );
    scene.ok("apply");
    scene.plan("\nservices:\n  show: { command: [sleep, \"1000\"], logging: { driver: syslog } }\n");
    let before = scene.pids();
    let refused = scene.run("apply");
    assert_eq!(refused.code, 1);
    let text = "\
error[not-for-a-process]: `logging` of a process knows no `syslog`: its output goes to files of ours
  hint: leave it out; the options `max-size` and `max-file` bound the files
";
    assert!(refused.data.contains(text), "{}", refused.data);
    assert_eq!(scene.pids(), before);
}

#[test]
fn keys_for_containers_are_refused_each_at_its_place() {
    let scene =
        Scene::new("\nservices:\n  web:\n    command: [sleep, \"1\"]\n    ports: [\"80:80\"]\n    read_only: true\n");
    let refused = scene.run("apply");
    assert_eq!(refused.code, 65);
    let text = "\
error[not-for-process]: `ports` means nothing for `web`, which is a process
   ╭─[plan.yaml:8:5]
 7 │     command: [sleep, \"1\"]
 8 │     ports: [\"80:80\"]
   ·     ──┬──
   ·       ╰── only for containers
 9 │     read_only: true
   ╰────
  hint: a process listens on the host itself: declare its ports with `expose`

error[not-for-process]: `read_only` means nothing for `web`, which is a process
   ╭─[plan.yaml:9:5]
 8 │     ports: [\"80:80\"]
 9 │     read_only: true
   ·     ────┬────
   ·         ╰── only for containers
   ╰────

2 errors
";
    assert_text(&refused.talk, text);
}
