//! Many seeds, on all processors.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use serde_json::json;

use super::{
    invariants, report,
    rig::Counts,
    scenario::{Played, Watching, play},
    watchdog::{Invariant, Violation},
};

/// Seeds that found something once: they run first, for good.
const ONCE_FAILED: &[u64] = &[122, 154, 165, 204, 262, 288, 461, 468, 544, 627, 2349, 5048];

const SEEDS: u64 = 10_000;

/// So many seeds are played twice, to see that both times are the same.
const ONE_IN_SO_MANY_TWICE: u64 = 16;

/// A failing seed, and what did not hold.
struct Failed {
    seed: u64,
    what: Vec<String>,
}

/// Plays a seed; twice now and then.
fn judge(seed: u64, counts: &Mutex<Counts>) -> Option<Failed> {
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut played = play(seed, Watching::default());
        if seed.is_multiple_of(ONE_IN_SO_MANY_TWICE)
            && let Err(text) = invariants::same_transcript(played.transcript.hash(), play_again(seed).transcript.hash())
        {
            played.violations.push(Violation { invariant: Invariant::SameSeedSameTranscript, text });
        }
        played
    }));
    let what = match played {
        Ok(Played { violations, counts: seen, .. }) => {
            counts.lock().expect("no holder panics").add(&seen);
            violations.iter().map(ToString::to_string).collect()
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            vec![format!("panicked: {}", text.unwrap_or_default())]
        }
    };
    (!what.is_empty()).then_some(Failed { seed, what })
}

fn play_again(seed: u64) -> Played {
    play(seed, Watching::default())
}

/// Plays seeds on all processors; answers what failed, in order, and what was seen.
fn judge_all(seeds: &[u64]) -> (Vec<Failed>, Counts) {
    let (next, failed, counts) = (AtomicU64::new(0), Mutex::new(Vec::new()), Mutex::new(Counts::default()));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    if let Some(found) = judge(*seed, &counts) {
                        failed.lock().expect("no holder panics").push(found);
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().expect("no holder panics");
    failed.sort_by_key(|failed| failed.seed);
    (failed, counts.into_inner().expect("no holder panics"))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// `ORCHESTRATE_SEED=n` replays one seed and prints its transcript; `ORCHESTRATE_SEEDS=n` plays so
/// many instead of the usual ones.
#[test]
fn whatever_happens_the_invariants_hold() {
    if let Some(seed) = number("ORCHESTRATE_SEED") {
        return replay(seed);
    }
    let count = number("ORCHESTRATE_SEEDS").unwrap_or(SEEDS);
    let began = Instant::now();
    let seeds: Vec<u64> = ONCE_FAILED.iter().copied().chain(0..count).collect();
    let (failed, counts) = judge_all(&seeds);
    let seconds = began.elapsed().as_secs_f64();
    report::write(
        "simulation",
        json!({
            "seeds": seeds.len(),
            "deployments": counts.deployments,
            "crashes": counts.crashes,
            "faults": counts.faults,
            "outcomes": counts.outcomes,
            "violations": failed.len(),
        }),
        seconds,
    );
    let shown = failed.iter().take(10).map(|Failed { seed, what }| {
        format!(
            "seed {seed}: {}\n  replay: ORCHESTRATE_SEED={seed} cargo test --test suite whatever_happens -- --nocapture",
            what.join("\n  ")
        )
    });
    let shown: Vec<String> = shown.collect();
    assert!(failed.is_empty(), "{} of {} seeds failed:\n{}", failed.len(), seeds.len(), shown.join("\n"));
}

fn replay(seed: u64) {
    let played = play(seed, Watching { is_readable: true, ..Watching::default() });
    println!("{}", played.transcript.text());
    println!("transcript {:016x}", played.transcript.hash());
    let found: Vec<String> = played.violations.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "seed {seed}: {}", found.join("\n"));
}
