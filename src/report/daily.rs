//! What is asked by hand, as tables.

use serde::Serialize;

use super::{Cell, Ink, Table, Tone, bytes_text};
use crate::{
    journal::{DeploymentRecord, Outcome},
    name::{DeploymentId, ProjectName, ServiceName},
    observed::Instance,
    time::Timestamp,
};

/// What one instance uses.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UsageLine {
    pub service: ServiceName,
    pub instance: String,
    /// Of one processor, since the look before; none on the first.
    pub cpu_percent: Option<f64>,
    pub memory_bytes: u64,
    pub memory_limit_bytes: Option<u64>,
    pub received_bytes: Option<u64>,
    pub sent_bytes: Option<u64>,
    pub read_bytes: Option<u64>,
    pub written_bytes: Option<u64>,
    pub processes: Option<u64>,
}

/// A line an instance: what `stats` shows.
pub fn usage_table(lines: &[UsageLine], ink: Ink) -> String {
    if lines.is_empty() {
        return "nothing runs\n".to_owned();
    }
    let mut table = Table::new(["INSTANCE", "CPU", "MEMORY", "LIMIT", "NET IN", "NET OUT", "READ", "WRITTEN", "PIDS"]);
    let size = |bytes: Option<u64>| bytes.map_or_else(Cell::none, |bytes| bytes_text(bytes).into());
    for line in lines {
        table.row([
            line.instance.as_str().into(),
            line.cpu_percent.map_or_else(Cell::none, |percent| format!("{percent:.1}%").into()),
            size(Some(line.memory_bytes)),
            size(line.memory_limit_bytes),
            size(line.received_bytes),
            size(line.sent_bytes),
            size(line.read_bytes),
            size(line.written_bytes),
            line.processes.map_or_else(Cell::none, |count| count.to_string().into()),
        ]);
    }
    table.render(ink)
}

/// What one instance runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageLine {
    pub service: ServiceName,
    pub instance: String,
    /// As its plan named it.
    pub image: Option<String>,
    pub image_id: String,
}

impl ImageLine {
    pub fn new(instance: &Instance) -> Self {
        let spec = instance.spec.as_ref().map(|spec| &spec["service"]);
        let named = spec.and_then(|spec| spec["image"].as_str().or_else(|| spec["command"][0].as_str()));
        Self {
            service: instance.identity.service.clone(),
            instance: instance.name.clone(),
            image: named.map(str::to_owned),
            image_id: instance.image_id.clone(),
        }
    }
}

/// A line an instance: what `images` shows.
pub fn images_table(lines: &[ImageLine], ink: Ink) -> String {
    let mut table = Table::new(["SERVICE", "INSTANCE", "IMAGE", "ID"]);
    for line in lines {
        let id: String = line.image_id.trim_start_matches("sha256:").chars().take(12).collect();
        table.row([
            line.service.as_str().into(),
            line.instance.as_str().into(),
            line.image.as_ref().map_or_else(Cell::none, |image| image.as_str().into()),
            id.into(),
        ]);
    }
    table.render(ink)
}

/// A project, and how its last deployment ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProjectLine {
    pub project: ProjectName,
    pub deployment: DeploymentId,
    pub outcome: Option<Outcome>,
    pub started_at: Timestamp,
    pub engine: String,
    pub plan_file: String,
}

impl ProjectLine {
    pub fn new(record: &DeploymentRecord) -> Self {
        Self {
            project: record.project.clone(),
            deployment: record.id,
            outcome: record.outcome,
            started_at: record.started_at,
            engine: record.engine.clone(),
            plan_file: record.plan_file.clone(),
        }
    }
}

/// A line a project: what `ls` shows.
pub fn projects_table(lines: &[ProjectLine], ink: Ink) -> String {
    if lines.is_empty() {
        return "nothing was deployed from here\n".to_owned();
    }
    let mut table = Table::new(["PROJECT", "DEPLOYMENT", "OUTCOME", "SINCE", "ENGINE"]);
    for line in lines {
        table.row([
            line.project.as_str().into(),
            line.deployment.as_str().into(),
            match line.outcome {
                Some(outcome) => outcome.as_str().into(),
                None => Cell::new("not ended", Tone::Notable),
            },
            line.started_at.to_string().into(),
            line.engine.as_str().into(),
        ]);
    }
    table.render(ink)
}

/// The processes of an instance under its name, cleaned of what would move the cursor.
pub fn processes_text(instance: &str, titles: &[String], rows: &[Vec<String>], ink: Ink) -> String {
    let clean = |text: &String| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let lines: Vec<Vec<String>> = std::iter::once(titles)
        .chain(rows.iter().map(Vec::as_slice))
        .map(|row| row.iter().map(clean).collect())
        .collect();
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| lines.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = format!("{}\n", ink.paint(Tone::Strong, instance));
    for row in &lines {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_a_dash() {
        let line = UsageLine {
            service: "web".parse().unwrap(),
            instance: "app-web-1".to_owned(),
            cpu_percent: Some(12.345),
            memory_bytes: 3 << 20,
            memory_limit_bytes: None,
            received_bytes: Some(1000),
            sent_bytes: None,
            read_bytes: Some(0),
            written_bytes: None,
            processes: Some(2),
        };
        let first = UsageLine { cpu_percent: None, instance: "app-web-2".to_owned(), ..line.clone() };
        insta::assert_snapshot!(usage_table(&[line, first], Ink::Plain), @r"
        INSTANCE   CPU    MEMORY  LIMIT  NET IN  NET OUT  READ  WRITTEN  PIDS
        app-web-1  12.3%  3.1 MB  -      1.0 kB  -        0 B   -        2
        app-web-2  -      3.1 MB  -      1.0 kB  -        0 B   -        2
        ");
    }

    #[test]
    fn processes_cannot_draw() {
        let titles = ["PID", "CMD"].map(str::to_owned);
        let rows = [vec!["1".to_owned(), "evil \u{1b}[2J".to_owned()], vec!["1000".to_owned(), "sh".to_owned()]];
        insta::assert_snapshot!(processes_text("app-web-1", &titles, &rows, Ink::Plain), @r"
        app-web-1
        PID   CMD
        1     evil  [2J
        1000  sh
        ");
    }
}
