use std::path::PathBuf;

/// What Compose files are read with, beside what every plan is. Nothing of it matters to a plan.
#[derive(Debug, Clone, Default)]
pub struct ComposeInputs {
    /// Files that are merged over the plan file, in order; absolute.
    pub more_files: Vec<PathBuf>,
    /// Whether the plan file was found rather than named: then the override file beside it counts.
    pub is_found: bool,
    /// Files of variables, instead of `.env` in the project's directory; absolute.
    pub env_files: Vec<PathBuf>,
    /// The profiles that are active, instead of those that `COMPOSE_PROFILES` names.
    pub profiles: Vec<String>,
    /// Where relative paths start, instead of the first file's directory; absolute.
    pub project_directory: Option<PathBuf>,
    /// What the project is called, over all that the files say.
    pub project_name: Option<String>,
}
