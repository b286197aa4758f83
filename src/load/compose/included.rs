use std::path::{Path, PathBuf};

use super::{
    front::Front,
    model::{File, Scope},
    variables::EnvFile,
};
use crate::{
    diagnostic::Span,
    load::{
        Entry, Node, Value,
        files::normal,
        overlay::KeyIndex,
        problem::{MOST_PROBLEMS, wrong},
    },
};

/// How deep projects that are included may include others.
const DEEPEST: usize = 32;
/// What an included project gives to the one that includes it.
const SECTIONS: [&str; 6] = ["services", "networks", "volumes", "configs", "secrets", "models"];

/// What an item of `include` names that is not a file: a Git repository or an artifact of a registry.
fn remote_of(item: &Node) -> Option<&Node> {
    let named = if item.as_text().is_some() { item } else { item.get("path")? };
    let texts = named.as_list().unwrap_or(std::slice::from_ref(named));
    texts.iter().find(|node| node.as_text().is_some_and(is_remote))
}

/// Whether a text names something on the network rather than a path.
pub(in crate::load) fn is_remote(text: &str) -> bool {
    text.contains("://") || text.starts_with("git@") || text.starts_with("github.com/")
}

impl Front<'_> {
    /// Puts the projects that a tree includes into it.
    pub fn include(&mut self, root: &mut Node, scope: &Scope, chain: &mut Vec<PathBuf>) {
        let Some(entries) = root.as_map_mut() else { return };
        let Some(position) = entries.iter().position(|entry| &*entry.key == "include") else { return };
        let include = entries.remove(position).value;
        let items = match include.value {
            Value::List(items) => items,
            _ if include.is_null() => return,
            _ => {
                let summary = format!("`include` has to be a list, not {}", include.describe());
                return self.problems.push(wrong("wrong-type", summary).at(include.span, "here"));
            }
        };
        for item in &items {
            if self.problems.len() > MOST_PROBLEMS {
                return;
            }
            if let Some(project) = self.included(item, scope, chain) {
                self.import(root, project, item.span);
            }
        }
    }

    /// The tree of one included project.
    fn included(&mut self, item: &Node, scope: &Scope, chain: &mut Vec<PathBuf>) -> Option<Node> {
        if let Some(remote) = remote_of(item) {
            let summary =
                format!("`{}` is not on this host: projects are included from files alone", remote.as_text()?);
            let diagnostic = wrong("not-supported", summary).at(remote.span, "not supported");
            self.problems.push(diagnostic.hint("fetch it, and name the file here"));
            return None;
        }
        let path = if item.as_text().is_some() { Some(item) } else { item.get("path") };
        let file = |(path, span)| File { path, named_at: Some(span) };
        let files: Vec<File> = self.texts(path?).into_iter().map(file).collect();
        let first = files.first()?;
        let span = first.named_at.unwrap_or(item.span);
        if let Some(start) = chain.iter().position(|open| *open == first.path) {
            let names: Vec<String> = chain[start..]
                .iter()
                .chain([&first.path])
                .map(|path| format!("`{}`", self.library.shown(path)))
                .collect();
            let summary = format!("files include each other: {}", names.join(" → "));
            self.problems.push(wrong("include-cycle", summary).at(span, "this closes the cycle"));
            return None;
        }
        if chain.len() > DEEPEST {
            let summary = format!("files include each other more than {DEEPEST} levels deep");
            self.problems.push(wrong("too-large", summary).at(span, "this one went too far"));
            return None;
        }
        let directory = match item.get("project_directory").and_then(|node| Some((node.as_text()?, node.span))) {
            Some((directory, span)) => self.library.resolve(span, directory),
            None => first.path.parent().unwrap_or(Path::new("/")).to_owned(),
        };
        let named = item.get("env_file").map(|named| self.texts(named)).unwrap_or_default();
        let env_file = |(path, span)| EnvFile { path, named_at: Some(span) };
        let env_files: Vec<EnvFile> = named.into_iter().map(env_file).collect();
        let mut inner = Scope { directory, variables: scope.variables.clone() };
        // `/dev/null` is how one says that there is none.
        let has_none = env_files.iter().any(|file| file.path == Path::new("/dev/null"));
        if !has_none {
            inner.read_env_files(self, env_files);
        }
        self.model(&files, &inner, chain)
    }

    /// The paths in a text or a list of texts, each with its place.
    fn texts(&self, node: &Node) -> Vec<(PathBuf, Span)> {
        let items = node.as_list().unwrap_or(std::slice::from_ref(node));
        let path = |item: &Node| Some((normal(&self.library.resolve(item.span, item.as_text()?)), item.span));
        items.iter().filter_map(path).collect()
    }

    /// Puts an included project's sections into the tree. Two may say the same thing, not different ones.
    fn import(&mut self, root: &mut Node, mut project: Node, named_at: Span) {
        for section in SECTIONS {
            let added = project.get_mut(section).and_then(Node::as_map_mut).map(std::mem::take).unwrap_or_default();
            if added.is_empty() {
                continue;
            }
            let Some(entries) = root.as_map_mut() else { return };
            let position = entries.iter().position(|entry| &*entry.key == section && entry.value.as_map().is_some());
            let position = position.unwrap_or_else(|| {
                entries.retain(|entry| &*entry.key != section);
                entries.push(Entry {
                    key: section.into(),
                    key_span: named_at,
                    value: Node::new(named_at, Value::Map(Vec::new())),
                });
                entries.len() - 1
            });
            let Some(present) = entries[position].value.as_map_mut() else { continue };
            let mut index = KeyIndex::default();
            for added in added {
                match index.find(present, &added.key) {
                    Some(known) if present[known].value.to_json() == added.value.to_json() => {}
                    Some(known) => {
                        let summary =
                            format!("`{section}.{}` is defined here and in a file that is included", added.key);
                        self.problems.push(
                            wrong("include-conflict", summary)
                                .at(added.key_span, "included")
                                .at(present[known].key_span, "defined here, too")
                                .hint("rename one of them, or change it in an override: `include: [{ path: [a.yaml, a.override.yaml] }]`"),
                        );
                    }
                    None => present.push(added),
                }
            }
        }
    }
}
