use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    DeploymentCommand, External, Hooks, MountKind, Moved, Network, Retry, Rollback, RuntimeKind, Schedule, Service,
    Volume, is_default,
};
use crate::{
    name::{EnvironmentName, PlanName, ProjectName, ServiceName},
    secret::Text,
};

/// A config: what is to stand in a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct ConfigDefinition {
    /// The file that holds it, from the directory of the file that names it.
    #[serde(skip_serializing_if = "is_default")]
    pub file: Option<String>,
    /// The contents themselves. `load` fills them in from `file` and `environment`.
    #[serde(skip_serializing_if = "is_default")]
    pub content: Option<Text>,
    /// The environment variable that holds it, from where `orchestrate` runs.
    #[serde(skip_serializing_if = "is_default")]
    pub environment: Option<String>,
    /// It is kept elsewhere: a config of a Swarm, which a plan cannot reach.
    #[serde(skip_serializing_if = "is_default")]
    pub external: External,
}

/// A secret that the plan names; the environment says where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct SecretDefinition {
    #[serde(skip_serializing_if = "is_default")]
    pub description: Option<String>,
    /// The file that holds it, from the directory of the file that names it; what the environment
    /// says of the secret wins.
    #[serde(skip_serializing_if = "is_default")]
    pub file: Option<String>,
    /// The environment variable that holds it; what the environment says of the secret wins.
    #[serde(skip_serializing_if = "is_default")]
    pub environment: Option<String>,
    /// It is kept elsewhere: the environment says where.
    #[serde(skip_serializing_if = "is_default")]
    pub external: External,
    /// The value, filled in by `load`.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(skip)]
    pub content: Option<Text>,
}

/// A plan, resolved for one environment: what a deployment works towards, and what is stored of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub name: PlanName,
    /// What its services are called together on an engine.
    pub project: ProjectName,
    #[serde(default, skip_serializing_if = "is_default")]
    pub environment: Option<EnvironmentName>,
    /// Plans that have to be applied before it, for the same environment.
    #[serde(default, skip_serializing_if = "is_default")]
    pub after: Vec<PlanName>,
    pub services: BTreeMap<ServiceName, Arc<Service>>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub networks: BTreeMap<String, Network>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub volumes: BTreeMap<String, Volume>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub configs: BTreeMap<String, ConfigDefinition>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub secrets: BTreeMap<String, SecretDefinition>,
    /// What was called otherwise before.
    #[serde(default, skip_serializing_if = "is_default")]
    pub moved: Vec<Moved>,
    /// Commands that run at points of a deployment.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hooks: Hooks,
    /// Commands that have to succeed once all is healthy.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tests: Vec<DeploymentCommand>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub rollback: Rollback,
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry: Retry,
    /// Runtime calls under way at most.
    pub parallelism: usize,
    #[serde(default, skip_serializing_if = "is_default")]
    pub schedule: Schedule,
    /// How many deployments that succeeded are kept to go back to.
    #[serde(default = "Plan::retain", skip_serializing_if = "Plan::is_usual_retain")]
    pub retain: u32,
}

impl Plan {
    /// Runtime calls under way at most, unless the plan says otherwise. Starting a container is
    /// bound by the processor in the engine, so more gains little.
    pub const PARALLELISM: usize = 8;
    /// How many deployments that succeeded are kept, unless the plan says otherwise.
    pub const RETAIN: u32 = 20;

    fn retain() -> u32 {
        Self::RETAIN
    }

    fn is_usual_retain(retain: &u32) -> bool {
        *retain == Self::RETAIN
    }

    /// The name on the runtime of a service's instance, numbered from 1.
    pub fn instance_name(&self, service_name: &ServiceName, number: u32) -> String {
        match self.services.get(service_name).and_then(|service| service.container_name.as_ref()) {
            Some(name) => name.clone(),
            None => format!("{}-{service_name}-{number}", self.project),
        }
    }

    /// A network's name on the engine.
    pub fn network_name(&self, key: &str) -> String {
        match self.networks.get(key) {
            Some(Network { name: Some(name), .. }) => name.clone(),
            Some(Network { external: External { is_external: true, name }, .. }) => {
                name.clone().unwrap_or_else(|| key.to_owned())
            }
            Some(_) | None => format!("{}_{key}", self.project),
        }
    }

    /// A volume's name on the engine.
    pub fn volume_name(&self, key: &str) -> String {
        match self.volumes.get(key) {
            Some(Volume { name: Some(name), .. }) => name.clone(),
            Some(Volume { external: External { is_external: true, name }, .. }) => {
                name.clone().unwrap_or_else(|| key.to_owned())
            }
            Some(_) | None => format!("{}_{key}", self.project),
        }
    }

    /// The commands of its hooks and tests.
    pub fn commands(&self) -> impl Iterator<Item = &DeploymentCommand> {
        self.hooks.points().into_iter().flat_map(|(_, hooks)| hooks).chain(&self.tests)
    }

    /// The keys of the networks that it makes: those that it defines, and those that services only use.
    pub fn own_networks(&self) -> BTreeSet<&str> {
        let services = self.services.values().filter(|service| service.runtime() == RuntimeKind::Docker);
        let used = services.flat_map(|service| service.networks.keys());
        let is_own = |key: &&String| self.networks.get(*key).is_none_or(|network| !network.external.is_external);
        self.networks.keys().chain(used).filter(is_own).map(String::as_str).collect()
    }

    /// The keys of the volumes that it makes.
    pub fn own_volumes(&self) -> BTreeSet<&str> {
        let mounts = self.services.values().flat_map(|service| &service.volumes);
        let used = mounts.filter(|mount| mount.kind == MountKind::Volume).filter_map(|mount| mount.source.as_ref());
        let is_own = |key: &&String| self.volumes.get(*key).is_none_or(|volume| !volume.external.is_external);
        self.volumes.keys().chain(used).filter(is_own).map(String::as_str).collect()
    }

    /// Hands every text that may be secret to `visit`: to seal, open or fingerprint them.
    pub fn visit_texts(&mut self, visit: &mut dyn FnMut(&mut Text)) {
        for service in self.services.values_mut() {
            Arc::make_mut(service).visit_texts(visit);
        }
        self.configs.values_mut().filter_map(|config| config.content.as_mut()).for_each(&mut *visit);
        self.secrets.values_mut().filter_map(|secret| secret.content.as_mut()).for_each(&mut *visit);
        self.hooks.commands_mut().chain(&mut self.tests).for_each(|command| command.visit_texts(visit));
    }
}
