use clap::{Args, ValueEnum};

use super::{Format, MorePlansArguments, PlanArguments};

/// Check a plan and its environment, and show every problem
#[derive(Debug, Clone, Args)]
pub struct ValidateArguments {
    #[command(flatten)]
    pub plan: PlanArguments,
    #[command(flatten)]
    pub more: MorePlansArguments,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Print the plan as it is for an environment: included, overlaid, with all values filled in
#[derive(Debug, Clone, Args)]
pub struct RenderArguments {
    #[command(flatten)]
    pub plan: PlanArguments,
    /// How the plan is written
    #[arg(long, value_enum, default_value = "yaml")]
    pub format: RenderFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RenderFormat {
    Yaml,
    Json,
}

/// Show in which order services start, and the longest path
#[derive(Debug, Clone, Args)]
pub struct GraphArguments {
    #[command(flatten)]
    pub plan: PlanArguments,
    /// How the graph is written
    #[arg(long, value_enum, default_value = "text")]
    pub format: GraphFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// For people
    Text,
    /// For programs
    Json,
    /// For Markdown
    Mermaid,
    /// For Graphviz
    Dot,
}

/// Print the JSON Schema of plans or environments, for editors
#[derive(Debug, Clone, Args)]
pub struct SchemaArguments {
    /// Which document's schema
    #[arg(value_enum, default_value = "plan")]
    pub document: SchemaKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    Plan,
    Environment,
}
