use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Interval;
use crate::time::parse_duration;

/// When the image of a service is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PullPolicy {
    /// If it is not there.
    #[default]
    Missing,
    /// Whenever an instance is made.
    Always,
    /// Not at all: it has to be there.
    Never,
    /// It is built instead.
    Build,
    /// When an instance is made and the image came longer ago than this.
    Every(Interval),
}

const DAY: u64 = 24 * 60 * 60 * 1000;

impl FromStr for PullPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "missing" | "if_not_present" => Ok(Self::Missing),
            "always" | "refresh" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            "build" => Ok(Self::Build),
            "daily" => Ok(Self::Every(Interval::from_millis(DAY))),
            "weekly" => Ok(Self::Every(Interval::from_millis(7 * DAY))),
            other => other.strip_prefix("every_").and_then(period).map(Self::Every).ok_or_else(|| {
                format!(
                    "`{other}` is not a pull policy: one of `always`, `never`, `missing`, `if_not_present`, `build`, \
                     `daily`, `weekly`, `every_12h`"
                )
            }),
        }
    }
}

/// Durations here also have weeks and days: `2w`, `1d12h`.
fn period(text: &str) -> Option<Interval> {
    let (mut rest, mut millis) = (text, 0_u64);
    for (unit, length) in [('w', 7 * DAY), ('d', DAY)] {
        if let Some((count, tail)) = rest.split_once(unit) {
            millis = millis.checked_add(count.parse::<u64>().ok()?.checked_mul(length)?)?;
            rest = tail;
        }
    }
    let tail = if rest.is_empty() { 0 } else { u64::try_from(parse_duration(rest).ok()?.as_millis()).ok()? };
    Some(Interval::from_millis(millis.checked_add(tail)?)).filter(|_| !text.is_empty())
}

impl fmt::Display for PullPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Always => f.write_str("always"),
            Self::Never => f.write_str("never"),
            Self::Build => f.write_str("build"),
            Self::Every(interval) => write!(f, "every_{interval}"),
        }
    }
}

impl Serialize for PullPolicy {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PullPolicy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::form::parsed(deserializer)
    }
}

impl schemars::JsonSchema for PullPolicy {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PullPolicy".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "pull-policy" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_read_as_in_compose() {
        let hours = |hours: u64| PullPolicy::Every(Interval::from_millis(hours * 3_600_000));
        let table = [
            ("if_not_present", PullPolicy::Missing),
            ("daily", hours(24)),
            ("weekly", hours(168)),
            ("every_2d12h", hours(60)),
            ("every_1w", hours(168)),
            ("every_30m", PullPolicy::Every(Interval::from_millis(1_800_000))),
        ];
        for (text, policy) in table {
            assert_eq!(text.parse(), Ok(policy), "{text}");
            assert_eq!(policy.to_string().parse(), Ok(policy), "{text}");
        }
        for text in ["", "every_", "every_d", "sometimes"] {
            assert!(text.parse::<PullPolicy>().is_err(), "{text:?}");
        }
    }
}
