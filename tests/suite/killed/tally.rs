//! Trials on several sites at once, and what came of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, OnceLock},
};

use serde_json::{Value, json};

use super::{
    site::{Ground, Reference, Site},
    trial::{Kill, Passed, Trial},
};
use crate::figures;

/// What came of many trials.
#[derive(Debug, Default)]
pub struct Tally {
    pub kills: usize,
    kills_of_recoveries: usize,
    /// The fail points at which recoveries were killed.
    pub recoveries_killed_at: BTreeSet<String>,
    /// It had come to its end before.
    pub too_late: Vec<String>,
    by_way: BTreeMap<String, usize>,
    by_end: BTreeMap<String, usize>,
    pub violations: Vec<String>,
}

impl Tally {
    fn count(&mut self, trial: &Trial, passed: Passed) {
        self.kills += usize::from(passed.was_killed);
        self.kills_of_recoveries += usize::from(passed.was_killed_again);
        if let Some(Kill::At { point, .. }) = trial.again.as_ref().filter(|_| passed.was_killed_again) {
            self.recoveries_killed_at.insert(point.clone());
        }
        if passed.was_killed {
            *self.by_way.entry(format!("{:?}", trial.way)).or_default() += 1;
            *self.by_end.entry(format!("{:?}", passed.end)).or_default() += 1;
        } else {
            self.too_late.push(trial.to_string());
        }
    }

    pub fn add(&mut self, other: Self) {
        self.kills += other.kills;
        self.kills_of_recoveries += other.kills_of_recoveries;
        self.recoveries_killed_at.extend(other.recoveries_killed_at);
        self.too_late.extend(other.too_late);
        for (sum, part) in [(&mut self.by_way, other.by_way), (&mut self.by_end, other.by_end)] {
            part.into_iter().for_each(|(key, count)| *sum.entry(key).or_default() += count);
        }
        self.violations.extend(other.violations);
    }

    fn to_json(&self) -> Value {
        json!({
            "kills": self.kills, "kills_of_recoveries": self.kills_of_recoveries,
            "recoveries_killed_at": self.recoveries_killed_at, "too_late": self.too_late.len(), "recovered_by": self.by_way, "ended": self.by_end,
            "violations": self.violations,
        })
    }

    /// Writes it down beneath a name in `reliability-kills.json` in the target directory, and fails if anything was
    /// wrong. `seed` makes the same trials again.
    #[track_caller]
    pub fn close(&self, name: &str, seed: u64) {
        static FILE: Mutex<()> = Mutex::new(());
        let path = figures::file("reliability-kills.json");
        let lock = FILE.lock();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let mut report: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap_or_default();
        report.insert(name.to_owned(), self.to_json());
        std::fs::write(&path, format!("{:#}\n", json!(report))).unwrap();
        drop(lock);
        println!("{name}: {:#}", self.to_json());
        let again = format!("ORCHESTRATE_TEST_SEED={seed} makes the same trials");
        assert!(
            self.violations.is_empty(),
            "{} violations, {again}:\n{}",
            self.violations.len(),
            self.violations.join("\n")
        );
    }
}

/// What an undisturbed deployment makes on a ground: found out once.
pub fn reference(ground: Ground) -> Option<&'static Reference> {
    static DOCKER: OnceLock<Option<Reference>> = OnceLock::new();
    static PROCESSES: OnceLock<Option<Reference>> = OnceLock::new();
    let kept = match ground {
        Ground::Docker => &DOCKER,
        Ground::Processes => &PROCESSES,
    };
    kept.get_or_init(|| Some(Site::new(ground)?.reference())).as_ref()
}

/// Makes the trials, on so many sites at once. None are made where there is no engine.
pub fn run(ground: Ground, trials: &[Trial], sites_at_once: usize) -> Tally {
    let mut sum = Tally::default();
    let Some(reference) = reference(ground) else { return sum };
    std::thread::scope(|scope| {
        let work = |worker| move || of_one_site(ground, reference, trials.iter().skip(worker).step_by(sites_at_once));
        let workers: Vec<_> = (0..sites_at_once).map(|worker| scope.spawn(work(worker))).collect();
        workers.into_iter().for_each(|worker| sum.add(worker.join().unwrap()));
    });
    sum
}

fn of_one_site<'t>(ground: Ground, reference: &Reference, trials: impl Iterator<Item = &'t Trial>) -> Tally {
    let mut tally = Tally::default();
    let mut kept: Option<Site> = None;
    for trial in trials {
        let Some(mut site) = kept.take().or_else(|| Site::new(ground)) else { break };
        let (from, begun) = (site.at, std::time::Instant::now());
        let result = site.try_out(trial, reference);
        // Shown if the test fails: with it the trial can be made again alone.
        println!("{ground:?}, from {from:?}, {trial}, {} ms: {result:?}", begun.elapsed().as_millis());
        match result {
            Ok(passed) => {
                tally.count(trial, passed);
                kept = Some(site);
            }
            Err(problem) => tally.violations.push(format!("{ground:?}, from {from:?}, {trial}: {problem}")),
        }
    }
    tally
}

/// Pseudo-random numbers: the seed of the run, which `ORCHESTRATE_TEST_SEED` gives.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }
}

/// The seed that is asked for, or another one each time.
pub fn seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    match std::env::var("ORCHESTRATE_TEST_SEED") {
        Ok(seed) => seed.parse().expect("ORCHESTRATE_TEST_SEED is a number"),
        Err(_) => RandomState::new().hash_one(0) % 1_000_000,
    }
}
