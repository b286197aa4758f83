use super::{
    Cell, DeploymentReport, ErrorReport, Ink, ServiceReport, ServiceResult, Table, Tone, commands::commands_text,
    count, millis_text, outputs_table,
};
use crate::{
    change::Op,
    journal::{Evidence, Outcome},
};

/// More services than this are not listed one by one where nothing failed: nobody would read it.
const MOST_ROWS: usize = 60;
/// The last lines of a failed instance that are shown; the store keeps more.
const MOST_LOG_LINES: usize = 50;

/// A deployment for the person who started it, or who is woken up by it: how it ended, what
/// failed and why, what became of each service, what is left, and what to type next.
pub fn deployment_text(report: &DeploymentReport, ink: Ink) -> String {
    let error = report.error.as_ref().map(|error| error_text(error, ink));
    let evidence = report.evidence.iter().map(|evidence| evidence_text(evidence, ink));
    let mut parts = vec![outcome_text(report, ink)];
    parts.extend(error);
    parts.extend(evidence);
    parts.push(commands_text(&report.commands, ink));
    parts.push(services_text(report, ink));
    parts.push(left_text(report, ink));
    parts.extend((!report.outputs.is_empty()).then(|| outputs_table(&report.outputs, ink)));
    parts.push(next_text(report, ink));
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

fn outcome_text(report: &DeploymentReport, ink: Ink) -> String {
    let (word, tone, meaning) = match report.outcome {
        Outcome::Applied => ("applied", Tone::Good, None),
        Outcome::Unchanged => ("unchanged", Tone::Good, None),
        Outcome::Failed => ("failed", Tone::Bad, Some("Nothing was changed.")),
        Outcome::RolledBack => ("rolled back", Tone::Bad, Some("It failed, and all that it had changed was put back.")),
        Outcome::NeedsAttention => {
            ("needs attention", Tone::Bad, Some("It failed, and not all that it had changed was put back."))
        }
    };
    let target = report.environment.as_ref().map(|name| format!(" in `{name}`")).unwrap_or_default();
    let deployment = report.deployment.map(|id| format!(", deployment `{id}`")).unwrap_or_default();
    let (plan, engine) = (&report.plan, &report.engine);
    let word = ink.paint(tone, word);
    let mut text = format!("{word}: `{plan}`{target} on {engine}{deployment}, {}\n", millis_text(report.duration_ms));
    if let Some(meaning) = meaning {
        text.push_str(meaning);
        text.push('\n');
    }
    text
}

fn error_text(error: &ErrorReport, ink: Ink) -> String {
    let kind = ink.paint(Tone::Bad, &format!("error[{}]", error.code));
    let hint = error.hint.as_ref().map(|hint| format!("  {}: {hint}\n", ink.paint(Tone::Strong, "hint")));
    format!("{kind}: {}\n{}", error.summary, hint.unwrap_or_default())
}

pub(super) fn evidence_text(evidence: &Evidence, ink: Ink) -> String {
    let Evidence { service, instance, exit_code, killed_for_memory, log, probes, inspect: _ } = evidence;
    let ended = match (exit_code, killed_for_memory) {
        (None, false) => String::new(),
        (None, true) => ", killed: out of memory".to_owned(),
        (Some(code), false) => format!(", exit code {code}"),
        (Some(code), true) => format!(", exit code {code}, killed: out of memory"),
    };
    let mut text = format!("{} ({instance}){ended}\n", ink.paint(Tone::Strong, &format!("{service}")));
    for probe in probes {
        text.push_str(&format!("  check {probe}\n"));
    }
    let shown = &log[log.len().saturating_sub(MOST_LOG_LINES)..];
    if shown.is_empty() {
        text.push_str("  it wrote no log\n");
    } else {
        text.push_str(&format!("  last {} of its log:\n", count(shown.len(), "line")));
    }
    for line in shown {
        text.push_str(format!("  {} {line}", ink.paint(Tone::Faint, "|")).trim_end());
        text.push('\n');
    }
    text
}

fn services_text(report: &DeploymentReport, ink: Ink) -> String {
    let (unchanged, touched): (Vec<&ServiceReport>, Vec<&ServiceReport>) =
        report.services.iter().partition(|service| service.op == Op::None && !has_failed(service));
    let (failed, others): (Vec<_>, Vec<_>) = touched.iter().partition(|service| has_failed(service));
    let shown = match touched.len() <= MOST_ROWS {
        true => touched.clone(),
        false => failed.into_iter().chain(others.into_iter().take(MOST_ROWS)).copied().collect(),
    };
    let mut text = if shown.is_empty() { String::new() } else { services_table(&shown).render(ink) };
    if shown.len() < touched.len() {
        text.push_str(&format!("and {} more\n", count(touched.len() - shown.len(), "service")));
    }
    if !unchanged.is_empty() {
        text.push_str(&format!("{} unchanged\n", count(unchanged.len(), "service")));
    }
    text
}

fn services_table(services: &[&ServiceReport]) -> Table<4> {
    let mut table = Table::new(["SERVICE", "CHANGE", "RESULT", "READY AFTER"]);
    for ServiceReport { name, op, status, ready_ms } in services {
        let tone = match status {
            ServiceResult::Ready | ServiceResult::Completed | ServiceResult::Updated | ServiceResult::Removed => {
                Tone::Good
            }
            ServiceResult::Failed => Tone::Bad,
            ServiceResult::Restored => Tone::Notable,
            ServiceResult::NotReached | ServiceResult::Unchanged => Tone::Faint,
        };
        let ready = ready_ms.map_or_else(Cell::none, |millis| millis_text(millis).into());
        table.row([name.as_str().into(), op.as_str().into(), Cell::new(status.as_str(), tone), ready]);
    }
    table
}

fn has_failed(service: &ServiceReport) -> bool {
    service.status == ServiceResult::Failed
}

fn left_text(report: &DeploymentReport, ink: Ink) -> String {
    if report.left.is_empty() {
        return String::new();
    }
    let lines: String = report.left.iter().map(|left| format!("  {left}\n")).collect();
    format!("{}:\n{lines}", ink.paint(Tone::Strong, "left behind"))
}

/// The commands that go on from here, each with what it is for.
fn next_text(report: &DeploymentReport, ink: Ink) -> String {
    let look = report.deployment.map(|id| match report.evidence.first() {
        Some(evidence) => (format!("orchestrate show {id} --logs {}", evidence.service), "all that it wrote"),
        None => (format!("orchestrate show {id}"), "what was done, step by step"),
    });
    let again = format!("orchestrate apply {}", report.arguments).trim_end().to_owned();
    let go_on = match report.outcome {
        Outcome::Applied | Outcome::Unchanged => return String::new(),
        Outcome::Failed | Outcome::RolledBack => (again, "once the cause is gone"),
        Outcome::NeedsAttention => (again, "starts from what is there now"),
    };
    let commands: Vec<(String, &str)> = look.into_iter().chain([go_on]).collect();
    let width = commands.iter().map(|(command, _)| command.chars().count()).max().unwrap_or_default();
    let line = |(command, purpose): &(String, &str)| {
        format!("  {command:width$}  {}\n", ink.paint(Tone::Faint, &format!("# {purpose}")))
    };
    let lines: String = commands.iter().map(line).collect();
    format!("{}:\n{lines}", ink.paint(Tone::Strong, "next"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{action::Phase, diagnostic::Class, event::PhaseStatus, observed::Fault, report::PhaseReport};

    fn service(name: &str, op: Op, status: ServiceResult, ready_ms: Option<u64>) -> ServiceReport {
        ServiceReport { name: name.parse().unwrap(), op, status, ready_ms }
    }

    fn report(outcome: Outcome) -> DeploymentReport {
        DeploymentReport {
            deployment: Some("abcd1234".parse().unwrap()),
            plan: "shop".parse().unwrap(),
            environment: Some("production".parse().unwrap()),
            engine: "docker 20.10.24 at unix:///var/run/docker.sock".to_owned(),
            outcome,
            duration_ms: 3400,
            phases: vec![
                PhaseReport { name: Phase::PreValidation, status: PhaseStatus::Completed, duration_ms: 2 },
                PhaseReport { name: Phase::Cleanup, status: PhaseStatus::Skipped, duration_ms: 0 },
            ],
            services: vec![
                service("api", Op::Replace, ServiceResult::Ready, Some(1200)),
                service("db", Op::None, ServiceResult::Unchanged, None),
                service("migrate", Op::Create, ServiceResult::Completed, Some(80)),
            ],
            error: None,
            arguments: String::new(),
            evidence: Vec::new(),
            left: Vec::new(),
            commands: Vec::new(),
            outputs: Vec::new(),
        }
    }

    fn failed(outcome: Outcome) -> DeploymentReport {
        let fault =
            Fault::new(Class::HealthCheck, "not-ready", "`web` was not ready within 30s: status 503, expected 200")
                .hint("raise `retries` of its check if it only needs longer");
        DeploymentReport {
            services: vec![
                service("api", Op::Replace, ServiceResult::Restored, Some(1200)),
                service("db", Op::None, ServiceResult::Unchanged, None),
                service("web", Op::Create, ServiceResult::Failed, None),
                service("worker", Op::Create, ServiceResult::NotReached, None),
            ],
            error: Some(ErrorReport::from(&fault)),
            arguments: "plan.yaml -e staging".to_owned(),
            evidence: vec![Evidence {
                service: "web".parse().unwrap(),
                instance: "shop-web-1".to_owned(),
                exit_code: Some(137),
                killed_for_memory: true,
                log: (0..60).map(|number| format!("line {number}")).skip(58).chain([String::new()]).collect(),
                probes: vec!["http :80/: status 503, expected 200".to_owned()],
                inspect: serde_json::json!({ "Id": "0123" }),
            }],
            ..report(outcome)
        }
    }

    #[test]
    fn success_is_short() {
        insta::assert_snapshot!(deployment_text(&report(Outcome::Applied), Ink::Plain), @r"
        applied: `shop` in `production` on docker 20.10.24 at unix:///var/run/docker.sock, deployment `abcd1234`, 3.4s

        SERVICE  CHANGE   RESULT     READY AFTER
        api      replace  ready      1.2s
        migrate  create   completed  80ms
        1 service unchanged
        ");
    }

    #[test]
    fn nothing_to_do_is_a_line() {
        let mut report = report(Outcome::Unchanged);
        report.deployment = None;
        report.environment = None;
        report.services.retain(|service| service.op == Op::None);
        insta::assert_snapshot!(deployment_text(&report, Ink::Plain), @r"
        unchanged: `shop` on docker 20.10.24 at unix:///var/run/docker.sock, 3.4s

        1 service unchanged
        ");
    }

    #[test]
    fn a_failure_says_what_where_why_and_what_next() {
        insta::assert_snapshot!(deployment_text(&failed(Outcome::RolledBack), Ink::Plain), @r"
        rolled back: `shop` in `production` on docker 20.10.24 at unix:///var/run/docker.sock, deployment `abcd1234`, 3.4s
        It failed, and all that it had changed was put back.

        error[not-ready]: `web` was not ready within 30s: status 503, expected 200
          hint: raise `retries` of its check if it only needs longer

        web (shop-web-1), exit code 137, killed: out of memory
          check http :80/: status 503, expected 200
          last 3 lines of its log:
          | line 58
          | line 59
          |

        SERVICE  CHANGE   RESULT       READY AFTER
        api      replace  restored     1.2s
        web      create   failed       -
        worker   create   not reached  -
        1 service unchanged

        next:
          orchestrate show abcd1234 --logs web    # all that it wrote
          orchestrate apply plan.yaml -e staging  # once the cause is gone
        ");
    }

    #[test]
    fn what_is_left_is_named() {
        let mut report = failed(Outcome::NeedsAttention);
        report.evidence.clear();
        report.left = vec!["container shop-web-1: could not be removed: device or resource busy".to_owned()];
        insta::assert_snapshot!(deployment_text(&report, Ink::Plain), @r"
        needs attention: `shop` in `production` on docker 20.10.24 at unix:///var/run/docker.sock, deployment `abcd1234`, 3.4s
        It failed, and not all that it had changed was put back.

        error[not-ready]: `web` was not ready within 30s: status 503, expected 200
          hint: raise `retries` of its check if it only needs longer

        SERVICE  CHANGE   RESULT       READY AFTER
        api      replace  restored     1.2s
        web      create   failed       -
        worker   create   not reached  -
        1 service unchanged

        left behind:
          container shop-web-1: could not be removed: device or resource busy

        next:
          orchestrate show abcd1234               # what was done, step by step
          orchestrate apply plan.yaml -e staging  # starts from what is there now
        ");
    }

    #[test]
    fn thousands_of_services_are_not_listed() {
        let mut report = report(Outcome::Applied);
        let many = (0..1000).map(|n| service(&format!("s{n}"), Op::Create, ServiceResult::Ready, Some(5)));
        report.services = many.collect();
        report.services[999].status = ServiceResult::Failed;
        let text = deployment_text(&report, Ink::Plain);
        assert_eq!(text.lines().count(), 1 + 1 + 1 + 61 + 1);
        assert!(text.contains("\ns999     create  failed  5ms\n"), "{text}");
        assert!(text.ends_with("\nand 939 services more\n"), "{text}");
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let coloured = deployment_text(&failed(Outcome::RolledBack), Ink::Colour);
        let escapes = regex::Regex::new("\x1b\\[[0-9;]*m").unwrap();
        assert_eq!(escapes.replace_all(&coloured, ""), deployment_text(&failed(Outcome::RolledBack), Ink::Plain));
        assert!(escapes.is_match(&coloured));
    }

    #[test]
    fn programs_get_the_same_as_json() {
        insta::assert_snapshot!(failed(Outcome::RolledBack).to_json(), @r#"
        {
          "format_version": 1,
          "deployment": "abcd1234",
          "plan": "shop",
          "environment": "production",
          "engine": "docker 20.10.24 at unix:///var/run/docker.sock",
          "outcome": "rolled_back",
          "duration_ms": 3400,
          "phases": [
            {
              "name": "pre_validation",
              "status": "completed",
              "duration_ms": 2
            },
            {
              "name": "cleanup",
              "status": "skipped",
              "duration_ms": 0
            }
          ],
          "services": [
            {
              "name": "api",
              "op": "replace",
              "status": "restored",
              "ready_ms": 1200
            },
            {
              "name": "db",
              "op": "none",
              "status": "unchanged",
              "ready_ms": null
            },
            {
              "name": "web",
              "op": "create",
              "status": "failed",
              "ready_ms": null
            },
            {
              "name": "worker",
              "op": "create",
              "status": "not_reached",
              "ready_ms": null
            }
          ],
          "error": {
            "class": "health_check",
            "code": "not-ready",
            "summary": "`web` was not ready within 30s: status 503, expected 200",
            "hint": "raise `retries` of its check if it only needs longer"
          },
          "evidence": [
            {
              "service": "web",
              "instance": "shop-web-1",
              "exit_code": 137,
              "killed_for_memory": true,
              "log": [
                "line 58",
                "line 59",
                ""
              ],
              "probes": [
                "http :80/: status 503, expected 200"
              ]
            }
          ],
          "left": [],
          "commands": [],
          "outputs": {}
        }
        "#);
    }
}
