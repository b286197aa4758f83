//! What is done by hand to local processes.

use crate::scene::Scene;

const PLAN: &str = "\
services:
  a: { command: [sleep, \"600\"], restart: always, environment: { A: \"1\" }, stop_grace_period: 1s }
  b: { command: [sleep, \"600\"], depends_on: [a], stop_grace_period: 1s }
";

#[test]
fn what_was_stopped_on_purpose_is_shown_as_that() {
    let scene = Scene::new(PLAN);
    scene.ok("apply -y");
    scene.ok("stop a -t 1");
    // Its environment does not name who runs it; the host does.
    let user = std::process::Command::new("id").arg("-un").output().unwrap().stdout;
    let by = format!("stopped by {}@", String::from_utf8(user).unwrap().trim());
    let status = scene.ok("status").data;
    assert!(status.contains(&by), "{status}");
    assert!(scene.ok("preview").data.contains("state: stopped on purpose by "));
    scene.ok("start b");
    assert!(!scene.ok("status").data.contains("stopped"));
    assert!(scene.ok("preview").data.contains("2 services unchanged"));
    let before = scene.ok("top a").data;
    scene.ok("restart a");
    let after = scene.ok("top a").data;
    assert!(after.contains("sleep 600") && before != after, "{before}{after}");
    scene.ok("destroy -y");
}

#[test]
fn commands_run_in_the_surroundings_of_a_process() {
    let scene = Scene::new(PLAN);
    scene.ok("apply -y");
    scene.program("ask", "echo $A $ORCHESTRATE_SERVICE; exit 4");
    let ran = scene.run("exec a ./ask");
    assert_eq!((ran.code, ran.data.as_str()), (4, "1 a\n"));
    let ran = scene.run("run a ./ask");
    assert_eq!((ran.code, ran.data.as_str()), (4, "1 a\n"));
    assert_eq!(scene.run("exec a ./nowhere").code, 127);
    scene.write("file", "text");
    scene.ok("cp file a:copied");
    scene.ok("cp a:copied back");
    assert_eq!(std::fs::read_to_string(scene.path("back")).unwrap(), "text");
    let stats: serde_json::Value = serde_json::from_str(&scene.ok("stats --no-stream --format json").data).unwrap();
    assert!(stats["instances"][0]["memory_bytes"].as_u64() > Some(0), "{stats}");
    assert_eq!(stats["instances"][0]["processes"], 1);
    let refused = scene.run("pause a");
    assert!(refused.code == 1 && refused.talk.contains("means nothing for a process"), "{refused:?}");
    scene.ok("destroy -y");
}

#[test]
fn what_depends_on_it_with_a_restart_is_restarted_with_it() {
    let with = |name: &str, needed: &str| {
        format!(
            "  {name}: {{ command: [sleep, \"600\"], depends_on: {{ {needed}: {{ restart: true }} }}, stop_grace_period: 1s }}\n"
        )
    };
    let scene = Scene::new(&[PLAN, &with("c", "a"), &with("d", "c"), &with("e", "c")].concat());
    scene.ok("apply -y");
    scene.ok("stop e -t 1");
    let tops = || ["a", "b", "c", "d"].map(|name| scene.ok(&format!("top {name}")).data);
    let differs = |before: [String; 4]| -> Vec<bool> { before.iter().zip(tops()).map(|(a, b)| *a != b).collect() };
    let before = tops();
    scene.ok("restart a");
    assert_eq!(differs(before), [true, false, true, true]);
    let before = tops();
    scene.ok("restart a --no-deps");
    assert_eq!(differs(before), [true, false, false, false]);
    // What was stopped on purpose was not asked for.
    assert!(scene.ok("status").data.contains("stopped by "));
    scene.ok("destroy -y");
}
