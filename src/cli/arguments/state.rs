use std::path::PathBuf;

use clap::Args;

use super::{Format, ProjectArguments};
use crate::name::ServiceName;

/// List the plan's deployments, newest first
#[derive(Debug, Clone, Args)]
pub struct HistoryArguments {
    #[command(flatten)]
    pub project: ProjectArguments,
    /// The deployments of all projects; needs no plan
    #[arg(long, conflicts_with_all = ["plan", "project"])]
    pub all: bool,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Show a deployment: what it did, step by step, and what is kept of what failed
#[derive(Debug, Clone, Args)]
pub struct ShowArguments {
    /// Its id, as history lists it, or the beginning of it
    #[arg(value_name = "DEPLOYMENT", value_parser = id_or_its_beginning)]
    pub deployment: String,
    /// Print the log that is kept of a service that failed
    #[arg(long, value_name = "SERVICE")]
    pub logs: Option<ServiceName>,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Write a commented plan to start from; never overwrites one
#[derive(Debug, Clone, Args)]
pub struct InitArguments {
    /// The file to write
    #[arg(value_name = "PLAN", default_value = "plan.yaml")]
    pub plan: PathBuf,
}

/// Look at engine, versions, sockets, state directory and disk, with a remedy for each trouble
#[derive(Debug, Clone, Args)]
pub struct DoctorArguments {
    /// The engine's address, as in DOCKER_HOST
    #[arg(long, value_name = "ADDRESS", env = "ORCHESTRATE_HOST", hide_env_values = true)]
    pub host: Option<String>,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Print completions for a shell
#[derive(Debug, Clone, Args)]
pub struct CompletionsArguments {
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

pub(super) fn id_or_its_beginning(text: &str) -> Result<String, String> {
    let could_be_one = (1..=8).contains(&text.len());
    match could_be_one && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()) {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}` is not a deployment id, nor the beginning of one: `history` lists them")),
    }
}
