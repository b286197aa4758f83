use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::{Format, MorePlansArguments, PlanArguments, ProjectArguments, state::id_or_its_beginning};
use crate::{
    name::ServiceName,
    time::{DurationError, parse_duration},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PullWhen {
    /// If the registry has another one
    Always,
    /// If it is not there
    Missing,
    /// Not at all
    Never,
}

fn duration(text: &str) -> Result<Duration, DurationError> {
    parse_duration(text)
}

/// Bring services to what the plan says, or put everything back
#[derive(Debug, Clone, Args)]
pub struct ApplyArguments {
    #[command(flatten)]
    pub plan: PlanArguments,
    #[command(flatten)]
    pub more: MorePlansArguments,
    /// Take over what Docker Compose made under the project's name, as it is
    #[arg(long)]
    pub adopt: bool,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask before services are replaced or removed
    #[arg(short, long)]
    pub yes: bool,
    /// Only these services and what they depend on; several with commas
    #[arg(long, value_name = "SERVICE", value_delimiter = ',', conflicts_with = "more_plans")]
    pub only: Vec<ServiceName>,
    /// With --only: leave what they depend on alone
    #[arg(long, requires = "only")]
    pub no_deps: bool,
    /// Runtime calls under way at most
    #[arg(long, value_name = "N", env = "ORCHESTRATE_PARALLELISM", value_parser = parallelism, hide_env_values = true)]
    pub parallelism: Option<usize>,
    /// How long the deployment may take before it is rolled back, such as 10m; 1h by default
    #[arg(long, value_name = "DURATION", env = "ORCHESTRATE_TIMEOUT", value_parser = duration, hide_env_values = true)]
    pub timeout: Option<Duration>,
    /// Leave everything as it is after a failure
    #[arg(long)]
    pub no_rollback: bool,
    /// Keep the stopped bodies of instances that failed
    #[arg(long)]
    pub keep_failed: bool,
    /// Go on without saving data that is at stake
    #[arg(long)]
    pub no_snapshot: bool,
    /// Replace services that have not changed: all, or those named, as in --force-recreate=web,api
    #[arg(long, value_name = "SERVICE", num_args = 0.., require_equals = true, value_delimiter = ',')]
    pub force_recreate: Option<Vec<ServiceName>>,
    /// Build the images of services that are built, also if they are there
    #[arg(long, conflicts_with_all = ["dry_run", "simulate"])]
    pub build: bool,
    /// When images are pulled, whatever the plan says
    #[arg(long, value_name = "WHEN", value_enum)]
    pub pull: Option<PullWhen>,
    /// Remove services of the project that the plan no longer names
    #[arg(long)]
    pub remove_orphans: bool,
    /// With --dry-run: exit with 2 if something would change
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Why, for the history
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Write every event to a file as it happens, a line of JSON each
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Write how the plan's tests went to a file, as JUnit
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Run against a simulated runtime in virtual time; touches nothing
    #[arg(long, conflicts_with = "dry_run")]
    pub simulate: bool,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Show what apply would change, and why; changes nothing
#[derive(Debug, Clone, Args)]
pub struct PreviewArguments {
    #[command(flatten)]
    pub plan: PlanArguments,
    #[command(flatten)]
    pub more: MorePlansArguments,
    /// Show what taking over what Docker Compose made under the project's name would change
    #[arg(long)]
    pub adopt: bool,
    /// Only these services and what they depend on; several with commas
    #[arg(long, value_name = "SERVICE", value_delimiter = ',', conflicts_with = "more_plans")]
    pub only: Vec<ServiceName>,
    /// With --only: leave what they depend on alone
    #[arg(long, requires = "only")]
    pub no_deps: bool,
    /// Replace services that have not changed: all, or those named, as in --force-recreate=web,api
    #[arg(long, value_name = "SERVICE", num_args = 0.., require_equals = true, value_delimiter = ',')]
    pub force_recreate: Option<Vec<ServiceName>>,
    /// When images are pulled, whatever the plan says
    #[arg(long, value_name = "WHEN", value_enum)]
    pub pull: Option<PullWhen>,
    /// Remove services of the project that the plan no longer names
    #[arg(long)]
    pub remove_orphans: bool,
    /// Exit with 2 if something would change
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Go back to an earlier deployment: the one before the last, or any that succeeded
#[derive(Debug, Clone, Args)]
pub struct RollbackArguments {
    #[command(flatten)]
    pub project: ProjectArguments,
    /// The deployment to go back to, as history lists it, or the beginning of its id
    #[arg(long, value_name = "DEPLOYMENT", value_parser = id_or_its_beginning)]
    pub to: Option<String>,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Go on without saving data that is at stake
    #[arg(long)]
    pub no_snapshot: bool,
    /// Why, for the history
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Bring a deployment to its end that was cut off: back, unless its commit point has been passed
#[derive(Debug, Clone, Args)]
pub struct RecoverArguments {
    #[command(flatten)]
    pub project: ProjectArguments,
    /// Go on with it instead of taking it back
    #[arg(long)]
    pub resume: bool,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Take back the deployment that is under way or was cut off, and stop
#[derive(Debug, Clone, Args)]
pub struct AbortArguments {
    #[command(flatten)]
    pub project: ProjectArguments,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Remove the plan's services and networks; volumes only where they are named
#[derive(Debug, Clone, Args)]
pub struct DestroyArguments {
    #[command(flatten)]
    pub project: ProjectArguments,
    #[command(flatten)]
    pub more: MorePlansArguments,
    /// Remove these volumes with their data too; several with commas
    #[arg(long, value_name = "NAME", value_delimiter = ',', conflicts_with = "more_plans")]
    pub volumes: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Why, for the history
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

fn parallelism(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=1000) => Ok(number),
        Ok(_) | Err(_) => Err("a number from 1 to 1000".to_owned()),
    }
}
