use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CommandLine, ImageReference, Interval, form, is_default};
use crate::{name::ServiceName, secret::Text};

/// A command that a deployment runs: one of the plan's `hooks` or `tests`. It runs on this host, in
/// the plan's directory, unless it names a `service` or an `image`; exit code 0 is success.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DeploymentCommand {
    /// What it is called in output and history; where it stands by default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub name: Option<String>,
    /// A list, or a line that is split as a shell would.
    pub command: CommandLine,
    /// The service in whose first instance it runs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub service: Option<ServiceName>,
    /// The image of a container of its own in which it runs, on the network `default` if the plan has
    /// that; the container is removed when it has ended.
    #[serde(default, skip_serializing_if = "is_default")]
    pub image: Option<ImageReference>,
    /// Variables beside those that tell what is deployed; a name without a value is passed on from where
    /// `orchestrate` runs.
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "form::map_or_list")]
    #[schemars(schema_with = "form::map_or_list_schema")]
    pub environment: BTreeMap<String, Option<Text>>,
    /// Where it runs: on this host, from the plan's directory.
    #[serde(default, skip_serializing_if = "is_default")]
    pub working_dir: Option<String>,
    /// The user to run as, in a container.
    #[serde(default, skip_serializing_if = "is_default")]
    pub user: Option<String>,
    /// How long it may take; `5m` by default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeout: Option<Interval>,
    /// Once it has succeeded it is not run again for this project, until its command changes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub run_once: bool,
    /// It may run twice: where nobody knows whether it ran, it is run again. Tests always may.
    #[serde(default, skip_serializing_if = "is_default")]
    pub idempotent: bool,
    /// How often it is tried again when it fails.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(range(max = 100))]
    pub retries: u32,
}

impl DeploymentCommand {
    const TIMEOUT: Interval = Interval::from_millis(300_000);

    /// What it is called: by where it stands unless it has a name.
    pub fn called(&self, list: &str, index: usize) -> String {
        self.name.clone().unwrap_or_else(|| format!("{list}[{index}]"))
    }

    pub fn timeout(&self) -> Interval {
        self.timeout.unwrap_or(Self::TIMEOUT)
    }

    pub fn visit_texts(&mut self, visit: &mut dyn FnMut(&mut Text)) {
        self.command.0.iter_mut().chain(self.environment.values_mut().flatten()).for_each(visit);
    }
}

/// A point of a deployment at which commands run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookPoint {
    PreDeploy,
    PreServiceDeployment,
    PreHealthValidation,
    PreIntegrationTesting,
    PostDeploy,
    PreCleanup,
    OnFailure,
}

impl HookPoint {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreDeploy => "pre_deploy",
            Self::PreServiceDeployment => "pre_service_deployment",
            Self::PreHealthValidation => "pre_health_validation",
            Self::PreIntegrationTesting => "pre_integration_testing",
            Self::PostDeploy => "post_deploy",
            Self::PreCleanup => "pre_cleanup",
            Self::OnFailure => "on_failure",
        }
    }
}

/// Commands that run at points of a deployment, at each one after the other. Nothing runs where
/// nothing changes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Hooks {
    /// Before anything of a service is made, stopped or changed.
    #[serde(skip_serializing_if = "is_default")]
    pub pre_deploy: Vec<DeploymentCommand>,
    /// When everything is pulled and made, before the first service is stopped or started.
    #[serde(skip_serializing_if = "is_default")]
    pub pre_service_deployment: Vec<DeploymentCommand>,
    /// When every service has become ready, before all checks are asked once more.
    #[serde(skip_serializing_if = "is_default")]
    pub pre_health_validation: Vec<DeploymentCommand>,
    /// When all is healthy, before the `tests`.
    #[serde(skip_serializing_if = "is_default")]
    pub pre_integration_testing: Vec<DeploymentCommand>,
    /// When the tests have passed, before the deployment is final: one that fails takes it back.
    #[serde(skip_serializing_if = "is_default")]
    pub post_deploy: Vec<DeploymentCommand>,
    /// When the deployment is final, before what it replaced is removed: one that fails is a warning.
    #[serde(skip_serializing_if = "is_default")]
    pub pre_cleanup: Vec<DeploymentCommand>,
    /// When the deployment has failed, after everything was taken back: one that fails is a warning.
    #[serde(skip_serializing_if = "is_default")]
    pub on_failure: Vec<DeploymentCommand>,
}

impl Hooks {
    /// The commands of each point, in the order of the points.
    pub fn points(&self) -> [(HookPoint, &[DeploymentCommand]); 7] {
        [
            (HookPoint::PreDeploy, &self.pre_deploy),
            (HookPoint::PreServiceDeployment, &self.pre_service_deployment),
            (HookPoint::PreHealthValidation, &self.pre_health_validation),
            (HookPoint::PreIntegrationTesting, &self.pre_integration_testing),
            (HookPoint::PostDeploy, &self.post_deploy),
            (HookPoint::PreCleanup, &self.pre_cleanup),
            (HookPoint::OnFailure, &self.on_failure),
        ]
    }

    pub fn commands_mut(&mut self) -> impl Iterator<Item = &mut DeploymentCommand> {
        let points = [
            &mut self.pre_deploy,
            &mut self.pre_service_deployment,
            &mut self.pre_health_validation,
            &mut self.pre_integration_testing,
            &mut self.post_deploy,
            &mut self.pre_cleanup,
            &mut self.on_failure,
        ];
        points.into_iter().flatten()
    }
}
