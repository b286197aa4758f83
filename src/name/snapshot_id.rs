use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{DeploymentId, deployment_id::NotADeploymentId};

/// A snapshot of a project. One that a deployment has taken before it began has the deployment's
/// id, so each is found by the other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SnapshotId(DeploymentId);

impl SnapshotId {
    /// Spells a random number as an id.
    pub fn from_random(number: u64) -> Self {
        Self(DeploymentId::from_random(number))
    }

    /// The deployment that has taken it, if a deployment has.
    pub fn deployment(self) -> DeploymentId {
        self.0
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl From<DeploymentId> for SnapshotId {
    fn from(deployment: DeploymentId) -> Self {
        Self(deployment)
    }
}

impl FromStr for SnapshotId {
    type Err = NotADeploymentId;

    fn from_str(text: &str) -> Result<Self, NotADeploymentId> {
        text.parse().map(Self)
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
