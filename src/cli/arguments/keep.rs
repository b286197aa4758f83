//! What is asked of a plan beside what it runs.

use clap::Args;

use super::{Format, WhichArguments};

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
