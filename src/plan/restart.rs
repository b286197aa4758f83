use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What happens when an instance exits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestartPolicy {
    #[default]
    No,
    Always,
    UnlessStopped,
    /// After a failure, at most so many times in a row; 0 is without end.
    OnFailure {
        max_attempts: u32,
    },
}

impl FromStr for RestartPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "no" | "false" | "" => Ok(Self::No),
            "always" => Ok(Self::Always),
            "unless-stopped" => Ok(Self::UnlessStopped),
            "on-failure" => Ok(Self::OnFailure { max_attempts: 0 }),
            other => match other.strip_prefix("on-failure:").map(str::parse) {
                Some(Ok(max_attempts)) => Ok(Self::OnFailure { max_attempts }),
                Some(Err(_)) | None => Err(format!(
                    "`{other}` is not a restart policy: one of `no`, `always`, `on-failure[:attempts]`, `unless-stopped`"
                )),
            },
        }
    }
}

impl fmt::Display for RestartPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No => f.write_str("no"),
            Self::Always => f.write_str("always"),
            Self::UnlessStopped => f.write_str("unless-stopped"),
            Self::OnFailure { max_attempts: 0 } => f.write_str("on-failure"),
            Self::OnFailure { max_attempts } => write!(f, "on-failure:{max_attempts}"),
        }
    }
}

impl Serialize for RestartPolicy {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RestartPolicy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::form::parsed(deserializer)
    }
}

impl schemars::JsonSchema for RestartPolicy {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RestartPolicy".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "boolean"], "format": "restart-policy" })
    }
}
