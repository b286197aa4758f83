//! What happens in one simulation: a project goes from plan to plan in all weathers.

use std::{collections::BTreeSet, sync::Arc};

use orchestrate::{
    change::{ForceRecreate, Request, removal_of_all},
    graph::Graph,
    journal::{DeploymentKind, Direction, Outcome},
    name::DeploymentId,
    observed::{Identity, Instance, InstanceState, NetworkFacts, Observed, VolumeFacts},
    plan::Plan,
    runtime::simulated::{Script, World},
};

use super::{
    draft::Draft,
    invariants,
    life::Cut,
    mutation::Mutation,
    oracle::Oracle,
    rig::{Applied, Counts, Rig, wanted},
    transcript::Transcript,
    watchdog::{Invariant, Violation},
    weather::Weather,
};

/// How a simulation is watched.
#[derive(Debug, Clone, Copy, Default)]
pub struct Watching {
    pub is_readable: bool,
    pub only: Option<Invariant>,
    pub mutation: Option<Mutation>,
}

/// What came of a simulation.
pub struct Played {
    pub violations: Vec<Violation>,
    pub counts: Counts,
    pub transcript: Transcript,
}

/// A recovery may be cut off itself; the last try has good weather.
const MOST_RECOVERIES: usize = 5;

/// Plays the simulation of a seed.
pub fn play(seed: u64, watching: Watching) -> Played {
    let mut rig = Rig::new(seed);
    rig.watchdog.only = watching.only;
    rig.mutation = watching.mutation;
    if watching.is_readable {
        rig.transcript = Transcript::readable();
    }
    populate(&mut rig);
    let first = Draft::random(&mut rig.dice);
    let mut drafts = vec![first.clone()];
    for _ in 0..2 {
        let last = drafts.last().expect("there is a first");
        let next = match rig.dice.below(10) {
            0 => first.clone(),
            1 => Draft::random(&mut rig.dice),
            _ => last.changed(&mut rig.dice),
        };
        drafts.push(next);
    }
    let plans: Vec<Arc<Plan>> = drafts.iter().map(|draft| Arc::new(draft.plan())).collect();
    let mut story = Story { rig, has_bad_services: false, bad_services: BTreeSet::new(), is_all_attended_to: true };
    for plan in &plans {
        let weather = Weather::random(&mut story.rig.dice);
        story.pass_time();
        story.deploy(plan, &weather);
    }
    story.end_well(plans.last().expect("there are three"));
    if story.rig.dice.chance(200) {
        story.destroy(plans.last().expect("there are three"));
    }
    let rig = story.rig;
    Played { violations: rig.watchdog.violations, counts: rig.counts, transcript: rig.transcript }
}

/// Things that are not ours.
fn populate(rig: &mut Rig) {
    let name = if rig.dice.chance(30) { "app-web-1" } else { "their-web" };
    let instance = Instance {
        shares: Default::default(),
        memory_reservation: None,
        files: Default::default(),
        runtime: orchestrate::plan::RuntimeKind::Docker,
        id: "foreign".to_owned(),
        name: name.to_owned(),
        identity: Identity {
            project: "theirs".parse().expect("a name"),
            service: "web".parse().expect("a name"),
            number: 1,
            environment: None,
            deployment: DeploymentId::from_random(0),
        },
        spec: None,
        adopted: None,
        salt: Default::default(),
        state: InstanceState::Running,
        health: orchestrate::observed::Health::None,
        health_output: None,
        started_at: None,
        log_since: None,
        restart_count: 0,
        image_id: "sha256:theirs".to_owned(),
        limits: Default::default(),
        restart_policy: orchestrate::plan::RestartPolicy::Always,
        networks: [("theirs".to_owned(), BTreeSet::new())].into(),
        ports: BTreeSet::new(),
        reach: Default::default(),
    };
    let network = NetworkFacts {
        id: "theirs".to_owned(),
        project: None,
        owner: None,
        driver: "bridge".to_owned(),
        is_internal: false,
    };
    let volume = VolumeFacts { project: None, driver: "local".to_owned() };
    let observed = Observed {
        instances: vec![instance],
        networks: [("theirs".to_owned(), network)].into(),
        volumes: [("theirs".to_owned(), volume)].into(),
        ..Observed::default()
    };
    rig.world = World::from_observed(&observed, Script::default());
    if rig.dice.chance(200) {
        rig.world.remove_image("server:1");
    }
}

struct Story {
    rig: Rig,
    /// A service that does not work was made at some time.
    has_bad_services: bool,
    /// The services that were made so that they do not work.
    bad_services: BTreeSet<String>,
    /// Nothing was left that a person would have had to look at.
    is_all_attended_to: bool,
}

impl Story {
    /// What happens between two deployments.
    fn pass_time(&mut self) {
        let rig = &mut self.rig;
        rig.now = rig.now + std::time::Duration::from_secs(60);
        rig.lasting.clear();
        rig.disturbed.clear();
        if rig.dice.chance(80) {
            rig.world.restart_daemon(rig.now);
            rig.counts.fault("daemon_restarted");
        }
        if rig.dice.chance(80) {
            let ids: Vec<String> = rig.world.instances().map(|instance| instance.id.clone()).collect();
            let id = rig.dice.pick(&ids).clone();
            if id != "foreign" {
                rig.world.vanish(&id);
                self.is_all_attended_to = false;
                rig.counts.fault("removed_by_someone");
            }
        }
        if rig.dice.chance(100) {
            rig.world.rebuild_image("server:2", &format!("sha256:rebuilt-{}", rig.dice.below(100)));
        }
        rig.settle();
    }

    /// Applies a plan, and brings it to its end, however often it is cut off.
    fn deploy(&mut self, plan: &Arc<Plan>, weather: &Weather) -> Option<Outcome> {
        self.has_bad_services |= weather.bad_service > 0;
        let applied = self.rig.apply(plan, weather, Cut::default());
        self.bad_services.extend(self.rig.world.script.behaviours.keys().map(ToString::to_string));
        self.rig.disturbed.extend(self.bad_services.iter().cloned());
        let (oracle, outcome) = self.follow(applied, weather)?;
        // Whose instance someone removed, and what a stale list does not show, is not cleaned up after.
        let is_hidden = oracle.is_stale || !oracle.removed.is_empty();
        self.is_all_attended_to &= outcome != Outcome::NeedsAttention && oracle.warnings == 0 && !is_hidden;
        match outcome {
            Outcome::Applied => self.expect_nothing_to_do(plan, &oracle),
            Outcome::NeedsAttention if self.rig.dice.chance(500) => self.attend_to(*oracle),
            Outcome::NeedsAttention | Outcome::Unchanged | Outcome::Failed | Outcome::RolledBack => {}
        }
        Some(outcome)
    }

    fn follow(&mut self, applied: Applied, weather: &Weather) -> Option<(Box<Oracle>, Outcome)> {
        let mut applied = applied;
        let mut weather = weather.clone();
        for attempt in 1.. {
            match applied {
                Applied::Unchanged | Applied::InTheWay => return None,
                Applied::Ended(oracle, outcome) => return Some((oracle, outcome)),
                Applied::CutOff(oracle) => {
                    let is_last = attempt == MOST_RECOVERIES;
                    if is_last || !self.rig.watchdog.violations.is_empty() {
                        self.rig.lasting.clear();
                        weather = Weather::default();
                    }
                    if attempt > MOST_RECOVERIES {
                        return None;
                    }
                    let direction = match self.rig.dice.chance(300) {
                        true => Direction::Forward,
                        false => Direction::Back,
                    };
                    self.rig.now = self.rig.now + std::time::Duration::from_secs(5);
                    applied = self.rig.recover(*oracle, direction, &weather, Cut::default())?;
                }
            }
        }
        None
    }

    /// What needs attention is tried again when the weather is good.
    fn attend_to(&mut self, oracle: Oracle) {
        self.rig.lasting.clear();
        drop(self.rig.recover(oracle, Direction::Back, &Weather::default(), Cut::default()));
    }

    fn expect_nothing_to_do(&mut self, plan: &Arc<Plan>, oracle: &Oracle) {
        if oracle.is_stale || !self.rig.watchdog.looks_at(Invariant::SecondApplyDoesNothing) {
            return;
        }
        let graph = Graph::build(plan).expect("drafts have no cycles");
        let (_, changes) = self.rig.preview(plan, &graph, false);
        let (dog, disturbed) = (&mut self.rig.watchdog, &self.rig.disturbed);
        let is_disturbed = |name: &str| if name.is_empty() { oracle.warnings > 0 } else { disturbed.contains(name) };
        dog.check(Invariant::SecondApplyDoesNothing, || {
            invariants::second_apply_does_nothing(plan, &changes, is_disturbed)
        });
    }

    /// In good weather, whatever happened before, the last plan is applied, and all is as if it had
    /// been the first.
    fn end_well(&mut self, plan: &Arc<Plan>) {
        self.pass_calm_time();
        if self.has_bad_services {
            self.rig.request.force_recreate = ForceRecreate::All;
        }
        let applied = self.rig.apply(plan, &Weather::default(), Cut::default());
        self.rig.request = Request { remove_orphans: true, ..Request::default() };
        let outcome = match applied {
            Applied::InTheWay => return,
            Applied::Unchanged => Outcome::Unchanged,
            Applied::Ended(oracle, outcome) => {
                if outcome == Outcome::Applied {
                    self.expect_nothing_to_do(plan, &oracle);
                }
                outcome
            }
            Applied::CutOff(_) => return,
        };
        let dog = &mut self.rig.watchdog;
        dog.check(Invariant::EndsAsFresh, || match outcome {
            Outcome::Applied | Outcome::Unchanged => Ok(()),
            other => Err(format!("in good weather the last apply ended as {other:?}")),
        });
        if dog.looks_at(Invariant::EndsAsFresh) && matches!(outcome, Outcome::Applied | Outcome::Unchanged) {
            let mut fresh = Rig::new(0);
            fresh.now = self.rig.now;
            fresh.world.rebuild_image("server:2", &self.rig.world.image_now("server:2"));
            drop(fresh.apply(plan, &Weather::default(), Cut::default()));
            fresh.settle();
            self.rig.settle();
            let once = plan.services.values().any(|service| service.run == orchestrate::plan::RunPolicy::Once);
            let attended = self.is_all_attended_to && !once;
            let (dog, world) = (&mut self.rig.watchdog, &self.rig.world);
            dog.check(Invariant::EndsAsFresh, || invariants::ends_as_fresh(plan, world, &fresh.world, attended));
        }
    }

    fn pass_calm_time(&mut self) {
        self.rig.lasting.clear();
        self.rig.disturbed.clear();
        self.rig.earlier = None;
        self.rig.now = self.rig.now + std::time::Duration::from_secs(60);
    }

    /// Everything goes; volumes only if they are named.
    fn destroy(&mut self, plan: &Arc<Plan>) {
        self.pass_calm_time();
        let weather = Weather { stale: 0, ..Weather::random(&mut self.rig.dice) };
        let named: BTreeSet<String> =
            plan.volumes.keys().filter(|_| self.rig.dice.chance(500)).map(|key| plan.volume_name(key)).collect();
        self.rig.settle();
        let observed = self.rig.world.observe(&wanted(plan));
        let changes = removal_of_all(plan, &observed, &named);
        if changes.is_empty() {
            return;
        }
        let graph = Graph::build(plan).expect("drafts have no cycles");
        let mut oracle = self.rig.oracle(plan, graph, &changes, &observed);
        (oracle.named_volumes, oracle.is_destroy) = (named, true);
        self.rig.world.script = Script::default();
        let applied = self.rig.begin(oracle, DeploymentKind::Destroy, &weather, Cut::default());
        self.follow(applied, &weather);
    }
}
