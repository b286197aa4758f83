use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Cell, ErrorReport, Ink, Table, Tone, deployment_text::evidence_text, duration_text, history::Line,
    history::outcome_cell, versioned_json,
};
use crate::{
    action::StepId,
    journal::{DeploymentRecord, Entry, Evidence, Record},
    time::Timestamp,
};

/// A deployment of the past, for people: what it was for, what it did step by step, what it failed
/// of, and what is kept of what failed.
pub fn show_text(record: &DeploymentRecord, entries: &[Entry], evidence: &[Evidence], ink: Ink) -> String {
    let mut parts = vec![facts_text(record, ink), steps_text(record, entries, ink)];
    if let Some(error) = &record.error {
        let hint = error.hint.as_ref().map(|hint| format!("  hint: {hint}\n")).unwrap_or_default();
        parts.push(format!("{}: {error}\n{hint}", ink.paint(Tone::Bad, &format!("error[{}]", error.code))));
    }
    parts.extend(evidence.iter().map(|evidence| evidence_text(evidence, ink)));
    parts.join("\n")
}

/// The same for programs: `{format_version, deployment, …, steps: […], evidence: […]}`.
pub fn show_json(record: &DeploymentRecord, entries: &[Entry], evidence: &[Evidence]) -> String {
    #[derive(Serialize)]
    struct Document<'a> {
        #[serde(flatten)]
        record: Line<'a>,
        steps: Vec<StepLine>,
        evidence: &'a [Evidence],
    }
    versioned_json(&Document { record: record.into(), steps: steps(entries), evidence })
}

/// A call to a runtime, and how it went.
#[derive(Debug, Serialize)]
struct StepLine {
    started_at: String,
    #[serde(skip)]
    started: Timestamp,
    duration_ms: Option<u64>,
    action: String,
    is_undo: bool,
    status: StepWord,
    error: Option<ErrorReport>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum StepWord {
    Succeeded,
    Failed,
    /// It was begun, and nobody wrote down how it went.
    Unknown,
}

/// The calls in the order in which they were begun, each with what was written down of its end.
fn steps(entries: &[Entry]) -> Vec<StepLine> {
    let mut lines: Vec<StepLine> = Vec::new();
    let mut open: BTreeMap<StepId, usize> = BTreeMap::new();
    for Entry { at, record, number: _ } in entries {
        let (step, status, error) = match record {
            Record::Intended { step, action, .. } | Record::UndoIntended { step, action } => {
                open.insert(*step, lines.len());
                lines.push(StepLine {
                    started_at: at.to_string(),
                    started: *at,
                    duration_ms: None,
                    action: action.to_string(),
                    is_undo: matches!(record, Record::UndoIntended { .. }),
                    status: StepWord::Unknown,
                    error: None,
                });
                continue;
            }
            Record::Succeeded { step, .. } | Record::UndoSucceeded { step } => (step, StepWord::Succeeded, None),
            Record::Failed { step, fault } | Record::UndoFailed { step, fault } => {
                (step, StepWord::Failed, Some(ErrorReport::from(fault)))
            }
            Record::Abandoned { .. } | Record::Committed | Record::Ended { .. } | Record::Resumed { .. } => continue,
        };
        if let Some(line) = open.remove(step).and_then(|index| lines.get_mut(index)) {
            line.duration_ms = Some(at.since(line.started).as_millis() as u64);
            line.status = status;
            line.error = error;
        }
    }
    lines
}

fn facts_text(record: &DeploymentRecord, ink: Ink) -> String {
    let (outcome, tone) = outcome_cell(record.outcome);
    let took = record.ended_at.map(|at| format!(" after {}", duration_text(at.since(record.started_at))));
    let environment = record.environment.as_ref().map(ToString::to_string);
    let facts: [(&str, Option<String>); 9] = [
        ("deployment", Some(format!("{} ({})", record.id, record.kind.as_str()))),
        ("outcome", Some(format!("{}{}", ink.paint(tone, outcome), took.unwrap_or_default()))),
        ("started", Some(format!("{} by {}", record.started_at, record.author))),
        ("plan", Some(format!("{} ({})", record.plan_name, record.plan_file))),
        ("project", Some(record.project.to_string())),
        ("environment", environment),
        ("engine", Some(record.engine.clone())),
        ("changes", Some(record.summary.clone())),
        (
            "message",
            record
                .message
                .as_ref()
                .map(|message| super::excerpt::clean(message.trim()).replace('\n', "\n             ")),
        ),
    ];
    let line = |(name, fact): &(&str, Option<String>)| {
        fact.as_ref().map(|fact| format!("{}{fact}\n", ink.paint(Tone::Strong, &format!("{name:<13}"))))
    };
    facts.iter().filter_map(line).collect()
}

fn steps_text(record: &DeploymentRecord, entries: &[Entry], ink: Ink) -> String {
    let mut table = Table::new(["AFTER", "TOOK", "RESULT", "STEP"]);
    let steps = steps(entries);
    if steps.is_empty() {
        return "it took no steps\n".to_owned();
    }
    for step in steps {
        let (word, tone) = match step.status {
            StepWord::Succeeded => ("done", Tone::Good),
            StepWord::Failed => ("failed", Tone::Bad),
            StepWord::Unknown => ("unknown", Tone::Notable),
        };
        let undo = if step.is_undo { "undo: " } else { "" };
        let error = step.error.map(|error| format!(": {}", error.summary)).unwrap_or_default();
        table.row([
            duration_text(step.started.since(record.started_at)).into(),
            step.duration_ms.map_or_else(Cell::none, |millis| super::millis_text(millis).into()),
            Cell::new(word, tone),
            format!("{undo}{}{error}", step.action).into(),
        ]);
    }
    table.render(ink)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        action::{Action, Effect},
        diagnostic::Class,
        journal::{DeploymentKind, Outcome},
        observed::Fault,
        plan::RuntimeKind,
    };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_795_168_800_000_000 + millis * 1000)
    }

    fn fault() -> Fault {
        Fault::new(Class::HealthCheck, "not-ready", "`web` was not ready within 30s").hint("look at its log")
    }

    fn record() -> DeploymentRecord {
        DeploymentRecord {
            id: "abcd1234".parse().unwrap(),
            kind: DeploymentKind::Apply,
            project: "shop".parse().unwrap(),
            plan_name: "shop".parse().unwrap(),
            environment: None,
            plan_file: "plan.yaml".to_owned(),
            plan_directory: String::new(),
            contents: Default::default(),
            author: "ada@laptop".to_owned(),
            message: Some("new prices\nas agreed".to_owned()),
            engine: "local processes".to_owned(),
            started_at: at(0),
            ended_at: Some(at(31_000)),
            outcome: Some(Outcome::RolledBack),
            error: Some(fault()),
            summary: "1 to create".to_owned(),
            target: Default::default(),
            runtimes: None,
        }
    }

    fn entries() -> Vec<Entry> {
        let network = Arc::new(Action::RemoveNetwork { name: "shop_default".to_owned() });
        let file = Arc::new(Action::RemoveFile { path: "/a".to_owned() });
        let intended = |step, action: &Arc<Action>| Record::Intended {
            step: StepId(step),
            runtime: RuntimeKind::Process,
            action: action.clone(),
        };
        let records = [
            (10, intended(0, &file)),
            (12, intended(1, &network)),
            (15, Record::Succeeded { step: StepId(0), effect: Effect::Done }),
            (30_000, Record::Failed { step: StepId(1), fault: fault() }),
            (30_100, intended(2, &network)),
            (30_200, Record::UndoIntended { step: StepId(0), action: file.clone() }),
            (30_900, Record::UndoSucceeded { step: StepId(0) }),
            (31_000, Record::Ended { outcome: Outcome::RolledBack }),
        ];
        records
            .into_iter()
            .zip(0..)
            .map(|((millis, record), number)| Entry { number, at: at(millis), record })
            .collect()
    }

    fn evidence() -> Evidence {
        Evidence {
            service: "web".parse().unwrap(),
            instance: "shop-web-1".to_owned(),
            exit_code: Some(1),
            killed_for_memory: false,
            log: vec!["no such file".to_owned()],
            probes: Vec::new(),
            inspect: serde_json::Value::Null,
        }
    }

    #[test]
    fn a_deployment_of_the_past_is_told_step_by_step() {
        insta::assert_snapshot!(show_text(&record(), &entries(), &[evidence()], Ink::Plain), @r"
        deployment   abcd1234 (apply)
        outcome      rolled back after 31.0s
        started      2026-11-20T10:00:00.000Z by ada@laptop
        plan         shop (plan.yaml)
        project      shop
        engine       local processes
        changes      1 to create
        message      new prices
                     as agreed

        AFTER  TOOK   RESULT   STEP
        10ms   5ms    done     remove file /a
        12ms   30.0s  failed   remove network shop_default: `web` was not ready within 30s
        30.1s  -      unknown  remove network shop_default
        30.2s  0.7s   done     undo: remove file /a

        error[not-ready]: `web` was not ready within 30s
          hint: look at its log

        web (shop-web-1), exit code 1
          last 1 line of its log:
          | no such file
        ");
    }

    #[test]
    fn programs_get_the_same_as_json() {
        insta::assert_snapshot!(show_json(&record(), &entries()[..4], &[]), @r#"
        {
          "format_version": 1,
          "deployment": "abcd1234",
          "kind": "apply",
          "project": "shop",
          "plan": "shop",
          "environment": null,
          "plan_file": "plan.yaml",
          "engine": "local processes",
          "author": "ada@laptop",
          "message": "new prices\nas agreed",
          "started_at": "2026-11-20T10:00:00.000Z",
          "duration_ms": 31000,
          "outcome": "rolled_back",
          "summary": "1 to create",
          "error": {
            "class": "health_check",
            "code": "not-ready",
            "summary": "`web` was not ready within 30s",
            "hint": "look at its log"
          },
          "steps": [
            {
              "started_at": "2026-11-20T10:00:00.010Z",
              "duration_ms": 5,
              "action": "remove file /a",
              "is_undo": false,
              "status": "succeeded",
              "error": null
            },
            {
              "started_at": "2026-11-20T10:00:00.012Z",
              "duration_ms": 29988,
              "action": "remove network shop_default",
              "is_undo": false,
              "status": "failed",
              "error": {
                "class": "health_check",
                "code": "not-ready",
                "summary": "`web` was not ready within 30s",
                "hint": "look at its log"
              }
            }
          ],
          "evidence": []
        }
        "#);
    }

    #[test]
    fn a_deployment_that_was_cut_off_at_once_says_so() {
        let record = DeploymentRecord { ended_at: None, outcome: None, error: None, message: None, ..record() };
        insta::assert_snapshot!(show_text(&record, &[], &[], Ink::Plain), @r"
        deployment   abcd1234 (apply)
        outcome      not ended
        started      2026-11-20T10:00:00.000Z by ada@laptop
        plan         shop (plan.yaml)
        project      shop
        engine       local processes
        changes      1 to create

        it took no steps
        ");
    }
}
