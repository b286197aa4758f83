use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::IgnoredAny};

use super::{
    Check, ConfigDefinition, DeploymentCommand, Hooks, Moved, Network, Output, Retry, Rollback, RuntimeKind, Schedule,
    SecretDefinition, Service, Variable, Volume,
};
use crate::name::{PlanName, ProjectName};

/// A plan as it is written: its schema, and the small things at its top. `load` reads what stands
/// in its maps one by one, so that a problem in one does not hide those in the others.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct PlanDocument {
    /// The version of this format: `orchestrate/v1`.
    #[serde(rename = "apiVersion")]
    #[schemars(extend("const" = "orchestrate/v1"))]
    pub api_version: String,
    /// The plan's name.
    pub name: PlanName,
    /// What its services are called together; the plan's name, or `<name>-<environment>`, by
    /// default.
    #[serde(default)]
    pub project: Option<ProjectName>,
    /// Plans that have to be applied before it, by their names, for the same environment.
    #[serde(default)]
    pub after: Vec<PlanName>,
    /// The versions of `orchestrate` that may read it, as in `>=0.3`.
    #[serde(default)]
    #[schemars(extend("format" = "version-requirement"))]
    pub required_version: Option<String>,
    /// The runtime of services that name neither an image nor a runtime.
    #[serde(default)]
    pub runtime: Option<RuntimeKind>,
    /// Variables: `{{ vars.name }}` is the value of one.
    #[serde(default, deserialize_with = "skipped")]
    pub vars: BTreeMap<String, Variable>,
    /// Further files whose `services`, `networks`, `volumes`, `configs`, `secrets`, `checks` and
    /// `vars` belong to the plan; a `*` stands for any part of a file's name.
    #[serde(default)]
    pub include: Vec<String>,
    /// What is to run.
    #[serde(default, deserialize_with = "skipped")]
    pub services: BTreeMap<String, Service>,
    #[serde(default, deserialize_with = "skipped")]
    pub networks: BTreeMap<String, Option<Network>>,
    #[serde(default, deserialize_with = "skipped")]
    pub volumes: BTreeMap<String, Option<Volume>>,
    /// Contents of files that services name under their `configs`.
    #[serde(default, deserialize_with = "skipped")]
    pub configs: BTreeMap<String, ConfigDefinition>,
    /// Secrets that services name; the environment says where each comes from.
    #[serde(default, deserialize_with = "skipped")]
    pub secrets: BTreeMap<String, Option<SecretDefinition>>,
    /// Checks that services take over with `use`.
    #[serde(default, deserialize_with = "skipped")]
    pub checks: BTreeMap<String, Check>,
    /// What has another name than before and is the same: services keep their containers, volumes
    /// their data.
    #[serde(default)]
    pub moved: Vec<Moved>,
    /// Values that are given out once the plan is applied: ports, addresses, anything that `vars`
    /// and what runs tell.
    #[serde(default, deserialize_with = "skipped")]
    pub outputs: BTreeMap<String, Output>,
    /// Commands that run at points of a deployment.
    #[serde(default)]
    pub hooks: Hooks,
    /// Commands that have to succeed once all is healthy, all at once; one that fails takes the
    /// deployment back.
    #[serde(default)]
    pub tests: Vec<DeploymentCommand>,
    #[serde(default)]
    pub rollback: Rollback,
    #[serde(default)]
    pub retry: Retry,
    /// Runtime calls under way at most; 8 by default.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1024))]
    pub parallelism: Option<usize>,
    #[serde(default)]
    pub schedule: Schedule,
    /// How many deployments that succeeded are kept to go back to; 20 by default.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1000))]
    pub retain: Option<u32>,
}

/// Passes over what is read elsewhere.
fn skipped<'de, D: Deserializer<'de>, T: Default>(deserializer: D) -> Result<T, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| T::default())
}
