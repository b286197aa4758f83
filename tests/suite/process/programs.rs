//! What runs is the program's content, not whatever lies at its path.

use crate::scene::{Scene, assert_text};

const APP: &str = r#"
services:
  app:
    command: ["./app"]
    checks: [{ log: { matches: ready } }]
"#;

const BUILT: &str = r#"
services:
  build:
    kind: job
    command: ["sh", "-c", "cp source built.new && chmod +x built.new && mv built.new built"]
    environment: { SOURCE: "{{ file('source') | sha256 }}" }
  app:
    command: ["./built"]
    depends_on: { build: { condition: service_completed_successfully } }
    checks: [{ log: { matches: ready } }]
  behind:
    command: ["./built"]
    depends_on: { app: { condition: service_healthy } }
    checks: [{ log: { matches: ready } }]
"#;

fn version(number: u32) -> String {
    format!("echo version {number} ready; exec sleep 1000")
}

#[test]
fn a_replaced_program_is_a_change_and_the_old_one_runs_again_when_the_new_one_fails() {
    let scene = Scene::new(APP);
    scene.program("app", &version(1));
    scene.ok("apply");
    scene.program("app", "echo version 2 broken; exit 1");
    let preview = scene.ok("preview").data;
    assert!(preview.contains("± app  replace  stop-first, downtime expected\n      executable: "), "{preview}");
    assert_eq!(scene.run("apply").code, 3);
    assert_eq!(scene.log("app"), "version 1 ready\nversion 1 ready\n");
    assert_eq!(scene.pids().len(), 1);
}

#[test]
fn a_rollback_runs_the_program_that_ran_then() {
    let scene = Scene::new(APP);
    scene.program("app", &version(1));
    scene.ok("apply");
    scene.program("app", &version(2));
    scene.ok("apply");
    assert_eq!(scene.log("app"), "version 2 ready\n");
    std::fs::remove_file(scene.path("app")).unwrap();
    scene.ok("rollback");
    assert_eq!(scene.log("app"), "version 1 ready\n");

    // Forward again is an ordinary change.
    scene.program("app", &version(2));
    scene.ok("apply");
    assert_eq!(scene.log("app"), "version 2 ready\n");
}

#[test]
fn what_a_job_makes_anew_is_run_by_what_is_behind_it() {
    let scene = Scene::new(BUILT);
    let source = |number| scene.write("source", format!("#!/bin/sh\n{}\n", version(number)));
    source(1);
    scene.ok("apply");
    assert_eq!(scene.log("app") + &scene.log("behind"), "version 1 ready\nversion 1 ready\n");
    assert_text(&scene.ok("apply").data, "unchanged: `fleet` on local processes, TIME\n\n3 services unchanged\n");

    source(2);
    let preview = scene.ok("preview").data;
    assert_eq!(preview.matches("→ as `build` makes it").count(), 2, "{preview}");
    assert!(preview.ends_with("3 services to replace\n"), "{preview}");
    scene.ok("apply");
    assert_eq!(scene.log("app") + &scene.log("behind"), "version 2 ready\nversion 2 ready\n");
    assert_text(&scene.ok("apply").data, "unchanged: `fleet` on local processes, TIME\n\n3 services unchanged\n");

    // The job of then would build from the source of today.
    scene.ok("rollback");
    assert_eq!(scene.log("app") + &scene.log("behind"), "version 1 ready\nversion 1 ready\n");
}

#[test]
fn a_program_that_a_failed_build_spoilt_goes_back() {
    let scene = Scene::new(BUILT);
    scene.write("source", format!("#!/bin/sh\n{}\n", version(1)));
    scene.ok("apply");
    scene.write("source", "#!/bin/sh\necho version 2; exit 1\n");
    assert_eq!(scene.run("apply").code, 3);
    assert_eq!(scene.log("app"), "version 1 ready\nversion 1 ready\n");
    assert_eq!(scene.log("behind"), "version 1 ready\n");
    assert_eq!(scene.pids().len(), 2);
}

#[test]
fn a_program_that_is_not_there_stands_in_the_way() {
    let scene = Scene::new(APP);
    let refused = scene.run("apply");
    assert_eq!((refused.code, refused.data.as_str()), (1, ""));
    let text = "\
error[executable-not-found]: the program `./app` of `app` was not found
  note: written at plan.yaml:7
  hint: give its whole path, or one from the plan's directory such as `./bin/server`; or let a `kind: job` make it

1 error
";
    assert_text(&refused.talk, text);
    assert!(scene.instances().is_empty());
}
