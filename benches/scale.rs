//! How the core's cost grows with the number of services: load, diff, and a whole deployment on the
//! simulated runtime.
//!
//! `cargo bench --bench scale`

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    hint::black_box,
    path::{Path, PathBuf},
    sync::Arc,
};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use orchestrate::{
    action::{Context, build},
    change::{Request, diff},
    driver::simulate,
    engine::{Engine, Options, Setup},
    graph::Graph,
    journal::Outcome,
    load::{ComposeInputs, FileError, Files, Inputs, Loaded, load},
    name::DeploymentId,
    observed::{Observed, Wanted},
    plan::RollbackStrategy,
    runtime::simulated::World,
    time::Timestamp,
};

/// Layers and services in each: the first is what simulations mostly play.
const SIZES: [(usize, usize); 4] = [(5, 2), (10, 10), (20, 50), (100, 100)];

/// A layered graph: every service of a layer needs two of the layer before it, healthy.
fn document(layers: usize, width: usize) -> String {
    let mut text =
        String::from("apiVersion: orchestrate/v1\nname: scale\nvars: { tag: { default: '1' } }\nservices:\n");
    for layer in 0..layers {
        for column in 0..width {
            write!(text, "  s{layer}-{column}:\n    image: \"bench:{{{{ vars.tag }}}}\"\n").unwrap();
            text.push_str("    command: [sh, -c, \"exec httpd -f -p 80\"]\n    stop_grace_period: 0s\n");
            text.push_str(
                "    environment: { PORT: \"80\", LEVEL: info }\n    checks: [{ http: { port: 80, path: / } }]\n",
            );
            if layer > 0 {
                let (one, other) = (column, (column + 1) % width);
                for needed in [one.min(other), one.max(other)] {
                    if needed == one.min(other) {
                        text.push_str("    depends_on:\n");
                    }
                    writeln!(text, "      s{}-{needed}: {{ condition: service_healthy }}", layer - 1).unwrap();
                }
            }
        }
    }
    text
}

struct OneFile(Vec<u8>);

impl Files for OneFile {
    fn read(&self, path: &Path, _: u64) -> Result<Vec<u8>, FileError> {
        match path == Path::new("/repo/plan.yaml") {
            true => Ok(self.0.clone()),
            false => Err(FileError::NotFound),
        }
    }

    fn list(&self, _: &Path) -> Result<Vec<String>, FileError> {
        Err(FileError::NotFound)
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf, FileError> {
        Ok(path.to_owned())
    }
}

fn read(document: &str) -> Loaded {
    let inputs = Inputs {
        plan_file: "/repo/plan.yaml".into(),
        root: "/repo".into(),
        working_directory: "/repo".into(),
        environment: None,
        compose: ComposeInputs::default(),
        vars: Vec::new(),
        env: Arc::new(BTreeMap::new()),
        now: Timestamp::EPOCH,
        made: Arc::new(BTreeMap::new()),
        random: Arc::new(|length| "r".repeat(length)),
    };
    load(Arc::new(OneFile(document.as_bytes().to_vec())), &inputs).expect("the generated plan is valid")
}

/// The world as it is for a plan before, or after, its deployment.
fn observe(world: &World, loaded: &Loaded) -> Observed {
    let services = loaded.plan.services.values();
    world.observe(&Wanted {
        project: loaded.plan.project.clone(),
        instance_names: Default::default(),
        images: services.clone().filter_map(|service| service.image.clone()).collect(),
        executables: Default::default(),
        networks: Default::default(),
        volumes: Default::default(),
        runtimes: services.map(|service| service.runtime()).collect(),
    })
}

fn engine(loaded: &Loaded, graph: &Graph, world: &World) -> Engine {
    let observed = observe(world, loaded);
    let changes = diff(&loaded.plan, graph, &observed, &loaded.document, &Request::default());
    let deployment = DeploymentId::from_random(1);
    let context = Context {
        deployment,
        salt_seed: String::new(),
        files_directory: String::new(),
        snapshots: BTreeMap::new(),
        snapshot_directory: None,
        released_images: Default::default(),
    };
    let actions = build(&loaded.plan, graph, &changes, &observed, &context);
    let options = Options {
        deployment,
        parallelism: 8,
        strategy: RollbackStrategy::Graceful,
        keep_failed: false,
        timeout: None,
        prelude: Vec::new(),
        seed: 1,
    };
    Engine::new(Setup::new(&loaded.plan, graph, &changes, actions, options), Timestamp::EPOCH)
}

fn scale(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scale");
    group.sample_size(10);
    for (layers, width) in SIZES {
        let services = layers * width;
        let text = document(layers, width);
        group.throughput(Throughput::Elements(services as u64));
        group.bench_function(BenchmarkId::new("load", services), |bencher| bencher.iter(|| black_box(read(&text))));

        let loaded = read(&text);
        let graph = Graph::build(&loaded.plan).expect("the generated plan has no cycle");
        let mut deployed = World::default();
        let simulation = simulate(&mut engine(&loaded, &graph, &deployed), &mut deployed, Timestamp::EPOCH);
        assert_eq!(simulation.outcome, Some(Outcome::Applied));
        let observed = observe(&deployed, &loaded);
        group.bench_function(BenchmarkId::new("diff unchanged", services), |bencher| {
            bencher.iter(|| diff(&loaded.plan, &graph, black_box(&observed), &loaded.document, &Request::default()));
        });
        group.bench_function(BenchmarkId::new("deploy simulated", services), |bencher| {
            bencher.iter_batched(
                World::default,
                |mut world| simulate(&mut engine(&loaded, &graph, &world), &mut world, Timestamp::EPOCH),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, scale);
criterion_main!(benches);
