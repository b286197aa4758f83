use std::path::{Path, PathBuf};

use super::{
    front::Front,
    merge::merge,
    variables::{EnvFile, Variables, is_there},
};
use crate::{
    diagnostic::Span,
    load::{Node, ScalarKind, Value, include::read_from, overlay::pairs_of_list, problem::wrong},
};

/// A file of a project, and where another one names it.
pub(super) struct File {
    pub path: PathBuf,
    pub named_at: Option<Span>,
}

/// What a project's documents have in common.
pub(super) struct Scope {
    /// Where relative paths start.
    pub directory: PathBuf,
    pub variables: Variables,
}

impl Scope {
    /// Adds what the project's env files say: those that are named, or `.env`.
    pub fn read_env_files(&mut self, front: &mut Front<'_>, named: Vec<EnvFile>) {
        let usual = self.directory.join(".env");
        let files = match named.is_empty() {
            true if is_there(front.library, &usual) => vec![EnvFile { path: usual, named_at: None }],
            true | false => named,
        };
        self.variables.read(front.library, &files, front.problems);
    }
}

impl Front<'_> {
    /// A project's files as one tree, with all that they include. `None` if none can be read.
    pub fn model(&mut self, files: &[File], scope: &Scope, chain: &mut Vec<PathBuf>) -> Option<Node> {
        let mut merged: Option<Node> = None;
        for file in files {
            for mut root in self.documents(file, &scope.directory) {
                self.substitute(&mut root, &scope.variables);
                self.extend(&mut root, &file.path, merged.as_ref(), &scope.variables);
                match &mut merged {
                    Some(merged) => merge(merged, root),
                    None => merged = Some(root),
                }
            }
        }
        let mut merged = merged?;
        self.pass_on(&mut merged, &scope.variables);
        chain.extend(files.iter().map(|file| file.path.clone()));
        self.include(&mut merged, scope, chain);
        chain.truncate(chain.len() - files.len());
        Some(merged)
    }

    /// The documents of a file, of which each is merged over those before it.
    fn documents(&mut self, file: &File, directory: &Path) -> Vec<Node> {
        let Some(first) = self.document(file, directory) else { return Vec::new() };
        let further = self.library.take_further(first.span.file);
        let mut documents = vec![first];
        for (_, node) in further.into_iter().filter(|(_, node)| !node.is_null()) {
            match node.as_map() {
                Some(_) => documents.push(node),
                None => {
                    let summary = format!("a document of a Compose file has to be a mapping, not {}", node.describe());
                    self.problems.push(wrong("wrong-type", summary).at(node.span, "here"));
                }
            }
        }
        documents
    }

    fn document(&mut self, file: &File, directory: &Path) -> Option<Node> {
        // The first one was read to find out what it is.
        if let Some((path, root)) = self.first.take_if(|(path, _)| *path == file.path) {
            self.library.set_base(root.span.file, &path, directory);
            return Some(root);
        }
        read_from(self.library, &file.path, Some(directory), file.named_at, self.problems)
    }

    pub fn substitute(&mut self, root: &mut Node, variables: &Variables) {
        self.substitution.document(root, variables, self.library, &mut self.notices, self.problems);
    }

    /// Gives variables of containers that have no value the one that they have here.
    fn pass_on(&mut self, root: &mut Node, variables: &Variables) {
        let services = root.get_mut("services").and_then(Node::as_map_mut).into_iter().flatten();
        for environment in services.filter_map(|service| service.value.get_mut("environment")) {
            pairs_of_list(environment, &['=']);
            for entry in environment.as_map_mut().into_iter().flatten().filter(|entry| entry.value.is_null()) {
                let Some(value) = variables.get(&entry.key) else { continue };
                if let Value::Scalar(scalar) = &mut entry.value.value {
                    (scalar.text, scalar.kind) = (value.into(), ScalarKind::String);
                    entry.value.from = self.substitution.carriers.of(variables, &[entry.key.to_string()]);
                }
            }
        }
    }
}
