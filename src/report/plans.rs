use serde::Serialize;

use super::{Cell, DeploymentReport, ErrorReport, Ink, PreviewReport, Table, Tone, json::versioned_json};
use crate::{
    journal::Outcome,
    name::{EnvironmentName, PlanName},
};

/// What became of several plans, in the order in which their turns came.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlansReport {
    pub plans: Vec<PlanLine>,
}

/// What became of one of several plans.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanLine {
    pub plan: PlanName,
    pub environment: Option<EnvironmentName>,
    /// The plan file, as the user would type it.
    pub file: String,
    pub outcome: PlanWord,
    /// The plan that goes before it and did not come to a good end.
    pub held_back_by: Option<PlanName>,
    /// Why no deployment began.
    pub error: Option<ErrorReport>,
    /// As for a plan alone; `None` if none began.
    pub deployment: Option<DeploymentReport>,
}

/// How one of several plans ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanWord {
    Applied,
    Unchanged,
    Failed,
    RolledBack,
    NeedsAttention,
    /// Nothing was begun with it.
    Refused,
    /// Nothing was begun with it, because of one that goes before it.
    HeldBack,
    /// Nothing was begun with it, because someone interrupted.
    Interrupted,
}

impl From<Outcome> for PlanWord {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Applied => Self::Applied,
            Outcome::Unchanged => Self::Unchanged,
            Outcome::Failed => Self::Failed,
            Outcome::RolledBack => Self::RolledBack,
            Outcome::NeedsAttention => Self::NeedsAttention,
        }
    }
}

impl PlanWord {
    fn cell(self) -> Cell {
        let (word, tone) = match self {
            Self::Applied => ("applied", Tone::Good),
            Self::Unchanged => ("unchanged", Tone::Good),
            Self::Failed => ("failed", Tone::Bad),
            Self::RolledBack => ("rolled back", Tone::Bad),
            Self::NeedsAttention => ("needs attention", Tone::Bad),
            Self::Refused => ("not begun", Tone::Bad),
            Self::HeldBack => ("held back", Tone::Notable),
            Self::Interrupted => ("interrupted", Tone::Notable),
        };
        Cell::new(word, tone)
    }
}

impl PlansReport {
    /// For programs: `{format_version, plans: [{plan, file, outcome, held_back_by, error, deployment}]}`.
    pub fn to_json(&self) -> String {
        versioned_json(self)
    }

    /// For people, a line each, below what was said of each.
    pub fn to_text(&self, ink: Ink) -> String {
        let mut table = Table::new(["PLAN", "OUTCOME", "DEPLOYMENT", "WHY"]);
        for line in &self.plans {
            let deployment = line.deployment.as_ref().and_then(|report| report.deployment);
            let deployment = deployment.map_or_else(Cell::none, |id| id.to_string().into());
            table.row([line.plan.as_str().into(), line.outcome.cell(), deployment, line.why()]);
        }
        table.render(ink)
    }
}

impl PlanLine {
    fn why(&self) -> Cell {
        let failed = self.deployment.as_ref().and_then(|report| report.error.as_ref());
        let reason = match (&self.held_back_by, failed.or(self.error.as_ref())) {
            (Some(by), _) => Some(format!("waits for `{by}`")),
            (None, Some(error)) => Some(error.summary.clone()),
            (None, None) => None,
        };
        reason.map_or_else(Cell::none, Cell::from)
    }
}

/// Previews of several plans for programs: `{format_version, plans: [PREVIEW]}`.
pub fn previews_json(previews: &[PreviewReport]) -> String {
    #[derive(Serialize)]
    struct Previews<'a> {
        plans: &'a [PreviewReport],
    }
    versioned_json(&Previews { plans: previews })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{diagnostic::Class, observed::Fault};

    #[test]
    fn each_plan_has_a_line_and_its_reason() {
        let line = |plan: &str, outcome: PlanWord| PlanLine {
            plan: plan.parse().unwrap(),
            environment: None,
            file: format!("{plan}.yaml"),
            outcome,
            held_back_by: None,
            error: None,
            deployment: None,
        };
        let held = Fault::new(Class::Deployment, "locked", "project `api` is locked");
        let report = PlansReport {
            plans: vec![
                line("db", PlanWord::Unchanged),
                PlanLine { error: Some(ErrorReport::from(&held)), ..line("api", PlanWord::Refused) },
                PlanLine { held_back_by: "api".parse().ok(), ..line("web", PlanWord::HeldBack) },
            ],
        };
        insta::assert_snapshot!(report.to_text(Ink::Plain), @r"
        PLAN  OUTCOME    DEPLOYMENT  WHY
        db    unchanged  -           -
        api   not begun  -           project `api` is locked
        web   held back  -           waits for `api`
        ");
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        let told: Vec<String> =
            json["plans"].as_array().unwrap().iter().map(|line| line["outcome"].to_string()).collect();
        assert_eq!(
            (&json["format_version"], told.join(" ").as_str()),
            (&1.into(), "\"unchanged\" \"refused\" \"held_back\"")
        );
    }
}
