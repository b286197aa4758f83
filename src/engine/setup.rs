use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    action::{Actions, Phase},
    change::{Changes, Op},
    graph::Graph,
    name::{DeploymentId, EnvironmentName, PlanName, ServiceName},
    plan::{Check, Condition, Importance, Plan, Retry, RollbackStrategy, RuntimeKind, Schedule},
    secret::Text,
};

/// How a run is to be made, beyond what the plan says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Options {
    pub deployment: DeploymentId,
    /// Actions under way at most.
    pub parallelism: usize,
    pub strategy: RollbackStrategy,
    /// Leave the body of an instance that failed, under a name of its own.
    pub keep_failed: bool,
    /// How long the whole deployment may take until its commit point.
    pub timeout: Option<Duration>,
    /// How long the phases before the engine took.
    pub prelude: Vec<(Phase, Duration)>,
    /// Feeds the jitter of retries.
    pub seed: u64,
}

/// One service of the plan, as the engine sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServiceSetup {
    pub name: ServiceName,
    pub op: Op,
    pub is_job: bool,
    pub is_irreversible: bool,
    pub priority: i32,
    /// How many services the longest chain behind it has.
    pub behind: usize,
    pub group: usize,
    pub critical_checks: Vec<Arc<Check>>,
    pub warning_checks: Vec<Arc<Check>>,
    /// Whether a healthcheck of its image's gates it, if there is one.
    #[serde(default)]
    pub inherits_healthcheck: bool,
    /// What it needs: indices of services.
    pub dependencies: Vec<(usize, Condition)>,
    /// The instances that are to be there in the end.
    pub slots: Vec<u32>,
    /// Whether one of them is started in this run, or told of something.
    pub is_started_now: bool,
    /// Whether a service that is started now waits for its health.
    pub is_awaited: bool,
}

/// All that a run is given, and all that is needed to go on with it later.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Setup {
    pub plan_name: PlanName,
    pub environment: Option<EnvironmentName>,
    pub actions: Actions,
    /// In order of names.
    pub services: Vec<ServiceSetup>,
    pub retry: Retry,
    pub schedule: Schedule,
    pub options: Options,
}

impl Setup {
    pub fn new(plan: &Plan, graph: &Graph, changes: &Changes, actions: Actions, options: Options) -> Self {
        let indices: BTreeMap<&ServiceName, usize> =
            plan.services.keys().enumerate().map(|(index, name)| (name, index)).collect();
        let mut slots = vec![Vec::new(); indices.len()];
        for (number, slot) in actions.slots.iter().enumerate().filter(|(_, slot)| slot.stays) {
            if let Some(&index) = indices.get(&slot.service) {
                slots[index].push(u32::try_from(number).expect("slots are numbered with u32"));
            }
        }
        let mut is_started = vec![false; indices.len()];
        for step in &actions.steps {
            let index = step.service.as_ref().and_then(|name| indices.get(name));
            if let Some(&index) = index.filter(|_| step.action.begins_a_run()) {
                is_started[index] = true;
            }
        }
        let mut services: Vec<ServiceSetup> = plan
            .services
            .iter()
            .zip(slots)
            .map(|((name, service), slots)| {
                let checks = service.gating_checks().into_iter().map(Arc::new);
                let (critical_checks, warning_checks) =
                    checks.partition(|check| check.severity == Importance::Critical);
                let dependencies = graph.dependencies(name);
                ServiceSetup {
                    name: name.clone(),
                    op: changes.change(name).map_or(Op::None, |change| change.op),
                    is_job: service.is_job(),
                    is_irreversible: service.irreversible,
                    priority: service.priority,
                    behind: graph.services_behind(name),
                    group: graph.group_of(name),
                    critical_checks,
                    warning_checks,
                    inherits_healthcheck: service.may_inherit_healthcheck(),
                    dependencies: dependencies.into_iter().map(|(needed, wanted)| (indices[needed], wanted)).collect(),
                    slots,
                    is_started_now: is_started[indices[name]],
                    is_awaited: false,
                }
            })
            .collect();
        mark_awaited(&mut services);
        Self {
            plan_name: plan.name.clone(),
            environment: plan.environment.clone(),
            actions,
            services,
            retry: plan.retry.clone(),
            schedule: plan.schedule,
            options,
        }
    }
}

impl Setup {
    /// Whether it has to do with a container engine.
    pub fn uses_engine(&self) -> bool {
        self.actions.steps.iter().any(|step| step.runtime == RuntimeKind::Docker)
    }

    /// Hands every text that may be secret to `visit`: to seal or open them.
    pub fn visit_texts(&mut self, visit: &mut dyn FnMut(&mut Text)) {
        self.actions.visit_texts(visit);
        let checks = self
            .services
            .iter_mut()
            .flat_map(|service| service.critical_checks.iter_mut().chain(&mut service.warning_checks));
        checks.for_each(|check| Arc::make_mut(check).visit_texts(visit));
    }
}

fn mark_awaited(services: &mut [ServiceSetup]) {
    let awaited: Vec<usize> = services
        .iter()
        .filter(|service| service.is_started_now)
        .flat_map(|service| &service.dependencies)
        .filter(|(_, condition)| *condition == Condition::ServiceHealthy)
        .map(|(index, _)| *index)
        .collect();
    for index in awaited {
        services[index].is_awaited = true;
    }
}
