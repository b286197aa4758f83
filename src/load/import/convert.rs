use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::writer::{Dollars, Writer, quoted};
use crate::{
    diagnostic::{Class, Diagnostic, Diagnostics, Sources, Span},
    load::{
        Entry, FileError, Files, Inputs, LoadFailure, Node, Scalar, Value,
        compose::{Composed, compose, is_compose},
        include::read_from,
        library::Library,
        load,
        problem::wrong,
    },
    plan::Plan,
};

/// What to write as a plan.
pub struct ImportRequest {
    /// The Compose files, and what goes into them.
    pub inputs: Inputs,
    /// Where the plan will be, absolute: relative paths in it start there.
    pub plan_file: PathBuf,
}

/// A plan that means what Compose files mean.
#[derive(Debug)]
pub struct Imported {
    pub text: String,
    /// What is not as it was, and what to know of it.
    pub notes: Diagnostics,
    /// What places in `notes` point into.
    pub sources: Sources,
}

/// Writes Compose files as a plan.
///
/// # Errors
/// If they are not valid, or no Compose files.
pub fn import(files: Arc<dyn Files>, request: &ImportRequest) -> Result<Imported, LoadFailure> {
    let inputs = &request.inputs;
    let meant = load(files.clone(), inputs)?;
    let mut library = Library::new(files.clone(), &inputs.root, &inputs.working_directory);
    library.open_up();
    let mut problems = Diagnostics::new();
    let root = read_from(&library, &inputs.plan_file, None, None, &mut problems);
    let root = root.filter(|root| {
        let is_it = is_compose(root, &inputs.plan_file);
        if !is_it {
            problems.push(wrong("no-compose-file", "this is a plan already").hint("`import` reads Compose files"));
        }
        is_it
    });
    let composed = root.and_then(|root| {
        let (composed, notices) = compose(root, &library, inputs, &mut problems);
        problems.extend(notices);
        composed
    });
    let Some(composed) = composed else {
        return Err(LoadFailure { sources: library.sources(), diagnostics: problems, document: None });
    };
    // What keeps Compose files from being applied makes a plan invalid: it cannot be compared.
    let obstacles: Diagnostics = meant.warnings.iter().filter(|warning| warning.is_obstacle).cloned().collect();
    let mut best = None;
    // What env files say may hold variables of Compose: then it is written into the plan, too.
    let mut inlined = BTreeMap::new();
    for (dollars, may_inline) in
        [(Dollars::Variables, false), (Dollars::Variables, true), (Dollars::Values, false), (Dollars::Values, true)]
    {
        if may_inline && inlined.is_empty() {
            continue;
        }
        let none = BTreeMap::new();
        let inlined_now = if may_inline { &inlined } else { &none };
        let written = write(&composed, &library, request, (dollars, inlined_now));
        let differing = differences(files.clone(), request, &written.text, &meant.plan);
        let is_same = match &differing {
            Ok(names) => names.is_empty(),
            Err(_) => !obstacles.is_empty(),
        };
        if inlined.is_empty() {
            inlined = with_env_files(&composed, &meant.plan);
        }
        best = Some((written, differing));
        if is_same {
            break;
        }
    }
    let (written, differing) = best.expect("there is more than one way to write it");
    let mut notes = problems;
    notes.extend(written.notes);
    let differing = match differing {
        Err(_) if !obstacles.is_empty() => Vec::new(),
        known => known.unwrap_or_else(|failure| failure),
    };
    notes.extend(obstacles);
    notes.extend(differing.into_iter().map(|what| {
        Diagnostic::warning("not-the-same", Class::Configuration, format!("the plan does not mean the same: {what}"))
    }));
    Ok(Imported { text: written.text, notes, sources: library.sources() })
}

struct Written {
    text: String,
    notes: Diagnostics,
}

/// Sections that come first, and what there is nothing of in a plan.
const HEAD: [&str; 3] = ["apiVersion", "name", "project"];

/// The whole environment of services that have env files.
type Inlined = BTreeMap<String, BTreeMap<String, Option<String>>>;

fn with_env_files(composed: &Composed, plan: &Plan) -> Inlined {
    let value = |text: &Option<crate::secret::Text>| text.as_ref().map(|text| text.expose().to_owned());
    let services = plan.services.iter().filter(|(name, _)| {
        composed.root.get("services").and_then(|all| all.get(name.as_str())?.get("env_file")).is_some()
    });
    let environment = |service: &crate::plan::Service| {
        service.environment.iter().map(|(name, text)| (name.clone(), value(text))).collect()
    };
    services.map(|(name, service)| (name.to_string(), environment(service))).collect()
}

/// Puts an environment in the place of env files: what the service says itself stays as it is.
fn inline(service: &mut Node, environment: &BTreeMap<String, Option<String>>) {
    let span = service.span;
    let Some(entries) = service.as_map_mut() else { return };
    entries.retain(|entry| &*entry.key != "env_file");
    if !entries.iter().any(|entry| &*entry.key == "environment") {
        let value = Node::new(span, Value::Map(Vec::new()));
        entries.push(Entry { key: "environment".into(), key_span: span, value });
    }
    let Some(own) = service.get_mut("environment") else { return };
    let said = |own: &Node, name: &str| crate::load::document::child(own, name).is_some();
    for (name, value) in environment {
        if said(own, name) {
            continue;
        }
        let text = value.as_deref().map_or_else(Scalar::null, Scalar::string);
        match &mut own.value {
            Value::Map(entries) => {
                entries.push(Entry { key: name.as_str().into(), key_span: span, value: Node::scalar(span, text) });
            }
            Value::List(items) => {
                let line = value.as_ref().map_or_else(|| name.clone(), |value| format!("{name}={value}"));
                items.push(Node::scalar(span, Scalar::string(line)));
            }
            Value::Scalar(_) => {}
        }
    }
}

fn write(
    composed: &Composed,
    library: &Library,
    request: &ImportRequest,
    (dollars, inlined): (Dollars, &Inlined),
) -> Written {
    let directory = request.plan_file.parent().unwrap_or(Path::new("/"));
    let mut root = composed.root.clone();
    // Those that are not active are not there any more.
    for service in root.get_mut("services").and_then(Node::as_map_mut).into_iter().flatten() {
        if let Some(entries) = service.value.as_map_mut() {
            entries.retain(|entry| &*entry.key != "profiles");
        }
        if let Some(environment) = inlined.get(&*service.key) {
            inline(&mut service.value, environment);
        }
    }
    let mut writer = Writer::new(library, &composed.variables, directory, dollars);
    let all = root.as_map().unwrap_or_default();
    let body: Vec<Entry> = all.iter().filter(|entry| !HEAD.contains(&&*entry.key)).cloned().collect();
    // What stands before the first key is about the whole file.
    let first = all
        .iter()
        .map(|entry| entry.key_span)
        .filter(|span| span.start > 0)
        .min_by_key(|span| (span.file.0, span.start));
    // Of a name only the value has its place.
    let above = first.map(|span| writer.comments.before(Span { column: 1, ..span })).unwrap_or_default();
    writer.entries(&body, 0);
    let mut text: String = above.iter().filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect();
    for key in HEAD {
        if let Some(value) = root.get(key).and_then(Node::as_text) {
            text.push_str(&format!("{key}: {}\n", quoted(value)));
        }
    }
    let mut notes = Diagnostics::new();
    if !writer.plan_variables.defaults.is_empty() {
        text.push_str("vars:\n");
        for (name, value) in &writer.plan_variables.defaults {
            text.push_str(&format!("  {name}: {{ default: {} }}\n", serde_json::Value::from(value.as_str())));
            notes.extend(telltale(name, value));
        }
    }
    text.push_str(&writer.out);
    notes.extend(writer.resolved.iter().map(|span| {
        let summary = "the value of variables stands in the plan, not the variables";
        Diagnostic::warning("variable-resolved", Class::Configuration, summary).at(*span, "as it is now")
    }));
    Written { text, notes }
}

/// Variables whose values tend to be secret.
fn telltale(name: &str, value: &str) -> Option<Diagnostic> {
    let upper = name.to_uppercase();
    let is_one =
        ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "CREDENTIAL"].iter().any(|word| upper.contains(word));
    (is_one && !value.is_empty()).then(|| {
        let summary = format!("the value of `{name}` stands in the plan");
        Diagnostic::warning("secret-in-plan", Class::Configuration, summary)
            .hint("make it a secret: `{{ secrets.name }}` in the plan, and its source in an environment")
    })
}

/// The plan that was written, among the files that are there.
struct WithPlan {
    files: Arc<dyn Files>,
    path: PathBuf,
    text: String,
}

impl Files for WithPlan {
    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
        if path == self.path { Ok(self.text.clone().into_bytes()) } else { self.files.read(path, limit) }
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, FileError> {
        self.files.list(directory)
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf, FileError> {
        match self.files.canonical(path) {
            // What is not there and is to be mounted is told of the Compose files already.
            Err(FileError::NotFound) => Ok(path.to_owned()),
            answer => answer,
        }
    }
}

/// What a plan does not mean as it was meant. An error is why it cannot be loaded.
fn differences(
    files: Arc<dyn Files>,
    request: &ImportRequest,
    text: &str,
    meant: &Plan,
) -> Result<Vec<String>, Vec<String>> {
    let with = WithPlan { files, path: request.plan_file.clone(), text: text.to_owned() };
    let inputs = Inputs {
        plan_file: request.plan_file.clone(),
        compose: Default::default(),
        environment: None,
        ..request.inputs.clone()
    };
    let loaded = load(Arc::new(with), &inputs).map_err(|failure| {
        let errors = failure.diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
        let place = |diagnostic: &Diagnostic| {
            let label = diagnostic.labels.first();
            label.map_or_else(String::new, |label| format!("{}: ", failure.sources.position(label.span)))
        };
        errors.map(|error| format!("{}{}", place(error), error.summary)).collect::<Vec<_>>()
    })?;
    let plan = loaded.plan;
    let mut found = Vec::new();
    if plan.project != meant.project && request.inputs.environment.is_none() {
        found.push(format!("the project is called `{}`", plan.project));
    }
    let names = plan.services.keys().chain(meant.services.keys());
    let mut differing: Vec<String> = names
        .filter(|name| {
            let salt = crate::secret::Salt::default();
            let document = |plan: &Plan| {
                let service = plan.services.get(*name)?;
                let spec = crate::plan::spec_document(service, &salt);
                let around = (&service.depends_on, &service.deploy, service.restart, service.kind);
                Some((spec, format!("{around:?}")))
            };
            document(&plan) != document(meant)
        })
        .map(|name| format!("`services.{name}` is another one"))
        .collect();
    differing.sort();
    differing.dedup();
    found.extend(differing);
    let sections = [("networks", plan.networks == meant.networks), ("volumes", plan.volumes == meant.volumes)];
    found.extend(sections.iter().filter(|(_, is_same)| !is_same).map(|(name, _)| format!("`{name}` are others")));
    Ok(found)
}
