//! A kill at each fail point.

use std::collections::{BTreeMap, BTreeSet};

use orchestrate::driver::FailPoint;

use super::{
    is_long,
    site::{Ground, Site},
    tally::{Random, Tally, reference, run, seed},
    trial::{Kill, Trial, Way},
};

/// Fail points that are only come by in a recovery: each with the kill before, and the way.
const IN_RECOVERY: [(FailPoint, FailPoint, Way); 3] = [
    (FailPoint::CutOffFound, FailPoint::AfterPerform, Way::Recover),
    (FailPoint::BeforeSettled, FailPoint::AfterPerform, Way::Apply),
    (FailPoint::PutRightByLabels, FailPoint::AfterPerform, Way::Elsewhere),
];

fn at(point: &str, nth: usize) -> Kill {
    Kill::At { point: point.to_owned(), nth }
}

/// How often an undisturbed deployment comes by each.
fn passes(points: &[String]) -> BTreeMap<&str, usize> {
    let mut passes = BTreeMap::new();
    points.iter().for_each(|point| *passes.entry(point.as_str()).or_default() += 1);
    passes
}

/// Each fail point once, at one of its passes; or at each of them.
fn trials(random: &mut Random, points: &[String]) -> Vec<Trial> {
    let (mut trials, turn) = (Vec::new(), random.below(Way::ALL.len()));
    for (point, passes) in passes(points) {
        let chosen = 1 + random.below(passes);
        for nth in (1..=passes).filter(|nth| is_long() || *nth == chosen) {
            let way = Way::ALL[(turn + trials.len()) % Way::ALL.len()];
            trials.push(Trial { kill: at(point, nth), way, again: None });
        }
    }
    trials
}

/// Kills of recoveries: after a kill at one of the passes, another one at a fail point of recovery.
fn pairs(random: &mut Random, points: &[String], count: usize) -> Vec<Trial> {
    let passes: Vec<(&str, usize)> = passes(points).into_iter().collect();
    let mut pairs: Vec<Trial> = IN_RECOVERY
        .iter()
        .map(|(point, before, way)| Trial { kill: at(before.name(), 3), way: *way, again: Some(at(point.name(), 1)) })
        .collect();
    // What the lock and the journal say differently must not be understood differently by two hosts.
    let between = |way, nth| Trial {
        kill: at(FailPoint::BetweenCommits.name(), 1),
        way,
        again: Some(at(FailPoint::AfterPerform.name(), nth)),
    };
    // Processes have no lock on an engine to differ from.
    if passes.iter().any(|(point, _)| *point == FailPoint::BetweenCommits.name()) {
        pairs.extend([between(Way::Recover, 1), between(Way::Elsewhere, 1)]);
    }
    let in_restores = super::restoring::points();
    let in_deployments: Vec<FailPoint> =
        FailPoint::ALL.iter().copied().filter(|point| !in_restores.contains(point)).collect();
    for number in 0..count {
        let (first, often) = passes[random.below(passes.len())];
        let again = in_deployments[random.below(in_deployments.len())];
        let nth = match again {
            FailPoint::BeforeAppend | FailPoint::AfterAppend | FailPoint::BeforePerform | FailPoint::AfterPerform => {
                1 + random.below(8)
            }
            _ => 1,
        };
        let kill = at(first, 1 + random.below(often));
        pairs.push(Trial { kill, way: Way::ALL[number % Way::ALL.len()], again: Some(at(again.name(), nth)) });
    }
    pairs
}

#[test]
fn a_kill_at_each_fail_point_is_recovered_from() {
    let (seed, mut sum, mut in_deployments) = (seed(), Tally::default(), BTreeSet::new());
    let mut random = Random::new(seed);
    let mut has_engine = false;
    for (ground, at_once) in [(Ground::Docker, 4), (Ground::Processes, 3)] {
        let Some(reference) = reference(ground) else { continue };
        has_engine |= ground == Ground::Docker;
        in_deployments.extend(reference.points.iter().map(String::as_str));
        sum.add(run(ground, &trials(&mut random, &reference.points), at_once));
        let count = if is_long() { 40 } else { 2 };
        sum.add(run(ground, &pairs(&mut random, &reference.points, count), at_once));
    }
    let in_restores: BTreeSet<&str> = super::restoring::points().iter().map(|point| point.name()).collect();
    let is_reached = |name: &&str| {
        in_restores.contains(name) || in_deployments.contains(name) || sum.recoveries_killed_at.contains(*name)
    };
    let never: Vec<&str> = FailPoint::ALL.iter().map(|point| point.name()).filter(|name| !is_reached(name)).collect();
    assert!(!has_engine || never.is_empty(), "no trial comes by {never:?}");
    // How entries are gathered into one append differs from run to run; all else is there each time.
    let missed: Vec<&String> = sum.too_late.iter().filter(|trial| !trial.contains("-append:")).collect();
    assert!(missed.is_empty(), "not killed: {missed:#?}");
    sum.close(if is_long() { "fail_points_long" } else { "fail_points" }, seed);
}

#[test]
fn what_other_hosts_recovered_twice_is_whole_again() {
    let Some(reference) = reference(Ground::Docker) else { return };
    let Some(mut site) = Site::new(Ground::Docker) else { return };
    // The first leaves nothing to do, so that no deployment with a plan comes between the two.
    for point in [FailPoint::BeforeFinish, FailPoint::BeforeLockCommit] {
        let trial = Trial { kill: at(point.name(), 1), way: Way::Elsewhere, again: None };
        let passed = site.try_out(&trial, reference).unwrap_or_else(|problem| panic!("{trial}: {problem}"));
        assert!(passed.was_killed, "{trial}");
    }
}
