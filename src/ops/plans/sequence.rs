use crate::{
    graph::PlanOrder,
    journal::Outcome,
    name::{EnvironmentName, PlanName},
    ops::{OpsError, Watcher},
    plan::Plan,
    report::DeploymentReport,
};

/// One of several plans, and what became of it.
pub struct PlanEnd {
    pub plan: PlanName,
    pub environment: Option<EnvironmentName>,
    /// The plan file, as the user would type it.
    pub file: String,
    pub outcome: PlanOutcome,
}

/// What became of one of several plans.
pub enum PlanOutcome {
    /// Its deployment came to an end, whichever.
    Ended(Box<DeploymentReport>),
    /// No deployment began.
    Refused(OpsError),
    /// Its turn never came: this one, which goes before it, did not come to a good end.
    HeldBack { by: PlanName },
    /// Its turn never came: someone interrupted.
    Interrupted,
}

impl PlanOutcome {
    /// Whether those that go after it may go on.
    fn is_good(&self) -> bool {
        match self {
            Self::Ended(report) => matches!(report.outcome, Outcome::Applied | Outcome::Unchanged),
            Self::Refused(_) | Self::HeldBack { .. } | Self::Interrupted => false,
        }
    }
}

/// What one of several plans is called.
pub(super) struct Named {
    pub plan: PlanName,
    pub environment: Option<EnvironmentName>,
    pub file: String,
}

impl Named {
    pub fn new(plan: &Plan, file: &str) -> Self {
        Self { plan: plan.name.clone(), environment: plan.environment.clone(), file: file.to_owned() }
    }
}

/// Does something with one plan after the other. Answers what became of each, in the order in which
/// their turns came.
pub(super) async fn in_order(
    order: &PlanOrder,
    names: &[Named],
    is_interrupted: impl Fn() -> bool,
    watcher: &mut dyn Watcher,
    mut go: impl AsyncFnMut(usize, &mut dyn Watcher) -> Result<DeploymentReport, OpsError>,
) -> Vec<PlanEnd> {
    let mut is_good = vec![false; names.len()];
    let mut ends = Vec::new();
    for &position in order.sequence() {
        let Named { plan, environment, file } = &names[position];
        let obstacle = order.waits_for(position).iter().find(|before| !is_good[**before]);
        let outcome = match obstacle {
            _ if is_interrupted() => PlanOutcome::Interrupted,
            Some(before) => PlanOutcome::HeldBack { by: names[*before].plan.clone() },
            None => {
                watcher.plan_begins(plan, file);
                match go(position, watcher).await {
                    Ok(report) => PlanOutcome::Ended(Box::new(report)),
                    Err(error) => PlanOutcome::Refused(error),
                }
            }
        };
        is_good[position] = outcome.is_good();
        let end = PlanEnd { plan: plan.clone(), environment: environment.clone(), file: file.clone(), outcome };
        watcher.plan_ended(&end);
        ends.push(end);
    }
    ends
}
