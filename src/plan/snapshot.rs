use serde::{Deserialize, Serialize};

use super::{CommandLine, Interval, is_default};
use crate::secret::Text;

/// How a service's data is saved, before a deployment replaces or removes the service and when
/// `orchestrate snapshot create` is called.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct SnapshotPolicy {
    /// Named volumes that the service mounts. They are copied whole while it is stopped.
    #[serde(skip_serializing_if = "is_default")]
    pub volumes: Vec<String>,
    /// A command whose standard output is the data, such as `pg_dump`: run while the service runs,
    /// inside the container, or on the host for a process.
    #[serde(skip_serializing_if = "is_default")]
    pub dump: Option<CommandLine>,
    /// The command that takes a dump back, such as `psql`: the dump is its standard input.
    #[serde(skip_serializing_if = "is_default")]
    pub restore: Option<CommandLine>,
    /// How long saving or restoring one of these may take; `10m` by default.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: Option<Interval>,
}

impl SnapshotPolicy {
    const TIMEOUT: Interval = Interval::from_millis(600_000);

    /// How long saving or restoring one volume or dump may take.
    pub fn timeout(&self) -> Interval {
        self.timeout.unwrap_or(Self::TIMEOUT)
    }

    pub fn visit_texts(&mut self, visit: &mut dyn FnMut(&mut Text)) {
        let lines = [&mut self.dump, &mut self.restore].into_iter().flatten();
        lines.flat_map(|line| line.0.iter_mut()).for_each(visit);
    }
}
