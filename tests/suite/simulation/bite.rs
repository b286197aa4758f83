//! Each invariant's check notices an engine that breaks it.

use super::{
    invariants,
    mutation::Mutation,
    scenario::{Watching, play},
    watchdog::Invariant,
};

/// A wrong engine is noticed within so many seeds; most are within ten.
const SEEDS: u64 = 300;

/// The first seed at which the check of the invariant, and no other, notices the mutation.
fn noticed(mutation: Option<Mutation>, only: Invariant) -> Option<u64> {
    (0..SEEDS).find(|seed| {
        let watching = Watching { only: Some(only), mutation, ..Watching::default() };
        let played = play(*seed, watching);
        match only {
            Invariant::SameSeedSameTranscript => {
                let again = play(*seed, watching);
                invariants::same_transcript(played.transcript.hash(), again.transcript.hash()).is_err()
            }
            _ => !played.violations.is_empty(),
        }
    })
}

#[test]
fn every_invariant_s_check_notices_an_engine_that_breaks_it() {
    let unnoticed: Vec<String> = Mutation::ALL
        .into_iter()
        .filter(|mutation| noticed(Some(*mutation), mutation.breaks()).is_none())
        .map(|mutation| format!("{mutation:?} is not noticed by {:?}", mutation.breaks()))
        .collect();
    assert!(unnoticed.is_empty(), "{}", unnoticed.join("\n"));
    for number in 1..=12 {
        let is_tried = Mutation::ALL.into_iter().any(|mutation| mutation.breaks() as u32 == number);
        assert!(is_tried, "nothing breaks invariant {number}");
    }
}

#[test]
fn no_check_notices_an_engine_that_is_right() {
    for mutation in Mutation::ALL {
        let only = mutation.breaks();
        let found = (0..20)
            .find(|seed| !play(*seed, Watching { only: Some(only), ..Watching::default() }).violations.is_empty());
        assert_eq!(found, None, "{only:?}");
    }
}
