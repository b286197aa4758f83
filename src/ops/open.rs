use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Context, OpsError, RealFiles, context::State, image_lock::ImageLock};
use crate::{
    diagnostic::{Diagnostic, Diagnostics},
    driver::Clock,
    graph::{Graph, cycle_diagnostics, find_cycles},
    journal::Outcome,
    load::{
        COMPOSE_FILES, ComposeInputs, EnvironmentChoice, Inputs, LoadFailure, Loaded, dotenv_value, load,
        repository_root,
    },
    plan::{Moves, Plan},
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
    /// Leave `orchestrate.lock` out of it.
    pub is_unlocked: bool,
    /// Take over what Compose made under the project's name.
    pub adopt: bool,
    /// What only Compose files ask for.
    pub compose: ComposeRequest,
}

/// Which Compose files, and what goes into them. Relative paths start at the working directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ComposeRequest {
    /// Files, each merged over those before it; after the plan file, if there is one.
    pub files: Vec<PathBuf>,
    /// Files of variables, instead of `.env`.
    pub env_files: Vec<PathBuf>,
    pub profiles: Vec<String>,
    pub project_directory: Option<PathBuf>,
    pub project_name: Option<String>,
}

/// A plan that is valid, with its graph.
pub struct Opened {
    pub loaded: Loaded,
    pub graph: Graph,
    /// As the user would type it.
    pub shown_file: String,
    /// Where relative paths of checks start.
    pub directory: PathBuf,
    /// Where the plan file is, and what lies beside it.
    pub plan_directory: PathBuf,
    pub scrubber: Scrubber,
    request: PlanRequest,
}

impl Opened {
    /// Refuses to apply a plan that can only be looked at.
    pub(super) fn refuse_obstacles(&self) -> Result<(), OpsError> {
        let obstacles = self.loaded.warnings.iter().filter(|warning| warning.is_obstacle);
        let diagnostics: Diagnostics = obstacles.map(Diagnostic::insurmountable).collect();
        match diagnostics.is_empty() {
            true => Ok(()),
            false => Err(OpsError::Invalid { sources: self.loaded.document.sources().clone(), diagnostics }),
        }
    }

    /// What the user types after a command to mean the same plan and environment.
    pub fn arguments(&self) -> String {
        arguments(&self.shown_file, &self.request)
    }
}

/// What the user types after a command to mean a plan and an environment.
pub(super) fn arguments(shown_file: &str, request: &PlanRequest) -> String {
    let compose = &request.compose;
    let is_named = request.plan_file.is_some() || compose.files.is_empty();
    let is_usual =
        PLAN_FILES.contains(&shown_file) || (COMPOSE_FILES.contains(&shown_file) && request.plan_file.is_none());
    let mut words: Vec<String> = Vec::new();
    words.extend((is_named && !is_usual).then(|| shown_file.to_owned()));
    let flag = |flag: &str, path: &Path| format!("{flag} {}", path.display());
    words.extend(compose.files.iter().map(|path| flag("-f", path)));
    words.extend(compose.env_files.iter().map(|path| flag("--env-file", path)));
    words.extend(compose.profiles.iter().map(|name| format!("--profile {name}")));
    words.extend(compose.project_directory.iter().map(|path| flag("--project-directory", path)));
    words.extend(compose.project_name.iter().map(|name| format!("-p {name}")));
    words.extend(request.environment.iter().map(|name| format!("-e {name}")));
    words.join(" ")
}

/// A file's path, as the user would type it.
pub(super) fn shown(context: &Context, path: &Path) -> String {
    path.strip_prefix(&context.working_directory).unwrap_or(path).display().to_string()
}

/// Names under which a plan is found without being named, before Compose files.
const PLAN_FILES: [&str; 2] = ["plan.yaml", "orchestrate.yaml"];

/// The plan or Compose file in a directory or the nearest one above it.
pub fn find_plan(directory: &Path) -> Option<PathBuf> {
    let names = || PLAN_FILES.into_iter().chain(COMPOSE_FILES);
    let candidates = directory.ancestors().flat_map(|directory| names().map(|name| directory.join(name)));
    candidates.into_iter().find(|candidate| candidate.is_file())
}

/// The files that were asked for: on the command line, or by `COMPOSE_FILE`, also in the `.env` of a
/// directory without a plan. Absolute.
fn named_files(context: &Context, request: &PlanRequest) -> Vec<PathBuf> {
    let here = &context.working_directory;
    let asked: Vec<PathBuf> =
        request.plan_file.iter().chain(&request.compose.files).map(|path| here.join(path)).collect();
    if !asked.is_empty() {
        return asked;
    }
    let has_plan = || PLAN_FILES.iter().any(|name| here.join(name).is_file());
    let in_file = |name: &str| {
        let text = std::fs::read_to_string(here.join(".env")).ok().filter(|_| !has_plan())?;
        dotenv_value(&text, name, &context.env)
    };
    let value = |name: &str| context.env.get(name).cloned().or_else(|| in_file(name)).filter(|value| !value.is_empty());
    let Some(files) = value("COMPOSE_FILE") else { return Vec::new() };
    let separator = value("COMPOSE_PATH_SEPARATOR").unwrap_or_else(|| ":".to_owned());
    files.split(&separator).filter(|file| !file.is_empty()).map(|file| here.join(file)).collect()
}

/// What Compose files are read with.
fn compose_inputs(
    context: &Context,
    request: &ComposeRequest,
    more_files: Vec<PathBuf>,
    is_found: bool,
) -> ComposeInputs {
    let here = &context.working_directory;
    let usual = context.env.get("COMPOSE_ENV_FILES").filter(|_| request.env_files.is_empty());
    let usual = usual.into_iter().flat_map(|files| files.split(',')).filter(|file| !file.is_empty()).map(PathBuf::from);
    ComposeInputs {
        more_files,
        is_found,
        env_files: request.env_files.iter().cloned().chain(usual).map(|path| here.join(path)).collect(),
        profiles: request.profiles.clone(),
        project_directory: request.project_directory.as_ref().map(|path| here.join(path)),
        project_name: request.project_name.clone(),
    }
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
    let mut opened = open(context, request)?;
    name_moved_volumes(&mut opened.loaded.plan, state)?;
    if opened.loaded.made.is_empty() {
        return Ok(opened);
    }
    // Which project's values are kept is only known once the plan has been read.
    let sealed = state.store.made_values(&opened.loaded.plan.project)?;
    let sealer = state.sealer();
    // What was sealed with another key is as good as lost: it is made anew.
    let kept = sealed.into_iter().filter_map(|(place, value)| Some((place, sealer.open(&value).ok()?)));
    let mut opened = open_with(context, request, kept.collect())?;
    name_moved_volumes(&mut opened.loaded.plan, state)?;
    Ok(opened)
}

/// Volumes that moved have the names that the plan in force gave them: those of before.
fn name_moved_volumes(plan: &mut Plan, state: &State) -> Result<(), OpsError> {
    let moves = Moves::of(&plan.moved);
    if moves.volumes.is_empty() {
        return Ok(());
    }
    let deployments = state.store.deployments(Some(&plan.project))?;
    let Some(in_force) = deployments.into_iter().find(|record| record.outcome == Some(Outcome::Applied)) else {
        return Ok(());
    };
    let stored = state.store.plan(in_force.id)?.unwrap_or_default();
    for before in moves.volumes.keys() {
        let Some(today) = moves.volume(before) else { continue };
        let old = format!("{}_{before}", plan.project);
        let is_kept = stored["volumes"][today.as_str()]["name"] == old.as_str();
        if let Some(volume) = plan.volumes.get_mut(today).filter(|volume| is_kept && volume.name.is_none()) {
            volume.name = Some(old);
        }
    }
    Ok(())
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
    let mut named = named_files(context, request);
    let is_found = named.is_empty();
    if is_found {
        let directory = request.compose.project_directory.as_ref();
        let start = directory.map_or(context.working_directory.clone(), |path| context.working_directory.join(path));
        named.push(find_plan(&start).ok_or(OpsError::NoPlan)?);
    }
    let plan_file = named.remove(0);
    Ok(Inputs {
        compose: compose_inputs(context, &request.compose, named, is_found),
        root: repository_root(&plan_file, |directory| directory.join(".git").exists()),
        plan_file,
        working_directory: context.working_directory.clone(),
        environment: request.environment.as_deref().map(EnvironmentChoice::of),
        adopt: request.adopt,
        vars: request.vars.clone(),
        env: context.env.clone(),
        now: Clock::start().now(),
        made: Arc::new(made),
        random: Arc::new(crate::store::random_text),
    })
}

fn open_with(context: &Context, request: &PlanRequest, made: BTreeMap<String, String>) -> Result<Opened, OpsError> {
    let inputs = inputs(context, request, made)?;
    let mut loaded = load(Arc::new(RealFiles), &inputs).map_err(with_cycles)?;
    let plan_directory = inputs.plan_file.parent().unwrap_or(Path::new("/")).to_owned();
    if let (false, Some(lock)) = (request.is_unlocked, ImageLock::read(&ImageLock::path(&plan_directory))?) {
        lock.pin(&mut loaded);
    }
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
        request: request.clone(),
        directory: loaded.directory.clone(),
        plan_directory,
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
