use clap::{Args, Subcommand};

use super::{Format, ProjectArguments};

/// Show whose a project's lock is, or give back one that was left behind
#[derive(Debug, Clone, Args)]
pub struct LockArguments {
    #[command(subcommand)]
    pub command: LockCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum LockCommand {
    Status(LockStatusArguments),
    Release(LockReleaseArguments),
}

/// Show whose the lock is
#[derive(Debug, Clone, Args)]
pub struct LockStatusArguments {
    #[command(flatten)]
    pub project: ProjectArguments,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Give back the lock of an owner that is no more
#[derive(Debug, Clone, Args)]
pub struct LockReleaseArguments {
    #[command(flatten)]
    pub project: ProjectArguments,
    /// Even if its owner may live: only once you have seen to it that nobody deploys. Data that another
    /// host has left half restored is called good
    #[arg(long)]
    pub force: bool,
}
