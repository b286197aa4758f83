//! What is asked of a plan beside what it runs.

use clap::Args;

use super::{Format, WhichArguments};
use crate::name::ServiceName;

/// Print what the plan gives out: all outputs, or one by its name
#[derive(Debug, Clone, Args)]
pub struct OutputArguments {
    /// The output; a sensitive one is only printed by its name
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    #[command(flatten)]
    pub which: WhichArguments,
    /// Its value alone, without a line's end
    #[arg(long, requires = "name", conflicts_with = "format")]
    pub raw: bool,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Let services go that the plan no longer names: they run on, and are not looked after any more
#[derive(Debug, Clone, Args)]
pub struct ForgetArguments {
    #[arg(value_name = "SERVICE", required = true)]
    pub services: Vec<ServiceName>,
    #[command(flatten)]
    pub which: WhichArguments,
    /// Take back what was let go
    #[arg(long)]
    pub undo: bool,
}
