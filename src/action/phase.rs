use serde::{Deserialize, Serialize};

/// A part of a deployment. Every deployment goes through all of them, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    PreValidation,
    DependencyResolution,
    EnvironmentSetup,
    ServiceDeployment,
    HealthValidation,
    IntegrationTesting,
    PostDeployment,
    Cleanup,
}

impl Phase {
    pub const ALL: [Self; 8] = [
        Self::PreValidation,
        Self::DependencyResolution,
        Self::EnvironmentSetup,
        Self::ServiceDeployment,
        Self::HealthValidation,
        Self::IntegrationTesting,
        Self::PostDeployment,
        Self::Cleanup,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreValidation => "pre_validation",
            Self::DependencyResolution => "dependency_resolution",
            Self::EnvironmentSetup => "environment_setup",
            Self::ServiceDeployment => "service_deployment",
            Self::HealthValidation => "health_validation",
            Self::IntegrationTesting => "integration_testing",
            Self::PostDeployment => "post_deployment",
            Self::Cleanup => "cleanup",
        }
    }
}
