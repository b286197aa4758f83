use clap::{Args, Subcommand};

use super::{Format, ProjectArguments};
use crate::name::ServiceName;

/// Save a project's data, list what is saved, and restore it
#[derive(Debug, Clone, Args)]
pub struct SnapshotArguments {
    #[command(subcommand)]
    pub command: SnapshotCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum SnapshotCommand {
    List(SnapshotListArguments),
    Show(SnapshotShowArguments),
    Create(SnapshotCreateArguments),
    Restore(SnapshotRestoreArguments),
    Prune(SnapshotPruneArguments),
    Rm(SnapshotRmArguments),
}

/// List the project's snapshots, newest first
#[derive(Debug, Clone, Args)]
pub struct SnapshotListArguments {
    #[command(flatten)]
    pub project: ProjectArguments,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Show what is in a snapshot, and whether all of it is as it was written
#[derive(Debug, Clone, Args)]
pub struct SnapshotShowArguments {
    /// Its id, or the beginning of it
    #[arg(value_name = "SNAPSHOT")]
    pub snapshot: String,
    #[command(flatten)]
    pub project: ProjectArguments,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Save the data of services now; those whose volumes are copied are stopped for that
#[derive(Debug, Clone, Args)]
pub struct SnapshotCreateArguments {
    #[command(flatten)]
    pub project: ProjectArguments,
    /// Only the data of this service; can be given several times
    #[arg(long = "service", value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    /// Why, for those who read the list
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Do not ask before services are stopped
    #[arg(short, long)]
    pub yes: bool,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Put a snapshot's data in the place of what is there, which is saved before
#[derive(Debug, Clone, Args)]
pub struct SnapshotRestoreArguments {
    /// Its id, or the beginning of it
    #[arg(value_name = "SNAPSHOT")]
    pub snapshot: String,
    #[command(flatten)]
    pub project: ProjectArguments,
    /// Only the data of this service; can be given several times
    #[arg(long = "service", value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    /// Write back the files of the host that containers mount, too
    #[arg(long)]
    pub files: bool,
    /// Do not save what is overwritten
    #[arg(long)]
    pub no_backup: bool,
    /// Why, for those who are told of the lock
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Do not ask before data is overwritten
    #[arg(short, long)]
    pub yes: bool,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Remove the oldest snapshots, except those behind a job that cannot be undone
#[derive(Debug, Clone, Args)]
pub struct SnapshotPruneArguments {
    #[command(flatten)]
    pub project: ProjectArguments,
    /// How many of the newest stay
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub keep: usize,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Remove one snapshot
#[derive(Debug, Clone, Args)]
pub struct SnapshotRmArguments {
    /// Its id, or the beginning of it
    #[arg(value_name = "SNAPSHOT")]
    pub snapshot: String,
    #[command(flatten)]
    pub project: ProjectArguments,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}
