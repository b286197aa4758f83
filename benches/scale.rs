//! How the core's cost grows with the number of services: load, diff, and a whole deployment on the
//! simulated runtime.
//!
//! `cargo bench --bench scale`; a rate of 10,000 services a second in `deploy simulated/10` is 1,000
//! deployments of ten.

mod layers;

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use orchestrate::{
    change::{Request, diff},
    driver::simulate,
    graph::Graph,
    journal::Outcome,
    runtime::simulated::World,
    time::Timestamp,
};

use layers::{document, engine, observe, read};

/// Layers and services in each: the first is what simulations mostly play.
const SIZES: [(usize, usize); 4] = [(5, 2), (10, 10), (20, 50), (100, 100)];

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
