use serde::Serialize;

use super::{Ink, Tone};

/// What was looked at, and how it is: `{ok, findings: […]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DoctorReport {
    /// Nothing is in the way.
    pub ok: bool,
    pub findings: Vec<Finding>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: `docker engine`, `state directory`.
    pub subject: &'static str,
    pub condition: Condition,
    /// What was seen, in a line.
    pub text: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    Good,
    /// It works, but not as well as it could; or it is only needed for some plans.
    Doubtful,
    Bad,
}

impl Finding {
    pub fn good(subject: &'static str, text: impl Into<String>) -> Self {
        Self { subject, condition: Condition::Good, text: text.into(), remedy: None }
    }

    pub fn doubtful(subject: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { subject, condition: Condition::Doubtful, text: text.into(), remedy: Some(remedy.into()) }
    }

    pub fn bad(subject: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { subject, condition: Condition::Bad, text: text.into(), remedy: Some(remedy.into()) }
    }
}

impl DoctorReport {
    pub fn new(findings: Vec<Finding>) -> Self {
        let ok = findings.iter().all(|finding| finding.condition != Condition::Bad);
        Self { ok, findings }
    }
}

/// A line a finding, and its remedy below it.
pub fn doctor_text(report: &DoctorReport, ink: Ink) -> String {
    let width = report.findings.iter().map(|finding| finding.subject.len()).max().unwrap_or_default();
    let mut text = String::new();
    for Finding { subject, condition, text: seen, remedy } in &report.findings {
        let (word, tone) = match condition {
            Condition::Good => ("ok     ", Tone::Good),
            Condition::Doubtful => ("warning", Tone::Notable),
            Condition::Bad => ("error  ", Tone::Bad),
        };
        text.push_str(&format!("{}  {subject:width$}  {seen}\n", ink.paint(tone, word)));
        if let Some(remedy) = remedy {
            text.push_str(&format!("{:indent$}hint: {remedy}\n", "", indent = word.len() + width + 4));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::versioned_json;

    #[test]
    fn each_trouble_has_its_remedy() {
        let report = DoctorReport::new(vec![
            Finding::good("state directory", "/home/ada/.local/state/orchestrate, 12.0 GB free"),
            Finding::doubtful(
                "docker engine",
                "no socket at /var/run/docker.sock",
                "start it, if plans need containers",
            ),
        ]);
        assert_eq!(
            doctor_text(&report, Ink::Plain),
            "\
ok       state directory  /home/ada/.local/state/orchestrate, 12.0 GB free
warning  docker engine    no socket at /var/run/docker.sock
                          hint: start it, if plans need containers
"
        );
        assert!(report.ok);
    }

    #[test]
    fn programs_get_the_same_as_json() {
        let report = DoctorReport::new(vec![Finding::bad("disk", "full", "make room")]);
        insta::assert_snapshot!(versioned_json(&report), @r#"
        {
          "format_version": 1,
          "ok": false,
          "findings": [
            {
              "subject": "disk",
              "condition": "bad",
              "text": "full",
              "remedy": "make room"
            }
          ]
        }
        "#);
    }
}
