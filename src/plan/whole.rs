use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ByteSize;
use crate::time::parse_duration;

/// A whole number, which a document may quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Whole(pub i64);

impl FromStr for Whole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("`{text}` is not a whole number"))
    }
}

/// Microseconds, written as a number of them or as a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Micros(pub i64);

impl FromStr for Micros {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let micros = |duration: Duration| i64::try_from(duration.as_micros()).ok();
        let read = text.parse().ok().or_else(|| parse_duration(text).ok().and_then(micros));
        read.map(Self).ok_or_else(|| format!("`{text}` is neither a number of microseconds nor a duration"))
    }
}

/// An amount of memory with swap; `-1` is without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct SwapLimit(pub i64);

impl FromStr for SwapLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "-1" {
            return Ok(Self(-1));
        }
        let ByteSize(bytes) = text.parse::<ByteSize>().map_err(|error| format!("{error}, or `-1` for no limit"))?;
        Ok(Self(i64::try_from(bytes).unwrap_or(i64::MAX)))
    }
}

/// A text that a document may also write as a number or boolean.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(transparent)]
pub struct Word(pub String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::form::scalar_text(deserializer).map(Self)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl schemars::JsonSchema for Word {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Word".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

macro_rules! number {
    ($type:ident, $format:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_i64(self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                super::form::parsed(deserializer)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": ["integer", "string"], "format": $format })
            }
        }
    };
}

number!(Whole, "whole-number");
number!(Micros, "microseconds");
number!(SwapLimit, "swap-limit");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_in_compose() {
        assert_eq!("-7".parse(), Ok(Whole(-7)));
        assert_eq!(["950000", "400ms", "1400us"].map(str::parse), [950_000, 400_000, 1400].map(|n| Ok(Micros(n))));
        assert_eq!(["-1", "1g", "0"].map(str::parse), [-1, 1 << 30, 0].map(|n| Ok(SwapLimit(n))));
        assert!(
            "1.5".parse::<Whole>().is_err() && "a".parse::<Micros>().is_err() && "-2".parse::<SwapLimit>().is_err()
        );
    }
}
