//! Which of Compose's projects were taken over: an environment says it, or, without one, a file beside
//! the plan.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    FileError, Inputs, decode::decode, include::read_document, library::Library, schema::strict, target::Target,
    validate::Schema,
};
use crate::{diagnostic::Diagnostics, name::ProjectName};

/// The file beside a plan that says what was taken over where there is no environment.
pub const ADOPTED_FILE: &str = "orchestrate.adopted.yaml";

/// What stands in that file.
#[derive(Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
struct AdoptedDocument {
    /// Compose projects whose containers, networks and volumes belong to the plan of the same name.
    adopt: BTreeSet<ProjectName>,
}

/// What was taken over, and the file that says it or is to say it.
#[derive(Debug, Clone)]
pub(super) struct Adopted {
    pub projects: BTreeSet<ProjectName>,
    pub file: PathBuf,
    /// What the user asks for now.
    pub is_asked: bool,
}

impl Adopted {
    pub fn read(library: &Library, inputs: &Inputs, target: Option<&Target>, problems: &mut Diagnostics) -> Self {
        let is_asked = inputs.adopt;
        if let Some(target) = target {
            return Self { projects: target.adopt.clone(), file: target.path.clone(), is_asked };
        }
        let file = inputs.plan_file.parent().unwrap_or(Path::new("/")).join(ADOPTED_FILE);
        let projects = match library.unlisted_text(&file) {
            Err(FileError::NotFound) => BTreeSet::new(),
            Ok(_) | Err(_) => projects(library, &file, problems),
        };
        Self { projects, file, is_asked }
    }

    /// Whether what Compose made under a project's name is the plan's.
    pub fn is_of(&self, project: &str) -> bool {
        self.is_asked || self.projects.contains(project)
    }

    /// The file in which it still has to be written down that a project was taken over.
    pub fn to_record(&self, project: &ProjectName) -> Option<PathBuf> {
        (self.is_asked && !self.projects.contains(project)).then(|| self.file.clone())
    }
}

fn projects(library: &Library, file: &Path, problems: &mut Diagnostics) -> BTreeSet<ProjectName> {
    let Some(node) = read_document(library, file, None, problems) else { return BTreeSet::new() };
    let before = problems.len();
    Schema::new(strict::<AdoptedDocument>()).check(&node, "", problems);
    if problems.len() > before {
        return BTreeSet::new();
    }
    match decode::<AdoptedDocument>(&node, "") {
        Ok(document) => document.adopt,
        Err(problem) => {
            problems.push(problem);
            BTreeSet::new()
        }
    }
}

/// A document that says that a project was taken over, as it is with that; `None` for the text there is
/// makes a new one. Everything else in it stays as it is.
pub fn with_adopted(text: Option<&str>, project: &ProjectName) -> String {
    let Some(text) = text else {
        return format!(
            "# Written by `orchestrate apply --adopt`: what Docker Compose made under these names is the plan's.\n\
             adopt: [{project}]\n"
        );
    };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let Some(at) = lines.iter().position(|line| line.starts_with("adopt:")) else {
        lines.push(format!("adopt: [{project}]"));
        return format!("{}\n", lines.join("\n"));
    };
    match lines[at].find('[') {
        Some(open) if !lines[at][open + 1..].trim_start().starts_with(']') => {
            lines[at].insert_str(open + 1, &format!("{project}, "));
        }
        Some(open) => lines[at].insert_str(open + 1, project.as_str()),
        None => {
            let next = lines.get(at + 1).filter(|line| line.trim_start().starts_with('-'));
            let indent = next.map_or(2, |line| line.len() - line.trim_start().len());
            lines.insert(at + 1, format!("{}- {project}", " ".repeat(indent)));
        }
    }
    format!("{}\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_adopted_is_added_to_a_document() {
        let new = "# Written by `orchestrate apply --adopt`: what Docker Compose made under these names is the plan's.\n\
                   adopt: [shop]\n";
        let table = [
            ("no document", None, new),
            ("no key", Some("# one\nvars: {}\n"), "# one\nvars: {}\nadopt: [shop]\n"),
            ("a flow", Some("adopt: [a] # x\nvars: {}\n"), "adopt: [shop, a] # x\nvars: {}\n"),
            ("an empty flow", Some("adopt: []\n"), "adopt: [shop]\n"),
            ("a block", Some("adopt:\n  - a\nvars: {}\n"), "adopt:\n  - shop\n  - a\nvars: {}\n"),
            ("a block without indent", Some("adopt:\n- a\n"), "adopt:\n- shop\n- a\n"),
        ];
        for (case, text, expected) in table {
            assert_eq!(with_adopted(text, &"shop".parse().unwrap()), expected, "{case}");
        }
    }
}
