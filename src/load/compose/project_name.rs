use std::path::{Path, PathBuf};

use super::{
    file_list::is_compose_name,
    front::{Front, put_text},
    interpolation::replace,
    model::Scope,
    variables::PROJECT_NAME,
};
use crate::{
    diagnostic::Span,
    load::{Inputs, Node, Scalar, Value, problem::wrong},
    name::ProjectName,
};

/// What a project is called, and how sure that is.
pub(super) struct ProjectNaming {
    pub name: String,
    /// From outside of the files: then no environment's name is added to it.
    is_given: bool,
    /// What says it, if a file does.
    written: Option<Node>,
}

impl ProjectNaming {
    /// The name as Compose finds it: from the command line, the environment, the first file that says
    /// one, or the project's directory. Files can ask for it, so it is found before they are read.
    pub fn before_reading(front: &mut Front<'_>, inputs: &Inputs, scope: &Scope) -> Self {
        let given = inputs.compose.project_name.as_deref().or_else(|| scope.variables.get(PROJECT_NAME));
        if let Some(given) = given.filter(|given| !given.is_empty()) {
            if let Err(error) = given.parse::<ProjectName>() {
                front.problems.push(wrong("invalid-name", format!("the project cannot be called that: {error}")));
                return Self { name: of_directory(&scope.directory), is_given: true, written: None };
            }
            return Self { name: given.to_owned(), is_given: true, written: None };
        }
        let written =
            front.first.as_ref().and_then(|(_, root)| root.get("name")).filter(|name| name.as_text().is_some());
        if let Some(written) = written {
            let mut node = written.clone();
            let lookup = |name: &str| scope.variables.get(name);
            // What is wrong with it is told when all values are replaced.
            let text = replace(written.as_text().unwrap_or_default(), &lookup).map(|replaced| replaced.text);
            let name = normalized(text.as_deref().unwrap_or_default());
            if !name.is_empty() {
                node.value = Value::Scalar(Scalar::string(name.as_str()));
                return Self { name, is_given: false, written: Some(node) };
            }
        }
        Self { name: of_directory(&scope.directory), is_given: false, written: None }
    }

    /// Names the tree, and makes a plan of it.
    pub fn put_into(self, root: &mut Node) {
        let start = Span { start: 0, end: 0, line: 1, column: 1, ..root.span };
        put_text(root, "apiVersion", start, "orchestrate/v1");
        let span = self.written.map_or(start, |written| written.span);
        put_text(root, "name", span, &self.name);
        if self.is_given {
            put_text(root, "project", span, &self.name);
        }
    }
}

/// A name as Compose makes one of any text: lower case, and only what may stand in one.
fn normalized(text: &str) -> String {
    let lower = text.to_lowercase();
    let kept: String =
        lower.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_')).collect();
    kept.trim_start_matches(['-', '_']).to_owned()
}

/// The name that a directory gives to the project in it.
fn of_directory(directory: &Path) -> String {
    let name = directory.file_name().map(|name| normalized(&name.to_string_lossy())).unwrap_or_default();
    if name.is_empty() { "default".to_owned() } else { name }
}

/// The project of a Compose file that cannot be loaded, if it is one: from what stands in it as it
/// is, or its directory. `None` if that leaves a doubt.
pub(in crate::load) fn identify(inputs: &Inputs, name: Option<&str>) -> Option<Option<ProjectName>> {
    if !is_compose_name(&inputs.plan_file) {
        return None;
    }
    let given = inputs.compose.project_name.as_ref().or_else(|| inputs.env.get(PROJECT_NAME));
    if let Some(given) = given.filter(|given| !given.is_empty()) {
        return Some(given.parse().ok());
    }
    if inputs.environment.is_some() || name.is_some_and(|name| name.contains('$')) {
        return Some(None);
    }
    let directory: PathBuf = match &inputs.compose.project_directory {
        Some(directory) => directory.clone(),
        None => inputs.plan_file.parent()?.to_owned(),
    };
    let name = name.map(normalized).filter(|name| !name.is_empty()).unwrap_or_else(|| of_directory(&directory));
    Some(name.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_becomes_a_name() {
        let table = [("shop", "shop"), ("My.Dir_X y", "mydir_xy"), ("_-a-", "a-"), ("Ünï", "n"), ("Foo Bar", "foobar")];
        for (text, name) in table {
            assert_eq!(normalized(text), name);
        }
        assert_eq!(of_directory(Path::new("/")), "default");
        assert_eq!(of_directory(Path::new("/srv/My App")), "myapp");
    }
}
