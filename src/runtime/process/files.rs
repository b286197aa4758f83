//! Configs and secrets of a process: files in a directory, which a variable names.

use std::{collections::BTreeMap, fs};

use super::{exec::exec, perform::is_up, processes::Processes, record::Record, registry::Entry, trouble::blocking};
use crate::{
    action::{Effect, InstanceHandle, Notice},
    change::FileChange,
    observed::{Fault, SeenFile},
    runtime::{Nudge, host_file, in_place, notice},
    secret::Text,
};

/// The variable by which a process finds the directory with its files.
pub(super) const VARIABLE: &str = "ORCHESTRATE_FILES";

/// What is in a process's files, by their names.
pub(super) fn seen(record: &Record) -> BTreeMap<String, SeenFile> {
    let Some(Text::Plain(directory)) = record.launch.environment.get(VARIABLE) else { return BTreeMap::new() };
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok().filter(|name| !name.starts_with('.'))?;
        let path = format!("{directory}/{name}");
        Some((name, in_place::look_into(path)?))
    });
    files.collect()
}

impl Processes {
    /// Puts the contents in place, and tells the process, each time that it is called.
    pub(super) async fn set_files(
        &self,
        handle: &InstanceHandle,
        files: &[FileChange],
        notices: &[Notice],
    ) -> Result<Effect, Fault> {
        let entry = self.required_entry(handle).await?;
        files.iter().try_for_each(|file| host_file::place(&file.path).map(drop))?;
        if !notices.is_empty() {
            in_place::begin_telling(files)?;
        }
        let has_changed = in_place::rewrite_all(files).await?;
        if notices.is_empty() {
            // It starts with them, or is not to be told: what was owed to it before is settled, too.
            in_place::end_telling(files);
            return Ok(if has_changed { Effect::Done } else { Effect::AlreadySo });
        }
        // From here on the new contents are there, whatever becomes of the notice.
        let told = self.told(handle, &entry, notices).await.map_err(Fault::outcome_unknown)?;
        in_place::end_telling(files);
        Ok(told)
    }

    /// Tells the process, or starts it if it has ended.
    async fn told(&self, handle: &InstanceHandle, entry: &Entry, notices: &[Notice]) -> Result<Effect, Fault> {
        if !is_up(&entry.condition()) {
            return self.start(handle).await;
        }
        for notice in notices {
            self.tell(&entry.record.id, notice).await?;
        }
        let (shared, id) = (self.shared.clone(), entry.record.id.clone());
        let entry = blocking(move || shared.required(&id)).await?;
        Ok(Effect::Started { instance: Box::new(entry.instance()) })
    }

    async fn tell(&self, id: &str, told: &Notice) -> Result<(), Fault> {
        match told {
            Notice::Signal(signal) => self.nudged(id, &Nudge::Signal(signal.as_str().to_owned())),
            Notice::Command(line) => {
                let (name, launch) = self.beside(&self.shared.required(id)?)?;
                let ended = exec(&launch, &line.expose(), notice::LIMIT).await?;
                notice::command_ended(line, &name, Some(ended.exit_code), ended.output.as_bytes())
            }
        }
    }
}
