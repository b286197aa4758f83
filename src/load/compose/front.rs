use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    extends::Extending,
    file_list::{files, is_compose_name},
    meaning,
    model::{File, Scope},
    notices::Notices,
    own_words,
    profile::{Profiles, leave_out_inactive},
    project_name::ProjectNaming,
    shape,
    specification::check_specification,
    substitution::Substitution,
    variables::{EnvFile, Variables},
};
use crate::{
    diagnostic::{Diagnostics, Span},
    load::{Entry, Inputs, Node, Scalar, Value, library::Library, overlay::settle_tags},
};

/// A Compose project as the tree of a plan, and what came with it.
pub(in crate::load) struct Composed {
    pub root: Node,
    /// What variables carried where, by the nodes' indices.
    pub carriers: Vec<String>,
    pub variables: Variables,
    /// The process environment, with what env files say that it does not.
    pub env: Arc<BTreeMap<String, String>>,
    /// Where the project's relative paths start.
    pub directory: PathBuf,
}

/// Reads Compose files: what the steps share.
pub(super) struct Front<'a> {
    pub library: &'a Library,
    pub problems: &'a mut Diagnostics,
    pub notices: Notices,
    pub substitution: Substitution,
    pub extending: Extending,
    /// The first file, which is parsed already.
    pub first: Option<(PathBuf, Node)>,
}

/// Whether a document is a Compose file rather than a plan.
pub(in crate::load) fn is_compose(root: &Node, path: &Path) -> bool {
    if root.get("apiVersion").is_some() {
        return false;
    }
    let is_section =
        |entry: &Entry| ["include", "networks", "volumes", "configs", "secrets", "version"].contains(&&*entry.key);
    let is_other = |entry: &Entry| &*entry.key == "name" || entry.key.starts_with("x-");
    let entries = root.as_map().unwrap_or_default();
    let has_only_sections =
        entries.iter().any(is_section) && entries.iter().all(|entry| is_section(entry) || is_other(entry));
    root.get("services").is_some() || has_only_sections || is_compose_name(path)
}

/// Makes the tree of a plan of a Compose file that is parsed, and of all that belongs to it. Warnings
/// are given beside, since there may be one for each service.
pub(in crate::load) fn compose(
    first: Node,
    library: &Library,
    inputs: &Inputs,
    problems: &mut Diagnostics,
) -> (Option<Composed>, Diagnostics) {
    let mut front = Front {
        library,
        problems,
        notices: Notices::default(),
        substitution: Substitution::new(),
        extending: Extending::new(),
        first: Some((inputs.plan_file.clone(), first)),
    };
    let composed = front.compose(inputs);
    (composed, front.notices.into_diagnostics())
}

impl Front<'_> {
    fn compose(&mut self, inputs: &Inputs) -> Option<Composed> {
        let first_directory = inputs.plan_file.parent().unwrap_or(Path::new("/"));
        let directory = inputs.compose.project_directory.as_deref().unwrap_or(first_directory).to_owned();
        let mut scope = Scope { directory, variables: Variables::of_process(inputs.env.clone()) };
        let named = inputs.compose.env_files.iter().map(|path| EnvFile { path: path.clone(), named_at: None });
        scope.read_env_files(self, named.collect());
        let naming = ProjectNaming::before_reading(self, inputs, &scope);
        scope.variables.set_project_name(&naming.name);

        let file = |path| File { path, named_at: None };
        let files: Vec<File> = files(self.library, inputs, &mut self.notices).into_iter().map(file).collect();
        let mut root = self.model(&files, &scope, &mut Vec::new())?;
        // What is too large is not looked at any further.
        if self.problems.iter().any(|problem| problem.code == "too-large") {
            return None;
        }
        if self.library.has_merge_tags() {
            settle_tags(&mut root);
        }
        let own = own_words::take(&mut root, self.problems);
        shape::cast(&mut root);
        check_specification(&mut root, self.problems);
        meaning::complete(&mut root, &naming.name, &mut self.notices);
        self.bound_devices(&mut root);
        let profiles = Profiles::of(&inputs.compose.profiles, &scope.variables);
        leave_out_inactive(&mut root, &profiles, self.problems);
        let unknown = self.problems.iter().filter(|problem| problem.code == "unknown-key");
        let unknown: HashSet<Span> = unknown.filter_map(|problem| Some(problem.labels.first()?.span)).collect();
        shape::take_out_unsupported(&mut root, &unknown, &mut self.notices);
        shape::mounts(&mut root, &mut self.notices);
        own.put_into(&mut root, self.problems);
        naming.put_into(&mut root);
        Some(Composed {
            root,
            carriers: std::mem::take(&mut self.substitution.carriers.descriptions),
            env: scope.variables.environment(),
            variables: scope.variables,
            directory: scope.directory,
        })
    }
}

/// Puts a text under a key, instead of what is there.
pub(super) fn put_text(node: &mut Node, key: &str, span: Span, text: &str) {
    let value = Node::scalar(span, Scalar::string(text));
    put(node, Entry { key: key.into(), key_span: span, value });
}

/// Puts an entry into a mapping, instead of what is under its key.
pub(super) fn put(node: &mut Node, entry: Entry) {
    let Value::Map(entries) = &mut node.value else { return };
    match entries.iter_mut().find(|known| known.key == entry.key) {
        Some(known) => *known = entry,
        None => entries.push(entry),
    }
}
