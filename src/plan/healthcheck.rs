use serde::{Deserialize, Serialize};

use super::{CommandCheck, CommandLine, Interval, form::TextOrList, is_default};
use crate::secret::Text;

/// The engine's own healthcheck: a command that it runs inside the container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Healthcheck {
    /// `[CMD, word…]`, `[CMD-SHELL, line]`, `[NONE]`, or a line for the shell.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "test")]
    #[schemars(with = "CommandLine")]
    pub test: Vec<Text>,
    /// The time between two probes; `30s` by default.
    #[serde(skip_serializing_if = "is_default")]
    pub interval: Option<Interval>,
    /// How long one probe may take; `30s` by default.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: Option<Interval>,
    /// Failed probes in a row that make it unhealthy; 3 by default.
    #[serde(skip_serializing_if = "is_default")]
    pub retries: Option<u32>,
    /// Time to start up in which failures do not count.
    #[serde(skip_serializing_if = "is_default")]
    pub start_period: Option<Interval>,
    /// The time between two probes while it starts up; engines before 25 do not know it.
    #[serde(skip_serializing_if = "is_default")]
    pub start_interval: Option<Interval>,
    /// Turns off the image's own healthcheck.
    #[serde(skip_serializing_if = "is_default")]
    pub disable: bool,
}

impl Healthcheck {
    /// Whether there is to be none, not even the image's.
    pub fn is_off(&self) -> bool {
        self.disable || self.test.first().is_some_and(|form| *form == Text::from("NONE"))
    }

    pub const INTERVAL: Interval = Interval::from_millis(30_000);
    pub const TIMEOUT: Interval = Interval::from_millis(30_000);
    pub const RETRIES: u32 = 3;

    /// The same question as a command on the host, for a process.
    pub(super) fn as_command(&self) -> CommandCheck {
        let words = match self.test.split_first() {
            Some((form, words)) if *form == Text::from("CMD-SHELL") => {
                ["/bin/sh", "-c"].map(Text::from).into_iter().chain(words.iter().cloned()).collect()
            }
            Some((_, words)) => words.to_vec(),
            None => Vec::new(),
        };
        CommandCheck { command: CommandLine(words) }
    }
}

/// A line is short for `[CMD-SHELL, line]`.
fn test<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Text>, D::Error> {
    match TextOrList::deserialize(deserializer)? {
        TextOrList::Text(line) => Ok(vec!["CMD-SHELL".into(), line]),
        TextOrList::List(words) => Ok(words),
    }
}
