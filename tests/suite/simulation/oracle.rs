use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use orchestrate::{
    action::{Action, Slot, StepId},
    engine::Setup,
    graph::Graph,
    journal::{Entry, Journal, Record, StepStatus},
    name::ServiceName,
    observed::{Instance, InstanceState},
    plan::{Condition, Plan, RollbackStrategy},
    runtime::simulated::World,
    time::Timestamp,
};

use super::belief::{Belief, Key, key};

/// The world as it was before a deployment.
#[derive(Debug, Clone)]
pub struct Before {
    pub instances: BTreeMap<Key, Instance>,
    pub networks: BTreeSet<String>,
    pub volumes: BTreeSet<String>,
    pub files: BTreeSet<String>,
}

impl Before {
    pub fn new(world: &World) -> Self {
        Self {
            instances: world.instances().map(|instance| (key(&instance.identity), instance.clone())).collect(),
            networks: world.networks().keys().cloned().collect(),
            volumes: world.volumes().keys().cloned().collect(),
            files: super::belief::files(world).collect(),
        }
    }
}

/// What is known of a deployment from outside of the engine: what it was given, what was there
/// before, what is durable, what really happened.
pub struct Oracle {
    pub plan: Arc<Plan>,
    pub graph: Graph,
    pub setup: Setup,
    pub before: Before,
    pub belief: Belief,
    pub journal: Journal,
    /// The action that each step's last durable entry intends.
    pub intents: BTreeMap<StepId, Arc<Action>>,
    pub in_flight: usize,
    pub parallelism: usize,
    /// The checks that each instance has passed since the run began, by their labels.
    pub passed: BTreeMap<String, BTreeSet<String>>,
    /// Jobs that have completed, by id.
    pub completed: BTreeSet<String>,
    /// Steps that started an instance.
    pub started: BTreeSet<u32>,
    /// What someone else took away.
    pub removed: BTreeSet<Key>,
    pub is_daemon_restarted: bool,
    pub named_volumes: BTreeSet<String>,
    pub is_destroy: bool,
    /// It was made from a list of before.
    pub is_stale: bool,
    pub warnings: usize,
    /// Where the process could have been killed.
    pub points: Vec<(super::life::Point, Option<&'static str>)>,
    /// Calls that had an effect.
    pub effects: usize,
    /// Commands that have run or may have, and may not run twice.
    pub has_run: BTreeSet<StepId>,
}

impl Oracle {
    pub fn new(plan: Arc<Plan>, graph: Graph, setup: Setup, world: &World) -> Self {
        Self {
            before: Before::new(world),
            belief: Belief::new(&setup, world),
            parallelism: setup.options.parallelism,
            plan,
            graph,
            setup,
            journal: Journal::default(),
            intents: BTreeMap::new(),
            in_flight: 0,
            passed: BTreeMap::new(),
            completed: BTreeSet::new(),
            started: BTreeSet::new(),
            removed: BTreeSet::new(),
            is_daemon_restarted: false,
            named_volumes: BTreeSet::new(),
            is_destroy: false,
            is_stale: false,
            warnings: 0,
            points: Vec::new(),
            effects: 0,
            has_run: BTreeSet::new(),
        }
    }

    /// Takes an entry that is durable.
    pub fn learn(&mut self, entry: &Entry) -> Result<(), String> {
        if let Record::Intended { step, action, .. } | Record::UndoIntended { step, action } = &entry.record {
            self.intents.insert(*step, action.clone());
        }
        self.belief.learn(entry);
        self.journal.append(entry).map_err(|error| error.to_string())
    }

    /// The process that ran it is gone, and what it knew.
    pub fn forget(&mut self) {
        self.in_flight = 0;
    }

    fn service(&self, name: &ServiceName) -> Option<&orchestrate::engine::ServiceSetup> {
        self.setup.services.iter().find(|service| service.name == *name)
    }

    pub fn is_started_now(&self, name: &ServiceName) -> bool {
        self.service(name).is_some_and(|service| service.is_started_now)
    }

    pub fn is_manual(&self) -> bool {
        self.setup.options.strategy == RollbackStrategy::Manual
    }

    /// Whether something from outside happened to the instance.
    pub fn is_disturbed(&self, key: &Key) -> bool {
        self.is_daemon_restarted || self.removed.contains(key)
    }

    /// Whether a service is as another needs it, by what really happened.
    pub fn condition_holds(&self, world: &mut World, now: Timestamp, name: &ServiceName, wanted: Condition) -> bool {
        let Some(service) = self.service(name) else { return true };
        service.slots.iter().all(|slot| {
            let has_start = self.setup.actions.steps.iter().any(|step| {
                matches!(step.action, Action::Start { .. }) && step.action.instance().is_some_and(|i| i.slot == *slot)
            });
            let was_started = !has_start || self.started.contains(slot);
            let instance = self.instance_of(world, &self.setup.actions.slots[*slot as usize]);
            let Some(id) = instance.map(|instance| instance.id.clone()) else {
                return was_started;
            };
            let has_to_prove = has_start || service.is_awaited;
            was_started
                && match wanted {
                    Condition::ServiceStarted => true,
                    Condition::ServiceHealthy => {
                        let passed = self.passed.get(&id);
                        let has_passed = |check: &Arc<orchestrate::plan::Check>| {
                            passed.is_some_and(|passed| passed.contains(&check.label()))
                        };
                        !has_to_prove || service.critical_checks.iter().all(has_passed)
                    }
                    Condition::ServiceCompletedSuccessfully => {
                        let state = world.inspect(now, &id).map(|instance| instance.state);
                        matches!(state, Some(InstanceState::Exited { code: 0, .. })) || self.completed.contains(&id)
                    }
                }
        })
    }

    fn instance_of<'w>(&self, world: &'w World, slot: &Slot) -> Option<&'w Instance> {
        let wanted = match &slot.observed {
            Some(observed) => key(&observed.identity),
            None => (slot.service.clone(), slot.number, self.setup.options.deployment),
        };
        world.instances().find(|instance| key(&instance.identity) == wanted)
    }

    /// Whether the journal says that what was in this slot could not be taken away.
    pub fn has_failed_to_remove(&self, slot: &Slot) -> bool {
        let number = self.setup.actions.slots.iter().position(|other| std::ptr::eq(other, slot));
        let is_removal = |action: &Action| matches!(action, Action::Remove { instance, .. } if Some(instance.slot as usize) == number);
        self.journal.steps().any(|(_, step)| is_removal(&step.action) && step.status != StepStatus::Succeeded)
    }
}
