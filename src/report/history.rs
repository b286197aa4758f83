use serde::Serialize;

use super::{Cell, ErrorReport, Ink, RunState, Table, Tone, duration_text, versioned_json};
use crate::{
    journal::{DeploymentKind, DeploymentRecord, Outcome},
    name::{DeploymentId, EnvironmentName, PlanName, ProjectName},
};

/// A deployment of a history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryLine {
    pub record: DeploymentRecord,
    pub state: RunState,
}

/// Deployments, a line each, in the order given.
pub fn history_table(lines: &[HistoryLine], ink: Ink) -> String {
    if lines.is_empty() {
        return "no deployments yet\n".to_owned();
    }
    let heading = ["DEPLOYMENT", "STARTED", "KIND", "PROJECT", "OUTCOME", "TOOK", "BY", "CHANGES", "MESSAGE"];
    let mut table = Table::new(heading);
    for HistoryLine { record, state } in lines {
        let took = record.ended_at.map(|at| duration_text(at.since(record.started_at)));
        let (outcome, tone) = state_cell(*state, record.outcome);
        table.row([
            record.id.as_str().into(),
            record.started_at.to_string().into(),
            record.kind.as_str().into(),
            record.project.as_str().into(),
            Cell::new(outcome, tone),
            took.map_or_else(Cell::none, Cell::from),
            record.author.as_str().into(),
            record.summary.as_str().into(),
            first_line(record.message.as_deref().unwrap_or_default()).into(),
        ]);
    }
    table.render(ink)
}

/// Deployments for programs: `{format_version, deployments: […]}`, without their plans.
pub fn history_json(lines: &[HistoryLine]) -> String {
    let deployments = lines.iter().map(|line| Stated { line: Line::from(&line.record), state: line.state });
    versioned_json(&History { deployments: deployments.collect() })
}

#[derive(Serialize)]
struct History<'a> {
    deployments: Vec<Stated<'a>>,
}

#[derive(Serialize)]
struct Stated<'a> {
    #[serde(flatten)]
    line: Line<'a>,
    state: RunState,
}

#[derive(Serialize)]
pub(super) struct Line<'a> {
    deployment: DeploymentId,
    kind: DeploymentKind,
    project: &'a ProjectName,
    plan: &'a PlanName,
    environment: Option<&'a EnvironmentName>,
    plan_file: &'a str,
    engine: &'a str,
    author: &'a str,
    message: Option<&'a str>,
    started_at: String,
    duration_ms: Option<u64>,
    /// `null` while it runs, and if it was cut off.
    outcome: Option<Outcome>,
    summary: &'a str,
    error: Option<ErrorReport>,
}

impl<'a> From<&'a DeploymentRecord> for Line<'a> {
    fn from(record: &'a DeploymentRecord) -> Self {
        Self {
            deployment: record.id,
            kind: record.kind,
            project: &record.project,
            plan: &record.plan_name,
            environment: record.environment.as_ref(),
            plan_file: &record.plan_file,
            engine: &record.engine,
            author: &record.author,
            message: record.message.as_deref(),
            started_at: record.started_at.to_string(),
            duration_ms: record.ended_at.map(|at| at.since(record.started_at).as_millis() as u64),
            outcome: record.outcome,
            summary: &record.summary,
            error: record.error.as_ref().map(ErrorReport::from),
        }
    }
}

fn state_cell(state: RunState, outcome: Option<Outcome>) -> (&'static str, Tone) {
    match state {
        RunState::Ended => outcome_cell(outcome),
        RunState::Running => ("running", Tone::Notable),
        RunState::CutOff => ("cut off", Tone::Bad),
        RunState::Elsewhere => ("elsewhere", Tone::Notable),
    }
}

pub(super) fn outcome_cell(outcome: Option<Outcome>) -> (&'static str, Tone) {
    match outcome {
        Some(Outcome::Applied) => ("applied", Tone::Good),
        Some(Outcome::Unchanged) => ("unchanged", Tone::Faint),
        Some(Outcome::Failed) => ("failed", Tone::Bad),
        Some(Outcome::RolledBack) => ("rolled back", Tone::Notable),
        Some(Outcome::NeedsAttention) => ("needs attention", Tone::Bad),
        None => ("not ended", Tone::Notable),
    }
}

/// The first line of a message, as long as a line of history may be.
fn first_line(message: &str) -> String {
    const LONGEST: usize = 60;
    let line = message.lines().next().unwrap_or_default();
    let line: String = line.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    match line.char_indices().nth(LONGEST) {
        None => line,
        Some((cut, _)) => format!("{}…", &line[..cut]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{diagnostic::Class, observed::Fault, time::Timestamp};

    fn record(id: &str, ended: Option<(i64, Outcome)>) -> DeploymentRecord {
        let at = |seconds: i64| Timestamp::from_micros((1_795_168_800 + seconds) * 1_000_000);
        DeploymentRecord {
            id: id.parse().unwrap(),
            kind: DeploymentKind::Apply,
            project: "shop-production".parse().unwrap(),
            plan_name: "shop".parse().unwrap(),
            environment: Some("production".parse().unwrap()),
            plan_file: "plan.yaml".to_owned(),
            plan_directory: String::new(),
            contents: Default::default(),
            author: "ada@laptop".to_owned(),
            message: Some(format!("new prices\x1b[31m {}\nmore", "x".repeat(100))),
            engine: "local processes".to_owned(),
            started_at: at(0),
            ended_at: ended.map(|(seconds, _)| at(seconds)),
            outcome: ended.map(|(_, outcome)| outcome),
            error: ended
                .filter(|(_, outcome)| *outcome != Outcome::Applied)
                .map(|_| Fault::new(Class::Timeout, "slow", "too slow")),
            summary: "1 to create".to_owned(),
            target: Default::default(),
            runtimes: None,
        }
    }

    #[test]
    fn a_line_tells_of_each_deployment() {
        let mut plain = record("aaaaaaaa", Some((3, Outcome::Applied)));
        plain.message = None;
        let line = |record, state| HistoryLine { record, state };
        let records = [
            line(record("dddddddd", None), RunState::Running),
            line(record("cccccccc", None), RunState::CutOff),
            line(record("bbbbbbbb", Some((185, Outcome::RolledBack))), RunState::Ended),
            line(plain, RunState::Ended),
        ];
        insta::assert_snapshot!(history_table(&records, Ink::Plain), @r"
        DEPLOYMENT  STARTED                   KIND   PROJECT          OUTCOME      TOOK   BY          CHANGES      MESSAGE
        dddddddd    2026-11-20T10:00:00.000Z  apply  shop-production  running      -      ada@laptop  1 to create  new prices?[31m xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
        cccccccc    2026-11-20T10:00:00.000Z  apply  shop-production  cut off      -      ada@laptop  1 to create  new prices?[31m xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
        bbbbbbbb    2026-11-20T10:00:00.000Z  apply  shop-production  rolled back  3m 5s  ada@laptop  1 to create  new prices?[31m xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
        aaaaaaaa    2026-11-20T10:00:00.000Z  apply  shop-production  applied      3.0s   ada@laptop  1 to create
        ");
        insta::assert_snapshot!(history_json(&records[2..3]), @r#"
        {
          "format_version": 1,
          "deployments": [
            {
              "deployment": "bbbbbbbb",
              "kind": "apply",
              "project": "shop-production",
              "plan": "shop",
              "environment": "production",
              "plan_file": "plan.yaml",
              "engine": "local processes",
              "author": "ada@laptop",
              "message": "new prices\u001b[31m xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\nmore",
              "started_at": "2026-11-20T10:00:00.000Z",
              "duration_ms": 185000,
              "outcome": "rolled_back",
              "summary": "1 to create",
              "error": {
                "class": "timeout",
                "code": "slow",
                "summary": "too slow",
                "hint": null
              },
              "state": "ended"
            }
          ]
        }
        "#);
    }

    #[test]
    fn nothing_is_said_in_words() {
        assert_eq!(history_table(&[], Ink::Plain), "no deployments yet\n");
    }
}
