use std::collections::BTreeMap;

use super::{OpsError, context::State};
use crate::{
    graph::Graph,
    name::{PlanName, ProjectName},
    plan::{Hooks, Plan, Retry, Rollback, Schedule},
    secret::{Scrubber, SealError, Secret, Text},
    store::{DeploymentRecord, Store as _},
};

/// A plan that was written down with a deployment, secrets opened.
pub(super) struct StoredPlan {
    pub plan: Plan,
    pub graph: Graph,
    pub scrubber: Scrubber,
}

impl StoredPlan {
    /// A plan without services, for a project of which only the name is known, and what `last` says.
    pub fn nothing(project: &ProjectName, last: Option<&DeploymentRecord>) -> Self {
        let name = || -> PlanName { project.as_str().parse().expect("plans and projects are named by one rule") };
        let plan = Plan {
            moved: Vec::new(),
            name: last.map_or_else(name, |last| last.plan_name.clone()),
            project: project.clone(),
            environment: last.and_then(|last| last.environment.clone()),
            after: Vec::new(),
            services: BTreeMap::new(),
            networks: BTreeMap::new(),
            volumes: BTreeMap::new(),
            configs: BTreeMap::new(),
            secrets: BTreeMap::new(),
            hooks: Hooks::default(),
            tests: Vec::new(),
            rollback: Rollback::default(),
            retry: Retry::default(),
            parallelism: Plan::PARALLELISM,
            schedule: Schedule::default(),
            retain: Plan::RETAIN,
        };
        Self { graph: graph_of_nothing(&plan), plan, scrubber: Scrubber::new([]) }
    }

    /// The same without its services.
    pub fn without_services(mut self) -> Self {
        self.plan.services.clear();
        (self.plan.hooks, self.plan.tests) = (Hooks::default(), Vec::new());
        Self { graph: graph_of_nothing(&self.plan), ..self }
    }
}

fn graph_of_nothing(plan: &Plan) -> Graph {
    Graph::build(plan).unwrap_or_else(|_| unreachable!("without services there is no cycle"))
}

/// Reads the plan of a deployment.
///
/// # Errors
/// If it is not there, is damaged, or its secrets cannot be opened.
pub(super) fn stored_plan(state: &State, record: &DeploymentRecord) -> Result<StoredPlan, OpsError> {
    let damaged =
        |reason: String| OpsError::Missing(format!("the plan of `{}` cannot be used again: {reason}", record.id));
    let document = state.store.plan(record.id)?.ok_or_else(|| damaged("it was not kept".to_owned()))?;
    let mut plan: Plan = serde_json::from_value(document).map_err(|error| damaged(error.to_string()))?;
    let scrubber = open_texts(state, |visit| plan.visit_texts(visit)).map_err(|error| damaged(error.to_string()))?;
    let graph = Graph::build(&plan).map_err(|_| damaged("its services depend on each other in a circle".to_owned()))?;
    Ok(StoredPlan { plan, graph, scrubber })
}

/// Opens the texts that were sealed in something that was written down, and answers what scrubs their
/// secrets from other texts. `visit_texts` hands over each text.
///
/// # Errors
/// If one was sealed with another key, or changed since.
pub(super) fn open_texts(
    state: &State,
    visit_texts: impl FnOnce(&mut dyn FnMut(&mut Text)),
) -> Result<Scrubber, SealError> {
    let sealer = state.sealer();
    let mut secrets: Vec<Secret> = Vec::new();
    let mut trouble = None;
    visit_texts(&mut |text| {
        if let Err(error) = text.open(&sealer) {
            trouble = Some(error);
        }
        if let Text::Secret(secret) = text {
            secrets.push(secret.clone());
        }
    });
    match trouble {
        Some(error) => Err(error),
        None => Ok(Scrubber::new(secrets)),
    }
}
