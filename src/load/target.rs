use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    EnvironmentChoice, Inputs, Node,
    decode::decode,
    include::{read_document, template_refused, unreadable},
    library::Library,
    problem::{suggest, wrong},
    schema::strict,
    validate::Schema,
};
use crate::{
    diagnostic::{Class, Diagnostic, Diagnostics},
    name::{EnvironmentName, ProjectName},
    plan::{Environment, Rollback, SecretSource, TargetDocument},
    secret::Secret,
};

/// An environment's file, read.
pub(super) struct Target {
    pub name: EnvironmentName,
    /// As the user would type it.
    pub shown: String,
    pub node: Node,
    pub target: TargetDocument,
    pub parallelism: Option<usize>,
    pub rollback: Option<Rollback>,
    pub adopt: BTreeSet<ProjectName>,
    /// The file, absolute.
    pub path: PathBuf,
    secrets: BTreeMap<String, SecretSource>,
}

/// Reads the chosen environment. `None` without a choice, or if it cannot be read.
pub(super) fn read_target(library: &Library, inputs: &Inputs, problems: &mut Diagnostics) -> Option<Target> {
    let path = environment_path(library, inputs, inputs.environment.as_ref()?, problems)?;
    let node = read_document(library, &path, None, problems)?;
    let before = problems.len();
    check(&node, problems);
    if problems.len() > before {
        return None;
    }
    let environment: Environment = decode(&node, "").map_err(|problem| problems.push(problem)).ok()?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match environment.name {
        Some(name) => name,
        None => stem.parse().map_err(|error| problems.push(bad_name(&library.shown(&path), &error))).ok()?,
    };
    let Environment { target, parallelism, rollback, secrets, adopt, .. } = environment;
    Some(Target { name, shown: library.shown(&path), node, target, parallelism, rollback, adopt, path, secrets })
}

/// Where the chosen environment's file is. `None` if none has that name.
pub(super) fn environment_path(
    library: &Library,
    inputs: &Inputs,
    choice: &EnvironmentChoice,
    problems: &mut Diagnostics,
) -> Option<PathBuf> {
    let path = match choice {
        EnvironmentChoice::Path(path) => inputs.working_directory.join(path),
        EnvironmentChoice::Name(name) => find(library, inputs, name, problems)?,
    };
    Some(super::files::normal(&path))
}

fn bad_name(shown: &str, error: &dyn std::error::Error) -> Diagnostic {
    wrong("invalid-name", format!("`{shown}` cannot name an environment: {error}"))
        .hint("give it a `name`, or rename the file")
}

/// The schema, without the services: they are checked once they are put over the plan's.
fn check(node: &Node, problems: &mut Diagnostics) {
    let mut schema = strict::<Environment>();
    schema["properties"]["services"] = serde_json::json!({ "type": "object" });
    Schema::new(schema).check(node, "", problems);
    for section in ["vars", "secrets", "target"] {
        let templates = node.entries(section).iter().filter(|entry| has_template(&entry.value));
        templates.for_each(|entry| {
            problems.push(template_refused(&format!("{section}.{}", entry.key), entry.value.span));
        });
    }
}

/// Refuses templates in what an environment puts over a Compose file's services: nothing renders them.
pub(super) fn refuse_templates(node: &Node, problems: &mut Diagnostics) {
    for entry in node.entries("services").iter().filter(|entry| has_template(&entry.value)) {
        let summary = format!("`services.{}` is put over a Compose file, where templates stay as they are", entry.key);
        let diagnostic = wrong("template-refused", summary).at(entry.value.span, "a template stands in this");
        problems.push(diagnostic.hint("write the value itself, or `${NAME}` in the Compose file"));
    }
}

pub(super) fn has_template(node: &Node) -> bool {
    match &node.value {
        super::Value::Scalar(scalar) => scalar.text.contains("{{"),
        super::Value::List(items) => items.iter().any(has_template),
        super::Value::Map(entries) => entries.iter().any(|entry| has_template(&entry.value)),
    }
}

/// Looks for `environments/NAME.yaml` from the plan's directory upwards to the root.
fn find(library: &Library, inputs: &Inputs, name: &str, problems: &mut Diagnostics) -> Option<PathBuf> {
    let start = inputs.plan_file.parent().unwrap_or(&inputs.root);
    let directories = start.ancestors().take_while(|directory| directory.starts_with(&inputs.root));
    let mut known = Vec::new();
    for directory in directories.map(|directory| directory.join("environments")) {
        for file in library.names_in(&directory).unwrap_or_default() {
            let path = Path::new(&file);
            if !matches!(path.extension().and_then(|extension| extension.to_str()), Some("yaml" | "yml")) {
                continue;
            }
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if stem == name {
                return Some(directory.join(file));
            }
            known.push(stem);
        }
    }
    known.sort();
    known.dedup();
    let diagnostic = wrong("unknown-environment", format!("there is no environment `{name}`"));
    problems.push(
        suggest(diagnostic, name, known.iter().map(String::as_str), "environments")
            .hint(format!("an environment is a file `environments/{name}.yaml` beside the plan or above it")),
    );
    None
}

impl Target {
    /// The values of the secrets that the plan names.
    pub fn secrets(
        &self,
        library: &Library,
        inputs: &Inputs,
        plan: &Node,
        problems: &mut Diagnostics,
    ) -> BTreeMap<String, Secret> {
        let mut values = BTreeMap::new();
        for (name, source) in &self.secrets {
            let entry = self.node.get("secrets").and_then(|secrets| secrets.entry(name));
            let entry = entry.expect("the sources were read from this node");
            if !plan.entries("secrets").iter().any(|declared| *declared.key == **name) {
                let summary = format!("the plan has no secret `{name}`");
                let diagnostic = wrong("unknown-secret", summary).at(entry.key_span, "not in the plan");
                let known = plan.entries("secrets").iter().map(|entry| &*entry.key);
                problems.push(suggest(diagnostic, name, known, "secrets of the plan"));
                continue;
            }
            let span = entry.value.span;
            match self.secret(source, library, inputs, span) {
                Ok(value) => drop(values.insert(name.clone(), Secret::new(value))),
                Err(problem) => problems.push(problem),
            }
        }
        values
    }

    fn secret(
        &self,
        source: &SecretSource,
        library: &Library,
        inputs: &Inputs,
        span: crate::diagnostic::Span,
    ) -> Result<String, Diagnostic> {
        let unavailable = |summary: String| {
            Diagnostic::error("secret-unavailable", Class::Configuration, summary).at(span, "its source")
        };
        match source {
            SecretSource::Env(variable) => inputs.env.get(variable).cloned().ok_or_else(|| {
                unavailable(format!("the environment variable `{variable}` is not set"))
                    .hint(format!("export {variable}=… before you run this"))
            }),
            SecretSource::File(path) => {
                let path = library.resolve(span, path);
                let bytes = library
                    .bytes_from_anywhere(&path)
                    .map_err(|error| unreadable(&library.shown(&path), &error, Some(span)))?;
                let text = String::from_utf8(bytes)
                    .map_err(|_| unavailable(format!("`{}` is not UTF-8", library.shown(&path))))?;
                let text = text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text));
                Ok(text.to_owned())
            }
        }
    }
}
