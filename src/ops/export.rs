//! What runs on an engine, written as a plan.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Context, OpsError};
use crate::{
    diagnostic::{Class, Diagnostic, Diagnostics},
    load::{document_yaml, literal},
    observed::Fault,
    report::list,
    runtime::docker::{Described, DescribedContainer, Docker, resolve_host},
};

/// What is to be written as a plan.
#[derive(Debug, Clone, Default)]
pub struct ExportRequest {
    /// A project, ours or Compose's.
    pub project: Option<String>,
    /// Containers by their names, whosever.
    pub containers: Vec<String>,
}

/// A plan of what runs.
pub struct Exported {
    /// YAML.
    pub text: String,
    pub warnings: Diagnostics,
}

/// Names of variables that tend to hold what nobody should read.
const TELLTALE: [&str; 6] = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "CREDENTIAL"];

/// Writes what runs as a plan: only what differs from the images' defaults.
///
/// # Errors
/// If the engine cannot be asked, or nothing there is meant.
pub async fn export(context: &Context, request: &ExportRequest) -> Result<Exported, OpsError> {
    let address = resolve_host(context.host.as_deref(), None, &context.env)?;
    let engine = Docker::with_patience(address, context.patience.clone());
    let described = engine.describe().await?;
    let (name, containers) = selected(&described, request)?;
    let mut warnings = Diagnostics::new();
    let mut exporting = Exporting { described: &described, project: &name, networks: Map::new(), volumes: Map::new() };
    let mut services: BTreeMap<String, (Map<String, Value>, u32)> = BTreeMap::new();
    for container in containers {
        warnings.extend(warn(container));
        let service = service_name(&container.service);
        match services.get_mut(&service) {
            Some((_, replicas)) => *replicas += 1,
            None => drop(services.insert(service, (exporting.service(container), 1))),
        }
    }
    let mut written = Map::new();
    let (jobs, healthy) = awaited(&services);
    for (service, (mut document, replicas)) in services {
        if jobs.contains(&service) {
            document.insert("kind".to_owned(), "job".into());
        }
        if healthy.contains(&service) && !document.contains_key("healthcheck") {
            document.insert("healthcheck".to_owned(), json!({}));
        }
        if replicas > 1 {
            let deploy = document.entry("deploy").or_insert_with(|| json!({}));
            deploy["replicas"] = replicas.into();
        }
        written.insert(service, Value::Object(document));
    }
    let mut plan = Map::new();
    plan.insert("apiVersion".to_owned(), "orchestrate/v1".into());
    plan.insert("name".to_owned(), name.clone().into());
    plan.insert("services".to_owned(), Value::Object(written));
    for (section, entries) in [("networks", exporting.networks), ("volumes", exporting.volumes)] {
        if !entries.is_empty() {
            plan.insert(section.to_owned(), Value::Object(entries));
        }
    }
    let mut plan = Value::Object(plan);
    escape(&mut plan);
    Ok(Exported { text: document_yaml(&plan), warnings })
}

/// The containers that are meant, and what their plan is called.
fn selected<'d>(
    described: &'d Described,
    request: &ExportRequest,
) -> Result<(String, Vec<&'d DescribedContainer>), OpsError> {
    let projects: BTreeSet<&String> =
        described.containers.iter().filter_map(|container| container.project.as_ref()).collect();
    let known = || list(projects.iter().map(|project| format!("`{project}`")));
    let of = |project: &str| -> Vec<&DescribedContainer> {
        described.containers.iter().filter(|container| container.project.as_deref() == Some(project)).collect()
    };
    if !request.containers.is_empty() {
        let find = |name: &String| {
            let found = described.containers.iter().find(|container| container.name == *name);
            found.ok_or_else(|| missing(format!("there is no container `{name}`"), "`docker ps -a` lists them"))
        };
        let found = request.containers.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let name = request.project.clone().unwrap_or_else(|| "exported".to_owned());
        return Ok((name, found));
    }
    let project = match (&request.project, projects.len()) {
        (Some(project), _) => project.clone(),
        (None, 1) => projects.iter().map(|project| (*project).clone()).collect(),
        (None, 0) => return Err(missing("no container belongs to a project".to_owned(), "name containers").into()),
        (None, _) => {
            return Err(
                missing("there are several projects".to_owned(), &format!("`--project NAME`: {}", known())).into()
            );
        }
    };
    let found = of(&project);
    match found.is_empty() {
        true => {
            Err(missing(format!("there is no container of a project `{project}`"), &format!("there are {}", known()))
                .into())
        }
        false => Ok((project, found)),
    }
}

fn missing(text: String, hint: &str) -> Fault {
    Fault::new(Class::Configuration, "nothing-to-export", text).hint(hint)
}

/// A name that a service may have.
fn service_name(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = name.chars().map(|c| if fits(c) { c } else { '-' }).collect();
    name.trim_start_matches(['-', '_', '.']).to_owned()
}

fn warn(container: &DescribedContainer) -> Vec<Diagnostic> {
    let environment = container.document.get("environment").and_then(Value::as_object);
    let is_telltale = |name: &&String| {
        let upper = name.to_uppercase();
        !upper.ends_with("_FILE") && TELLTALE.iter().any(|word| upper.contains(word))
    };
    let names: Vec<String> = environment
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .filter(is_telltale)
        .map(|name| format!("`{name}`"))
        .collect();
    let secret = (!names.is_empty()).then(|| {
        let text = format!("the environment of `{}` stands in the plan as it is: {}", container.name, list(names));
        Diagnostic::warning("secret-in-plan", Class::Configuration, text)
            .hint("make it a secret: `{{ secrets.name }}` in the plan, and its source in an environment")
    });
    let left = container.left_out.iter().map(|key| {
        let text = format!("`{key}` of `{}` is not written into the plan", container.name);
        Diagnostic::warning("not-exported", Class::Configuration, text)
    });
    secret.into_iter().chain(left).collect()
}

struct Exporting<'d> {
    described: &'d Described,
    project: &'d str,
    networks: Map<String, Value>,
    volumes: Map<String, Value>,
}

impl Exporting<'_> {
    /// A service, with keys of the plan for the engine's names.
    fn service(&mut self, container: &DescribedContainer) -> Map<String, Value> {
        let mut document = container.document.clone();
        match document.get_mut("networks") {
            Some(Value::Array(names)) => {
                for name in names {
                    let key = self.network(name.as_str().unwrap_or_default());
                    *name = key.into();
                }
            }
            Some(Value::Object(attachments)) => {
                let keyed = std::mem::take(attachments);
                *attachments = keyed.into_iter().map(|(name, value)| (self.network(&name), value)).collect();
            }
            Some(_) | None => {}
        }
        for mount in document.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
            let Some((name, rest)) = mount.as_str().and_then(|text| text.split_once(':')) else { continue };
            if !name.starts_with('/') {
                *mount = format!("{}:{rest}", self.volume(name)).into();
            }
        }
        // Another container's namespace is its service's.
        if let Some(Value::String(mode)) = document.get_mut("network_mode")
            && let Some(id) = mode.strip_prefix("container:")
        {
            let peer = self.described.containers.iter().find(|other| other.name == id);
            *mode = peer.map_or_else(|| mode.clone(), |peer| format!("service:{}", peer.service));
        }
        document
    }

    fn network(&mut self, name: &str) -> String {
        let (key, definition) = self.key(name, self.described.networks.get(name));
        self.networks.insert(key.clone(), definition);
        key
    }

    fn volume(&mut self, name: &str) -> String {
        let (key, definition) = self.key(name, self.described.volumes.get(name));
        self.volumes.insert(key.clone(), definition);
        key
    }

    /// What the project made has its name before it; what is somebody else's is external.
    fn key(&self, name: &str, found: Option<&(Option<String>, Value)>) -> (String, Value) {
        let definition = found.map_or_else(|| json!({}), |(_, definition)| definition.clone());
        let is_own = found.is_some_and(|(project, _)| project.as_deref() == Some(self.project));
        match (name.strip_prefix(&format!("{}_", self.project)), is_own) {
            (Some(key), true) => (key.to_owned(), definition),
            (None, true) => {
                let mut definition = definition;
                definition["name"] = name.into();
                (name.to_owned(), definition)
            }
            (_, false) => (name.to_owned(), json!({ "external": true })),
        }
    }
}

type Services = BTreeMap<String, (Map<String, Value>, u32)>;

/// The services that others wait for until they have completed, or are healthy.
fn awaited(services: &Services) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut jobs, mut healthy) = (BTreeSet::new(), BTreeSet::new());
    for (document, _) in services.values() {
        for (name, dependency) in document.get("depends_on").and_then(Value::as_object).into_iter().flatten() {
            match dependency["condition"].as_str() {
                Some("service_completed_successfully") => drop(jobs.insert(name.clone())),
                Some("service_healthy") => drop(healthy.insert(name.clone())),
                Some(_) | None => {}
            }
        }
    }
    (jobs, healthy)
}

/// What looks like a template is none.
fn escape(value: &mut Value) {
    match value {
        Value::String(text) => *text = literal(text),
        Value::Array(items) => items.iter_mut().for_each(escape),
        Value::Object(fields) => fields.values_mut().for_each(escape),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
