use std::path::PathBuf;

use clap::Args;

use super::PlanArguments;

/// Write what runs on an engine as a plan: only what differs from the images' defaults
#[derive(Debug, Clone, Args)]
pub struct ExportArguments {
    /// Containers by their names; without them all of a project
    #[arg(value_name = "CONTAINER")]
    pub containers: Vec<String>,
    /// A project, of Docker Compose or of ours; can be left out if there is only one
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    /// The engine's address, as in DOCKER_HOST
    #[arg(long, value_name = "ADDRESS", env = "ORCHESTRATE_HOST", hide_env_values = true)]
    pub host: Option<String>,
    /// The file to write; without it the plan is printed
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Overwrite the file if it is there
    #[arg(long)]
    pub force: bool,
}

/// Write Compose files as a plan that means the same, comments kept
#[derive(Debug, Clone, Args)]
pub struct ImportArguments {
    #[command(flatten)]
    pub plan: PlanArguments,
    /// The file to write; without it the plan is printed
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Overwrite the file if it is there
    #[arg(long)]
    pub force: bool,
}
