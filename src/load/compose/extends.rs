use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    rc::Rc,
};

use super::{front::Front, included::is_remote, merge::put_service, variables::Variables};
use crate::{
    diagnostic::Span,
    load::{
        Entry, Node,
        include::read_from,
        problem::{MOST_PROBLEMS, list, suggest, wrong},
    },
};

/// The longest way from a service to the last one that it extends.
const DEEPEST: usize = 100;
/// What all copies of services may hold together: twenty-five nodes for each of 20,000.
const MOST_COPIED: usize = 500_000;

/// The services of one file, in which `extends` looks for names.
struct Shelf {
    file: PathBuf,
    services: HashMap<Box<str>, Entry>,
}

/// Resolves `extends` within the services of one file and of those that it names.
pub(super) struct Extending {
    shelves: HashMap<PathBuf, Option<Rc<Shelf>>>,
    copied: usize,
}

impl Extending {
    pub fn new() -> Self {
        Self { shelves: HashMap::new(), copied: 0 }
    }
}

impl Front<'_> {
    /// Puts each service of a document over what it extends. `before` is what files before this one
    /// say.
    pub fn extend(&mut self, root: &mut Node, file: &Path, before: Option<&Node>, variables: &Variables) {
        if !root.entries("services").iter().any(|service| service.value.get("extends").is_some()) {
            return;
        }
        let mut services: HashMap<Box<str>, Entry> = HashMap::new();
        for entry in before.map(|before| before.entries("services")).unwrap_or_default() {
            services.insert(entry.key.clone(), entry.clone());
        }
        services.extend(root.entries("services").iter().map(|entry| (entry.key.clone(), entry.clone())));
        let shelf = Rc::new(Shelf { file: file.to_owned(), services });
        let Some(entries) = root.get_mut("services").and_then(Node::as_map_mut) else { return };
        for entry in entries.iter_mut().filter(|entry| entry.value.get("extends").is_some()) {
            let mut chain = Vec::new();
            let resolved = self.resolved(&entry.key, &shelf, variables, &mut chain);
            entry.value = resolved.unwrap_or_else(|| Node::broken(entry.value.span));
            take_out(&mut entry.value, "extends");
        }
    }

    /// A service with all that it extends. `None` if something is wrong, which was told then.
    fn resolved(
        &mut self,
        name: &str,
        shelf: &Rc<Shelf>,
        variables: &Variables,
        chain: &mut Vec<(PathBuf, Box<str>)>,
    ) -> Option<Node> {
        let entry = &shelf.services[name];
        let Some(extends) = entry.value.get("extends") else { return Some(entry.value.clone()) };
        if self.problems.len() > MOST_PROBLEMS {
            return None;
        }
        let (target, file) = match extends.as_text() {
            Some(target) => (target, None),
            None => (extends.get("service").and_then(Node::as_text)?, extends.get("file")),
        };
        chain.push((shelf.file.clone(), name.into()));
        let span = extends.get("service").map_or(extends.span, |service| service.span);
        if let Some(remote) = file.filter(|file| file.as_text().is_some_and(is_remote)) {
            let summary = format!("`{}` is not on this host: services extend those of files alone", remote.as_text()?);
            let diagnostic = wrong("not-supported", summary).at(remote.span, "not supported");
            self.problems.push(diagnostic.hint("fetch it, and name the file here"));
            return None;
        }
        let other = match file.and_then(Node::as_text).zip(file) {
            Some((path, file)) => self.shelf(&self.library.resolve(file.span, path), file.span, variables)?,
            None => shelf.clone(),
        };
        let step = (other.file.clone(), Box::<str>::from(target));
        if let Some(start) = chain.iter().position(|known| *known == step) {
            self.cycle(&chain[start..], span);
            return None;
        }
        if chain.len() > DEEPEST {
            let summary = format!("`{name}` extends more than {DEEPEST} services, one after the other");
            self.problems.push(wrong("too-large", summary).at(span, "this one went too far"));
            return None;
        }
        if !other.services.contains_key(target) {
            let shown = self.library.shown(&other.file);
            let summary = format!("`{name}` extends `{target}`, which is no service of `{shown}`");
            let diagnostic = wrong("unknown-service", summary).at(span, "extended here");
            let known = other.services.keys().map(|name| &**name);
            self.problems.push(suggest(diagnostic, target, known, "services"));
            return None;
        }
        let mut base = self.resolved(target, &other, variables, chain)?;
        chain.pop();
        take_out(&mut base, "extends");
        self.extending.copied += base.weight();
        if self.extending.copied > MOST_COPIED {
            let summary = format!("`extends` repeats more than {MOST_COPIED} values");
            self.problems.push(wrong("too-large", summary).at(span, "this one went too far"));
            return None;
        }
        put_service(&mut base, entry.value.clone());
        base.span = entry.value.span;
        Some(base)
    }

    /// The services of another file, whose relative paths start at its own directory.
    fn shelf(&mut self, path: &Path, named_at: Span, variables: &Variables) -> Option<Rc<Shelf>> {
        if let Some(known) = self.extending.shelves.get(path) {
            return known.clone();
        }
        let directory = path.parent().unwrap_or(Path::new("/"));
        let read = read_from(self.library, path, Some(directory), Some(named_at), self.problems);
        let shelf = read.map(|mut root| {
            self.substitute(&mut root, variables);
            let services = root.entries("services").iter().map(|entry| (entry.key.clone(), entry.clone())).collect();
            Rc::new(Shelf { file: path.to_owned(), services })
        });
        self.extending.shelves.insert(path.to_owned(), shelf.clone());
        shelf
    }

    fn cycle(&mut self, steps: &[(PathBuf, Box<str>)], span: Span) {
        let name = |(file, service): &(PathBuf, Box<str>)| match *file == steps[0].0 {
            true => service.to_string(),
            false => format!("{}:{service}", self.library.shown(file)),
        };
        let names: Vec<String> = steps.iter().chain(&steps[..1]).map(name).collect();
        let path = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" → ");
        // Each service of a cycle comes upon it.
        let is_known = self.problems.iter().any(|known| {
            known.code == "extends-cycle" && steps.iter().all(|(_, name)| known.summary.contains(&format!("{name}`")))
        });
        if !is_known {
            let summary = format!("services extend each other: {path}");
            self.problems.push(
                wrong("extends-cycle", summary)
                    .at(span, "this closes the cycle")
                    .hint(format!("take `extends` out of one of {}", list(&names[..steps.len()]))),
            );
        }
    }
}

fn take_out(node: &mut Node, key: &str) {
    if let Some(entries) = node.as_map_mut() {
        entries.retain(|entry| &*entry.key != key);
    }
}
