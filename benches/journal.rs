//! What the journal costs: the entries of a deployment of 3 layers × 5 services, written to SQLite and
//! to memory, each entry by itself and durable before the next (the driver writes what is due at once
//! together). Beside it stands how long the deployment takes by the simulation's clock, whose calls
//! take as long as those of a real engine.
//!
//! `cargo bench --bench journal`

mod layers;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use orchestrate::{
    driver::{Simulation, simulate},
    engine::Setup,
    graph::Graph,
    journal::{DeploymentEnd, DeploymentKind, DeploymentRecord, Outcome},
    name::DeploymentId,
    plan::Plan,
    runtime::simulated::World,
    store::{MemoryStore, SqliteStore, Store},
    time::Timestamp,
};

use layers::{document, engine, read, setup};

/// All that a deployment writes.
struct Written {
    record: DeploymentRecord,
    setup: Setup,
    plan: serde_json::Value,
    simulation: Simulation,
}

impl Written {
    fn of(layers: usize, width: usize) -> Self {
        let loaded = read(&document(layers, width));
        let graph = Graph::build(&loaded.plan).expect("the generated plan has no cycle");
        let world = World::default();
        let setup = setup(&loaded, &graph, &world);
        let simulation = simulate(&mut engine(&loaded, &graph, &world), &mut world.clone(), Timestamp::EPOCH);
        assert_eq!(simulation.outcome, Some(Outcome::Applied));
        let plan = serde_json::to_value(&loaded.plan).expect("a plan has only string keys");
        Self { record: record(&loaded.plan), setup, plan, simulation }
    }

    fn write(&self, store: &dyn Store) {
        let id = self.record.id;
        store.begin(&self.record, &self.setup, &self.plan).expect("there is room for it");
        for entry in &self.simulation.entries {
            store.append(id, std::slice::from_ref(entry)).expect("there is room for it");
        }
        let (at, outcome) = (self.simulation.ended_at, Outcome::Applied);
        let end = DeploymentEnd { at, outcome, error: None, contents: Default::default() };
        store.finish(id, &end).expect("there is room for it");
    }
}

fn record(plan: &Plan) -> DeploymentRecord {
    DeploymentRecord {
        id: DeploymentId::from_random(1),
        kind: DeploymentKind::Apply,
        project: plan.project.clone(),
        plan_name: plan.name.clone(),
        environment: None,
        plan_file: "plan.yaml".to_owned(),
        plan_directory: "/repo".to_owned(),
        author: "ada@laptop".to_owned(),
        message: None,
        engine: "simulated".to_owned(),
        started_at: Timestamp::EPOCH,
        ended_at: None,
        outcome: None,
        error: None,
        contents: Default::default(),
        summary: String::new(),
        target: Default::default(),
        runtimes: None,
    }
}

fn journal(criterion: &mut Criterion) {
    let written = Written::of(3, 5);
    let takes = written.simulation.ended_at.since(Timestamp::EPOCH);
    println!("{} entries, a deployment of {:.2} s", written.simulation.entries.len(), takes.as_secs_f64());
    let mut group = criterion.benchmark_group("journal");
    group.sample_size(10);
    group.bench_function("memory", |bencher| bencher.iter(|| written.write(&MemoryStore::default())));
    // Not in memory, as /tmp may be.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target directory can be written to");
    let mut number = 0;
    let mut fresh = || {
        number += 1;
        SqliteStore::open(&directory.path().join(format!("{number}.db"))).expect("a database can be made")
    };
    let begun = std::time::Instant::now();
    let store = fresh();
    let opened = begun.elapsed();
    written.write(&store);
    let share = (begun.elapsed() - opened).as_secs_f64() / takes.as_secs_f64();
    println!("in SQLite, written once: {:.2} % of the deployment's time", share * 100.0);
    group.bench_function("sqlite", |bencher| {
        bencher.iter_batched(&mut fresh, |store| written.write(&store), BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group!(benches, journal);
criterion_main!(benches);
