use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior, config::DbConfig,
    params,
};
use rustix::fs::{FlockOperation, flock};
use serde::{Serialize, de::DeserializeOwned};

use super::{DeploymentRecord, Evidence, Store, StoreError, database_copy, private_file, restoring, schema};
use crate::{
    engine::Setup,
    journal::{DeploymentEnd, Entry},
    name::{DeploymentId, ProjectName},
};

/// How long a write waits for another process's: each takes a fraction of a millisecond, unless
/// the disk hangs.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// State in an SQLite database, durable when a call returns.
pub struct SqliteStore {
    path: PathBuf,
    /// One connection: there is one writer anyway, a call takes a fraction of a millisecond, and a
    /// connection cannot be used by two threads at once while [`Store`] is shared between them.
    connection: Mutex<Connection>,
    /// Which file was opened; `None` for a copy in memory.
    file: Option<FileId>,
}

/// A file, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        Some(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// What a database has something of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreKeys {
    /// In the order in which they began.
    pub deployments: Vec<String>,
    pub projects: Vec<String>,
}

/// The largest database that is read as a whole before a deployment: a hundred milliseconds of it
/// in memory, a second from a slow disk.
const CHECK_LIMIT_BYTES: u64 = 256 << 20;

impl SqliteStore {
    /// Opens the database at `path`, making it and bringing its tables up to date where needed.
    ///
    /// # Errors
    /// If it cannot be read or written, is damaged, or was written by a newer version, which
    /// leaves it untouched.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, &schema::MIGRATIONS)
    }

    /// A copy in memory of the database at `path`, brought up to date there: for looking at one
    /// that is to stay as it is, of this version or an older one. It takes as much memory as the
    /// database has bytes.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_copy(path: &Path) -> Result<Self, StoreError> {
        let cannot = |error| explain(path, "copied", error);
        let mut connection = Connection::open_in_memory().map_err(cannot)?;
        database_copy::copy_into(path, &mut connection)?;
        let found = refuse_foreign(&connection, path, schema::VERSION)?;
        let found = usize::try_from(found).unwrap_or(0);
        schema::advance(&connection, found, &schema::MIGRATIONS).map_err(cannot)?;
        Ok(Self { path: path.to_owned(), connection: Mutex::new(connection), file: None })
    }

    fn open_with(path: &Path, migrations: &[&str]) -> Result<Self, StoreError> {
        let unusable = |source: super::StateFileError| StoreError::Unusable {
            path: path.to_owned(),
            doing: "opened",
            source: source.into(),
        };
        restoring::complete_if_pending(directory(path)).map_err(unusable)?;
        private_file::make_if_absent(path).map_err(unusable)?;
        // SQLite follows no link anywhere in the path when told so; our parents may well be links.
        let path = private_file::canonical(path).map_err(unusable)?;
        // Setting up a new database is the one moment in which SQLite does not wait for others.
        let turn = private_file::open(&path.with_extension("opening")).map_err(unusable)?;
        flock(&turn, FlockOperation::LockExclusive)
            .map_err(|error| unusable(private_file::io(&path, "locked", error.into())))?;
        let connection = connect(&path, migrations)?;
        let file = FileId::of(&path);
        Ok(Self { path, connection: Mutex::new(connection), file })
    }

    /// Reads the whole database and tells what is wrong with it, indexes included: a millisecond
    /// and more for each megabyte.
    ///
    /// # Errors
    /// If it cannot be read, or is damaged.
    pub fn examine(&self) -> Result<(), StoreError> {
        self.verdict("PRAGMA integrity_check(1)")
    }

    /// Looks for damage before something is changed by what is written here. The pages' structure
    /// is read as a whole, without the indexes' content: half a millisecond for each megabyte
    /// (0.1 ms for one, 52 ms for a hundred), where a deployment that changes something takes
    /// hundreds of milliseconds at least. A database beyond `CHECK_LIMIT_BYTES` is left to
    /// [`examine`](Self::examine): from a slow disk it would take seconds.
    ///
    /// # Errors
    /// If it is damaged, cannot be read, or is not the one any more that has its name.
    pub fn check(&self) -> Result<(), StoreError> {
        if self.file != FileId::of(&self.path) {
            let source = std::io::Error::other("another file has taken its place since it was opened");
            return Err(StoreError::Unusable { path: self.path.clone(), doing: "used", source: source.into() });
        }
        let bytes = self.path.metadata().map_or(0, |metadata| metadata.len());
        if bytes > CHECK_LIMIT_BYTES { Ok(()) } else { self.verdict("PRAGMA quick_check(1)") }
    }

    fn verdict(&self, sql: &str) -> Result<(), StoreError> {
        let verdict: String = self.read(|connection| {
            connection.query_row(sql, [], |row| row.get(0)).map_err(|error| self.cannot("read", error))
        })?;
        if verdict == "ok" { Ok(()) } else { Err(damaged(&self.path, verdict)) }
    }

    /// The ids of all deployments as they are written, and the projects that values were made for.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn keys(&self) -> Result<StoreKeys, StoreError> {
        let column = |sql: &str| -> Result<Vec<String>, StoreError> {
            let cannot = |error| self.cannot("read", error);
            self.read(|connection| {
                let mut statement = connection.prepare(sql).map_err(cannot)?;
                let rows = statement.query_map([], |row| row.get(0)).map_err(cannot)?;
                rows.collect::<rusqlite::Result<_>>().map_err(cannot)
            })
        };
        Ok(StoreKeys {
            deployments: column("SELECT id FROM deployment ORDER BY sequence")?,
            projects: column("SELECT project FROM deployment UNION SELECT project FROM made_once ORDER BY 1")?,
        })
    }

    /// Whether a journal or a record's end speaks of this: the digest of a program that ran, for instance.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn is_mentioned(&self, text: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM entry WHERE instr(entry, ?1))
                   OR EXISTS (SELECT 1 FROM deployment WHERE instr(ending, ?1))";
        self.read(|connection| {
            connection.query_row(sql, [text], |row| row.get(0)).map_err(|error| self.cannot("read", error))
        })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic in the middle of a transaction has rolled it back while unwinding.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        query(&self.connection())
    }

    /// Runs `change` in one transaction, which is on disk when this returns.
    fn write<T>(&self, change: impl FnOnce(&Transaction) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let cannot = |error| self.cannot("written", error);
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(cannot)?;
        let value = change(&transaction)?;
        transaction.commit().map_err(cannot)?;
        Ok(value)
    }

    fn cannot(&self, doing: &'static str, error: rusqlite::Error) -> StoreError {
        explain(&self.path, doing, error)
    }

    /// The row of a deployment that has begun.
    fn sequence(&self, connection: &Connection, id: DeploymentId) -> Result<i64, StoreError> {
        let found = find_sequence(connection, id).map_err(|error| self.cannot("read", error))?;
        found.ok_or_else(|| damaged(&self.path, format!("deployment `{id}` never began")))
    }

    fn parse<T: DeserializeOwned>(&self, json: &str) -> Result<T, StoreError> {
        serde_json::from_str(json).map_err(|error| damaged(&self.path, format!("a row cannot be read: {error}")))
    }

    /// All rows of a query for a deployment's documents.
    fn documents<T: DeserializeOwned>(&self, sql: &str, id: DeploymentId) -> Result<Vec<T>, StoreError> {
        let cannot = |error| self.cannot("read", error);
        self.read(|connection| {
            let mut statement = connection.prepare_cached(sql).map_err(cannot)?;
            let rows = statement.query_map([id.as_str()], |row| row.get::<_, String>(0)).map_err(cannot)?;
            rows.map(|row| self.parse(&row.map_err(cannot)?)).collect()
        })
    }

    fn record(&self, (record, ending): (String, Option<String>)) -> Result<DeploymentRecord, StoreError> {
        let mut record: DeploymentRecord = self.parse(&record)?;
        if let Some(ending) = ending {
            record.close(self.parse(&ending)?);
        }
        Ok(record)
    }
}

fn connect(path: &Path, migrations: &[&str]) -> Result<Connection, StoreError> {
    let cannot = |error| explain(path, "opened", error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(path, flags).map_err(cannot)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(cannot)?;
    // Until it is known that the file is ours to write, closing it must not write either.
    let keep_log = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    connection.set_db_config(keep_log, true).map_err(cannot)?;
    let known = migrations.len() as i64;
    let found = refuse_foreign(&connection, path, known)?;
    connection.set_db_config(keep_log, false).map_err(cannot)?;
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")
        .map_err(cannot)?;
    if found < known {
        schema::migrate(&mut connection, path, migrations)?;
    }
    // Reads the tables' definitions and nothing else; SQLite notices a file cut short by the way.
    let tables = connection.query_row("SELECT count(*) FROM deployment LIMIT 0", [], |_| Ok(())).optional();
    tables.map_err(|error| match error {
        rusqlite::Error::SqliteFailure(_, Some(text)) if text.starts_with("no such table") => damaged(path, text),
        other => cannot(other),
    })?;
    Ok(connection)
}

/// The version of a database that is ours and not too new.
fn refuse_foreign(connection: &Connection, path: &Path, known: i64) -> Result<i64, StoreError> {
    let cannot = |error| explain(path, "opened", error);
    let found = schema::version(connection).map_err(cannot)?;
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    if found <= 0 && !schema::is_blank(connection).map_err(cannot)? {
        return Err(damaged(path, "another program wrote it".to_owned()));
    }
    Ok(found)
}

fn find_sequence(connection: &Connection, id: DeploymentId) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT sequence FROM deployment WHERE id = ?1")?;
    statement.query_row([id.as_str()], |row| row.get(0)).optional()
}

/// What SQLite's error means for the state.
pub(super) fn explain(path: &Path, doing: &'static str, error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation) => {
            damaged(path, error.to_string())
        }
        Some(ErrorCode::DiskFull) => full(path, doing, error),
        // A disk that is full mostly shows as this.
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) if private_file::is_full(directory(path)) => {
            full(path, doing, error)
        }
        // Another process uses it, the directory is read-only, …: not the fault of what is in the
        // file.
        Some(_) | None => StoreError::Unusable { path: path.to_owned(), doing, source: error.into() },
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn full(path: &Path, doing: &'static str, error: rusqlite::Error) -> StoreError {
    StoreError::Full {
        directory: directory(path).to_owned(),
        file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        doing,
        source: error.into(),
    }
}

fn damaged(path: &Path, reason: String) -> StoreError {
    StoreError::Damaged { path: path.to_owned(), reason }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("what is stored has only string keys")
}

impl Store for SqliteStore {
    fn begin(&self, deployment: &DeploymentRecord, setup: &Setup, plan: &serde_json::Value) -> Result<(), StoreError> {
        let cannot = |error| self.cannot("written", error);
        let (record, setup, plan) = (json(deployment), json(setup), json(plan));
        self.write(|transaction| {
            let sql = "INSERT INTO deployment (id, project, started_at, record) VALUES (?1, ?2, ?3, ?4)";
            let DeploymentRecord { id, project, started_at, .. } = deployment;
            let row = params![id.as_str(), project.as_str(), started_at.as_micros(), record];
            transaction.execute(sql, row).map_err(cannot)?;
            let sql = "INSERT INTO setup (deployment, setup) VALUES (?1, ?2)";
            let sequence = transaction.last_insert_rowid();
            transaction.execute(sql, params![sequence, setup]).map_err(cannot)?;
            let sql = "INSERT INTO plan (deployment, plan) VALUES (?1, ?2)";
            transaction.execute(sql, params![sequence, plan]).map_err(cannot)?;
            Ok(())
        })
    }

    fn last_deployment(&self, project: &ProjectName) -> Result<Option<DeploymentRecord>, StoreError> {
        let row = self.read(|connection| {
            let sql = "SELECT record, ending FROM deployment WHERE project = ?1
                       ORDER BY started_at DESC, sequence DESC LIMIT 1";
            let row = connection.query_row(sql, [project.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional();
            row.map_err(|error| self.cannot("read", error))
        })?;
        row.map(|row| self.record(row)).transpose()
    }

    fn plan(&self, id: DeploymentId) -> Result<Option<serde_json::Value>, StoreError> {
        // A program of an older version that is still running writes plans into its records.
        let sql = "SELECT coalesce(plan, record -> '$.plan')
                   FROM deployment LEFT JOIN plan ON deployment = sequence WHERE id = ?1";
        let found: Option<Option<String>> = self.read(|connection| {
            let row = connection.query_row(sql, [id.as_str()], |row| row.get(0)).optional();
            row.map_err(|error| self.cannot("read", error))
        })?;
        found.flatten().map(|plan| self.parse(&plan)).transpose()
    }

    fn setup(&self, id: DeploymentId) -> Result<Option<Setup>, StoreError> {
        let sql = "SELECT setup FROM setup JOIN deployment ON deployment = sequence WHERE id = ?1";
        Ok(self.documents(sql, id)?.into_iter().next())
    }

    fn import(&self, deployment: &DeploymentRecord, plan: &serde_json::Value) -> Result<(), StoreError> {
        let cannot = |error| self.cannot("written", error);
        let DeploymentRecord { id, project, started_at, ended_at, outcome, error, contents, .. } = deployment.clone();
        let ending = ended_at.zip(outcome).map(|(at, outcome)| json(&DeploymentEnd { at, outcome, error, contents }));
        let (record, plan) = (json(deployment), json(plan));
        self.write(|transaction| {
            let sql = "INSERT INTO deployment (id, project, started_at, record, ending) VALUES (?1, ?2, ?3, ?4, ?5)
                       ON CONFLICT (id) DO UPDATE SET ending = excluded.ending";
            let row = params![id.as_str(), project.as_str(), started_at.as_micros(), record, ending];
            transaction.execute(sql, row).map_err(cannot)?;
            let sequence = self.sequence(transaction, id)?;
            let sql = "INSERT INTO plan (deployment, plan) VALUES (?1, ?2)
                       ON CONFLICT (deployment) DO UPDATE SET plan = excluded.plan WHERE plan.plan = 'null'";
            transaction.execute(sql, params![sequence, plan]).map_err(cannot)?;
            Ok(())
        })
    }

    fn seen_lock(&self, project: &ProjectName) -> Result<Option<u64>, StoreError> {
        let number: Option<i64> = self.read(|connection| {
            let sql = "SELECT number FROM seen_lock WHERE project = ?1";
            let row = connection.query_row(sql, [project.as_str()], |row| row.get(0)).optional();
            row.map_err(|error| self.cannot("read", error))
        })?;
        Ok(number.and_then(|number| u64::try_from(number).ok()))
    }

    fn note_seen_lock(&self, project: &ProjectName, number: u64) -> Result<(), StoreError> {
        self.write(|transaction| {
            let sql = "INSERT INTO seen_lock (project, number) VALUES (?1, ?2)
                       ON CONFLICT (project) DO UPDATE SET number = excluded.number";
            let row = params![project.as_str(), i64::try_from(number).unwrap_or(i64::MAX)];
            transaction.execute(sql, row).map_err(|error| self.cannot("written", error))?;
            Ok(())
        })
    }

    fn forget(&self, id: DeploymentId) -> Result<(), StoreError> {
        let cannot = |error| self.cannot("written", error);
        self.write(|transaction| {
            let Some(sequence) = find_sequence(transaction, id).map_err(cannot)? else { return Ok(()) };
            for table in ["entry", "evidence", "setup", "plan"] {
                transaction
                    .execute(&format!("DELETE FROM {table} WHERE deployment = ?1"), [sequence])
                    .map_err(cannot)?;
            }
            transaction.execute("DELETE FROM deployment WHERE sequence = ?1", [sequence]).map_err(cannot)?;
            Ok(())
        })
    }

    fn append(&self, deployment: DeploymentId, entries: &[Entry]) -> Result<(), StoreError> {
        let cannot = |error| self.cannot("written", error);
        // Before the transaction: while it is open, other processes wait.
        let documents: Vec<(i64, String)> = entries.iter().map(|entry| (entry.number as i64, json(entry))).collect();
        self.write(|transaction| {
            let sequence = self.sequence(transaction, deployment)?;
            let sql = "INSERT INTO entry (deployment, number, entry) VALUES (?1, ?2, ?3)";
            let mut statement = transaction.prepare_cached(sql).map_err(cannot)?;
            for (number, document) in &documents {
                statement.execute(params![sequence, number, document]).map_err(cannot)?;
            }
            Ok(())
        })
    }

    fn finish(&self, deployment: DeploymentId, end: &DeploymentEnd) -> Result<(), StoreError> {
        let ending = json(end);
        self.write(|transaction| {
            let sequence = self.sequence(transaction, deployment)?;
            let sql = "UPDATE deployment SET ending = ?2 WHERE sequence = ?1";
            transaction.execute(sql, params![sequence, ending]).map_err(|error| self.cannot("written", error))?;
            Ok(())
        })
    }

    fn deployment(&self, id: DeploymentId) -> Result<Option<DeploymentRecord>, StoreError> {
        let row = self.read(|connection| {
            let sql = "SELECT record, ending FROM deployment WHERE id = ?1";
            let row = connection.query_row(sql, [id.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional();
            row.map_err(|error| self.cannot("read", error))
        })?;
        row.map(|row| self.record(row)).transpose()
    }

    fn deployments(&self, project: Option<&ProjectName>) -> Result<Vec<DeploymentRecord>, StoreError> {
        let cannot = |error| self.cannot("read", error);
        self.read(|connection| {
            let sql = "SELECT record, ending FROM deployment WHERE ?1 IS NULL OR project = ?1
                       ORDER BY started_at DESC, sequence DESC";
            let mut statement = connection.prepare_cached(sql).map_err(cannot)?;
            let project = project.map(ProjectName::as_str);
            let rows = statement.query_map([project], |row| Ok((row.get(0)?, row.get(1)?))).map_err(cannot)?;
            rows.map(|row| self.record(row.map_err(cannot)?)).collect()
        })
    }

    fn entries(&self, id: DeploymentId) -> Result<Vec<Entry>, StoreError> {
        let sql = "SELECT entry FROM entry JOIN deployment ON deployment = sequence WHERE id = ?1 ORDER BY number";
        self.documents(sql, id)
    }

    fn keep_evidence(&self, id: DeploymentId, evidence: &Evidence) -> Result<(), StoreError> {
        let evidence = json(evidence);
        self.write(|transaction| {
            let sequence = self.sequence(transaction, id)?;
            let sql = "INSERT INTO evidence (deployment, evidence) VALUES (?1, ?2)";
            transaction.execute(sql, params![sequence, evidence]).map_err(|error| self.cannot("written", error))?;
            Ok(())
        })
    }

    fn evidence(&self, id: DeploymentId) -> Result<Vec<Evidence>, StoreError> {
        let sql =
            "SELECT evidence FROM evidence JOIN deployment ON deployment = sequence WHERE id = ?1 ORDER BY number";
        self.documents(sql, id)
    }

    fn made_values(&self, project: &ProjectName) -> Result<BTreeMap<String, String>, StoreError> {
        let cannot = |error| self.cannot("read", error);
        self.read(|connection| {
            let sql = "SELECT place, value FROM made_once WHERE project = ?1";
            let mut statement = connection.prepare_cached(sql).map_err(cannot)?;
            let rows = statement.query_map([project.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).map_err(cannot)?;
            rows.collect::<rusqlite::Result<_>>().map_err(cannot)
        })
    }

    fn made_once(&self, project: &ProjectName, place: &str, value: &str) -> Result<String, StoreError> {
        let cannot = |error| self.cannot("written", error);
        let find = |connection: &Connection| {
            let mut statement =
                connection.prepare_cached("SELECT value FROM made_once WHERE project = ?1 AND place = ?2")?;
            statement.query_row([project.as_str(), place], |row| row.get(0)).optional()
        };
        // Mostly it was made long ago, and then nothing is written.
        if let Some(kept) = self.read(|connection| find(connection).map_err(|error| self.cannot("read", error)))? {
            return Ok(kept);
        }
        self.write(|transaction| {
            let sql = "INSERT INTO made_once (project, place, value) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
            transaction.execute(sql, [project.as_str(), place, value]).map_err(cannot)?;
            let kept = find(transaction).map_err(cannot)?;
            Ok(kept.expect("it was there, or has just been written"))
        })
    }
}

#[cfg(test)]
#[path = "sqlite_tests.rs"]
mod tests;
