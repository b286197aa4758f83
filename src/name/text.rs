use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// The longest name that is accepted, in bytes: a DNS label, since a service's name becomes one.
const MAX_BYTES: usize = 63;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a {what} cannot be empty")]
    Empty { what: &'static str },
    #[error("`{text}` is longer than {MAX_BYTES} characters")]
    TooLong { text: String },
    #[error("`{text}` is not a {what}: `{found}` cannot stand there, only {allowed}")]
    Character { what: &'static str, text: String, found: char, allowed: &'static str },
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $allowed:literal, $accepts:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                check(text, $what, $allowed, $accepts)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The name that a plan gives itself (`name:`).
    PlanName, "plan name", "lower-case letters, digits, `-` and `_`, with a letter or digit first", lower_case
);
name!(
    /// What the services of one plan in one environment are called together on an engine: the
    /// plan's name, or `<plan>-<environment>`.
    ProjectName, "project name", "lower-case letters, digits, `-` and `_`, with a letter or digit first", lower_case
);
name!(
    /// A target's name (`production`).
    EnvironmentName, "environment name", "lower-case letters, digits, `-` and `_`, with a letter or digit first", lower_case
);
name!(
    /// A service's name, as its key under `services`.
    ServiceName, "service name", "letters, digits, `.`, `-` and `_`, with no `.` first", any_case
);

fn lower_case(position: usize, c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || (position > 0 && matches!(c, '-' | '_'))
}

fn any_case(position: usize, c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || (position > 0 && c == '.')
}

fn check(
    text: &str,
    what: &'static str,
    allowed: &'static str,
    accepts: fn(usize, char) -> bool,
) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { what });
    }
    if text.len() > MAX_BYTES {
        return Err(NameError::TooLong { text: text.chars().take(MAX_BYTES).collect() });
    }
    match text.chars().enumerate().find(|&(position, c)| !accepts(position, c)) {
        Some((_, found)) => Err(NameError::Character { what, text: text.to_owned(), found, allowed }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_their_place_are_refused() {
        let refused = ["", ".", "..", ".a", "a/b", "a b", "a\n", "ä", &"a".repeat(64)];
        for text in refused {
            assert!(text.parse::<ServiceName>().is_err(), "{text:?}");
        }
        assert!("Web".parse::<PlanName>().is_err());
        assert_eq!("web.v2-a_b".parse::<ServiceName>().unwrap().as_str(), "web.v2-a_b");
    }
}
