//! The database's tables, and how an older database comes to have them.

use rusqlite::{Connection, TransactionBehavior};

/// Each takes the schema from the version that is its index to the next. They are never changed
/// once released; what is new is added at the end.
const MIGRATIONS: [&str; 4] = [
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

/// Brings the tables to [`VERSION`], all or nothing.
pub fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have done it since we looked.
    let found = usize::try_from(version(&transaction)?).unwrap_or(0);
    for migration in MIGRATIONS.iter().skip(found) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", VERSION.max(found as i64))?;
    transaction.commit()
}
