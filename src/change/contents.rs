//! The contents of files that an instance was given: configs, secrets, copies. Where they can be seen,
//! what is in them counts, and not what the instance's spec says: they may have been changed in place.

use std::collections::BTreeSet;

use super::{Cause, FileChange, InPlace, InstanceChange, ignored::is_ignored, instance::Desired};
use crate::{
    observed::Instance,
    plan::{OnChange, ServedFile},
};

/// What became of an instance's files.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The fields of the spec that were decided by looking.
    settled: BTreeSet<String>,
    /// Why only a new instance will do.
    pub to_replace: Vec<Cause>,
    in_place: Vec<(FileChange, OnChange, Cause)>,
}

const OTHER: &str = "other contents";
/// They are in place, and whoever put them there was cut off before the instance was told.
const UNHEARD: &str = "contents that it was not told of";

impl Desired<'_> {
    pub(super) fn compare_contents(&self, instance: &Instance) -> Contents {
        let mut contents = Contents::default();
        for file in self.plan.files_of(self.service) {
            if !is_ignored(&self.service.ignore_changes, &file.field) {
                self.compare_file(&file, instance, &mut contents);
            }
        }
        contents
    }

    fn compare_file(&self, file: &ServedFile, instance: &Instance, contents: &mut Contents) {
        let Some(seen) = instance.files.get(&file.name) else { return };
        let on_change = file.on_change.filter(|_| !self.service.is_job());
        let Some(now) = &seen.content else {
            // It cannot be written in place, and without it the instance will not start again.
            let gone = || self.caused(&file.field, "gone (removed by hand)", "there");
            return contents.to_replace.extend(on_change.map(|_| gone()));
        };
        let digest = format!("{}.digest", file.field);
        let is_same = now.expose() == file.content.expose();
        let is_to_know = on_change.is_some_and(|on_change| *on_change != OnChange::Ignore);
        match on_change {
            _ if is_same && (seen.is_told || !is_to_know) => drop(contents.settled.insert(digest)),
            None => contents.to_replace.push(self.caused(&digest, OTHER, "those of the plan")),
            Some(on_change) => {
                contents.settled.insert(digest);
                let (from, to) = (now.clone(), file.content.clone());
                let change = FileChange { path: seen.path.clone(), from, to };
                let after = format!("those of the plan, {on_change}");
                let before = if is_same { UNHEARD } else { OTHER };
                contents.in_place.push((change, on_change.clone(), self.caused(&file.field, before, &after)));
            }
        }
    }
}

impl Contents {
    /// Whether a difference of the specs is none, or was found by looking.
    pub fn have_settled(&self, field: &str) -> bool {
        self.settled.contains(field)
    }

    /// The change with what is put in place beside it.
    pub fn put_into(self, (change, mut causes): (InstanceChange, Vec<Cause>)) -> (InstanceChange, Vec<Cause>) {
        if self.in_place.is_empty() {
            return (change, causes);
        }
        let (mut files, mut reactions) = (Vec::new(), Vec::new());
        for (file, on_change, cause) in self.in_place {
            files.push(file);
            causes.push(cause);
            if !reactions.contains(&on_change) {
                reactions.push(on_change);
            }
        }
        let served = |changes: InPlace| InPlace { files, reactions, ..changes };
        let change = match change {
            InstanceChange::Keep { instance: old } => {
                InstanceChange::Update { old, changes: served(InPlace::default()) }
            }
            InstanceChange::Update { old, changes } => InstanceChange::Update { old, changes: served(changes) },
            InstanceChange::Start { old, changes } => InstanceChange::Start { old, changes: served(changes) },
            other
            @ (InstanceChange::Create { .. } | InstanceChange::Replace { .. } | InstanceChange::Remove { .. }) => other,
        };
        (change, causes)
    }
}
