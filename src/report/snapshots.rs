//! Snapshots, and what is done with data, as people and programs read it.

use std::{collections::BTreeSet, fmt::Write as _};

use serde_json::{Value, json};

use super::{Cell, Ink, Table, Tone, bytes_text, count, list, versioned_json};
use crate::{
    journal::{DataSource, DataWork, DataWorkKind, FoundSnapshot, SavedData, SnapshotRecord, SnapshotState},
    name::{ProjectName, ServiceName, SnapshotId},
    observed::Fault,
    time::Timestamp,
};

/// What is about to be done to data.
#[derive(Debug, Clone, PartialEq)]
pub struct DataPlan {
    pub engine: String,
    pub items: Vec<(ServiceName, DataSource)>,
    /// Services that are stopped meanwhile.
    pub stopped: BTreeSet<ServiceName>,
    /// What needs them, and runs on.
    pub dependents: BTreeSet<ServiceName>,
    /// Files of the host that are written back.
    pub files: Vec<String>,
    /// What is put in the place of what is there; `None` if it is only saved.
    pub from: Option<(SnapshotId, Timestamp)>,
}

impl DataPlan {
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let doing = if self.from.is_some() { "overwrite" } else { "save" };
        for (service_name, source) in &self.items {
            let _ = writeln!(text, "  {doing} {}", of(service_name, source));
        }
        for path in &self.files {
            let _ = writeln!(text, "  overwrite the file {path}");
        }
        if !self.stopped.is_empty() {
            let _ = writeln!(text, "  stop and start again {}", list(&self.stopped));
        }
        if !self.dependents.is_empty() {
            let _ = writeln!(text, "  meanwhile {} will have to do without", list(&self.dependents));
        }
        if let Some((id, at)) = &self.from {
            let _ = writeln!(text, "  with what snapshot {id} of {at} has");
        }
        text
    }
}

fn of(service_name: &ServiceName, source: &DataSource) -> String {
    match source {
        DataSource::Volume { name } => format!("the volume {name} of {service_name}"),
        DataSource::Dump => format!("the data of {service_name}, by its own command"),
    }
}

/// How far a restore has come.
#[derive(Debug, Clone, PartialEq)]
pub struct RestoreReport {
    pub snapshot: SnapshotId,
    pub project: ProjectName,
    /// Where the data as it was before is.
    pub backup: Option<SnapshotId>,
    pub data: Vec<RestoredData>,
    /// Files that were written back.
    pub files: Vec<String>,
    /// Services that were left stopped.
    pub stopped: BTreeSet<ServiceName>,
    /// What does not pass its checks with the restored data.
    pub unwell: Vec<String>,
    /// Why it did not come to its end.
    pub error: Option<Fault>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RestoredData {
    pub service: ServiceName,
    pub source: DataSource,
    pub state: RestoreState,
}

/// What became of data that was to be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RestoreState {
    /// It is as it was.
    Untouched,
    /// It was begun: it may be what it was, what it was to be, or a part of that.
    Begun,
    Restored,
}

impl RestoreReport {
    /// This data has come so far.
    pub fn mark(&mut self, data: &SavedData, state: RestoreState) {
        let is_it = |restored: &&mut RestoredData| restored.service == data.service && restored.source == data.source;
        self.data.iter_mut().filter(is_it).for_each(|restored| restored.state = state);
    }

    pub fn is_good(&self) -> bool {
        self.error.is_none() && self.unwell.is_empty()
    }

    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for data in &self.data {
            let what = of(&data.service, &data.source);
            let became = match data.state {
                RestoreState::Restored => "restored",
                RestoreState::Begun => "begun, and perhaps restored in part:",
                RestoreState::Untouched => "not restored, as it was:",
            };
            let _ = writeln!(text, "{became} {what}");
        }
        for path in &self.files {
            let _ = writeln!(text, "written back: {path}");
        }
        if let Some(fault) = &self.error {
            let _ = writeln!(text, "it stopped there: {fault}");
            text.extend(fault.hint.iter().map(|hint| format!("  hint: {hint}\n")));
        }
        if !self.stopped.is_empty() {
            let _ = writeln!(text, "left stopped: {}", list(&self.stopped));
        }
        for failing in &self.unwell {
            let _ = writeln!(text, "not well with it: {failing}");
        }
        let project = &self.project;
        if self.error.is_some() {
            let id = self.snapshot;
            let _ = writeln!(text, "to go on: `orchestrate snapshot restore {id} --project {project}`");
        }
        if let Some(backup) = self.backup {
            let _ = writeln!(text, "what was there before is in snapshot {backup}");
            if !self.is_good() {
                let _ = writeln!(text, "to go back: `orchestrate snapshot restore {backup} --project {project}`");
            }
        }
        text
    }

    /// For programs: `{snapshot, outcome: restored|unwell|incomplete, backup, data, …}`.
    pub fn to_json(&self) -> String {
        let outcome = match (&self.error, self.unwell.is_empty()) {
            (Some(_), _) => "incomplete",
            (None, false) => "unwell",
            (None, true) => "restored",
        };
        let data: Vec<Value> = self
            .data
            .iter()
            .map(|data| json!({ "service": data.service, "source": data.source, "state": data.state }))
            .collect();
        versioned_json(&json!({
            "snapshot": self.snapshot,
            "project": self.project,
            "outcome": outcome,
            "backup": self.backup,
            "data": data,
            "files": self.files,
            "stopped": self.stopped,
            "unwell": self.unwell,
            "error": self.error.as_ref().map(super::ErrorReport::from),
        }))
    }
}

/// Snapshots, a line each, in the order given, and what was cut off.
pub fn snapshots_table(
    project: &ProjectName,
    snapshots: &[FoundSnapshot],
    work: Option<&DataWork>,
    ink: Ink,
) -> String {
    let mut text = match snapshots.is_empty() {
        true => format!("no snapshots of {project} yet\n"),
        false => {
            let mut table = Table::new(["SNAPSHOT", "TAKEN", "WHY", "STATE", "SIZE", "SERVICES", "BY", "MESSAGE"]);
            snapshots.iter().for_each(|found| table.row(row(found)));
            table.render(ink)
        }
    };
    text.extend(work.map(work_text));
    text
}

fn row(found: &FoundSnapshot) -> [Cell; 8] {
    let (state, tone) = match &found.state {
        SnapshotState::Whole(_) => ("whole", Tone::Plain),
        SnapshotState::Unfinished => ("unfinished", Tone::Notable),
        SnapshotState::Damaged { .. } => ("damaged", Tone::Bad),
    };
    let id = Cell::from(found.id.as_str());
    let Some(record) = found.record() else {
        let none = Cell::none;
        return [id, none(), none(), Cell::new(state, tone), none(), none(), none(), none()];
    };
    let services: BTreeSet<&str> = record.data.iter().map(|data| data.service.as_str()).collect();
    let message = record.message.as_deref().and_then(|message| message.lines().next()).unwrap_or_default();
    [
        id,
        record.created_at.to_string().into(),
        record.reason.as_str().into(),
        Cell::new(state, tone),
        bytes_text(record.bytes()).into(),
        services.into_iter().collect::<Vec<_>>().join(",").into(),
        record.author.as_str().into(),
        message.into(),
    ]
}

fn work_text(work: &DataWork) -> String {
    let doing = match work.kind {
        DataWorkKind::Create => "data was being saved",
        DataWorkKind::Restore => "data was being restored",
    };
    let hint = match work.is_in_doubt() {
        true => "`orchestrate recover` does it again",
        false => "`orchestrate recover` starts what it has stopped",
    };
    let stopped = match work.stopped.is_empty() {
        true => String::new(),
        false => format!(", with {} stopped", list(&work.stopped)),
    };
    format!(
        "\n{doing} at {} (snapshot {}){stopped}, and has not come to its end: {hint}\n",
        work.begun_at, work.snapshot
    )
}

/// `{format_version, project, snapshots: […], unfinished_work}`.
pub fn snapshots_json(project: &ProjectName, snapshots: &[FoundSnapshot], work: Option<&DataWork>) -> String {
    let snapshots: Vec<Value> = snapshots.iter().map(found_json).collect();
    versioned_json(&json!({ "project": project, "snapshots": snapshots, "unfinished_work": work }))
}

/// One snapshot, for programs.
pub fn snapshot_json(found: &FoundSnapshot) -> String {
    versioned_json(&found_json(found))
}

fn found_json(found: &FoundSnapshot) -> Value {
    let (state, problem) = match &found.state {
        SnapshotState::Whole(_) => ("whole", None),
        SnapshotState::Unfinished => ("unfinished", None),
        SnapshotState::Damaged { problem, .. } => ("damaged", Some(problem)),
    };
    let Some(record) = found.record() else {
        return json!({ "snapshot": found.id, "state": state, "problem": problem });
    };
    let services: Vec<Value> = record
        .services
        .iter()
        .map(|(name, saved)| json!({ "service": name, "image": saved.spec.image, "contents": saved.contents }))
        .collect();
    let files: Vec<Value> = record
        .files
        .iter()
        .map(|file| {
            let is_kept = file.content.is_some();
            json!({ "service": file.service, "path": file.path, "bytes": file.bytes, "digest": file.digest, "kept": is_kept })
        })
        .collect();
    json!({
        "snapshot": found.id,
        "state": state,
        "problem": problem,
        "created_at": record.created_at.to_string(),
        "reason": record.reason,
        "author": record.author,
        "message": record.message,
        "deployment": record.deployment,
        "engine": record.engine,
        "bytes": record.bytes(),
        "services": services,
        "configs": record.configs.keys().collect::<Vec<_>>(),
        "files": files,
        "data": record.data,
    })
}

/// One snapshot, with all that is in it.
pub fn snapshot_text(found: &FoundSnapshot, ink: Ink) -> String {
    let mut text = format!("{}\n", ink.paint(Tone::Strong, &format!("snapshot {}", found.id)));
    if let SnapshotState::Damaged { problem, .. } = &found.state {
        let _ = writeln!(text, "{}: {problem}", ink.paint(Tone::Bad, "damaged"));
    }
    if found.state == SnapshotState::Unfinished {
        text.push_str("unfinished\n");
    }
    text.extend(found.record().map(record_text));
    text
}

fn record_text(record: &SnapshotRecord) -> String {
    let mut text = format!("taken {} by {} ({})\n", record.created_at, record.author, record.reason.as_str());
    text.extend(record.message.iter().map(|message| format!("message: {message}\n")));
    text.extend(record.deployment.iter().map(|id| format!("in force was deployment {id}\n")));
    if !record.data.is_empty() {
        text.push_str("\ndata\n");
    }
    for data in &record.data {
        let _ = writeln!(text, "  {}: {} in {}", of(&data.service, &data.source), bytes_text(data.bytes), data.file);
    }
    if !record.services.is_empty() {
        text.push_str("\nservices\n");
    }
    for (service_name, saved) in &record.services {
        let image = saved.spec.image.as_ref().map_or_else(|| "a process".to_owned(), ToString::to_string);
        let contents: Vec<&str> = saved.contents.iter().map(String::as_str).collect();
        let _ = writeln!(text, "  {service_name}: {image} ({})", contents.join(", "));
    }
    if !record.configs.is_empty() {
        let _ = writeln!(text, "\nconfigs: {}", list(record.configs.keys()));
    }
    if !record.files.is_empty() {
        let _ = writeln!(text, "\n{}", count(record.files.len(), "file"));
    }
    for file in &record.files {
        let kept = if file.content.is_some() { "" } else { ", too large to be kept" };
        let _ = writeln!(text, "  {}: {}{kept}", file.path, bytes_text(file.bytes));
    }
    text
}
