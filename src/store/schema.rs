//! The database's tables, and how an older database comes to have them.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::{StoreError, database_copy, sqlite::explain};

/// Each takes the schema from the version that is its index to the next. They are never changed
/// once released; what is new is added at the end.
pub const MIGRATIONS: [&str; 4] = [
    "
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
",
    "
    CREATE TABLE setup (
        deployment INTEGER PRIMARY KEY REFERENCES deployment (sequence),
        setup TEXT NOT NULL
    ) STRICT;
",
    // A plan may take megabytes, which listing deployments need not read: it moves out of its record
    // into a table of its own.
    "
    CREATE TABLE plan (
        deployment INTEGER PRIMARY KEY REFERENCES deployment (sequence),
        plan TEXT NOT NULL
    ) STRICT;
    INSERT INTO plan (deployment, plan)
        SELECT sequence, record -> '$.plan' FROM deployment
        WHERE json_valid(record) AND record -> '$.plan' IS NOT NULL;
    UPDATE deployment SET record = json_remove(record, '$.plan')
        WHERE sequence IN (SELECT deployment FROM plan);
",
    "
    CREATE TABLE seen_lock (
        project TEXT PRIMARY KEY,
        number INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
];

/// The schema that this version reads and writes.
pub const VERSION: i64 = MIGRATIONS.len() as i64;

pub fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Whether nothing was ever written to it, by whomever.
pub fn is_blank(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT NOT EXISTS (SELECT * FROM sqlite_schema)", [], |row| row.get(0))
}

/// Brings the tables of the database at `path` up to date, all or nothing. What was there before is
/// copied beside it first, while nobody can write to it; if that fails, nothing is changed.
pub fn migrate(connection: &mut Connection, path: &Path, migrations: &[&str]) -> Result<(), StoreError> {
    let is_new = is_blank(connection).unwrap_or(true);
    let cannot = |error| explain(path, if is_new { "opened" } else { "brought up to date" }, error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(cannot)?;
    // Another process may have done it since we looked.
    let found = usize::try_from(version(&transaction).map_err(cannot)?).unwrap_or(0);
    if found >= migrations.len() {
        return Ok(());
    }
    if found > 0 {
        database_copy::keep_before(path, migrations.len())?;
    }
    advance(&transaction, found, migrations).map_err(cannot)?;
    transaction.commit().map_err(cannot)?;
    database_copy::forget_oldest(path);
    Ok(())
}

/// The migrations that are missing, in the transaction that `connection` is in.
pub fn advance(connection: &Connection, found: usize, migrations: &[&str]) -> rusqlite::Result<()> {
    for migration in migrations.iter().skip(found) {
        connection.execute_batch(migration)?;
    }
    connection.pragma_update(None, "user_version", migrations.len() as i64)
}
