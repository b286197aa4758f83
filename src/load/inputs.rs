use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use super::{ComposeInputs, Document, Outputs, problem::in_order};
use crate::{
    diagnostic::{Diagnostics, Sources},
    plan::{Plan, TargetDocument},
    secret::Secret,
    time::Timestamp,
};

/// Which environment a plan is loaded for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvironmentChoice {
    /// A file.
    Path(PathBuf),
    /// `environments/NAME.yaml`, from the plan's directory upwards to the repository's root.
    Name(String),
}

impl EnvironmentChoice {
    /// What `-e` means: a path if it looks like one, else a name.
    pub fn of(text: &str) -> Self {
        match text.contains('/') || text.ends_with(".yaml") || text.ends_with(".yml") {
            true => Self::Path(text.into()),
            false => Self::Name(text.to_owned()),
        }
    }
}

/// What a plan is made from, beside its files. Everything comes in from here, so that loading is
/// a function of its arguments.
#[derive(Clone)]
pub struct Inputs {
    /// Absolute.
    pub plan_file: PathBuf,
    /// The repository's root, absolute: no file outside of it is read, except for Compose files.
    pub root: PathBuf,
    /// Where the user is, absolute: paths in messages are shown from there.
    pub working_directory: PathBuf,
    pub environment: Option<EnvironmentChoice>,
    /// What only matters if the plan file is a Compose file.
    pub compose: ComposeInputs,
    /// Take over what Compose made under the project's name.
    pub adopt: bool,
    /// `--var name=value`, in order; the last of one name wins.
    pub vars: Vec<(String, String)>,
    /// The process environment.
    pub env: Arc<BTreeMap<String, String>>,
    pub now: Timestamp,
    /// What `now()` and `random_string()` gave before, by place: kept values do not change.
    pub made: Arc<BTreeMap<String, String>>,
    /// Makes a random string of so many characters.
    pub random: Arc<dyn Fn(usize) -> String + Send + Sync>,
}

/// A plan, and what is known about where it came from.
#[derive(Debug)]
pub struct Loaded {
    pub plan: Plan,
    /// What the environment says about the engine.
    pub target: TargetDocument,
    pub document: Document,
    /// What Compose made is to be taken over, as the user asks now.
    pub is_adopting: bool,
    /// The file in which that still has to be written down.
    pub adoption_record: Option<PathBuf>,
    /// Where relative paths start that are in no file, such as those of checks.
    pub directory: PathBuf,
    pub warnings: Diagnostics,
    /// Every secret value that was read, for a [`Scrubber`](crate::secret::Scrubber).
    pub secrets: Vec<Secret>,
    /// What `now()` and `random_string()` gave for the first time, by place, to be kept once it is
    /// applied.
    pub made: BTreeMap<String, String>,
    /// What it gives out once it is applied.
    pub outputs: Outputs,
}

impl Loaded {
    /// Refuses a plan for what was found wrong with it since.
    pub fn refuse(self, problems: Diagnostics) -> LoadFailure {
        let sources = self.document.sources().clone();
        LoadFailure { sources, diagnostics: self.warnings, document: None }.with(problems)
    }
}

/// All problems of a document, warnings included, and the texts that they point into.
#[derive(Debug)]
pub struct LoadFailure {
    pub sources: Sources,
    pub diagnostics: Diagnostics,
    /// As far as it could be read, for whoever can find more that is wrong with it.
    pub document: Option<Box<Document>>,
}

impl LoadFailure {
    /// Adds further problems, each in its place.
    pub fn with(mut self, problems: Diagnostics) -> Self {
        self.diagnostics.extend(problems);
        in_order(&mut self.diagnostics);
        self
    }
}
