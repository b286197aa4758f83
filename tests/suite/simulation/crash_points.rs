//! Every crash point of every golden transition, and every ordered pair of them.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use orchestrate::journal::{Direction, Outcome};
use serde_json::json;

use super::{
    golden::{Golden, transitions},
    kinds::KINDS,
    life::{Cut, Point},
    oracle::Oracle,
    report,
    rig::{Applied, Rig},
    weather::Weather,
};

/// A point, and the kind of action that it is about.
type Passed = BTreeSet<(Point, Option<&'static str>)>;

/// Pairs are looked at for transitions of at most so many actions.
const MOST_ACTIONS_FOR_PAIRS: usize = 12;

const DIRECTIONS: [Direction; 2] = [Direction::Back, Direction::Forward];

/// The points of a whole run; `None` if there is nothing to run.
fn whole(golden: &Golden, passed: &mut Passed) -> usize {
    let mut rig = golden.start();
    match golden.run(&mut rig, &Weather::default(), Cut(Some(usize::MAX))) {
        Applied::Ended(oracle, _) => {
            passed.extend(oracle.points.iter().copied());
            oracle.points.len()
        }
        Applied::Unchanged | Applied::InTheWay | Applied::CutOff(_) => panic!("{} does not run", golden.name),
    }
}

/// Kills the run after `first` points.
fn killed(golden: &Golden, first: usize) -> (Rig, Box<Oracle>) {
    let mut rig = golden.start();
    match golden.run(&mut rig, &Weather::default(), Cut(Some(first))) {
        Applied::CutOff(oracle) => (rig, oracle),
        Applied::Ended(..) | Applied::Unchanged | Applied::InTheWay => panic!("{}: not killed at {first}", golden.name),
    }
}

/// How a recovery ended that was not killed; the violations tell the rest.
fn expect_end(golden: &Golden, rig: &Rig, outcome: Outcome, context: &str) {
    let found: Vec<String> = rig.watchdog.violations.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{}, {context}: {}", golden.name, found.join("\n"));
    let is_whole = matches!(outcome, Outcome::Applied | Outcome::RolledBack | Outcome::Failed);
    let is_left = outcome == Outcome::NeedsAttention && golden.name == "fails, Manual";
    assert!(is_whole || is_left, "{}, {context}: {outcome:?}", golden.name);
}

/// Brings a killed run to its end. Answers how many points that had, and where the recovery was
/// killed if it was.
fn recover(
    golden: &Golden,
    rig: &mut Rig,
    oracle: Box<Oracle>,
    (direction, cut): (Direction, Cut),
    context: &str,
) -> (usize, Option<Box<Oracle>>) {
    let before = oracle.points.len();
    match rig.recover(*oracle, direction, &Weather::default(), cut) {
        Some(Applied::Ended(oracle, outcome)) => {
            expect_end(golden, rig, outcome, context);
            (oracle.points.len() - before, None)
        }
        Some(Applied::CutOff(oracle)) => (0, Some(oracle)),
        Some(Applied::Unchanged | Applied::InTheWay) => unreachable!("a recovery goes on"),
        None => {
            let found: Vec<String> = rig.watchdog.violations.iter().map(ToString::to_string).collect();
            assert!(found.is_empty(), "{}, {context}: {}", golden.name, found.join("\n"));
            (0, None)
        }
    }
}

/// Kills at one point, recovers in both directions, and kills each recovery at each of its points.
/// Answers how many pairs that were.
fn kill_at(golden: &Golden, first: usize, has_pairs: bool) -> usize {
    let mut pairs = 0;
    for direction in DIRECTIONS {
        let context = format!("killed at {first}, {direction:?}");
        let (mut rig, oracle) = killed(golden, first);
        let (points, _) = recover(golden, &mut rig, oracle, (direction, Cut(Some(usize::MAX))), &context);
        for second in 0..if has_pairs { points } else { 0 } {
            for then in DIRECTIONS {
                let context = format!("{context}, killed again at {second}, {then:?}");
                let (mut rig, oracle) = killed(golden, first);
                let (_, again) = recover(golden, &mut rig, oracle, (direction, Cut(Some(second))), &context);
                if let Some(oracle) = again {
                    recover(golden, &mut rig, oracle, (then, Cut::default()), &context);
                    pairs += 1;
                }
            }
        }
    }
    pairs
}

#[test]
fn killed_at_every_point_and_at_every_pair_of_points_it_is_brought_to_its_end() {
    let began = Instant::now();
    let all = transitions();
    let mut passed = Passed::new();
    let mut work: Vec<(usize, usize, bool)> = Vec::new();
    for (index, golden) in all.iter().enumerate() {
        let points = whole(golden, &mut passed);
        let has_pairs = actions_of(golden) <= MOST_ACTIONS_FOR_PAIRS;
        work.extend((0..points).map(|point| (index, point, has_pairs)));
    }
    expect_all_kinds(&passed);
    let (next, pairs) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failed: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((index, point, has_pairs)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let killed = || kill_at(&all[*index], *point, *has_pairs);
                    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(killed)) {
                        Ok(found) => drop(pairs.fetch_add(found, Ordering::Relaxed)),
                        Err(panic) => {
                            let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                            failed.lock().expect("no holder panics").push(text);
                        }
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().expect("no holder panics");
    failed.sort();
    let figures = json!({
        "transitions": all.len(),
        "points": work.len(),
        "pairs": pairs.into_inner(),
        "action_kinds": KINDS.len(),
        "violations": failed.len(),
    });
    report::write("crash_points", figures, began.elapsed().as_secs_f64());
    failed.truncate(10);
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

fn actions_of(golden: &Golden) -> usize {
    let mut rig = golden.start();
    match golden.run(&mut rig, &Weather::default(), Cut::default()) {
        Applied::Ended(oracle, _) => oracle.setup.actions.steps.len(),
        Applied::Unchanged | Applied::InTheWay | Applied::CutOff(_) => 0,
    }
}

/// No kind of action is left out, at no kind of point.
fn expect_all_kinds(passed: &Passed) {
    for kind in KINDS {
        for point in [Point::Entry, Point::Effect, Point::Answer, Point::Outcome] {
            assert!(
                passed.contains(&(point, Some(*kind))),
                "no golden transition has a {kind} to be killed at {point:?}"
            );
        }
    }
}
