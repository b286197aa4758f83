use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use super::{StateFileError, private_file};
use crate::observed::{Instance, StopNote};

/// Notes of who stopped instances of a project by hand: a small file for each run that was ended, so
/// nothing is ever overwritten. That one was stopped, the instance itself tells; without its note
/// only who and when is not known.
pub struct StopNotes {
    directory: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    instance: String,
    #[serde(flatten)]
    note: StopNote,
}

const FORMAT: u32 = 1;
/// Far above what a note takes.
const LONGEST_NOTE: u64 = 16 << 10;

impl StopNotes {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Notes that an instance, as it was before, is stopped now.
    ///
    /// # Errors
    /// If the state directory cannot be written.
    pub fn write(&self, instance: &Instance, note: &StopNote) -> Result<(), StateFileError> {
        private_file::make_directory(&self.directory)?;
        let run = note.started_at.map(|at| at.to_string().replace(':', "")).unwrap_or_default();
        let path = self.directory.join(format!("{}-{run}", instance.id));
        let kept = Kept { format: FORMAT, instance: instance.id.clone(), note: note.clone() };
        let content = serde_json::to_vec(&kept).expect("a note has only string keys");
        private_file::write_once(&path, &content).map(drop)
    }

    /// What is noted, by the instances' ids; of several runs of one the last. What cannot be read is
    /// passed over.
    pub fn read(&self) -> BTreeMap<String, StopNote> {
        let mut notes: BTreeMap<String, StopNote> = BTreeMap::new();
        for (_, Kept { instance, note, .. }) in self.files() {
            if notes.get(&instance).is_none_or(|other| other.at < note.at) {
                notes.insert(instance, note);
            }
        }
        notes
    }

    /// Forgets the notes of instances that are not there any more. What cannot be removed now is
    /// removed the next time.
    pub fn forget_others(&self, there: &BTreeSet<&str>) {
        for (path, kept) in self.files() {
            if !there.contains(kept.instance.as_str()) {
                drop(fs::remove_file(path));
            }
        }
    }

    fn files(&self) -> Vec<(PathBuf, Kept)> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let read = entries.filter_map(|entry| {
            let path = entry.path();
            let is_usual = private_file::check_file(&path).is_ok() && entry.metadata().ok()?.len() <= LONGEST_NOTE;
            let kept: Kept = serde_json::from_slice(&fs::read(&path).ok().filter(|_| is_usual)?).ok()?;
            (kept.format == FORMAT).then_some((path, kept))
        });
        read.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn instance(id: &str) -> Instance {
        serde_json::from_value(serde_json::json!({
            "runtime": "docker", "id": id, "name": "app-web-1", "salt": "", "spec": null,
            "identity": { "project": "app", "service": "web", "number": 1, "deployment": "abcd1234" },
            "state": { "state": "exited", "code": 143, "killed_for_memory": false }, "health": "none",
            "started_at": 1_000_000, "restart_count": 0, "image_id": "", "limits": {},
            "restart_policy": "unless-stopped", "networks": {}, "ports": [], "reach": "nowhere",
        }))
        .unwrap()
    }

    #[test]
    fn the_last_note_of_an_instance_counts_while_it_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let notes = StopNotes::new(directory.path().join("stops"));
        let note = |started: u64, by: &str| {
            let started_at = Timestamp::EPOCH + std::time::Duration::from_millis(started);
            StopNote { started_at: Some(started_at), by: by.to_owned(), at: started_at }
        };
        assert!(notes.read().is_empty());
        notes.write(&instance("a"), &note(1000, "me@here")).unwrap();
        notes.write(&instance("a"), &note(2000, "you@there")).unwrap();
        notes.write(&instance("b"), &note(1000, "me@here")).unwrap();
        std::fs::write(directory.path().join("stops/damaged"), "{").unwrap();
        let read = notes.read();
        assert_eq!((read["a"].by.as_str(), read["b"].by.as_str()), ("you@there", "me@here"));
        // It ended a later run than this one.
        assert!(!read["a"].is_about(&instance("a")));
        assert!(read["b"].is_about(&instance("b")));
        notes.forget_others(&["b"].into());
        assert_eq!(notes.read().into_keys().collect::<Vec<_>>(), ["b"]);
    }
}
