use super::endpoint::Endpoint;

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Injected {
    /// The connection is closed before anything was done.
    LostRequest,
    /// It was done, and the connection is closed.
    LostAnswer,
    /// Refused with this status, nothing done.
    Status(u16),
    /// Done, and the answer begins and does not go on.
    SlowBody,
    /// Done, and the answer's text ends early, as if it were whole.
    CutJson,
    /// Done, and the connection is closed in the middle of the answer's text.
    CutBody,
    /// Done, and the answer is no text.
    Garbage,
    /// Nothing is done and nothing answered.
    Hang,
    /// It is done, and nothing is answered.
    HangAfter,
    /// Done, and the answer has no end.
    Endless,
    /// Done, and the answer's headers have no end.
    HeaderFlood,
    /// A list as it was before the last change; only for lists.
    Stale,
    /// Half of each file is written, and the connection is closed; only for archives.
    Torn,
}

impl Injected {
    pub const ALL: [Self; 17] = [
        Self::LostRequest,
        Self::LostAnswer,
        Self::Status(404),
        Self::Status(409),
        Self::Status(500),
        Self::Status(502),
        Self::Status(503),
        Self::SlowBody,
        Self::CutJson,
        Self::CutBody,
        Self::Garbage,
        Self::Hang,
        Self::HangAfter,
        Self::Endless,
        Self::HeaderFlood,
        Self::Stale,
        Self::Torn,
    ];

    /// Whether it can happen to this endpoint.
    pub fn fits(self, endpoint: Endpoint) -> bool {
        match self {
            Self::Stale => endpoint.lists(),
            Self::Torn => endpoint == Endpoint::WriteArchive,
            // That it is not there is an ordinary answer for what has a name.
            Self::Status(404) => endpoint.changes(),
            _ => true,
        }
    }

    pub fn hangs(self) -> bool {
        matches!(self, Self::Hang | Self::HangAfter | Self::SlowBody)
    }

    /// Whether the request is carried out all the same.
    pub fn is_done(self) -> bool {
        !matches!(self, Self::LostRequest | Self::Status(_) | Self::Hang)
    }
}
