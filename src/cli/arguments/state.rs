use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Format, InputArguments, ProjectArguments};
use crate::name::{ProjectName, ServiceName};

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

/// Follow a deployment that runs in another terminal to its end
#[derive(Debug, Clone, Args)]
pub struct WatchArguments {
    /// Its id, or the beginning of it; without it the one of the project that runs
    #[arg(value_name = "DEPLOYMENT", value_parser = id_or_its_beginning)]
    pub deployment: Option<String>,
    /// The plan; without it plan.yaml, orchestrate.yaml or compose.yaml, here or upwards
    #[arg(short, long, value_name = "PLAN", env = "ORCHESTRATE_PLAN", hide_env_values = true)]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub inputs: InputArguments,
    /// A project by its name: no plan is read, the one that was last deployed counts
    #[arg(long, value_name = "NAME")]
    pub project: Option<ProjectName>,
    /// How events are written: as apply shows them, or as lines of JSON
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Look after what is kept of deployments on this host
#[derive(Debug, Clone, Args)]
pub struct StateArguments {
    #[command(subcommand)]
    pub command: StateCommand,
}

#[derive(Debug, Clone, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one of it in a process")]
pub enum StateCommand {
    Path(StatePathArguments),
    Verify(StateVerifyArguments),
    Backup(StateBackupArguments),
    Restore(StateRestoreArguments),
    Rebuild(StateRebuildArguments),
}

/// Print where state is kept
#[derive(Debug, Clone, Args)]
pub struct StatePathArguments {}

/// Look through all that is kept, and say what is damaged or left over; changes nothing
#[derive(Debug, Clone, Args)]
pub struct StateVerifyArguments {
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Copy the state into a file, also while it is used; the key that opens its secrets is in it
#[derive(Debug, Clone, Args)]
pub struct StateBackupArguments {
    /// The file to write, a tar archive for you alone; never overwrites one
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Put a backup in the state's place, once it was looked through; touches nothing that runs
#[derive(Debug, Clone, Args)]
pub struct StateRestoreArguments {
    /// A file that `state backup` wrote
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Also over a state that is there; that is kept as state.db.replaced
    #[arg(long)]
    pub force: bool,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Bring back a project's lost history and the values made once from what is kept on its engine
///
/// A damaged state is put aside and kept. Touches nothing that runs.
#[derive(Debug, Clone, Args)]
pub struct StateRebuildArguments {
    #[command(flatten)]
    pub project: ProjectArguments,
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
