//! Up, unchanged, changed, broken, back, gone.

use std::process::Stdio;

use crate::scene::{Scene, assert_text, free_port};

/// Two services, the second behind the first.
fn two(greeting: &str, end: &str) -> String {
    format!(
        r#"
services:
  store:
    command: ["sh", "-c", "echo store ready; exec sleep 1000"]
    checks: [{{ log: {{ matches: ready }}, interval: 1s, retries: 3 }}]
  web:
    command: ["sh", "-c", "echo {greeting} ready; {end}"]
    depends_on: {{ store: {{ condition: service_healthy }} }}
    checks: [{{ log: {{ matches: ready }}, interval: 1s, retries: 3 }}]
"#
    )
}

#[test]
fn services_come_up_change_break_and_go() {
    let scene = Scene::new(&two("hello", "exec sleep 1000"));
    let up = scene.ok("apply");
    let table = "\
applied: `fleet` on local processes, deployment `ID`, TIME

SERVICE  CHANGE  RESULT  READY AFTER
store    create  ready   TIME
web      create  ready   TIME
";
    assert_text(&up.data, table);
    assert!(up.talk.find("store: ready").unwrap() < up.talk.find("web: starting").unwrap(), "{}", up.talk);

    let first = scene.pids();
    let unchanged = scene.ok("apply");
    assert_text(&unchanged.data, "unchanged: `fleet` on local processes, TIME\n\n2 services unchanged\n");
    assert_text(&unchanged.talk, "");
    assert_eq!(scene.pids(), first);

    scene.plan(&two("welcome", "exec sleep 1000"));
    let preview = "\
fleet on local processes

  ± web    replace  stop-first, downtime expected
      command[2]: echo hello ready; exec sleep 1000 → echo welcome ready; exec sleep 1000  (plan.yaml:10)

1 service to replace, 1 unchanged
";
    assert_text(&scene.ok("preview").data, preview);
    assert_eq!(scene.run("preview --detailed-exitcode").code, 2);
    assert_eq!(scene.pids(), first);
    let changed = "\
applied: `fleet` on local processes, deployment `ID`, TIME

SERVICE  CHANGE   RESULT  READY AFTER
web      replace  ready   TIME
1 service unchanged
";
    assert_text(&scene.ok("apply").data, changed);
    assert_eq!(scene.log("web"), "welcome ready\n");
    assert_eq!(scene.log("store"), "store ready\n");

    scene.plan(&two("goodbye", "exit 7"));
    let broken = scene.run("apply");
    assert_eq!(broken.code, 3);
    let text = "\
rolled back: `fleet` on local processes, deployment `ID`, TIME
It failed, and all that it had changed was put back.

error[exited]: `fleet-web-1` exited with code 7
  hint: its last lines are below; a service has to keep running (use `kind: job` for what ends)

web (fleet-web-1), exit code 7
";
    assert!(broken.data.starts_with(text), "{}", broken.data);
    assert!(broken.data.contains("  last 1 line of its log:\n  | goodbye ready\n"), "{}", broken.data);
    assert!(broken.data.contains("web      replace  restored"), "{}", broken.data);
    assert_eq!(scene.log("web"), "welcome ready\nwelcome ready\n");
    assert_eq!(scene.pids().len(), 2);

    scene.plan(&two("welcome", "exec sleep 1000"));
    assert_text(&scene.ok("apply").data, "unchanged: `fleet` on local processes, TIME\n\n2 services unchanged\n");
    let back = scene.ok("rollback");
    assert!(back.data.contains("web      replace  ready"), "{}", back.data);
    assert_eq!(scene.log("web"), "hello ready\n");

    let nobody = scene.run("destroy");
    assert_eq!((nobody.code, nobody.data.as_str(), scene.pids().len()), (1, "", 2));
    let refusal = "\
error: 2 services would be replaced or removed, and there is no terminal to ask on
  hint: say `--yes` if that is what you want
";
    assert!(nobody.talk.ends_with(refusal), "{}", nobody.talk);
    let gone = "\
applied: `fleet` on local processes, deployment `ID`, TIME

SERVICE  CHANGE  RESULT   READY AFTER
store    remove  removed  -
web      remove  removed  -
";
    assert_text(&scene.ok("destroy --yes").data, gone);
    assert_eq!((scene.instances(), scene.pids().len()), (vec![], 0));
    let again = scene.ok("destroy --yes");
    assert_text(&again.data, "unchanged: `fleet` on local processes, TIME\n");
    assert_text(&again.talk, "");
}

#[test]
fn what_fails_at_first_leaves_nothing() {
    let scene = Scene::new(&two("hello", "exit 7"));
    let broken = scene.run("apply");
    assert_eq!(broken.code, 3);
    let table = "\
SERVICE  CHANGE  RESULT   READY AFTER
store    create  removed  TIME
web      create  removed  -
";
    assert!(broken.data.contains(table), "{}", broken.data);
    assert_eq!((scene.instances(), scene.pids().len()), (vec![], 0));
}

#[test]
fn what_ignores_its_signal_and_its_descendants_are_ended() {
    let scene = Scene::new(
        r#"
services:
  stubborn:
    command: ["sh", "-c", "trap '' TERM; (while :; do sleep 1000; done) & echo $! child; while :; do sleep 1000; done"]
    stop_grace_period: 200ms
    checks: [{ log: { matches: child } }]
"#,
    );
    scene.ok("apply");
    let log = scene.log("stubborn");
    let child = log.split(' ').next().unwrap().to_owned();
    let leader = *scene.pids().values().next().unwrap();
    let is_there = |pid: &str| std::path::Path::new("/proc").join(pid).exists();
    assert!(is_there(&child) && is_there(&leader.to_string()));
    scene.ok("destroy --yes");
    assert!(!is_there(&child) && !is_there(&leader.to_string()));
}

#[test]
fn instances_know_their_number_and_come_and_go_with_the_count() {
    let plan = |count: u32| {
        format!(
            r#"
services:
  worker:
    command: ["sh", "-c", "echo $ORCHESTRATE_SERVICE $ORCHESTRATE_INSTANCE; exec sleep 1000"]
    deploy: {{ replicas: {count} }}
    checks: [{{ log: {{ matches: worker }} }}]
"#
        )
    };
    let scene = Scene::new(&plan(3));
    scene.ok("apply");
    assert_eq!(scene.log("worker"), "worker 1\nworker 2\nworker 3\n");
    let before = scene.pids();
    scene.plan(&plan(1));
    scene.ok("apply");
    assert_eq!(scene.log("worker"), "worker 1\n");
    assert!(scene.pids().iter().all(|(instance, pid)| before[instance] == *pid));
    scene.plan(&plan(2));
    scene.ok("apply");
    assert_eq!(scene.log("worker"), "worker 1\nworker 2\n");
}

#[test]
fn a_port_that_is_taken_stands_in_the_way_before_anything_is_done() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let plan = |port: u16| format!("\nservices:\n  web: {{ command: [sleep, \"1000\"], expose: [{port}] }}\n");
    let scene = Scene::new(&plan(port));
    let refused = scene.run("apply");
    assert_eq!((refused.code, refused.data.as_str()), (1, ""));
    let text = format!(
        "\
error[port-in-use]: port {port} of the host, which `web` wants, is taken
  note: written at plan.yaml:6
  hint: stop what listens there (`ss -ltnp 'sport = :{port}'` names it), or use another port

1 error
"
    );
    assert_text(&refused.talk, &text);
    assert_eq!(scene.instances(), Vec::<std::path::PathBuf>::new());
    scene.plan(&plan(free_port()));
    scene.ok("apply");
}

#[test]
fn a_restart_policy_changes_in_place() {
    let plan = |policy: &str| format!("\nservices:\n  web: {{ command: [sleep, \"1000\"], restart: {policy} }}\n");
    let scene = Scene::new(&plan("always"));
    scene.ok("apply");
    let before = scene.pids();
    scene.plan(&plan("on-failure:3"));
    let preview = "\
fleet on local processes

  ~ web  update
      restart: always → on-failure:3  (plan.yaml:6)

1 service to update
";
    assert_text(&scene.ok("preview").data, preview);
    scene.ok("apply");
    assert_eq!(scene.pids(), before);
    assert_text(&scene.ok("apply").data, "unchanged: `fleet` on local processes, TIME\n\n1 service unchanged\n");
}

#[test]
fn an_apply_tells_what_is_to_be_said_about_its_plan() {
    let scene =
        Scene::new("\nservices:\n  web: { command: [sleep, \"1000\"], environment: { HOST: \"${HOSTNAME}\" } }\n");
    for line in ["apply", "apply", "preview"] {
        let talk = scene.ok(line).talk;
        assert_eq!(talk.matches("warning[dollar-variable]: ").count(), 1, "{line}: {talk}");
        assert!(talk.contains("─[plan.yaml:6:"), "{line}: {talk}");
    }
}

#[test]
fn what_keeps_a_compose_file_from_working_keeps_it_from_being_applied_alone() {
    let scene = Scene::empty();
    scene.write("compose.yaml", "services: { web: { image: a, secrets: [s] } }\nsecrets: { s: { file: ./none } }\n");
    let shown = scene.ok("validate compose.yaml");
    assert!(shown.talk.contains("warning[file-not-found]: `none` cannot be read"), "{shown:#?}");
    assert!(shown.talk.contains("`apply` does not begin before this is put right"), "{shown:#?}");
    let refused = scene.run("apply compose.yaml");
    assert_eq!(refused.code, 65, "{refused:#?}");
    assert!(refused.talk.contains("error[file-not-found]: `none` cannot be read"), "{refused:#?}");
    assert!(!refused.talk.contains("does not begin before"), "{refused:#?}");
}

#[test]
fn a_compose_file_comes_from_the_standard_input() {
    use std::io::Write as _;
    let scene = Scene::empty();
    let mut command = scene.command("render -f - -p shop");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"services: { web: { image: a } }\n---\nservices: { db: { image: b } }\n")
        .unwrap();
    let rendered = scene.ended(child);
    assert_eq!(rendered.code, 0, "{rendered:#?}");
    assert!(
        rendered.data.contains("  db:\n    image: b\n") && rendered.data.contains("  web:\n    image: a\n"),
        "{rendered:#?}"
    );
}
