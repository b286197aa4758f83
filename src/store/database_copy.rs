//! Copies of a database, each as it was at one moment, whoever writes to it meanwhile.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
    config::DbConfig,
};

use super::{StoreError, private_file, sqlite::explain};

/// Copies from before migrations that are kept beside a database. Who goes back to an older version
/// goes back one or two; each may be as large as the database.
const MOST_KEPT: usize = 3;
/// What follows the database's name in theirs, before the version that was migrated to.
const BEFORE: &str = ".before-v";

/// A connection that only reads, and leaves the database's log as it is.
pub fn connect_to_read(path: &Path) -> Result<Connection, StoreError> {
    let cannot = |error| explain(path, "opened", error);
    let canonical = private_file::canonical(path).map_err(|error| unusable(path, "opened", error))?;
    // Reading a database with a log takes an index of the log, which is written.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(canonical, flags).map_err(cannot)?;
    connection.busy_timeout(super::sqlite::BUSY_TIMEOUT).map_err(cannot)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(cannot)?;
    connection.execute_batch("PRAGMA query_only = ON").map_err(cannot)?;
    Ok(connection)
}

/// Copies the database at `path` into another, in one go: with a log, readers hold up nobody.
pub fn copy_into(path: &Path, target: &mut Connection) -> Result<(), StoreError> {
    let cannot = |error| explain(path, "copied", error);
    let source = connect_to_read(path)?;
    let backup = Backup::new(&source, target).map_err(cannot)?;
    match backup.step(-1).map_err(cannot)? {
        StepResult::Done | StepResult::More => Ok(()),
        // Nobody else knows of the target, and readers of the source wait for nobody.
        _ => Err(unusable(path, "copied", std::io::Error::from(std::io::ErrorKind::ResourceBusy))),
    }
}

/// Copies the database at `path` into a new private file, which needs no log beside it. Answers its
/// schema.
pub fn copy_to(path: &Path, target: &Path) -> Result<i64, StoreError> {
    private_file::make_if_absent(target).map_err(|error| unusable(target, "made", error))?;
    let target = private_file::canonical(target).map_err(|error| unusable(target, "made", error))?;
    let cannot = |error| explain(&target, "written", error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(&target, flags).map_err(cannot)?;
    copy_into(path, &mut connection)?;
    connection.pragma_update(None, "journal_mode", "DELETE").map_err(cannot)?;
    super::schema::version(&connection).map_err(cannot)
}

/// Keeps the database as it is now, before it is brought to a newer version.
pub fn keep_before(path: &Path, version: usize) -> Result<(), StoreError> {
    let kept = beside(path, &format!("{BEFORE}{version}"));
    let draft = beside(path, ".before-draft");
    let unkept = |error| unusable(&kept, "made", private_file::io(&kept, "made", error));
    remove_if_there(&draft).map_err(unkept)?;
    copy_to(path, &draft)?;
    fs::rename(&draft, &kept).map_err(unkept)
}

/// Removes the copies from before the oldest migrations. What cannot be removed stays: it does no
/// harm.
pub fn forget_oldest(path: &Path) {
    let prefix = format!("{}{BEFORE}", path.file_name().unwrap_or_default().to_string_lossy());
    let names = fs::read_dir(path.parent().unwrap_or(path)).into_iter().flatten().flatten();
    let version = |name: OsString| name.to_str()?.strip_prefix(&prefix)?.parse::<u64>().ok();
    let mut versions: Vec<u64> = names.filter_map(|entry| version(entry.file_name())).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    for version in versions.into_iter().skip(MOST_KEPT) {
        let _ = fs::remove_file(beside(path, &format!("{BEFORE}{version}")));
    }
}

/// The file whose name is the database's and something more.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

pub fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn unusable(
    path: &Path,
    doing: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Unusable { path: path.to_owned(), doing, source: source.into() }
}
