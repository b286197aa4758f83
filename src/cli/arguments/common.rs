use std::{path::PathBuf, str::FromStr};

use clap::{Args, ValueEnum};

use crate::name::ProjectName;

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct CommonArguments {
    /// When to use colour; NO_COLOR and CLICOLOR_FORCE are honoured too
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        env = "ORCHESTRATE_COLOR",
        default_value = "auto",
        hide_env_values = true
    )]
    pub color: ColourChoice,
    /// Tell more of what happens
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Tell only what goes wrong
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColourChoice {
    Auto,
    Always,
    Never,
}

/// Which plan, and what goes into it.
#[derive(Debug, Clone, Args)]
pub struct PlanArguments {
    /// The plan or Compose file; without it plan.yaml, orchestrate.yaml or compose.yaml, here or upwards
    #[arg(value_name = "PLAN", env = "ORCHESTRATE_PLAN", hide_env_values = true)]
    pub plan: Option<PathBuf>,
    /// A Compose file, merged over those before it; can be given several times
    #[arg(short = 'f', long = "file", value_name = "FILE", help_heading = "Compose files")]
    pub compose_files: Vec<PathBuf>,
    /// What the project of Compose files is called
    #[arg(short = 'p', long, value_name = "NAME", help_heading = "Compose files")]
    pub project_name: Option<String>,
    #[command(flatten)]
    pub inputs: InputArguments,
}

/// Further plans, for what takes several.
#[derive(Debug, Clone, Args)]
pub struct MorePlansArguments {
    /// Further plans: each after those that its `after` names, otherwise in this order
    #[arg(value_name = "PLANS", conflicts_with_all = ["compose_files", "project_name"])]
    pub more_plans: Vec<PathBuf>,
}

/// Which project: by its plan, or by its name.
#[derive(Debug, Clone, Args)]
pub struct ProjectArguments {
    #[command(flatten)]
    pub plan: PlanArguments,
    /// A project by its name: no plan is read, the one that was last deployed counts
    #[arg(long, value_name = "NAME")]
    pub project: Option<ProjectName>,
}

/// What goes into a plan.
#[derive(Debug, Clone, Args)]
pub struct InputArguments {
    /// The environment: a file, or NAME for environments/NAME.yaml
    #[arg(short, long, value_name = "ENVIRONMENT", env = "ORCHESTRATE_ENVIRONMENT", hide_env_values = true)]
    pub environment: Option<String>,
    /// A variable's value, over all others; can be given several times
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub vars: Vec<Assignment>,
    /// The engine's address, as in DOCKER_HOST
    #[arg(long, value_name = "ADDRESS", env = "ORCHESTRATE_HOST", hide_env_values = true)]
    pub host: Option<String>,
    /// A file of variables for Compose files, instead of .env; can be given several times
    #[arg(long = "env-file", value_name = "FILE", help_heading = "Compose files")]
    pub env_files: Vec<PathBuf>,
    /// A profile of Compose files that is active; can be given several times
    #[arg(long = "profile", value_name = "NAME", help_heading = "Compose files")]
    pub profiles: Vec<String>,
    /// Where relative paths in Compose files start, instead of the first one's directory
    #[arg(long, value_name = "DIRECTORY", help_heading = "Compose files")]
    pub project_directory: Option<PathBuf>,
}

/// A name and its value, as in `--var replicas=3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    pub name: String,
    pub value: String,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                Ok(Self { name: name.trim().to_owned(), value: value.to_owned() })
            }
            Some(_) | None => Err("write it as NAME=VALUE".to_owned()),
        }
    }
}

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}
