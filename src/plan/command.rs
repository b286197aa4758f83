use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::{form::TextOrList, words};
use crate::secret::{Secret, Text};

/// A command's words. In a document: a list, or one line that is split as a shell would.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct CommandLine(pub Vec<Text>);

impl CommandLine {
    /// The words in the clear, for the call that needs them.
    pub fn expose(&self) -> Vec<String> {
        self.0.iter().map(|word| word.expose().to_owned()).collect()
    }

    /// Splits a line as Compose does. `None` if a quote stays open.
    fn split(line: &Text) -> Option<Self> {
        let words = words::split(line.expose())?.words;
        let word = |word: String| if line.is_secret() { Text::Secret(Secret::new(word)) } else { word.into() };
        Some(Self(words.into_iter().map(word).collect()))
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(Text::to_string).collect();
        f.write_str(&shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" ")))
    }
}

impl<'de> Deserialize<'de> for CommandLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match TextOrList::deserialize(deserializer)? {
            TextOrList::List(words) => Ok(Self(words)),
            TextOrList::Text(line) => {
                Self::split(&line).ok_or_else(|| de::Error::custom("a quote or a bracket in this line is never closed"))
            }
        }
    }
}

impl schemars::JsonSchema for CommandLine {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CommandLine".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let word = generator.subschema_for::<Text>();
        schemars::json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": word }] })
    }
}
