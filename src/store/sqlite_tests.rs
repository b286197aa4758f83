use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::*;
use crate::journal::Outcome;
use crate::store::conformance::{deployment, entry, id, plan, setup};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A database with one deployment and two entries.
fn filled() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let store = SqliteStore::open(&path).unwrap();
    store.begin(&deployment("aaaaaaaa", "shop", 10), &setup(), &plan()).unwrap();
    store.append(id("aaaaaaaa"), &[entry(0), entry(1)]).unwrap();
    (directory, path)
}

#[test]
fn what_was_written_is_there_after_opening_again_and_for_others_at_once() {
    let (_directory, path) = filled();
    let one = SqliteStore::open(&path).unwrap();
    let other = SqliteStore::open(&path).unwrap();
    one.append(id("aaaaaaaa"), &[entry(2)]).unwrap();
    assert_eq!(other.entries(id("aaaaaaaa")).unwrap(), [entry(0), entry(1), entry(2)]);
    other.examine().unwrap();
}

#[test]
fn all_of_its_files_are_private() {
    let (directory, path) = filled();
    let store = SqliteStore::open(&path).unwrap();
    store.append(id("aaaaaaaa"), &[entry(2)]).unwrap();
    let mut files: Vec<String> = fs::read_dir(&directory)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| format!("{} {:o}", path.file_name().unwrap().display(), mode(&path)))
        .collect();
    files.sort();
    assert_eq!(files, ["state.db 600", "state.db-shm 600", "state.db-wal 600", "state.opening 600"]);
}

#[test]
fn writes_go_to_disk_before_they_return() {
    let (_directory, path) = filled();
    let store = SqliteStore::open(&path).unwrap();
    let setting = |name: &str| -> String {
        let sql = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
        store.connection().query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!((setting("journal_mode"), setting("synchronous")), ("wal".to_owned(), "2".to_owned()));
}

#[test]
fn a_newer_version_is_refused_and_left_untouched() {
    let (_directory, path) = filled();
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", schema::VERSION + 7).unwrap();
    drop(connection);
    let before = fs::read(&path).unwrap();
    let error = SqliteStore::open(&path).map(drop).unwrap_err();
    let StoreError::Newer { found, known, .. } = &error else { panic!("{error:?}") };
    assert_eq!((*found, *known), (schema::VERSION + 7, schema::VERSION), "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn damage_is_told_from_trouble() {
    let (_directory, path) = filled();
    let good = fs::read(&path).unwrap();
    let foreign = b"a,b,c\n".repeat(1000);
    let mut torn = good.clone();
    torn[4096..].fill(0xff);
    let cut = &good[..good.len() / 2];
    for (what, content) in [("foreign", foreign.as_slice()), ("torn", &torn), ("cut", cut)] {
        fs::write(&path, content).unwrap();
        let result = SqliteStore::open(&path).and_then(|store| store.entries(id("aaaaaaaa")));
        assert!(matches!(result, Err(StoreError::Damaged { .. })), "{what}: {result:?}");
    }
    fs::write(&path, &good).unwrap();
    assert_eq!(SqliteStore::open(&path).unwrap().entries(id("aaaaaaaa")).unwrap().len(), 2);
}

#[test]
fn a_database_that_lost_its_tables_is_damaged() {
    let (_directory, path) = filled();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = OFF; DROP TABLE deployment").unwrap();
    drop(connection);
    let error = SqliteStore::open(&path).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
}

#[test]
fn a_full_disk_fails_the_write_and_nothing_else() {
    let (_directory, path) = filled();
    let store = SqliteStore::open(&path).unwrap();
    store.connection().execute_batch("PRAGMA max_page_count = 1").unwrap();
    let error = store.append(id("aaaaaaaa"), &(2..500).map(entry).collect::<Vec<_>>()).unwrap_err();
    let StoreError::Full { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.to_string(), "database or disk is full");
    let place = path.parent().unwrap().canonicalize().unwrap();
    let text = format!("the state directory `{}` is full: `state.db` cannot be written", place.display());
    assert_eq!(error.to_string(), text);
    assert!(error.hint().starts_with("make room"), "{}", error.hint());
    assert_eq!(store.entries(id("aaaaaaaa")).unwrap(), [entry(0), entry(1)]);
    store.connection().execute_batch("PRAGMA max_page_count = 100000").unwrap();
    store.append(id("aaaaaaaa"), &[entry(2)]).unwrap();
}

#[test]
fn a_link_in_its_place_is_not_followed() {
    let (directory, path) = filled();
    let link = directory.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let error = SqliteStore::open(&link).map(drop).unwrap_err();
    let StoreError::Unusable { source, .. } = &error else { panic!("{error:?}") };
    assert!(source.to_string().ends_with("is a symbolic link, which is not followed here"), "{source}");
}

#[test]
fn many_can_make_it_and_write_to_it_at_once() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let path = directory.path().join(format!("{round}.db"));
        std::thread::scope(|scope| {
            for writer in 0..6 {
                let path = &path;
                scope.spawn(move || {
                    let store = SqliteStore::open(path).unwrap();
                    let mine = deployment(&format!("aaaaaaa{writer}"), "shop", writer);
                    store.begin(&mine, &setup(), &plan()).unwrap();
                    (0..5).for_each(|number| store.append(mine.id, &[entry(number)]).unwrap());
                });
            }
        });
        let store = SqliteStore::open(&path).unwrap();
        assert_eq!(store.deployments(None).unwrap().len(), 6);
        assert_eq!(store.entries(id("aaaaaaa3")).unwrap().len(), 5);
    }
}

/// The tables as the first version made them.
const FIRST_VERSION: &str = "
    CREATE TABLE deployment (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        project TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        record TEXT NOT NULL,
        ending TEXT
    ) STRICT;
    CREATE INDEX deployment_by_project ON deployment (project, started_at);
    CREATE TABLE entry (
        deployment INTEGER NOT NULL REFERENCES deployment (sequence),
        number INTEGER NOT NULL,
        entry TEXT NOT NULL,
        UNIQUE (deployment, number)
    ) STRICT;
    CREATE TABLE evidence (
        number INTEGER PRIMARY KEY,
        deployment INTEGER NOT NULL REFERENCES deployment (sequence),
        evidence TEXT NOT NULL
    ) STRICT;
    CREATE INDEX evidence_by_deployment ON evidence (deployment);
    CREATE TABLE made_once (
        project TEXT NOT NULL,
        place TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (project, place)
    ) STRICT, WITHOUT ROWID;
    PRAGMA user_version = 1;
";

/// A record as the first version wrote it, its plan within, with a number that no float holds.
const FIRST_RECORD: &str = r#"{"id":"aaaaaaaa","kind":"apply","project":"shop","plan_name":"shop","environment":null,
    "plan_file":"plan.yaml","author":"ada@host","message":"a \"quoted\" ünïcode\nmessage","engine":"local processes",
    "started_at":10,"ended_at":null,"outcome":null,"error":null,"summary":"1 to create",
    "plan":{"services":{"b":9007199254740993,"a":[null,1.5,"ü \"x\"\n"]}}}"#;

/// A database of the first version, with a deployment and an entry; what else is done to it.
fn of_first_version(also: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    connection.execute_batch(FIRST_VERSION).unwrap();
    let ending = r#"{"at":20,"outcome":"applied","error":null}"#;
    let sql =
        "INSERT INTO deployment (id, project, started_at, record, ending) VALUES ('aaaaaaaa', 'shop', 10, ?1, ?2)";
    connection.execute(sql, [FIRST_RECORD, ending]).unwrap();
    connection.execute("INSERT INTO entry VALUES (1, 0, ?1)", [json(&entry(0))]).unwrap();
    connection.execute_batch(also).unwrap();
    (directory, path)
}

#[test]
fn a_database_of_the_first_version_is_brought_up_to_date() {
    let (_directory, path) = of_first_version("INSERT INTO made_once VALUES ('shop', 'p', 'sealed')");
    let store = SqliteStore::open(&path).unwrap();
    let record = store.deployment(id("aaaaaaaa")).unwrap().unwrap();
    assert_eq!((record.message.as_deref(), record.runtimes.clone()), (Some("a \"quoted\" ünïcode\nmessage"), None));
    assert_eq!(record.outcome, Some(Outcome::Applied));
    assert_eq!(store.deployments(None).unwrap(), [record]);
    let expected = serde_json::json!({ "services": { "b": 9_007_199_254_740_993_u64, "a": [null, 1.5, "ü \"x\"\n"] } });
    assert_eq!(store.plan(id("aaaaaaaa")).unwrap(), Some(expected));
    assert_eq!(store.entries(id("aaaaaaaa")).unwrap(), [entry(0)]);
    assert_eq!(store.made_values(&"shop".parse().unwrap()).unwrap()["p"], "sealed");

    let kept: String =
        store.connection().query_row("SELECT record FROM deployment", [], |row| row.get::<_, String>(0)).unwrap();
    assert!(!kept.contains("services"), "the plan is in its record still: {kept}");
    store.examine().unwrap();
    store.begin(&deployment("bbbbbbbb", "shop", 30), &setup(), &plan()).unwrap();
    drop(store);
    assert_eq!(SqliteStore::open(&path).unwrap().plan(id("bbbbbbbb")).unwrap(), Some(plan()));
}

#[test]
fn a_record_that_a_program_of_the_first_version_adds_meanwhile_has_its_plan() {
    let (_directory, path) = of_first_version("");
    let store = SqliteStore::open(&path).unwrap();
    let late = FIRST_RECORD.replace("aaaaaaaa", "bbbbbbbb");
    let sql = "INSERT INTO deployment (id, project, started_at, record) VALUES ('bbbbbbbb', 'shop', 20, ?1)";
    Connection::open(&path).unwrap().execute(sql, [late]).unwrap();
    assert_eq!(store.plan(id("bbbbbbbb")).unwrap(), store.plan(id("aaaaaaaa")).unwrap());
    assert_eq!(store.deployments(None).unwrap().len(), 2);
}

#[test]
fn what_cannot_be_brought_up_to_date_stays_as_it_was() {
    // Something is in the way of the new table.
    let (_directory, path) = of_first_version("CREATE TABLE plan (other TEXT)");
    SqliteStore::open(&path).map(drop).unwrap_err();
    let connection = Connection::open(&path).unwrap();
    let found = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(found("SELECT record FROM deployment"), FIRST_RECORD);
    assert_eq!(found("SELECT CAST(user_version AS TEXT) FROM pragma_user_version"), "1");
}

#[test]
fn listing_deployments_reads_no_plan() {
    let (_directory, path) = filled();
    Connection::open(&path).unwrap().execute("UPDATE plan SET plan = 'no plan'", []).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.deployments(None).unwrap(), [deployment("aaaaaaaa", "shop", 10)]);
    assert_eq!(store.deployment(id("aaaaaaaa")).unwrap(), Some(deployment("aaaaaaaa", "shop", 10)));
    assert!(matches!(store.plan(id("aaaaaaaa")), Err(StoreError::Damaged { .. })));
}

/// The names of what lies beside a database, in order.
fn beside(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path.parent().unwrap()).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.contains("before"));
    names.sort();
    names
}

#[test]
fn what_was_there_before_a_migration_is_kept() {
    let (_directory, path) = of_first_version("");
    drop(SqliteStore::open(&path).unwrap());
    assert_eq!(beside(&path), ["state.db.before-v4"]);
    let kept = path.with_file_name("state.db.before-v4");
    assert_eq!(mode(&kept), 0o600);
    let old = Connection::open(&kept).unwrap();
    let found: (i64, String) = old
        .query_row("SELECT user_version, record FROM pragma_user_version, deployment", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(found, (1, FIRST_RECORD.to_owned()));
    // It needs nothing beside it, and can take the database's place.
    drop(old);
    fs::copy(&kept, path.with_file_name("again.db")).unwrap();
    assert_eq!(SqliteStore::open(&path.with_file_name("again.db")).unwrap().deployments(None).unwrap().len(), 1);
}

#[test]
fn a_new_database_and_one_that_is_up_to_date_leave_no_copy() {
    let (_directory, path) = filled();
    drop(SqliteStore::open(&path).unwrap());
    assert_eq!(beside(&path), [""; 0]);
}

#[test]
fn the_last_three_copies_are_kept() {
    let (_directory, path) = filled();
    let mut migrations = schema::MIGRATIONS.to_vec();
    for number in 0..9 {
        let table: &'static str = Box::leak(format!("CREATE TABLE more_{number} (n INTEGER)").into_boxed_str());
        migrations.push(table);
        drop(SqliteStore::open_with(&path, &migrations).unwrap());
    }
    assert_eq!(beside(&path), ["state.db.before-v11", "state.db.before-v12", "state.db.before-v13"]);
}

#[test]
fn a_migration_that_fails_half_way_leaves_the_old_version() {
    let (_directory, path) = filled();
    let mut migrations = schema::MIGRATIONS.to_vec();
    migrations.extend(["CREATE TABLE half (n INTEGER); DELETE FROM entry", "INSERT INTO nowhere VALUES (1)"]);
    SqliteStore::open_with(&path, &migrations).map(drop).unwrap_err();
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.entries(id("aaaaaaaa")).unwrap(), [entry(0), entry(1)]);
    store.examine().unwrap();
    drop(store);
    // Once it works it is made as if nothing had been.
    migrations.pop();
    drop(SqliteStore::open_with(&path, &migrations).unwrap());
    assert_eq!(beside(&path), ["state.db.before-v5", "state.db.before-v6"]);
}

#[test]
fn a_migration_that_is_killed_half_way_leaves_the_old_version() {
    let (directory, path) = of_first_version("");
    let mut connection = Connection::open(&path).unwrap();
    // So small a cache that what was changed is in the log before it is committed.
    connection.execute_batch("PRAGMA cache_size = 1; PRAGMA cache_spill = 1").unwrap();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    schema::advance(&transaction, 1, &schema::MIGRATIONS).unwrap();
    transaction.execute("INSERT INTO made_once VALUES ('p', 'q', hex(randomblob(900000)))", []).unwrap();
    // What is on disk now is what a killed process leaves.
    let dead = directory.path().join("dead.db");
    let log = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
    assert!(fs::metadata(log(&path)).unwrap().len() > 100_000, "nothing of it has reached the disk");
    fs::copy(&path, &dead).unwrap();
    fs::copy(log(&path), log(&dead)).unwrap();
    drop(transaction);
    let found = Connection::open(&dead).unwrap();
    assert_eq!(schema::version(&found).unwrap(), 1);
    drop(found);
    let store = SqliteStore::open(&dead).unwrap();
    store.examine().unwrap();
    assert_eq!(store.deployments(None).unwrap().len(), 1);
    assert_eq!(store.entries(id("aaaaaaaa")).unwrap(), [entry(0)]);
}

#[test]
fn a_migration_without_room_for_the_copy_is_not_begun() {
    let (_directory, path) = of_first_version("");
    // Something that cannot be replaced is in the copy's place.
    fs::create_dir(path.with_file_name("state.db.before-v4")).unwrap();
    SqliteStore::open(&path).map(drop).unwrap_err();
    assert_eq!(schema::version(&Connection::open(&path).unwrap()).unwrap(), 1);
}

#[test]
fn another_programs_database_is_left_untouched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE bookmark (url TEXT)").unwrap();
    let before = fs::read(&path).unwrap();
    let error = SqliteStore::open(&path).map(drop).unwrap_err();
    assert!(error.to_string().ends_with("is damaged: another program wrote it"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_copy_in_memory_changes_nothing_and_is_up_to_date() {
    let (_directory, path) = of_first_version("");
    let before = fs::read(&path).unwrap();
    let store = SqliteStore::open_copy(&path).unwrap();
    assert_eq!(store.entries(id("aaaaaaaa")).unwrap(), [entry(0)]);
    assert!(store.plan(id("aaaaaaaa")).unwrap().is_some());
    let keys = StoreKeys { deployments: vec!["aaaaaaaa".to_owned()], projects: vec!["shop".to_owned()] };
    assert_eq!(store.keys().unwrap(), keys);
    drop(store);
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(schema::version(&Connection::open(&path).unwrap()).unwrap(), 1);
}

#[test]
fn damage_and_exchange_are_noticed_by_the_check() {
    let (_directory, path) = filled();
    let store = SqliteStore::open(&path).unwrap();
    store.check().unwrap();
    let other = path.with_file_name("other.db");
    fs::copy(&path, &other).unwrap();
    fs::rename(&other, &path).unwrap();
    let error = store.check().unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().starts_with("another file"), "{error}");
    drop(store);
    let mut torn = fs::read(&path).unwrap();
    let page = torn.len() - 4096;
    torn[page..page + 64].fill(0xff);
    fs::write(&path, torn).unwrap();
    let checked = SqliteStore::open(&path).and_then(|store| store.check());
    assert!(matches!(checked, Err(StoreError::Damaged { .. })), "{checked:?}");
}
