use std::process::ExitCode;

use crate::journal::Outcome;

/// How a command ended, as a number for whoever called it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Ok,
    /// Failed; nothing was changed.
    Failed,
    /// Something would change (only with `--detailed-exitcode`).
    ChangesPending,
    /// Failed, and everything was put back.
    RolledBack,
    /// Something is left that a person has to look at.
    NeedsAttention,
    /// Another deployment of the project is under way.
    LockHeld,
    /// Refused by a policy, a guard or at a prompt.
    Denied,
    /// The preview that was to be applied is out of date.
    Stale,
    /// The command line is wrong.
    Usage,
    /// The plan, or another document, is wrong.
    InvalidDocument,
    /// As the command ended that was run.
    Command(u8),
    /// Ended by SIGINT (Ctrl-C).
    Interrupted,
    /// Ended by SIGTERM.
    Terminated,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::ChangesPending => 2,
            Self::RolledBack => 3,
            Self::NeedsAttention => 4,
            Self::LockHeld => 5,
            Self::Denied => 6,
            Self::Stale => 7,
            Self::Usage => 64,
            Self::InvalidDocument => 65,
            Self::Command(code) => code,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The one that counts where two apply: attention is needed, then signals, then a rollback,
    /// then any other failure, and success last.
    pub fn and(self, other: Self) -> Self {
        if other.rank() < self.rank() { other } else { self }
    }

    fn rank(self) -> u8 {
        match self {
            Self::NeedsAttention => 0,
            Self::Interrupted | Self::Terminated => 1,
            Self::RolledBack => 2,
            Self::Failed
            | Self::LockHeld
            | Self::Denied
            | Self::Stale
            | Self::Usage
            | Self::InvalidDocument
            | Self::Command(_) => 3,
            Self::ChangesPending => 4,
            Self::Ok => 5,
        }
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Applied | Outcome::Unchanged => Self::Ok,
            Outcome::Failed => Self::Failed,
            Outcome::RolledBack => Self::RolledBack,
            Outcome::NeedsAttention => Self::NeedsAttention,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_graver_of_two_counts() {
        let table = [
            (Exit::NeedsAttention, Exit::Interrupted, 4),
            (Exit::RolledBack, Exit::Interrupted, 130),
            (Exit::RolledBack, Exit::Terminated, 143),
            (Exit::RolledBack, Exit::Failed, 3),
            (Exit::Failed, Exit::ChangesPending, 1),
            (Exit::LockHeld, Exit::Ok, 5),
            (Exit::ChangesPending, Exit::Ok, 2),
            (Exit::Ok, Exit::Ok, 0),
        ];
        for (one, other, code) in table {
            assert_eq!(one.and(other).code(), code, "{one:?} and {other:?}");
            assert_eq!(other.and(one).code(), code, "{other:?} and {one:?}");
        }
    }
}
