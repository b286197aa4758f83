use serde_json::Value;

use crate::{engine, fixture::Fixture};

const POLICY: &str = "volumes: { data: {} }\n";
/// All that a volume holds: modes, owners, names, and contents by their hashes.
const LOOK: &str = "cd /data && find . | sort | while read -r f; do stat -c '%A %u:%g %n' \"$f\"; done; find . -type f | sort | xargs cat";

fn db(command: &str, checks: &str) -> String {
    format!(
        "services:
  db:
    image: orchestrate-test/busybox:1
    command: [sh, -c, '{command}']
    stop_grace_period: 0s
    volumes: [data:/data]
    snapshot: {{ volumes: [data] }}
    checks: [{checks}]
  api: {{ <<: *idle, depends_on: [db] }}
{POLICY}"
    )
}

fn look(fixture: &Fixture) -> String {
    fixture.exec("db", &["sh", "-c", LOOK])
}

fn ids(list: &Value) -> Vec<String> {
    list["snapshots"].as_array().unwrap().iter().map(|found| found["snapshot"].as_str().unwrap().to_owned()).collect()
}

fn is_up(fixture: &Fixture, service_name: &str) -> bool {
    fixture.states().contains(&format!("{service_name}-1 running"))
}

fn list(fixture: &Fixture) -> Value {
    fixture.run(&["snapshot", "list", "--format", "json"]).exits(0).json()
}

#[test]
fn a_volume_that_a_new_version_has_corrupted_is_restored() {
    let Some(fixture) = Fixture::new() else { return };
    let up = "{ command: [\"true\"], interval: 100ms }";
    fixture.applied(&db("sleep 600", up));
    let fill = "mkdir -p /data/a/b && echo one >/data/a/b/c && echo two >/data/.hidden && ln -s a /data/link && \
                chown -R 70:71 /data/a && chmod 700 /data/a && chmod 4750 /data/.hidden && chmod 1770 /data && chown 70 /data";
    fixture.exec("db", &["sh", "-c", fill]);
    let before = look(&fixture);
    assert_eq!(list(&fixture)["snapshots"], serde_json::json!([]));

    let spoil = "rm -rf /data/a && echo bad >/data/.hidden && mkdir -p /data/new/x && chmod 777 /data && sleep 600";
    fixture.plan(&db(spoil, "{ tcp: { port: 1 }, interval: 100ms, retries: 3 }"));
    let report = fixture.run(&["apply", "-y", "--format", "json"]).exits(3).json();
    let id = report["deployment"].as_str().unwrap().to_owned();
    assert!(report["left"].to_string().contains(&format!("orchestrate snapshot restore {id}")), "{report}");
    assert!(look(&fixture).contains("bad"), "a rollback leaves data as it is");

    // Its own snapshot says it all, and asks before anything is overwritten.
    let shown = fixture.run(&["snapshot", "show", &id[..4], "--format", "json"]).exits(0).json();
    assert_eq!((shown["state"].as_str(), shown["reason"].as_str()), (Some("whole"), Some("before_deployment")));
    assert_eq!(shown["data"][0]["source"]["kind"], "volume");
    fixture.run(&["snapshot", "restore", &id]).exits(1).says(&["no terminal to ask", "--yes"]);
    let was = look(&fixture);
    let container = fixture.id("db");
    fixture.plan(&db("sleep 600", up));
    let restored = fixture.run(&["snapshot", "restore", &id, "-y", "--format", "json"]).exits(0).json();
    assert_eq!(restored["outcome"], "restored");
    assert_eq!(look(&fixture), before);
    assert_eq!(fixture.id("db"), container);
    assert!(is_up(&fixture, "api") && is_up(&fixture, "db"), "{:?}", fixture.states());

    // What was there before can be had back as well.
    let backup = restored["backup"].as_str().unwrap();
    fixture.run(&["snapshot", "restore", backup, "-y", "--no-backup"]).exits(0);
    assert_eq!(look(&fixture), was);
    assert_eq!(ids(&list(&fixture)), [backup, id.as_str()]);
    assert_eq!(
        engine::labelled("ps -aq --filter label=io.orchestrate.volume", &fixture.project()),
        Vec::<String>::new()
    );
}

#[test]
fn a_snapshot_is_taken_by_hand_and_a_damaged_one_is_refused() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.write("site.conf", "port 80\n");
    let conf = fixture.path().join("plan/site.conf");
    let text = db("sleep 600", "").replace("[data:/data]", "[data:/data, ./site.conf:/site.conf:ro]");
    fixture.applied(&text);
    fixture.exec("db", &["sh", "-c", "echo one >/data/file"]);
    let container = fixture.id("db");
    fixture.run(&["snapshot", "create", "--service", "api"]).exits(64).says(&["api"]);
    fixture.run(&["snapshot", "create"]).exits(1).says(&["no terminal to ask", "stop and start again db", "api will"]);
    let made = fixture.run(&["snapshot", "create", "-y", "-m", "by hand", "--format", "json"]).exits(0).json();
    let id = made["snapshot"].as_str().unwrap().to_owned();
    assert!(fixture.id("db") == container && is_up(&fixture, "db"), "{:?}", fixture.states());
    fixture.run(&["snapshot", "list"]).exits(0).says(&[&id, "manual", "whole", "by hand"]);

    fixture.exec("db", &["sh", "-c", "echo two >/data/file"]);
    std::fs::write(&conf, "port 8080\n").unwrap();
    fixture.run(&["snapshot", "restore", &id, "-y", "--files"]).exits(0).says(&["written back: "]);
    assert_eq!(fixture.exec("db", &["cat", "/data/file"]), "one\n");
    assert_eq!(std::fs::read_to_string(&conf).unwrap(), "port 80\n");
    assert_eq!(fixture.exec("db", &["cat", "/site.conf"]), "port 80\n");

    let file = fixture.state().join(format!("snapshots/{}/{id}/data/db-volume-0.tar", fixture.project()));
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[600] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    fixture.run(&["snapshot", "show", &id]).exits(0).says(&["damaged", "its hash is another one"]);
    fixture.run(&["snapshot", "restore", &id, "-y"]).exits(1).says(&["cannot be used"]);
    assert_eq!(fixture.exec("db", &["cat", "/data/file"]), "one\n");

    let kept = fixture.run(&["snapshot", "prune", "--keep", "1", "--format", "json"]).exits(0).json();
    assert_eq!(kept["removed"], serde_json::json!([id]));
    let last = ids(&list(&fixture));
    fixture.run(&["snapshot", "rm", &last[0]]).exits(0);
    assert_eq!(ids(&list(&fixture)), Vec::<String>::new());
}

#[test]
fn a_removed_service_leaves_its_data_in_a_snapshot_and_a_lost_volume_comes_back() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.applied(&db("sleep 600", ""));
    fixture.exec("db", &["sh", "-c", "echo one >/data/file"]);
    fixture.applied("services: { api: *idle }\nvolumes: { data: {} }\n");
    fixture.run(&["apply", "-y", "--remove-orphans"]).exits(0);
    let all = list(&fixture);
    let id = ids(&all)[0].clone();
    assert_eq!(all["snapshots"][0]["data"][0]["service"], "db");
    fixture.run(&["destroy", "-y", "--volumes", "data"]).exits(0);

    fixture.applied(&db("sleep 600", ""));
    assert!(!fixture.exec("db", &["ls", "/data"]).contains("file"));
    fixture.run(&["snapshot", "restore", &id, "-y"]).exits(0);
    assert_eq!(fixture.exec("db", &["cat", "/data/file"]), "one\n");
}
