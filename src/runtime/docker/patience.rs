use std::time::Duration;

/// How long an engine is waited for, and how much it may say.
///
/// The defaults are far above what was measured, since an engine may be busy with others: they are
/// there so that every call ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// A thousand times what most calls take.
    pub usual: Duration,
    /// Creating a container copies what the image has at the place of a new volume.
    pub create: Duration,
    /// A start took 175 ms at most; a busy host or a slow volume driver may need much longer.
    pub start: Duration,
    /// Networks and volumes: 350 ms at most; an overlay or a driver may ask other machines.
    pub provide: Duration,
    /// Between two messages of a pull. The engine reports every 100 ms while bytes come in, but
    /// unpacking a large layer is silent.
    pub pull_silence: Duration,
    /// A whole pull: a large image on a slow line.
    pub pull: Duration,
    /// A whole build. A step that compiles says nothing for long, so there is no bound on silence.
    pub build: Duration,
    /// A whole vault, on a slow line.
    pub transfer: Duration,
    /// A whole answer. A list of containers takes about 8 KiB for each.
    pub answer_bytes: u64,
    /// From one message of a stream to the next: an event, a line of a log, a pull's progress. The
    /// client reads half a mebibyte ahead, and takes time that grows with the square of a message.
    pub message_bytes: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            usual: Duration::from_secs(30),
            create: Duration::from_secs(300),
            start: Duration::from_secs(120),
            provide: Duration::from_secs(60),
            pull_silence: Duration::from_secs(300),
            pull: Duration::from_secs(4 * 60 * 60),
            build: Duration::from_secs(4 * 60 * 60),
            transfer: Duration::from_secs(300),
            answer_bytes: 64 << 20,
            message_bytes: 1 << 20,
        }
    }
}
