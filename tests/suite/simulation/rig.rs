//! The engine between a world, a store and a clock that all do what chance says.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use orchestrate::{
    action::{CommandContext, Context, InstanceSpec, build},
    change::{Changes, Coming, InstanceChange, Preflight, Request, diff, preflight},
    diagnostic::{Diagnostic, Origin, Origins},
    engine::{Engine, Options, Setup, cut_off},
    graph::Graph,
    journal::{DeploymentEnd, DeploymentKind, DeploymentRecord, Direction, Entry, Journal, Outcome},
    name::DeploymentId,
    observed::{Observed, Surroundings, Wanted},
    plan::{MountKind, Plan, RuntimeKind},
    runtime::simulated::World,
    secret::Sealer,
    store::{MemoryStore, Store as _},
    time::Timestamp,
};

use super::{
    dice::Dice,
    invariants,
    life::{Cut, Life, Lived},
    mutation::Mutation,
    oracle::Oracle,
    transcript::Transcript,
    watchdog::{Invariant, Watchdog},
    weather::{Fate, Weather},
};

/// What a simulation has seen.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    pub deployments: usize,
    pub crashes: usize,
    /// By their kinds.
    pub faults: BTreeMap<&'static str, usize>,
    pub outcomes: BTreeMap<&'static str, usize>,
}

impl Counts {
    pub fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    pub fn add(&mut self, other: &Self) {
        self.deployments += other.deployments;
        self.crashes += other.crashes;
        other.faults.iter().for_each(|(kind, count)| *self.faults.entry(kind).or_default() += count);
        other.outcomes.iter().for_each(|(outcome, count)| *self.outcomes.entry(outcome).or_default() += count);
    }
}

/// Everything but the engine.
pub struct Rig {
    pub world: World,
    pub store: MemoryStore,
    pub dice: Dice,
    /// The world's time, which never jumps.
    pub now: Timestamp,
    /// What the orchestrator's clock is off by, in microseconds.
    pub skew: i64,
    pub sealer: Sealer,
    plans: BTreeMap<DeploymentId, Arc<Plan>>,
    pub watchdog: Watchdog,
    pub transcript: Transcript,
    pub counts: Counts,
    pub mutation: Option<Mutation>,
    /// Calls that go on failing.
    pub lasting: BTreeMap<String, Fate>,
    /// What a stale look shows.
    pub earlier: Option<Box<World>>,
    /// Look closer at everything, which takes longer.
    pub is_thorough: bool,
    /// Services that were disturbed from outside since the last apply.
    pub disturbed: BTreeSet<String>,
    pub request: Request,
    /// Images that nobody goes back to after the next deployment.
    pub released_images: BTreeSet<String>,
    begun: u64,
    seed: u64,
}

/// How an apply ended.
pub enum Applied {
    Unchanged,
    InTheWay,
    Ended(Box<Oracle>, Outcome),
    CutOff(Box<Oracle>),
}

pub struct NoOrigins;

impl Origins for NoOrigins {
    fn origin(&self, _: &[&str]) -> Option<Origin> {
        None
    }
}

const FILES: &str = "/state/files";

impl Rig {
    pub fn new(seed: u64) -> Self {
        Self {
            world: World::default(),
            store: MemoryStore::default(),
            dice: Dice::new(seed),
            now: Timestamp::from_micros(1_700_000_000_000_000),
            skew: 0,
            sealer: Sealer::new([7; 32]),
            plans: BTreeMap::new(),
            watchdog: Watchdog::default(),
            transcript: Transcript::default(),
            counts: Counts::default(),
            mutation: None,
            lasting: BTreeMap::new(),
            earlier: None,
            is_thorough: seed.is_multiple_of(8),
            disturbed: BTreeSet::new(),
            request: Request { remove_orphans: true, ..Request::default() },
            released_images: BTreeSet::new(),
            begun: 0,
            seed,
        }
    }

    pub fn has(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// What the orchestrator's clock shows.
    pub fn shown(&self) -> Timestamp {
        Timestamp::from_micros(self.now.as_micros() + self.skew)
    }

    pub fn is_closely_watched(&self, invariant: Invariant) -> bool {
        self.watchdog.looks_at(invariant) && (self.is_thorough || self.watchdog.only.is_some())
    }

    /// Brings all instances up to now, as an observer would see them.
    pub fn settle(&mut self) {
        self.world.settle(self.now);
    }

    /// What would change, by a look at this world.
    pub fn preview(&mut self, plan: &Plan, graph: &Graph, is_stale: bool) -> (Observed, Changes) {
        self.settle();
        let before = self.is_closely_watched(Invariant::PreviewChangesNothing).then(|| self.world.clone());
        let seen = self.earlier.as_deref().filter(|_| is_stale).unwrap_or(&self.world);
        let observed = seen.observe(&wanted(plan));
        let changes = diff(plan, graph, &observed, &NoOrigins, &self.request);
        if self.has(Mutation::PreviewPulls) {
            let image = orchestrate::action::Action::CreateVolume {
                name: "pulled".to_owned(),
                volume: Default::default(),
                project: plan.project.clone(),
            };
            self.world.perform(self.now, RuntimeKind::Docker, &image);
        }
        if let Some(before) = before {
            let world = &self.world;
            self.watchdog
                .check(Invariant::PreviewChangesNothing, || invariants::preview_changes_nothing(&before, world));
        }
        (observed, changes)
    }

    /// Applies a plan as `orchestrate apply` does.
    pub fn apply(&mut self, plan: &Arc<Plan>, weather: &Weather, cut: Cut) -> Applied {
        let graph = Graph::build(plan).expect("drafts have no cycles");
        let is_stale = self.earlier.is_some() && self.dice.chance(weather.stale);
        if is_stale {
            self.counts.fault("stale_list");
        }
        let (observed, changes) = self.preview(plan, &graph, is_stale);
        if changes.is_empty() {
            return Applied::Unchanged;
        }
        if preflight(&Preflight {
            plan,
            graph: &graph,
            observed: &observed,
            changes: &changes,
            coming: &Coming::default(),
            surroundings: &Surroundings::default(),
            origins: &NoOrigins,
        })
        .iter()
        .any(Diagnostic::is_error)
        {
            return Applied::InTheWay;
        }
        self.world.script = weather.script(&mut self.dice, plan);
        let oracle = Oracle { is_stale, ..self.oracle(plan, graph, &changes, &observed) };
        self.begin(oracle, DeploymentKind::Apply, weather, cut)
    }

    pub fn oracle(&mut self, plan: &Arc<Plan>, graph: Graph, changes: &Changes, observed: &Observed) -> Oracle {
        self.begun += 1;
        let deployment = DeploymentId::from_random(self.begun * 1_000_003);
        let context = Context {
            deployment,
            salt_seed: format!("{} {}", self.seed, self.begun),
            files_directory: FILES.to_owned(),
            snapshots: self.snapshots(changes),
            commands: Some(CommandContext::default()),
            released_images: self.released_images.clone(),
            snapshot_directory: Some("/state/snapshots/app".to_owned()),
        };
        let actions = build(plan, &graph, changes, observed, &context);
        let options = Options {
            deployment,
            parallelism: plan.parallelism,
            strategy: plan.rollback.strategy,
            keep_failed: false,
            timeout: Some(Duration::from_secs(3600)),
            prelude: Vec::new(),
            seed: self.dice.next(),
        };
        let setup = Setup::new(plan, &graph, changes, actions, options);
        self.plans.insert(deployment, plan.clone());
        Oracle::new(plan.clone(), graph, setup, &self.world)
    }

    /// Writes down a deployment and runs it.
    pub fn begin(&mut self, oracle: Oracle, kind: DeploymentKind, weather: &Weather, cut: Cut) -> Applied {
        let (record, plan) = (self.record(&oracle, kind), self.sealed_plan(&oracle));
        let mut sealed = oracle.setup.clone();
        sealed.visit_texts(&mut |text| text.seal(&self.sealer));
        if self.is_closely_watched(Invariant::NoSecretSeen) {
            let written =
                [serde_json::to_string(&sealed), serde_json::to_string(&record), serde_json::to_string(&plan)];
            let written = written.map(|text| text.expect("it can be written"));
            self.watchdog.check(Invariant::NoSecretSeen, || {
                invariants::no_secret_seen("the setup", &written[0])?;
                invariants::no_secret_seen("the record", &written[1])?;
                invariants::no_secret_seen("the plan", &written[2])
            });
        }
        self.store.begin(&record, &sealed, &plan).expect("a deployment's id is its own");
        self.counts.deployments += 1;
        self.transcript.line(format_args!("\ndeployment {}\n{}", record.id, oracle.setup.actions));
        let mut setup = oracle.setup.clone();
        if self.has(Mutation::TooManyCalls) {
            setup.options.parallelism *= 4;
        }
        if self.has(Mutation::Unsteady) {
            static RUNS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
            setup.options.parallelism = 1 + RUNS.fetch_add(1, std::sync::atomic::Ordering::Relaxed) as usize % 3;
        }
        let engine = Engine::new(setup, self.shown());
        self.live(engine, oracle, weather, cut)
    }

    fn live(&mut self, engine: Engine, oracle: Oracle, weather: &Weather, cut: Cut) -> Applied {
        let (lived, mut oracle) = Life::new(self, engine, oracle, weather, cut).live();
        match lived {
            Lived::Ended(outcome) => {
                self.close(&mut oracle, outcome);
                Applied::Ended(Box::new(oracle), outcome)
            }
            Lived::CutOff => {
                self.counts.crashes += 1;
                self.transcript.line(format_args!("--- killed"));
                let world = &self.world;
                self.watchdog
                    .check(Invariant::JournalAgreesWithWorld, || invariants::journal_agrees_with_world(&oracle, world));
                oracle.forget();
                Applied::CutOff(Box::new(oracle))
            }
        }
    }

    /// What holds at the end of a run.
    fn close(&mut self, oracle: &mut Oracle, outcome: Outcome) {
        *self.counts.outcomes.entry(outcome.as_str()).or_default() += 1;
        self.settle();
        let id = oracle.setup.options.deployment;
        let end = DeploymentEnd { at: self.shown(), outcome, error: None, contents: BTreeMap::new() };
        self.store.finish(id, &end).expect("it began");
        let world = &self.world;
        let dog = &mut self.watchdog;
        dog.check(Invariant::JournalAgreesWithWorld, || {
            invariants::journal_agrees_with_world(oracle, world)?;
            invariants::nothing_is_left_over(oracle, world, outcome)
        });
        dog.check(Invariant::DataStays, || invariants::volumes_are_there(oracle, world));
        dog.check(Invariant::RollbackRestores, || invariants::rollback_restores(oracle, world, outcome));
        dog.check(Invariant::EffectsAreIntended, || invariants::no_effect_but_ours(oracle.effects, world));
        dog.check(Invariant::EveryRunEnds, || invariants::ends_with_reason(oracle, outcome));
        self.world.calls.clear();
        oracle.effects = 0;
        self.disturbed.extend(oracle.removed.iter().map(|(service, ..)| service.to_string()));
    }

    /// Goes on with a deployment from what is durable of it, as the next command does. `None` if it
    /// turns out to have ended.
    pub fn recover(&mut self, oracle: Oracle, direction: Direction, weather: &Weather, cut: Cut) -> Option<Applied> {
        let id = oracle.setup.options.deployment;
        let entries = self.entries(id);
        let journal = match Journal::replay(&entries) {
            Ok(journal) => journal,
            Err(error) => {
                self.watchdog.check(Invariant::JournalAgreesWithWorld, || Err(error.to_string()));
                return None;
            }
        };
        let mut setup = self.store.setup(id).expect("memory can be read").expect("it began");
        if self.is_thorough {
            // As it was kept: what does not survive being written down is not there.
            let written = serde_json::to_string(&setup).expect("it can be written");
            setup = serde_json::from_str(&written).expect("it can be read");
        }
        setup.visit_texts(&mut |text| text.open(&self.sealer).expect("it was sealed with this key"));
        let committed = journal.is_committed();
        let back = || Engine::resume(setup.clone(), journal.clone(), Direction::Back, cut_off(), self.shown());
        let resumed = Engine::resume(setup.clone(), journal.clone(), direction, cut_off(), self.shown());
        let Ok(engine) = resumed.or_else(|_| back()) else {
            let outcome = journal.outcome();
            let ended = matches!(outcome, Some(outcome) if outcome != Outcome::NeedsAttention || committed);
            self.watchdog.check(Invariant::EveryRunEnds, || match ended {
                true => Ok(()),
                false => Err("a run that has not ended cannot be gone on with".to_owned()),
            });
            // All was done; only the record was not closed.
            if let Some(outcome) = outcome {
                let mut oracle = oracle;
                self.close(&mut oracle, outcome);
            }
            return None;
        };
        self.transcript.line(format_args!("--- recovered {direction:?}"));
        Some(self.live(engine, oracle, weather, cut))
    }

    fn entries(&self, id: DeploymentId) -> Vec<Entry> {
        let mut entries = self.store.entries(id).expect("memory can be read");
        for entry in &mut entries {
            entry.visit_texts(&mut |text| text.open(&self.sealer).expect("it was sealed with this key"));
        }
        entries
    }

    /// What the touched instances were made from, by the plans of the deployments that made them.
    fn snapshots(&self, changes: &Changes) -> BTreeMap<String, InstanceSpec> {
        let touched = changes.services.iter().flat_map(|change| &change.instances).filter_map(|change| match change {
            InstanceChange::Replace { old }
            | InstanceChange::Update { old, .. }
            | InstanceChange::Start { old, .. }
            | InstanceChange::Remove { old } => Some(old),
            InstanceChange::Keep { .. } | InstanceChange::Create { .. } => None,
        });
        let snapshot = |old: &orchestrate::observed::Instance| {
            let plan = self.plans.get(&old.identity.deployment)?;
            Some((old.id.clone(), InstanceSpec::snapshot(plan, old, FILES)?))
        };
        touched.filter_map(|old| snapshot(old)).collect()
    }

    /// Kept only where someone looks at it.
    fn sealed_plan(&self, oracle: &Oracle) -> serde_json::Value {
        match self.is_closely_watched(Invariant::NoSecretSeen) {
            true => {
                let mut sealed = oracle.plan.as_ref().clone();
                sealed.visit_texts(&mut |text| text.seal(&self.sealer));
                serde_json::to_value(&sealed).expect("a plan has only string keys")
            }
            false => serde_json::Value::Null,
        }
    }

    fn record(&self, oracle: &Oracle, kind: DeploymentKind) -> DeploymentRecord {
        DeploymentRecord {
            id: oracle.setup.options.deployment,
            kind,
            project: oracle.plan.project.clone(),
            plan_name: oracle.plan.name.clone(),
            environment: None,
            plan_file: "plan.yaml".to_owned(),
            plan_directory: "/plan".to_owned(),
            author: "somebody@somewhere".to_owned(),
            message: None,
            engine: "simulated".to_owned(),
            started_at: self.shown(),
            ended_at: None,
            outcome: None,
            error: None,
            contents: BTreeMap::new(),
            summary: String::new(),
            target: Default::default(),
            runtimes: None,
        }
    }
}

/// What a plan wants to know about the world.
pub fn wanted(plan: &Plan) -> Wanted {
    let services = || plan.services.values();
    let names = plan.services.iter().flat_map(|(service_name, service)| {
        (1..=service.replicas()).map(|number| plan.instance_name(service_name, number))
    });
    let mounts = services().flat_map(|service| &service.volumes);
    let volumes = mounts.filter(|mount| mount.kind == MountKind::Volume).filter_map(|mount| mount.source.as_ref());
    Wanted {
        project: plan.project.clone(),
        instance_names: names.collect(),
        images: services().filter_map(|service| service.image.clone()).collect(),
        executables: services().filter_map(|service| service.program()).collect(),
        networks: services().flat_map(|service| service.networks.keys()).map(|key| plan.network_name(key)).collect(),
        volumes: volumes.map(|key| plan.volume_name(key)).collect(),
        runtimes: services().map(|service| service.runtime()).collect(),
    }
}
