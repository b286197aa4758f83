use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Context, Opened, OpsError, PlanRequest, RealFiles,
    context::State,
    look::runtimes_of,
    open::{arguments, inputs, open_with_kept, shown},
    past::used,
    stored::{StoredPlan, stored_plan},
};
use crate::{
    diagnostic::{Class, Diagnostic, Diagnostics, Severity, Sources},
    journal::Outcome,
    load::{identify, nearest},
    name::ProjectName,
    plan::{RuntimeKind, TargetDocument},
    report::{count, list},
    runtime::Runtimes,
    store::{DeploymentKind, DeploymentRecord, Store as _},
};

/// Which project, for commands that look after what was deployed. They need no plan that loads: at
/// night it may be gone, half edited, or want variables that nobody knows by heart.
#[derive(Debug, Clone, Default)]
pub struct ProjectRequest {
    /// A project by its name: then no plan is read.
    pub project: Option<ProjectName>,
    /// The plan whose project is meant, otherwise.
    pub plan: PlanRequest,
}

impl From<PlanRequest> for ProjectRequest {
    fn from(plan: PlanRequest) -> Self {
        Self { project: None, plan }
    }
}

/// A project, and what is known of it.
pub struct Project {
    pub name: ProjectName,
    /// What its user should know before anything else: that it is not the plan file that counts.
    pub warnings: Diagnostics,
    /// The plan file, as the user would type it.
    pub(super) shown_file: String,
    /// Where relative paths of checks start.
    pub(super) directory: PathBuf,
    pub(super) target: TargetDocument,
    pub(super) state: State,
    arguments: String,
    basis: Basis,
}

/// What is known of a project comes from its plan file, or from what was written down of it.
enum Basis {
    File(Box<Opened>),
    Store {
        /// The last deployment, however it ended.
        last: Option<Box<DeploymentRecord>>,
        /// The last one that succeeded.
        in_force: Option<Box<DeploymentRecord>>,
    },
}

/// Projects that are listed where one has to be named.
const MOST_NAMED: usize = 20;

impl Project {
    /// Finds out which project is meant: by its name; else by the plan, if it loads; else by the
    /// names in the plan and its environment. None is ever guessed.
    ///
    /// # Errors
    /// If there is no plan, or not even its name can be read: then with the projects that are known
    /// here. If the state cannot be read.
    pub fn find(context: &Context, request: &ProjectRequest) -> Result<Self, OpsError> {
        let state = context.state()?;
        if let Some(name) = &request.project {
            return Self::by_name(context, state, name);
        }
        match open_with_kept(context, &request.plan, &state) {
            Ok(opened) => Ok(Self::of_file(state, opened)),
            Err(OpsError::NoPlan) => Err(match known(&state)? {
                none if none.is_empty() => OpsError::NoPlan,
                known => OpsError::NoProject { known: names(&known) },
            }),
            Err(OpsError::Invalid { sources, diagnostics }) => {
                Self::of_broken_file(context, state, &request.plan, sources, diagnostics)
            }
            Err(other) => Err(other),
        }
    }

    /// What the user types after a command to mean the same project.
    pub fn arguments(&self) -> String {
        self.arguments.clone()
    }

    fn of_file(state: State, opened: Opened) -> Self {
        Self {
            name: opened.loaded.plan.project.clone(),
            warnings: Diagnostics::new(),
            shown_file: opened.shown_file.clone(),
            directory: opened.directory.clone(),
            target: opened.loaded.target.clone(),
            state,
            arguments: opened.arguments(),
            basis: Basis::File(Box::new(opened)),
        }
    }

    fn by_name(context: &Context, state: State, name: &ProjectName) -> Result<Self, OpsError> {
        let (last, in_force) = written_down(&state, name)?;
        let warnings = match &last {
            Some(_) => Diagnostics::new(),
            None => vec![unknown(name, &known(&state)?)],
        };
        let directory = last.as_ref().map(|last| PathBuf::from(&last.plan_directory));
        Ok(Self {
            name: name.clone(),
            warnings,
            shown_file: last.as_ref().map(|last| last.plan_file.clone()).unwrap_or_default(),
            directory: directory.filter(|path| path.is_absolute()).unwrap_or(context.working_directory.clone()),
            target: last.as_ref().map(|last| last.target.clone()).unwrap_or_default(),
            state,
            arguments: format!("--project {name}"),
            basis: Basis::Store { last, in_force },
        })
    }

    fn of_broken_file(
        context: &Context,
        state: State,
        request: &PlanRequest,
        sources: Sources,
        mut diagnostics: Diagnostics,
    ) -> Result<Self, OpsError> {
        let inputs = inputs(context, request, BTreeMap::new())?;
        let Some(name) = identify(Arc::new(RealFiles), &inputs) else {
            diagnostics.extend(or_by_name(&known(&state)?));
            return Err(OpsError::Invalid { sources, diagnostics });
        };
        let (last, in_force) = written_down(&state, &name)?;
        let shown_file = shown(context, &inputs.plan_file);
        Ok(Self {
            warnings: vec![not_loaded(&name, &shown_file, in_force.as_deref(), &diagnostics, &sources)],
            name,
            directory: inputs.plan_file.parent().unwrap_or(Path::new("/")).to_owned(),
            target: last.as_ref().map(|last| last.target.clone()).unwrap_or_default(),
            state,
            arguments: arguments(&shown_file, request),
            shown_file,
            basis: Basis::Store { last, in_force },
        })
    }

    /// Its plan: the file's, or the one that was last deployed. Where there is neither, one without
    /// services, by which all that is there is found by its labels. What is wrong with a stored plan
    /// is added to `warnings`.
    pub(super) fn plan(&self, warnings: &mut Diagnostics) -> ProjectPlan<'_> {
        let (last, in_force) = match &self.basis {
            Basis::File(opened) => return ProjectPlan::File(opened),
            Basis::Store { last, in_force } => (last.as_deref(), in_force.as_deref()),
        };
        let Some(record) = in_force else {
            return ProjectPlan::Nothing(Box::new(StoredPlan::nothing(&self.name, last)));
        };
        match stored_plan(&self.state, record) {
            // What was destroyed is not wanted any more; its volumes may be there.
            Ok(stored) if record.kind == DeploymentKind::Destroy => {
                ProjectPlan::Deployed(Box::new(stored.without_services()))
            }
            Ok(stored) => ProjectPlan::Deployed(Box::new(stored)),
            Err(error) => {
                let hint = "only what carries the project's name is looked at";
                warnings.push(
                    Diagnostic::warning("stored-plan-unusable", Class::Configuration, error.to_string()).hint(hint),
                );
                ProjectPlan::Nothing(Box::new(StoredPlan::nothing(&self.name, last)))
            }
        }
    }

    /// The runtimes that it cannot do without: those that its plan needs. Without a plan those that
    /// its last deployment used.
    pub(super) fn needed(&self, plan: &ProjectPlan<'_>) -> BTreeSet<RuntimeKind> {
        match (&self.basis, plan) {
            (Basis::Store { last: Some(last), .. }, _) if plan.plan().services.is_empty() => used(last),
            (Basis::File(_) | Basis::Store { .. }, _) => runtimes_of(plan.plan()),
        }
    }

    /// The runtimes that may have something of it.
    pub(super) fn runtimes(&self, context: &Context, needed: &BTreeSet<RuntimeKind>) -> Result<Runtimes, OpsError> {
        let runtimes = match &self.basis {
            // Its state may be lost: then only the engine knows of it.
            Basis::Store { last: None, .. } => context.all_runtimes(&self.state)?,
            Basis::File(_) | Basis::Store { .. } => context.runtimes(&self.state, &self.name, &self.target, needed)?,
        };
        Ok(runtimes.following(&self.plan(&mut Diagnostics::new()).plan().moved))
    }
}

/// A project's plan, and where it comes from.
pub(super) enum ProjectPlan<'a> {
    File(&'a Opened),
    /// What the last deployment that succeeded worked towards.
    Deployed(Box<StoredPlan>),
    /// Nothing is known but the name.
    Nothing(Box<StoredPlan>),
}

impl ProjectPlan<'_> {
    pub fn plan(&self) -> &crate::plan::Plan {
        match self {
            Self::File(opened) => &opened.loaded.plan,
            Self::Deployed(stored) | Self::Nothing(stored) => &stored.plan,
        }
    }

    pub fn graph(&self) -> &crate::graph::Graph {
        match self {
            Self::File(opened) => &opened.graph,
            Self::Deployed(stored) | Self::Nothing(stored) => &stored.graph,
        }
    }

    pub fn scrubber(&self) -> &crate::secret::Scrubber {
        match self {
            Self::File(opened) => &opened.scrubber,
            Self::Deployed(stored) | Self::Nothing(stored) => &stored.scrubber,
        }
    }
}

type Written = (Option<Box<DeploymentRecord>>, Option<Box<DeploymentRecord>>);

/// The last deployment of a project, and the last that succeeded.
fn written_down(state: &State, name: &ProjectName) -> Result<Written, OpsError> {
    let records = state.store.deployments(Some(name))?;
    let in_force = records.iter().find(|record| record.outcome == Some(Outcome::Applied)).cloned();
    Ok((records.into_iter().next().map(Box::new), in_force.map(Box::new)))
}

/// All projects that were ever deployed from here.
fn known(state: &State) -> Result<BTreeSet<ProjectName>, OpsError> {
    Ok(state.store.deployments(None)?.into_iter().map(|record| record.project).collect())
}

/// Names for a sentence, not more than fit in it.
fn names(known: &BTreeSet<ProjectName>) -> String {
    let more = known.len().saturating_sub(MOST_NAMED);
    let named = known.iter().take(MOST_NAMED).map(|name| format!("`{name}`"));
    match more {
        0 => list(named),
        more => format!("{} and {}", named.collect::<Vec<_>>().join(", "), count(more, "other")),
    }
}

fn unknown(name: &ProjectName, known: &BTreeSet<ProjectName>) -> Diagnostic {
    let text = format!("`{name}` was never deployed from here: only what carries its name is looked at");
    let warning = Diagnostic::warning("unknown-project", Class::Configuration, text);
    match nearest(name.as_str(), known.iter().map(ProjectName::as_str)) {
        Some(nearest) => warning.hint(format!("did you mean `{nearest}`?")),
        None if known.is_empty() => warning,
        None => warning.hint(format!("known here: {}", names(known))),
    }
}

/// What else one can do where a plan is so wrong that nobody knows whose it is.
fn or_by_name(known: &BTreeSet<ProjectName>) -> Option<Diagnostic> {
    let summary = "what was deployed can be named without its plan";
    let note = Diagnostic { severity: Severity::Note, ..Diagnostic::error("by-name", Class::Configuration, summary) };
    (!known.is_empty()).then(|| note.hint(format!("`--project NAME`: known here are {}", names(known))))
}

fn not_loaded(
    name: &ProjectName,
    shown_file: &str,
    in_force: Option<&DeploymentRecord>,
    diagnostics: &Diagnostics,
    sources: &Sources,
) -> Diagnostic {
    let mut errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
    let why = errors.next().map_or_else(String::new, |error| match error.labels.first() {
        Some(label) => format!("{}: {}", sources.position(label.span), error.summary),
        None => error.summary.clone(),
    });
    let more = match errors.count() {
        0 => String::new(),
        more => format!(" (and {})", count(more, "more problem")),
    };
    let instead = match in_force {
        Some(record) => format!("the plan that deployment `{}` left in force is used", record.id),
        None => format!("no deployment of `{name}` has succeeded, so only what carries its name is looked at"),
    };
    let text = format!("`{shown_file}` cannot be loaded, {instead}: {why}{more}");
    Diagnostic::warning("plan-not-loaded", Class::Configuration, text)
        .hint("`orchestrate validate` shows what is wrong")
}
