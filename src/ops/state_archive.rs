use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Context, OpsError, state_verify::examine};
use crate::{
    diagnostic::Class,
    driver::Clock,
    name::ProjectName,
    observed::Fault,
    report::{Condition, Finding},
    store::{
        ArchiveError, ArchiveFacts, LockOwner, ProjectLock, SqliteStore, StateDirectory, host_name, pack_state,
        unpack_state,
    },
};

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupReport {
    pub file: PathBuf,
    pub bytes: u64,
    pub made_at: String,
    pub schema: i64,
}

/// A backup that was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoreReport {
    pub directory: PathBuf,
    /// When and where the backup was made.
    pub made_at: String,
    pub host: String,
    /// What was there before, and where it is kept.
    pub replaced: Option<PathBuf>,
}

/// Where state is kept. Touches nothing.
///
/// # Errors
/// If there is no place for it.
pub fn state_path(context: &Context) -> Result<PathBuf, OpsError> {
    Ok(StateDirectory::locate(&context.env)?)
}

/// Packs the state into a new file, also while it is used. With it goes the key, so whoever can
/// read the file can read every secret in it.
///
/// # Errors
/// If there is no state, the file is there already, or something cannot be read or written.
pub fn backup_state(context: &Context, file: &Path) -> Result<BackupReport, OpsError> {
    let directory = StateDirectory::locate(&context.env)?;
    let file = context.working_directory.join(file);
    let facts = pack_state(&directory, &file, host_name(), Clock::start().now()).map_err(refused)?;
    let ArchiveFacts { made_at, schema, .. } = facts;
    let bytes = file.metadata().map_or(0, |metadata| metadata.len());
    Ok(BackupReport { file, bytes, made_at: made_at.to_string(), schema })
}

/// Whether a state that is there is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreMode {
    OnlyIntoNothing,
    /// What is there is kept as `….replaced`.
    Replace,
}

/// Puts a backup in the state's place, all or nothing, once it was looked through.
///
/// # Errors
/// If there is a state that is not to be replaced, the backup is damaged, or someone deploys.
pub fn restore_state(context: &Context, file: &Path, mode: RestoreMode) -> Result<RestoreReport, OpsError> {
    let directory = StateDirectory::open(&context.env)?;
    let is_there = has_something(&directory);
    if is_there && mode == RestoreMode::OnlyIntoNothing {
        let text = format!("there is a state in `{}` already", directory.path().display());
        let hint = "`--force` puts the backup in its place, and keeps what is there as `state.db.replaced`";
        return Err(Fault::new(Class::Configuration, "state-there", text).hint(hint).into());
    }
    let file = context.working_directory.join(file);
    let unpacked = unpack_state(&file, &directory).map_err(refused)?;
    let mut findings = Vec::new();
    examine(&unpacked.database(), unpacked.key()?, &mut findings);
    if let Some(found) = findings.iter().find(|finding| finding.condition == Condition::Bad) {
        return Err(damaged(&file, found));
    }
    let _locks = lock_all(&directory, "restores the state")?;
    let facts = unpacked.facts.clone();
    unpacked.put_in_place()?;
    Ok(RestoreReport {
        made_at: facts.made_at.to_string(),
        host: facts.host,
        replaced: is_there.then(|| directory.path().join("state.db.replaced")),
        directory: directory.path().to_owned(),
    })
}

/// Whether there is anything that would be lost: looking around in a new place makes a database, too.
fn has_something(directory: &StateDirectory) -> bool {
    if !directory.database().exists() {
        return false;
    }
    let keys = SqliteStore::open_copy(&directory.database()).and_then(|store| store.keys());
    keys.map_or(true, |keys| !keys.deployments.is_empty() || !keys.projects.is_empty())
}

fn damaged(file: &Path, found: &Finding) -> OpsError {
    let text = format!("`{}` is not restored, it is damaged: {}: {}", file.display(), found.subject, found.text);
    Fault::new(Class::Configuration, "backup-damaged", text).hint("nothing was changed: use another backup").into()
}

/// The locks of all projects that were ever deployed from here: nobody begins anything meanwhile.
pub(super) fn lock_all(directory: &StateDirectory, purpose: &str) -> Result<Vec<ProjectLock>, OpsError> {
    let owner = LockOwner {
        pid: std::process::id(),
        host: host_name(),
        since: Clock::start().now(),
        deployment: super::run::new_deployment(),
        message: Some(purpose.to_owned()),
    };
    let entries = std::fs::read_dir(directory.locks()).into_iter().flatten().flatten();
    let projects = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<ProjectName>().ok());
    projects.map(|project| Ok(directory.lock(&project, &owner)?)).collect()
}

fn refused(error: ArchiveError) -> OpsError {
    let text = error.to_string();
    let (code, hint) = match error {
        ArchiveError::File(error) => return error.into(),
        ArchiveError::Store(error) => return error.into(),
        ArchiveError::Taken { .. } => ("file-there", "name a file that is not there yet: none is overwritten"),
        ArchiveError::NoState { .. } => ("no-state", "`ORCHESTRATE_STATE_DIR` says where it is looked for"),
        ArchiveError::Unreadable { .. } => {
            ("no-backup", "nothing was changed: name a file that `orchestrate state backup` made")
        }
    };
    Fault::new(Class::Configuration, code, text).hint(hint).into()
}
