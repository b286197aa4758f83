use super::watchdog::Invariant;

/// An engine that is wrong in one way: what it says, or what it is told, is changed between it and
/// the world. Each is there for one invariant, whose check has to notice it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// Instances are labelled with another spec than they are made from.
    WrongLabel,
    /// What undoes a step is not performed, and said to be done.
    InverseLeftOut,
    /// What is to stop is stopped when the next one has started.
    StopsLate,
    /// A rollback removes volumes.
    RemovesVolumes,
    /// A rollback leaves restart policies as they are.
    ForgetsPolicy,
    /// Checks are said to pass before they do.
    ProbesLie,
    /// It takes four times as many calls at once as it may.
    TooManyCalls,
    /// An intent is performed that was never written down.
    SkipsEntry,
    /// A predecessor is removed as soon as the new one starts, before the commit point.
    RemovesEarly,
    /// A preview pulls an image.
    PreviewPulls,
    /// It stops what is not its own.
    StopsForeign,
    /// Secrets are written down as they are.
    WritesSecrets,
    /// Limits are said to be set, and are not.
    ForgetsLimits,
    /// It decides something by what is not the same in every run.
    Unsteady,
    /// It does not hear the end of a call.
    SwallowsAnswers,
}

impl Mutation {
    pub const ALL: [Self; 15] = [
        Self::WrongLabel,
        Self::InverseLeftOut,
        Self::StopsLate,
        Self::RemovesVolumes,
        Self::ForgetsPolicy,
        Self::ProbesLie,
        Self::TooManyCalls,
        Self::SkipsEntry,
        Self::RemovesEarly,
        Self::PreviewPulls,
        Self::StopsForeign,
        Self::WritesSecrets,
        Self::ForgetsLimits,
        Self::Unsteady,
        Self::SwallowsAnswers,
    ];

    /// The invariant that it breaks.
    pub fn breaks(self) -> Invariant {
        match self {
            Self::WrongLabel => Invariant::SecondApplyDoesNothing,
            Self::InverseLeftOut | Self::StopsLate => Invariant::JournalAgreesWithWorld,
            Self::RemovesVolumes => Invariant::DataStays,
            Self::ForgetsPolicy => Invariant::RollbackRestores,
            Self::ProbesLie | Self::TooManyCalls => Invariant::OrderAndParallelism,
            Self::SkipsEntry | Self::RemovesEarly => Invariant::EffectsAreIntended,
            Self::PreviewPulls => Invariant::PreviewChangesNothing,
            Self::StopsForeign => Invariant::ForeignStays,
            Self::WritesSecrets => Invariant::NoSecretSeen,
            Self::ForgetsLimits => Invariant::EndsAsFresh,
            Self::Unsteady => Invariant::SameSeedSameTranscript,
            Self::SwallowsAnswers => Invariant::EveryRunEnds,
        }
    }
}
