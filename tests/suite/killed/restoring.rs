//! A kill at each step of a restore: nothing is built on data that is half restored, and nothing that
//! was written since is overwritten.

use std::{os::unix::process::ExitStatusExt as _, process::Command};

use orchestrate::driver::FailPoint;

use crate::{
    fixture::{Fixture, Ran},
    scene::Scene,
};

/// Those at which data may be anything.
const IN_DOUBT: [FailPoint; 4] =
    [FailPoint::RestoreNoted, FailPoint::RestoreMarked, FailPoint::BeforeOverwriting, FailPoint::Overwritten];
/// Those at which it is what it was to be.
const RESTORED: [FailPoint; 2] = [FailPoint::RestoreDone, FailPoint::RestoreUnmarked];

/// All that only a restore comes by.
pub(super) fn points() -> Vec<FailPoint> {
    [&IN_DOUBT[..], &RESTORED[..], &[FailPoint::DataSaved]].concat()
}

const PLAN: &str = "services:
  db: { <<: *idle, volumes: [data:/data], snapshot: { volumes: [data] } }
  api: { <<: *idle, depends_on: [db] }
volumes: { data: {} }
";

/// A database on the engine, and two hosts.
struct Site {
    fixture: Fixture,
    /// The snapshot in which the file says `one`.
    snapshot: String,
}

impl Site {
    fn new() -> Option<Self> {
        let fixture = Fixture::new()?;
        fixture.applied(PLAN);
        let site = Self { fixture, snapshot: String::new() };
        site.write("one");
        let made = site.fixture.run(&["snapshot", "create", "-y", "--format", "json"]).exits(0).json();
        let snapshot = made["snapshot"].as_str().unwrap().to_owned();
        Some(Self { snapshot, ..site })
    }

    fn write(&self, word: &str) {
        self.fixture.exec("db", &["sh", "-c", &format!("echo {word} >/data/file")]);
    }

    fn read(&self) -> String {
        self.fixture.exec("db", &["cat", "/data/file"]).trim().to_owned()
    }

    fn run(&self, line: &str) -> Ran {
        self.fixture.run(&line.split(' ').collect::<Vec<_>>())
    }

    fn elsewhere(&self, line: &str) -> Ran {
        let mut command = self.fixture.command(&line.split(' ').collect::<Vec<_>>());
        Ran::of(command.env("ORCHESTRATE_STATE_DIR", self.fixture.path().join("elsewhere")).output().unwrap())
    }

    /// Restores what says `one` in the place of what says `two`, and is killed there.
    fn killed_at(&self, point: FailPoint) {
        self.write("two");
        let command = self.fixture.command(&["snapshot", "restore", &self.snapshot, "-y"]);
        killed(command, point);
    }

    /// All runs, nothing has to change, and nobody speaks of a restore.
    fn is_whole(&self, at: &str) {
        let states = self.fixture.states();
        assert!(states.iter().all(|state| state.ends_with("running")) && states.len() == 2, "{at}: {states:?}");
        let changes = self.run("preview --format json").exits(0).json();
        let is_kept = |change: &serde_json::Value| change["op"] == "none";
        assert!(changes["changes"].as_array().unwrap().iter().all(is_kept), "{at}: {changes}");
        for line in ["status", "snapshot list", "history"] {
            let ran = self.run(line).exits(0);
            assert!(!ran.data.contains("restore of") && !ran.talk.contains("restore of"), "{at}: {ran:?}");
            assert!(!ran.data.contains("not come to its end"), "{at}: {ran:?}");
        }
        self.elsewhere("apply -y").exits(0);
    }
}

fn killed(mut command: Command, point: FailPoint) {
    let output = command.env("ORCHESTRATE_FAIL_POINT", point.name()).output().unwrap();
    assert_eq!(output.status.signal(), Some(9), "{}: {output:?}", point.name());
}

#[test]
fn what_is_half_restored_is_refused_until_it_is_whole() {
    let Some(site) = Site::new() else { return };
    for (round, point) in IN_DOUBT.into_iter().enumerate() {
        let at = point.name();
        site.killed_at(point);
        let told = format!("the restore of snapshot `{}` was cut off", site.snapshot);
        for line in ["status", "preview", "history"] {
            site.run(line).exits(0).says(&[&told, "orchestrate recover"]);
        }
        for line in ["apply -y", "rollback -y", "restart", "start", "snapshot create -y", "run api true"] {
            site.run(line).exits(4).says(&[&told, "orchestrate recover", "--no-backup"]);
        }
        let listed = site.run("snapshot list --format json").exits(0).json();
        let backup = listed["unfinished_work"]["backup"].as_str().unwrap().to_owned();
        for needed in [&site.snapshot, &backup] {
            site.run(&format!("snapshot rm {needed}")).exits(4).says(&["is needed"]);
        }
        // The other host can only know what the lock says.
        if point != FailPoint::RestoreNoted {
            site.elsewhere("apply -y").exits(4).says(&["another host was cut off while it restored data"]);
            site.elsewhere("restart").exits(4);
        }
        let wanted = match round % 2 {
            0 => {
                site.run("recover").exits(0).says(&["restored the volume"]);
                "one"
            }
            _ => {
                site.run(&format!("snapshot restore {backup} -y --no-backup")).exits(0);
                "two"
            }
        };
        assert_eq!(site.read(), wanted, "{at}");
        site.is_whole(at);
    }
}

#[test]
fn a_recovery_of_a_restore_is_killed_as_well() {
    let Some(site) = Site::new() else { return };
    site.killed_at(FailPoint::Overwritten);
    for point in IN_DOUBT {
        killed(site.fixture.command(&["recover"]), point);
        site.run("apply -y").exits(4);
        site.elsewhere("apply -y").exits(4);
    }
    site.run("recover").exits(0);
    assert_eq!(site.read(), "one");
    site.is_whole("recovered");
}

#[test]
fn what_is_restored_is_not_restored_again() {
    let Some(site) = Site::new() else { return };
    for (point, next) in RESTORED.into_iter().zip(["recover", "apply -y"]) {
        site.killed_at(point);
        assert_eq!(site.read(), "one", "{}", point.name());
        site.write("three");
        site.run(next).exits(0);
        assert_eq!(site.read(), "three", "{}", point.name());
        site.is_whole(point.name());
    }
}

#[test]
fn what_was_stopped_to_be_saved_runs_again() {
    let Some(site) = Site::new() else { return };
    for next in ["recover", "apply -y --only api", "snapshot create -y"] {
        site.killed_at(FailPoint::DataSaved);
        assert!(site.fixture.states().contains(&"db-1 exited".to_owned()), "{next}: {:?}", site.fixture.states());
        site.run(next).exits(0);
        assert_eq!(site.read(), "two", "{next}");
        site.is_whole(next);
    }
}

#[test]
fn a_host_that_is_lost_leaves_its_data_to_who_calls_it_good() {
    let Some(site) = Site::new() else { return };
    site.killed_at(FailPoint::Overwritten);
    site.elsewhere("apply -y").exits(4).says(&["orchestrate lock release --force"]);
    site.elsewhere("lock release").exits(0);
    site.elsewhere("apply -y").exits(4);
    site.elsewhere("lock release --force").exits(0);
    site.elsewhere("apply -y").exits(0);
    assert_eq!(site.read(), "one");
    // Whoever began it does not take another's word for it.
    site.run("apply -y").exits(4);
    site.run("recover").exits(0);
    site.is_whole("recovered");
}

#[test]
fn volumes_that_are_gone_are_in_no_doubt() {
    let Some(site) = Site::new() else { return };
    site.killed_at(FailPoint::BeforeOverwriting);
    site.run("destroy -y").exits(0);
    site.run("apply -y").exits(4);
    site.run("destroy -y --volumes data").exits(0);
    site.run("apply -y").exits(0);
    site.is_whole("destroyed");
}

#[test]
fn a_dump_that_is_half_taken_back_is_taken_back_again() {
    let scene = Scene::empty();
    let data = scene.path("data");
    let data = data.display();
    scene.plan(&format!(
        "services:
  db:
    command: [sleep, \"600\"]
    snapshot: {{ dump: [cat, {data}], restore: [sh, -c, \"cat >{data}\"] }}
"
    ));
    scene.write("data", "one");
    scene.ok("apply -y");
    let made = Ran::of(scene.command("snapshot create -y --format json").output().unwrap()).exits(0).json();
    let snapshot = made["snapshot"].as_str().unwrap().to_owned();
    scene.write("data", "two");
    killed(scene.command(&format!("snapshot restore {snapshot} -y")), FailPoint::Overwritten);
    scene.write("data", "on");
    Ran::of(scene.command("apply -y").output().unwrap())
        .exits(4)
        .says(&["the data of `db` may be neither", "orchestrate recover"]);
    scene.ok("recover");
    assert_eq!(std::fs::read_to_string(scene.path("data")).unwrap(), "one");
    scene.ok("apply -y");
}
