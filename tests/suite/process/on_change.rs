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

/// The id and the pid of what runs, by the names of services.
fn running(scene: &Scene) -> [(String, u64); 4] {
    let pids = scene.pids();
    NAMES.map(|name| {
        let is_it = |(path, _): &(&std::path::PathBuf, &u64)| {
            let text = std::fs::read_to_string(path.join("instance.json")).unwrap();
            let instance: serde_json::Value = serde_json::from_str(&text).unwrap();
            instance["name"] == format!("fleet-{name}-1")
        };
        let (path, pid) = pids.iter().find(is_it).unwrap();
        (path.file_name().unwrap().to_string_lossy().into_owned(), *pid)
    })
}

fn ids(scene: &Scene) -> [String; 4] {
    running(scene).map(|(id, _)| id)
}

fn seen(scene: &Scene) -> [String; 4] {
    NAMES.map(|name| std::fs::read_to_string(scene.path(&format!("seen-{name}"))).unwrap())
}

#[test]
fn the_same_process_reads_the_new_contents_and_the_old_ones_again() {
    let scene = Scene::new(PLAN);
    scene.write("conf.txt", "good one");
    scene.ok("apply -y");
    let before = running(&scene);
    scene.write("conf.txt", "good two");
    let preview = scene.ok("preview").data;
    assert!(preview.contains("in place, by SIGHUP") && preview.contains("1 service to replace"), "{preview}");
    scene.ok("apply -y");
    assert_eq!(seen(&scene), ["good two"; 4].map(str::to_owned));
    let same = NAMES.map(|name| name == "by-signal" || name == "by-command");
    let now = running(&scene);
    assert_eq!([0, 1, 2, 3].map(|index| before[index] == now[index]), same);
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
