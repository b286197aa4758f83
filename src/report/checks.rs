use serde::Serialize;

use super::{Cell, Ink, Table, Tone, count};
use crate::{name::ServiceName, plan::Importance};

/// What the checks say now: `{ok, checks: […]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChecksReport {
    /// No critical check failed.
    pub ok: bool,
    pub checks: Vec<CheckResult>,
}

/// One check of one instance, asked once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckResult {
    pub service: ServiceName,
    pub instance: String,
    /// As in [`Check::label`](crate::plan::Check::label).
    pub check: String,
    pub passed: bool,
    pub severity: Importance,
    /// What was seen: `status 503, expected 200`.
    pub text: String,
    pub duration_ms: u64,
}

impl ChecksReport {
    pub fn new(checks: Vec<CheckResult>) -> Self {
        let ok = checks.iter().all(|check| check.passed || check.severity == Importance::Warning);
        Self { ok, checks }
    }
}

/// A line a check, and how many of them failed.
pub fn checks_table(report: &ChecksReport, ink: Ink) -> String {
    if report.checks.is_empty() {
        return "there are no checks to run\n".to_owned();
    }
    let mut table = Table::new(["SERVICE", "INSTANCE", "CHECK", "RESULT", "TOOK", "SEEN"]);
    for check in &report.checks {
        let (word, tone) = match (check.passed, check.severity) {
            (true, _) => ("passed", Tone::Good),
            (false, Importance::Critical) => ("failed", Tone::Bad),
            (false, Importance::Warning) => ("warning", Tone::Notable),
        };
        table.row([
            check.service.as_str().into(),
            check.instance.as_str().into(),
            check.check.as_str().into(),
            Cell::new(word, tone),
            super::millis_text(check.duration_ms).into(),
            check.text.as_str().into(),
        ]);
    }
    let failed = report.checks.iter().filter(|check| !check.passed).count();
    let verdict = match failed {
        0 => format!("{} passed\n", count(report.checks.len(), "check")),
        _ => format!("{failed} of {} failed\n", count(report.checks.len(), "check")),
    };
    format!("{}\n{verdict}", table.render(ink))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::versioned_json;

    fn result(check: &str, passed: bool, severity: Importance, text: &str) -> CheckResult {
        CheckResult {
            service: "web".parse().unwrap(),
            instance: "shop-web-1".to_owned(),
            check: check.to_owned(),
            passed,
            severity,
            text: text.to_owned(),
            duration_ms: 3,
        }
    }

    #[test]
    fn a_line_tells_of_each_check() {
        let report = ChecksReport::new(vec![
            result("http :80/", true, Importance::Critical, "status 200"),
            result("disk", false, Importance::Warning, "1.2 GB free, expected 5.0 GB"),
        ]);
        insta::assert_snapshot!(checks_table(&report, Ink::Plain), @r"
        SERVICE  INSTANCE    CHECK      RESULT   TOOK  SEEN
        web      shop-web-1  http :80/  passed   3ms   status 200
        web      shop-web-1  disk       warning  3ms   1.2 GB free, expected 5.0 GB

        1 of 2 checks failed
        ");
        insta::assert_snapshot!(versioned_json(&ChecksReport::new(report.checks[1..].to_vec())), @r#"
        {
          "format_version": 1,
          "ok": true,
          "checks": [
            {
              "service": "web",
              "instance": "shop-web-1",
              "check": "disk",
              "passed": false,
              "severity": "warning",
              "text": "1.2 GB free, expected 5.0 GB",
              "duration_ms": 3
            }
          ]
        }
        "#);
    }

    #[test]
    fn only_critical_checks_decide() {
        let failed = |severity| ChecksReport::new(vec![result("x", false, severity, "")]).ok;
        assert_eq!((failed(Importance::Critical), failed(Importance::Warning)), (false, true));
        assert_eq!(checks_table(&ChecksReport::new(vec![]), Ink::Plain), "there are no checks to run\n");
    }
}
