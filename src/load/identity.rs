use std::{path::Path, sync::Arc};

use super::{
    EnvironmentChoice, Files, Inputs, Node,
    compose::{self, is_compose_name},
    library::Library,
    parse::parse,
    target::environment_path,
};
use crate::name::{EnvironmentName, PlanName, ProjectName};

/// Finds out which project a plan is of that cannot be loaded: from its name and its environment's
/// name alone, which stand in their files as they are. `None` if one of them cannot be read, or
/// leaves a doubt.
pub fn identify(files: Arc<dyn Files>, inputs: &Inputs) -> Option<ProjectName> {
    let mut library = Library::new(files, &inputs.root, &inputs.working_directory);
    if is_compose_name(&inputs.plan_file) {
        library.open_up();
    }
    let plan = Names::read(&library, &inputs.plan_file)?;
    if let Some(project) = compose::identify(inputs, plan.name.as_deref()) {
        return project;
    }
    if let Some(project) = plan.project {
        return project.parse().ok();
    }
    let name: PlanName = plan.name?.parse().ok()?;
    match inputs.environment {
        Some(_) => format!("{name}-{}", environment_name(&library, inputs)?).parse().ok(),
        None => name.as_str().parse().ok(),
    }
}

fn environment_name(library: &Library, inputs: &Inputs) -> Option<EnvironmentName> {
    let choice: &EnvironmentChoice = inputs.environment.as_ref()?;
    let path = environment_path(library, inputs, choice, &mut Vec::new())?;
    match Names::read(library, &path)?.name {
        Some(name) => name.parse().ok(),
        None => path.file_stem()?.to_str()?.parse().ok(),
    }
}

/// What a document calls itself.
struct Names {
    name: Option<String>,
    project: Option<String>,
}

impl Names {
    /// `None` if the file cannot be read, or says one of them twice.
    fn read(library: &Library, path: &Path) -> Option<Self> {
        let file = library.text(path).ok()?;
        let text = library.source(file);
        // What follows a mistake has no structure, but a line that starts with a key is that key.
        let (name, project) = (line(&text, "name")?, line(&text, "project")?);
        match parse(file, &text, &mut Vec::new()) {
            Some(root) => Some(Self { name: entry(&root, "name")?, project: entry(&root, "project")? }),
            None => Some(Self { name, project }),
        }
    }
}

/// The text of an entry, if there is one; `None` if it is no text.
fn entry(root: &Node, key: &str) -> Option<Option<String>> {
    match root.as_map()?.iter().find(|entry| &*entry.key == key) {
        Some(entry) => Some(Some(entry.value.as_text()?.to_owned())),
        None => Some(None),
    }
}

/// What the line of a key says, if there is one; `None` if there are two.
fn line(text: &str, key: &str) -> Option<Option<String>> {
    let value = |line: &str| Some(line.strip_prefix(key)?.strip_prefix(':')?.to_owned());
    let mut values = text.lines().filter_map(value);
    match (values.next(), values.next()) {
        (None, _) => Some(None),
        (Some(value), None) => {
            let value = value.split_once(" #").map_or(value.as_str(), |(value, _)| value).trim();
            Some(Some(value.trim_matches(['"', '\'']).to_owned()))
        }
        (Some(_), Some(_)) => None,
    }
}
