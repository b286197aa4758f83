use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::record::LogLimits;
use crate::plan::{Interval, RestartPolicy};

/// The version of what is said between a runtime and a supervisor. A supervisor outlives the
/// program that started it, so a runtime may meet one of another version: then it falls back on
/// signals.
pub(super) const VERSION: u32 = 1;
pub(super) const SOCKET_FILE: &str = "control.sock";
/// The longest line that either side reads; an environment is at most as large.
pub(super) const MAX_LINE_BYTES: u64 = 8 << 20;

/// What a supervisor is started with, as one line on its standard input, since secrets in it must
/// not be in any file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    pub(super) version: u32,
    /// Absolute.
    pub(super) program: PathBuf,
    /// From the program as it is written on.
    pub(super) command: Vec<String>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) working_dir: PathBuf,
    pub(super) user: Option<(u32, u32)>,
    pub(super) restart: RestartPolicy,
    pub(super) stop_signal: i32,
    pub(super) stop_grace: Interval,
    pub(super) log: LogLimits,
}

/// What a supervisor answers, once, as one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "report")]
pub(super) enum Report {
    Running,
    /// Another supervisor has the instance.
    Taken,
    /// The program could not be started: the system's error number.
    NotStarted {
        errno: i32,
    },
    /// The supervisor could not do its own work.
    Failed {
        doing: String,
        errno: i32,
    },
}

/// One line on the control socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) version: u32,
    #[serde(flatten)]
    pub(super) wish: Wish,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "wish")]
pub(super) enum Wish {
    /// Stop the service and end; the connection closes when that is done.
    Stop {
        grace: Interval,
    },
    SetRestartPolicy {
        policy: RestartPolicy,
    },
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reply")]
pub(super) enum Reply {
    Accepted,
    /// Not understood; the version that would be.
    Refused {
        version: u32,
    },
}

/// A message as a line.
pub(super) fn line(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("messages have only string keys");
    line.push(b'\n');
    line
}
