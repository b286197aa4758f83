//! What is done by hand to what runs.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{InputArguments, PlanArguments, ProjectArguments};
use crate::{
    name::{ProjectName, ServiceName},
    time::parse_duration,
};

/// Which project, where the words that follow are services.
#[derive(Debug, Clone, Args)]
pub struct WhichArguments {
    /// The plan; without it plan.yaml, orchestrate.yaml or compose.yaml, here or upwards
    #[arg(short, long, value_name = "PLAN", env = "ORCHESTRATE_PLAN", hide_env_values = true)]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub inputs: InputArguments,
    /// A project by its name: no plan is read, the one that was last deployed counts
    #[arg(long, value_name = "NAME")]
    pub project: Option<ProjectName>,
}

impl WhichArguments {
    /// The same, as other commands have it.
    pub fn project(&self) -> ProjectArguments {
        let plan = PlanArguments { plan: self.plan.clone(), inputs: self.inputs.clone() };
        ProjectArguments { plan, project: self.project.clone() }
    }
}

/// Stop services, and leave them stopped: status and preview say that it was meant
#[derive(Debug, Clone, Args)]
pub struct StopArguments {
    /// The services; all of them if none are named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    #[command(flatten)]
    pub which: WhichArguments,
    /// How long each may take before it is killed, in seconds or as in 1m30s; as its plan says by default
    #[arg(short, long, value_name = "DURATION", value_parser = seconds_or_duration)]
    pub timeout: Option<Duration>,
}

/// Start services that were stopped, and what they depend on, each once its dependencies are ready
#[derive(Debug, Clone, Args)]
pub struct StartArguments {
    /// The services; all of them if none are named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    #[command(flatten)]
    pub which: WhichArguments,
}

/// Stop services and start them again, as they are
#[derive(Debug, Clone, Args)]
pub struct RestartArguments {
    /// The services; all of them if none are named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    #[command(flatten)]
    pub which: WhichArguments,
    /// How long each may take before it is killed, in seconds or as in 1m30s; as its plan says by default
    #[arg(short, long, value_name = "DURATION", value_parser = seconds_or_duration)]
    pub timeout: Option<Duration>,
    /// Leave services alone that are to be restarted with these
    #[arg(long)]
    pub no_deps: bool,
}

/// A number alone is seconds, as people know it from `docker stop -t`.
fn seconds_or_duration(text: &str) -> Result<Duration, String> {
    match text.parse::<u32>() {
        Ok(seconds) => Ok(Duration::from_secs(seconds.into())),
        Err(_) => parse_duration(text).map_err(|error| error.to_string()),
    }
}
