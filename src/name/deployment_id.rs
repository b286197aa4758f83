use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// One run of a plan against an environment: eight characters of `0-9a-z`, chosen at random by the
/// shell. It is part of the names of staged and replaced instances, so it is short; deployments
/// are put in order by their start time, not by their id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeploymentId([u8; DeploymentId::LENGTH]);

/// The text is not eight characters of `0-9a-z`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a deployment id: eight characters of `0-9` and `a-z`")]
pub struct NotADeploymentId {
    text: String,
}

impl DeploymentId {
    const LENGTH: usize = 8;
    const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

    /// Spells a random number as an id; 36⁸ of them are distinct.
    pub fn from_random(mut number: u64) -> Self {
        let letters = [(); Self::LENGTH].map(|()| {
            let letter = Self::ALPHABET[(number % 36) as usize];
            number /= 36;
            letter
        });
        Self(letters)
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only made of the alphabet's ASCII letters")
    }
}

impl FromStr for DeploymentId {
    type Err = NotADeploymentId;

    fn from_str(text: &str) -> Result<Self, NotADeploymentId> {
        let letters: [u8; Self::LENGTH] =
            text.as_bytes().try_into().map_err(|_| NotADeploymentId { text: text.to_owned() })?;
        match letters.iter().all(|letter| Self::ALPHABET.contains(letter)) {
            true => Ok(Self(letters)),
            false => Err(NotADeploymentId { text: text.to_owned() }),
        }
    }
}

impl TryFrom<String> for DeploymentId {
    type Error = NotADeploymentId;

    fn try_from(text: String) -> Result<Self, NotADeploymentId> {
        text.parse()
    }
}

impl From<DeploymentId> for String {
    fn from(id: DeploymentId) -> String {
        id.as_str().to_owned()
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
