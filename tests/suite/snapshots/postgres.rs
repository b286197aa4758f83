//! A real PostgreSQL, dumped with `pg_dump` and filled again with `psql`.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use crate::scene::Scene;

/// Where PostgreSQL's programs are; `None` is told loudly, and fails in CI.
fn programs() -> Option<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let places = debian.map(|version| version.path().join("bin")).chain(["/usr/local/bin".into(), "/usr/bin".into()]);
    let has_all =
        |place: &PathBuf| ["initdb", "postgres", "psql", "pg_dump"].iter().all(|name| place.join(name).exists());
    let is_root = rustix_is_root();
    let found = places.filter(has_all).find(|_| is_root);
    if found.is_none() {
        let why = "no PostgreSQL to run as user `postgres` (`tests/run` installs it, as root)";
        eprintln!("SKIPPED: {why}");
        assert!(std::env::var_os("CI").is_none(), "{why}, and CI is set");
    }
    found
}

fn rustix_is_root() -> bool {
    let id = Command::new("id").arg("-u").output().map(|output| output.stdout);
    let has_user = Command::new("id").args(["-u", "postgres"]).output().is_ok_and(|output| output.status.success());
    id.is_ok_and(|id| id == b"0\n") && has_user
}

struct Database {
    scene: Scene,
    programs: PathBuf,
    port: u16,
}

impl Database {
    fn new(programs: PathBuf) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let scene = Scene::empty();
        // Its user has to get there.
        let mut path = scene.path("");
        while path.starts_with(std::env::temp_dir()) && path != std::env::temp_dir() {
            allow(&path);
            path = path.parent().unwrap().to_owned();
        }
        let database = Self { scene, programs, port };
        let data = database.scene.path("pg");
        std::fs::create_dir(&data).unwrap();
        run(Command::new("chown").arg("postgres:").arg(&data));
        let initdb = database.programs.join("initdb").display().to_string();
        let line = format!("{initdb} -D {} -U postgres -A trust -N --no-locale -E UTF8 >/dev/null", data.display());
        run(Command::new("su").args(["postgres", "-s", "/bin/sh", "-c", &line]));
        database
    }

    fn plan(&self, version: &str, dump: &str) {
        let (programs, port, data) = (self.programs.display(), self.port, self.scene.path("pg").display().to_string());
        self.scene.plan(&format!(
            "services:
  db:
    command: [{programs}/postgres, -D, {data}, -p, \"{port}\", -k, {data}, -h, 127.0.0.1, -c, fsync=off]
    user: postgres
    environment: {{ PGHOST: 127.0.0.1, PGPORT: \"{port}\", PGUSER: postgres, V: \"{version}\", PATH: \"{programs}:/usr/bin:/bin\" }}
    stop_signal: SIGINT
    snapshot:
      dump: [{dump}, --clean, --if-exists, shop]
      restore: [psql, -q, -v, ON_ERROR_STOP=1, -d, shop]
    checks: [{{ command: [psql, -d, postgres, -c, select 1], interval: 200ms, retries: 100 }}]
"
        ));
    }

    fn ask(&self, database: &str, statement: &str) -> String {
        let port = self.port.to_string();
        let words = ["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", database, "-At", "-q", "-c", statement];
        run(Command::new(self.programs.join("psql")).args(words))
    }
}

fn allow(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn rows_that_were_lost_come_back() {
    let Some(programs) = programs() else { return };
    let database = Database::new(programs);
    database.plan("1", "pg_dump");
    database.scene.ok("apply -y");
    database.ask("postgres", "create database shop");
    let fill = "create table item (id int primary key, name text); \
                insert into item select n, repeat('x', 1000) || n from generate_series(1, 5000) n";
    database.ask("shop", fill);
    let rows =
        || database.ask("shop", "select count(*), sum(length(name)), md5(string_agg(name, ',' order by id)) from item");
    let before = rows();

    // A new version is dumped before it comes.
    database.plan("2", "pg_dump");
    database.scene.ok("apply -y");
    let list =
        || -> serde_json::Value { serde_json::from_str(&raw(&database.scene, "snapshot list --format json")).unwrap() };
    let id = list()["snapshots"][0]["snapshot"].as_str().unwrap().to_owned();
    assert_eq!(list()["snapshots"][0]["data"][0]["source"]["kind"], "dump");

    database.ask("shop", "delete from item where id > 10; create table junk (x int)");
    database.scene.ok(&format!("snapshot restore {id} -y"));
    assert_eq!(rows(), before);
    // What was overwritten was dumped too, and comes back the same way.
    let backup = list()["snapshots"][0]["snapshot"].as_str().unwrap().to_owned();
    database.scene.ok(&format!("snapshot restore {backup} -y --no-backup"));
    assert_eq!(database.ask("shop", "select count(*) from item"), "10\n");
    database.scene.ok(&format!("snapshot restore {id} -y --no-backup"));
    assert_eq!(rows(), before);

    // What cannot be dumped is not replaced, unless someone says so.
    database.plan("3", "pg_dumb");
    let failed = database.scene.run("apply -y");
    assert_eq!(failed.code, 3, "{failed:?}");
    assert!(failed.data.contains("pg_dumb"), "{failed:?}");
    assert_eq!(rows(), before);
    database.scene.ok("apply -y --no-snapshot");
    assert_eq!(rows(), before);
    database.scene.ok("destroy -y");
}

/// A run's standard output as it is.
fn raw(scene: &Scene, line: &str) -> String {
    String::from_utf8(scene.command(line).output().unwrap().stdout).unwrap()
}
