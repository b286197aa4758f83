//! What a fuzzer reaches of this module's private parts: what decodes foreign texts. Never in a release.

use std::collections::{BTreeMap, HashMap};

use super::{lock_labels, vault_archive, vault_slot};
use crate::{
    name::ProjectName,
    observed::{Fault, LockRecord, UnreadableLock},
};

/// The files of a vault's archive as they lie there, those with sound names.
///
/// # Errors
/// If it is no archive, or cut off.
pub fn unpacked(archive: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, Fault> {
    let files = vault_archive::unpack(archive, "state/")?;
    // Whatever lies there can be told apart: files, what is left of them, and what is neither.
    drop(vault_slot::Slots::read(files.clone()).map(vault_slot::Slots::into_files));
    let is_sound = |name: &str| {
        let slot = name.rsplit_once('/').filter(|(_, slot)| matches!(*slot, "0" | "1"));
        slot.is_some_and(|(path, _)| vault_slot::check_path(path).is_ok())
    };
    Ok(files.into_iter().filter(|(name, _)| is_sound(name)).collect())
}

/// An archive of these files, as an engine answers it.
///
/// # Errors
/// If they cannot be packed.
pub fn packed(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, Fault> {
    let files: Vec<_> = files.iter().map(|(path, content)| (format!("state/{path}"), content.clone())).collect();
    vault_archive::pack(&files)
}

/// The record that labels are, and what is read from the labels that it is written as.
pub fn lock_record(labels: HashMap<String, String>) -> Option<(LockRecord, Result<LockRecord, UnreadableLock>)> {
    let project: ProjectName = "app".parse().expect("it is a name");
    let record = lock_labels::read(&project, 7, &labels).ok()?;
    let again = lock_labels::read(&project, 7, &lock_labels::write(&record));
    Some((record, again))
}
