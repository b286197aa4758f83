/// What always holds, by its number in the design.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    SecondApplyDoesNothing = 1,
    JournalAgreesWithWorld = 2,
    DataStays = 3,
    RollbackRestores = 4,
    OrderAndParallelism = 5,
    EffectsAreIntended = 6,
    PreviewChangesNothing = 7,
    ForeignStays = 8,
    NoSecretSeen = 9,
    EndsAsFresh = 10,
    SameSeedSameTranscript = 11,
    EveryRunEnds = 12,
}

/// Something that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub invariant: Invariant,
    pub text: String,
}

/// Gathers what did not hold.
#[derive(Debug, Clone, Default)]
pub struct Watchdog {
    /// Only this one is looked at: to show that its own check notices.
    pub only: Option<Invariant>,
    pub violations: Vec<Violation>,
}

/// The first few tell what happened; the rest follows from them.
const MOST_VIOLATIONS: usize = 5;

impl Watchdog {
    pub fn looks_at(&self, invariant: Invariant) -> bool {
        self.only.is_none_or(|only| only == invariant) && self.violations.len() < MOST_VIOLATIONS
    }

    pub fn check(&mut self, invariant: Invariant, holds: impl FnOnce() -> Result<(), String>) {
        if self.looks_at(invariant)
            && let Err(text) = holds()
        {
            self.violations.push(Violation { invariant, text });
        }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "invariant {} ({:?}): {}", self.invariant as u32, self.invariant, self.text)
    }
}
