use std::path::PathBuf;

use clap::Args;

use super::{Format, InputArguments, ProjectArguments};
use crate::{
    name::{ProjectName, ServiceName},
    time::{DurationError, parse_duration},
};

/// Show what runs, beside what should
#[derive(Debug, Clone, Args)]
pub struct StatusArguments {
    #[command(flatten)]
    pub project: ProjectArguments,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Run the checks of what runs, once, now
#[derive(Debug, Clone, Args)]
pub struct CheckArguments {
    #[command(flatten)]
    pub project: ProjectArguments,
    /// Only these services; several with commas
    #[arg(long, value_name = "SERVICE", value_delimiter = ',')]
    pub only: Vec<ServiceName>,
    /// Only checks with one of these tags; several with commas
    #[arg(long = "tag", value_name = "TAG", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Print what services wrote
#[derive(Debug, Clone, Args)]
pub struct LogsArguments {
    /// The services; all of them if none are named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    /// The plan; without it plan.yaml, orchestrate.yaml or compose.yaml, here or upwards
    #[arg(short, long, value_name = "PLAN", env = "ORCHESTRATE_PLAN", hide_env_values = true)]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub inputs: InputArguments,
    /// A project by its name: no plan is read, the one that was last deployed counts
    #[arg(long, value_name = "NAME")]
    pub project: Option<ProjectName>,
    /// Go on with what is written from now
    #[arg(short, long)]
    pub follow: bool,
    /// Only so many of each instance's last lines
    #[arg(long, value_name = "N")]
    pub tail: Option<usize>,
    /// Only lines since then: a time such as 2026-11-20T10:00:00Z, or 10m for ten minutes ago
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub since: Option<Since>,
}

/// From when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    At(crate::time::Timestamp),
    Ago(std::time::Duration),
}

impl Since {
    /// The moment that is meant.
    pub fn moment(self, now: crate::time::Timestamp) -> crate::time::Timestamp {
        match self {
            Self::At(moment) => moment,
            Self::Ago(duration) => now - duration,
        }
    }
}

fn since(text: &str) -> Result<Since, DurationError> {
    match crate::time::Timestamp::parse(text) {
        Some(moment) => Ok(Since::At(moment)),
        None => parse_duration(text).map(Since::Ago),
    }
}
