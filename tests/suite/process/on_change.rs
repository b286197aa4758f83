//! Configs and secrets of processes, and other contents for a process that goes on.

use crate::scene::Scene;

/// Each keeps a copy of what it read last: at its start, and when it is told. Checks pass once that
/// is what is there, and good.
const PLAN: &str = r#"
configs: { conf: { file: conf.txt } }
x-reader: &reader
  command: ["sh", "-c", "load() { cp $ORCHESTRATE_FILES/config-conf seen-$ORCHESTRATE_SERVICE; }; trap load HUP; load; while :; do sleep 0.05; done"]
  stop_grace_period: 0s
  checks:
    - command: ["sh", "-c", "grep -q good seen-$ORCHESTRATE_SERVICE && cmp -s seen-$ORCHESTRATE_SERVICE $ORCHESTRATE_FILES/config-conf"]
      interval: 100ms
      retries: 10
services:
  by-signal: { <<: *reader, configs: [{ source: conf, on_change: { signal: SIGHUP } }] }
  by-restart: { <<: *reader, configs: [{ source: conf, on_change: restart }] }
  by-command:
    <<: *reader
    configs: [{ source: conf, on_change: { command: ["sh", "-c", "cp $ORCHESTRATE_FILES/config-conf seen-$ORCHESTRATE_SERVICE"] } }]
  replaced: { <<: *reader, configs: [conf] }
"#;

const NAMES: [&str; 4] = ["by-command", "by-restart", "by-signal", "replaced"];

fn ids(scene: &Scene) -> Vec<String> {
    let status: serde_json::Value = serde_json::from_str(&scene.ok("status --format json").data).unwrap();
    let services = status["services"].as_array().unwrap().iter();
    services.map(|service| service["instances"][0]["id"].as_str().unwrap_or_default().to_owned()).collect()
}

fn seen(scene: &Scene) -> [String; 4] {
    NAMES.map(|name| std::fs::read_to_string(scene.path(&format!("seen-{name}"))).unwrap())
}

#[test]
fn the_same_process_reads_the_new_contents_and_the_old_ones_again() {
    let scene = Scene::new(PLAN);
    scene.write("conf.txt", "good one");
    scene.ok("apply -y");
    let tops = || NAMES.map(|name| scene.ok(&format!("top {name}")).data);
    let before = tops();
    scene.write("conf.txt", "good two");
    let preview = scene.ok("preview").data;
    assert!(preview.contains("in place, by SIGHUP") && preview.contains("1 service to replace"), "{preview}");
    scene.ok("apply -y");
    assert_eq!(seen(&scene), ["good two"; 4].map(str::to_owned));
    let same = NAMES.map(|name| name == "by-signal" || name == "by-command");
    let are_same: Vec<bool> = before.iter().zip(tops()).map(|(before, now)| *before == now).collect();
    assert_eq!(are_same, same);
    assert!(scene.ok("apply -y").data.contains("unchanged"));

    let before = ids(&scene);
    scene.write("conf.txt", "bad");
    assert_eq!(scene.run("apply -y").code, 3);
    assert_eq!((seen(&scene), ids(&scene)), (["good two"; 4].map(str::to_owned), before));
    scene.ok("rollback -y");
    assert_eq!(seen(&scene), ["good one"; 4].map(str::to_owned));
    scene.ok("destroy -y");
    assert!(!scene.state().join("files").exists() || files_below(&scene.state().join("files")) == 0);
}

fn files_below(directory: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}

#[test]
fn what_a_process_has_no_use_for_is_refused() {
    let scene = Scene::new(
        r#"
configs: { conf: { content: a } }
services:
  a: { command: [sleep, "1000"], user: nobody, configs: [{ source: conf, target: /etc/a.conf }] }
"#,
    );
    let refused = scene.run("validate");
    assert_eq!(refused.code, 65);
    assert!(refused.talk.contains("$ORCHESTRATE_FILES/config-conf"), "{}", refused.talk);
    assert!(refused.talk.contains("runs as `nobody`"), "{}", refused.talk);
}
