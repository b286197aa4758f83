//! Kills at random moments.

use std::time::Duration;

use super::{
    is_long,
    site::Ground,
    tally::{Random, Tally, reference, run, seed},
    trial::{Kill, Trial, Way},
};

fn trials(random: &mut Random, count: usize, takes: Duration) -> Vec<Trial> {
    let longest = usize::try_from(takes.as_millis()).unwrap().max(1);
    let mut moment = |share: usize| Duration::from_millis(random.below(longest * share / 100 + 1) as u64);
    let trial = |number: usize| Trial {
        kill: Kill::After(moment(100)),
        way: Way::ALL[number % Way::ALL.len()],
        // Every fifth recovery is killed too: it takes about half as long.
        again: (number % 5 == 4).then(|| Kill::After(moment(50))),
    };
    (0..count).map(trial).collect()
}

#[test]
fn a_kill_at_any_moment_is_recovered_from() {
    let (seed, mut sum) = (seed(), Tally::default());
    let mut random = Random::new(seed);
    for (ground, at_once) in [(Ground::Docker, 4), (Ground::Processes, 3)] {
        let Some(reference) = reference(ground) else { continue };
        let count = if is_long() { 100 } else { 10 };
        sum.add(run(ground, &trials(&mut random, count, reference.takes), at_once));
    }
    sum.close(if is_long() { "random_moments_long" } else { "random_moments" }, seed);
}
