use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Interval;
use crate::diagnostic::Class;

/// How a failed deployment is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RollbackStrategy {
    /// Undo everything at once, without regard to what depends on what; stopping with grace.
    Immediate,
    /// Undo group by group, the last first, and wait for the health of each before the next.
    Batch,
    /// Undo in reverse order, each service as soon as what depends on it is back; stopping with
    /// grace.
    #[default]
    Graceful,
    /// Undo everything at once, killing instead of stopping; try each call once and go on past
    /// errors.
    Aggressive,
    /// Leave everything as it is, and say how to go on.
    Manual,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Rollback {
    pub strategy: RollbackStrategy,
}

/// How calls that failed for a passing reason are tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Retry {
    /// How often a call is made at most.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles from there.
    pub initial: Interval,
    /// The longest wait.
    pub max: Interval,
    /// The classes of failure that are tried again.
    #[schemars(with = "BTreeSet<RetryClass>")]
    pub on: BTreeSet<Class>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 3,
            initial: Interval::from_millis(500),
            max: Interval::from_millis(10_000),
            on: [Class::Network, Class::Timeout].into(),
        }
    }
}

/// The classes that can pass by themselves.
#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RetryClass {
    Network,
    Timeout,
    Resource,
    Deployment,
}

/// When a service may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// As soon as its own dependencies are satisfied.
    #[default]
    Eager,
    /// When all of the groups before its own are satisfied.
    Grouped,
}
