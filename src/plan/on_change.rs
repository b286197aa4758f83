use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};

use super::{CommandLine, form};
use crate::secret::Text;

/// What happens to a running instance when only the contents of one of its files change. The new
/// contents are put in place, and the instance stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnChange {
    /// The same instance is stopped, and started with them.
    Restart,
    /// It gets this signal, such as `SIGHUP`.
    Signal(SignalName),
    /// This command runs inside it, and has to end with exit code 0.
    Command(CommandLine),
    /// Nothing else happens: it looks for itself.
    Ignore,
}

impl OnChange {
    /// Hands every text that may be secret to `visit`.
    pub fn visit_texts(&mut self, visit: &mut dyn FnMut(&mut Text)) {
        match self {
            Self::Command(line) => line.0.iter_mut().for_each(visit),
            Self::Restart | Self::Signal(_) | Self::Ignore => {}
        }
    }
}

impl fmt::Display for OnChange {
    /// How the instance comes to know, as in `in place, by SIGHUP`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restart => f.write_str("in place, by a restart"),
            Self::Signal(signal) => write!(f, "in place, by {signal}"),
            Self::Command(line) => write!(f, "in place, by `{line}`"),
            Self::Ignore => f.write_str("in place, without a word"),
        }
    }
}

impl schemars::JsonSchema for OnChange {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OnChange".into()
    }

    /// One word, or a mapping with one of two keys: so that what is wrong with either is said of it.
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (signal, command) = (generator.subschema_for::<SignalName>(), generator.subschema_for::<CommandLine>());
        schemars::json_schema!({
            "description": "What happens to a running instance when only the contents of the file change.",
            "anyOf": [
                { "type": "string", "enum": ["restart", "ignore"] },
                {
                    "type": "object",
                    "properties": { "signal": signal, "command": command },
                    "additionalProperties": false,
                    "minProperties": 1,
                    "maxProperties": 1,
                },
            ],
        })
    }
}

/// A signal's name, as in `SIGHUP`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct SignalName(String);

/// Signals that a program can take as a word to read its files again. Those that cannot be handled,
/// or end it by their nature, are none.
const NAMES: [&str; 9] =
    ["SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGTERM", "SIGCONT", "SIGWINCH"];

impl SignalName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SignalName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        let name = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
        match NAMES.contains(&name.as_str()) {
            true => Ok(Self(name)),
            false => Err(format!("`{text}` is not a signal to send here: one of {}", NAMES.join(", "))),
        }
    }
}

impl fmt::Display for SignalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SignalName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        form::parsed(deserializer)
    }
}

impl schemars::JsonSchema for SignalName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SignalName".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "signal-name" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read_with_and_without_their_prefix() {
        for text in ["SIGHUP", "hup", "HUP", "sighup"] {
            assert_eq!(text.parse::<SignalName>().unwrap().as_str(), "SIGHUP", "{text}");
        }
        for text in ["", "SIG", "SIGKILL", "SIGSTOP", "1", "SIGHUPP"] {
            assert!(text.parse::<SignalName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_reaction_is_a_word_or_a_mapping_of_one() {
        let table = [
            ("restart", "in place, by a restart"),
            ("ignore", "in place, without a word"),
            ("{signal: hup}", "in place, by SIGHUP"),
            ("{command: [nginx, -s, reload]}", "in place, by `nginx -s reload`"),
            ("{command: nginx -s reload}", "in place, by `nginx -s reload`"),
        ];
        for (text, expected) in table {
            let on_change: OnChange = serde_yaml::from_str(text).unwrap();
            assert_eq!(on_change.to_string(), expected, "{text}");
            let written = serde_json::to_value(&on_change).unwrap();
            assert_eq!(serde_json::from_value::<OnChange>(written).unwrap(), on_change, "{text}");
        }
        for text in ["reload", "{signal: hup, command: [a]}", "{}", "[restart]"] {
            assert!(serde_yaml::from_str::<OnChange>(text).is_err(), "{text}");
        }
    }
}
