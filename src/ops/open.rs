use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Context, OpsError, RealFiles, context::State};
use crate::{
    driver::Clock,
    graph::{Graph, cycle_diagnostics, find_cycles},
    load::{EnvironmentChoice, Inputs, LoadFailure, Loaded, load, repository_root},
    secret::Scrubber,
    store::Store as _,
};

/// Which plan, and what goes into it.
#[derive(Debug, Clone, Default)]
pub struct PlanRequest {
    /// Without it, [`find_plan`] looks for one.
    pub plan_file: Option<PathBuf>,
    /// A file, or a name for `environments/NAME.yaml`.
    pub environment: Option<String>,
    /// Values of variables, the last of one name wins.
    pub vars: Vec<(String, String)>,
}

/// A plan that is valid, with its graph.
pub struct Opened {
    pub loaded: Loaded,
    pub graph: Graph,
    /// As the user would type it.
    pub shown_file: String,
    /// Where relative paths of checks start.
    pub directory: PathBuf,
    pub scrubber: Scrubber,
    /// As it was asked for: a name or a path.
    environment: Option<String>,
}

impl Opened {
    /// What the user types after a command to mean the same plan and environment.
    pub fn arguments(&self) -> String {
        arguments(&self.shown_file, self.environment.as_deref())
    }
}

/// What the user types after a command to mean a plan and an environment.
pub(super) fn arguments(shown_file: &str, environment: Option<&str>) -> String {
    let environment = environment.map(|name| format!("-e {name}"));
    let file = Some(shown_file.to_owned()).filter(|file| !PLAN_FILES.contains(&file.as_str()));
    file.into_iter().chain(environment).collect::<Vec<_>>().join(" ")
}

/// A file's path, as the user would type it.
pub(super) fn shown(context: &Context, path: &Path) -> String {
    path.strip_prefix(&context.working_directory).unwrap_or(path).display().to_string()
}

/// Names under which a plan is found without being named.
const PLAN_FILES: [&str; 3] = ["plan.yaml", "orchestrate.yaml", "compose.yaml"];

/// The plan in a directory or the nearest one above it.
pub fn find_plan(directory: &Path) -> Option<PathBuf> {
    let candidates = directory.ancestors().flat_map(|directory| PLAN_FILES.map(|name| directory.join(name)));
    candidates.into_iter().find(|candidate| candidate.is_file())
}

/// Loads a plan and its graph; touches nothing.
///
/// # Errors
/// If there is none, or anything in it is wrong.
pub fn open(context: &Context, request: &PlanRequest) -> Result<Opened, OpsError> {
    open_with(context, request, BTreeMap::new())
}

/// [`open`], with the values that were made once for this project before.
pub(super) fn open_with_kept(context: &Context, request: &PlanRequest, state: &State) -> Result<Opened, OpsError> {
    let opened = open(context, request)?;
    if opened.loaded.made.is_empty() {
        return Ok(opened);
    }
    // Which project's values are kept is only known once the plan has been read.
    let sealed = state.store.made_values(&opened.loaded.plan.project)?;
    let sealer = state.sealer();
    // What was sealed with another key is as good as lost: it is made anew.
    let kept = sealed.into_iter().filter_map(|(place, value)| Some((place, sealer.open(&value).ok()?)));
    open_with(context, request, kept.collect())
}

/// What a plan is made from.
///
/// # Errors
/// If there is no plan.
pub(super) fn inputs(
    context: &Context,
    request: &PlanRequest,
    made: BTreeMap<String, String>,
) -> Result<Inputs, OpsError> {
    let plan_file = match &request.plan_file {
        Some(path) => context.working_directory.join(path),
        None => find_plan(&context.working_directory).ok_or(OpsError::NoPlan)?,
    };
    Ok(Inputs {
        root: repository_root(&plan_file, |directory| directory.join(".git").exists()),
        plan_file,
        working_directory: context.working_directory.clone(),
        environment: request.environment.as_deref().map(EnvironmentChoice::of),
        vars: request.vars.clone(),
        env: context.env.clone(),
        now: Clock::start().now(),
        made: Arc::new(made),
        random: Arc::new(crate::store::random_text),
    })
}

fn open_with(context: &Context, request: &PlanRequest, made: BTreeMap<String, String>) -> Result<Opened, OpsError> {
    let inputs = inputs(context, request, made)?;
    let loaded = load(Arc::new(RealFiles), &inputs).map_err(with_cycles)?;
    let graph = match Graph::build(&loaded.plan) {
        Ok(graph) => graph,
        Err(cycles) => {
            let problems = cycle_diagnostics(&cycles, &loaded.document);
            return Err(loaded.refuse(problems).into());
        }
    };
    Ok(Opened {
        scrubber: Scrubber::new(loaded.secrets.iter().cloned()),
        shown_file: shown(context, &inputs.plan_file),
        environment: request.environment.clone(),
        directory: inputs.plan_file.parent().unwrap_or(Path::new("/")).to_owned(),
        loaded,
        graph,
    })
}

/// Who mends a document wants to hear of its cycles, too, before the next try.
fn with_cycles(mut failure: LoadFailure) -> LoadFailure {
    let Some(document) = failure.document.take() else { return failure };
    let cycles = find_cycles(&document.dependencies());
    failure.with(cycle_diagnostics(&cycles, &*document))
}
