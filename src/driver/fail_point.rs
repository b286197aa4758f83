//! Places at which a test kills the process, to see that what it leaves behind is recovered from.
//!
//! Without the feature `fail-points`, which only test builds have, they are nothing. With it,
//! `ORCHESTRATE_FAIL_POINT=name[:nth]` ends the process as `kill -9` does when it comes there for the
//! nth time, and `ORCHESTRATE_FAIL_POINT_TRACE=FILE` writes down each that it comes by.

/// Writes the enum, its list and its names from one place, so that none is left out of a test.
macro_rules! fail_points {
    ($($(#[$doc:meta])* $point:ident = $name:literal,)*) => {
        /// A place at which a test kills the process.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum FailPoint {
            $($(#[$doc])* $point,)*
        }

        impl FailPoint {
            /// All there are, in the order in which a deployment comes by them first.
            pub const ALL: &[Self] = &[$(Self::$point,)*];

            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)*
                }
            }
        }
    };
}

fail_points! {
    /// The world has been looked at, and nothing else.
    BeforeLock = "before-lock",
    /// The host's lock is held, the engine's is not.
    HostLockTaken = "host-lock-taken",
    /// Both are.
    LockTaken = "lock-taken",
    BeforeVaultWrite = "before-vault-write",
    AfterVaultWrite = "after-vault-write",
    BeforeBegin = "before-begin",
    AfterBegin = "after-begin",
    /// Before entries become durable.
    BeforeAppend = "before-append",
    AfterAppend = "after-append",
    /// The intent is durable, and nothing has been done.
    BeforePerform = "before-perform",
    /// It has taken effect, and its answer has not been heard.
    AfterPerform = "after-perform",
    BeforeLockCommit = "before-lock-commit",
    /// The engine's lock says that the commit point is reached, and the journal does not.
    BetweenCommits = "between-commits",
    AfterCommit = "after-commit",
    /// Before a call past the commit point.
    InCleanup = "in-cleanup",
    /// Before the entry that says how it ended.
    BeforeEnding = "before-ending",
    /// The journal is complete, its record is not.
    BeforeFinish = "before-finish",
    AfterFinish = "after-finish",
    BeforeRelease = "before-release",
    AfterRelease = "after-release",
    /// A deployment that was cut off was found, and nothing has been done about it.
    CutOffFound = "cut-off-found",
    /// It has been brought to its end, and the lock still names it.
    BeforeSettled = "before-settled",
    /// What the lock names has been put right by names and labels, and the store does not say so.
    PutRightByLabels = "put-right-by-labels",
    /// Data is saved, and the services are stopped that it was saved from.
    DataSaved = "data-saved",
    /// What is to be restored is written down here, and the engine's lock does not say so.
    RestoreNoted = "restore-noted",
    /// Both say so, and nothing is done.
    RestoreMarked = "restore-marked",
    /// Before data is overwritten, while nothing runs that uses it.
    BeforeOverwriting = "before-overwriting",
    /// It is overwritten, and that is not written down.
    Overwritten = "overwritten",
    /// All is restored and written down, and both still say that it is not at its end.
    RestoreDone = "restore-done",
    /// Only this host's record still says so.
    RestoreUnmarked = "restore-unmarked",
}

/// Passes by, unless a test wants the process to end here.
#[cfg(not(feature = "fail-points"))]
#[inline(always)]
pub fn fail_point(_: FailPoint) {}

/// Passes by, unless a test wants the process to end here.
#[cfg(feature = "fail-points")]
pub use armed::fail_point;

#[cfg(feature = "fail-points")]
mod armed {
    use std::{
        collections::BTreeMap,
        io::Write as _,
        sync::{Mutex, PoisonError},
    };

    use super::FailPoint;

    /// How often the process came by each: counted under a lock, since calls are made at once.
    static COUNTS: Mutex<BTreeMap<FailPoint, u64>> = Mutex::new(BTreeMap::new());

    /// Passes by, unless a test wants the process to end here.
    pub fn fail_point(point: FailPoint) {
        let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(point).or_default();
        *count += 1;
        if let Some(path) = std::env::var_os("ORCHESTRATE_FAIL_POINT_TRACE")
            && let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(path)
        {
            drop(writeln!(file, "{}", point.name()));
        }
        let Ok(wanted) = std::env::var("ORCHESTRATE_FAIL_POINT") else { return };
        let (name, nth) = wanted.split_once(':').unwrap_or((&wanted, "1"));
        if name == point.name() && nth.parse() == Ok(*count) {
            end();
        }
    }

    fn end() -> ! {
        let killed = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        unreachable!("nobody survives SIGKILL: {killed:?}")
    }
}
