use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::Timestamp;

/// The wall clock of a run: read once, and from then on carried by a clock that never jumps.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began_at: Timestamp,
    began: Instant,
}

impl Clock {
    pub fn start() -> Self {
        Self { began_at: wall(), began: Instant::now() }
    }

    pub fn now(&self) -> Timestamp {
        self.began_at + self.began.elapsed()
    }

    /// How long it is until `moment`.
    pub fn until(&self, moment: Timestamp) -> Duration {
        moment.since(self.now())
    }
}

fn wall() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH + since_epoch
}
