use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Entry, Node, Value, rule::named};
use crate::{
    diagnostic::{Origin, Origins, Sources, Span},
    name::ServiceName,
};

/// The merged and rendered document, to tell where each value of the plan was written.
#[derive(Debug, Clone)]
pub struct Document {
    root: Node,
    /// Where each service stands: a plan of 10,000 has as many look-ups.
    services: HashMap<Box<str>, usize>,
    sources: Sources,
    /// Descriptions of what carried values here; nodes have indices into it, 0 is unused.
    carriers: Vec<String>,
}

impl Document {
    pub(super) fn new(root: Node, sources: Sources, carriers: Vec<String>) -> Self {
        let services = root.entries("services").iter().enumerate();
        let services = services.map(|(index, entry)| (entry.key.clone(), index)).collect();
        Self { root, services, sources, carriers }
    }

    /// The texts that spans point into.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// What each service says that it depends on, whether or not a plan could be made of the rest.
    pub fn dependencies(&self) -> BTreeMap<ServiceName, BTreeSet<ServiceName>> {
        let needed =
            |entry: &Entry| named(&entry.value, "depends_on").filter_map(|(name, ..)| name.parse().ok()).collect();
        let services = self.root.entries("services").iter();
        services.filter_map(|entry| Some((entry.key.parse().ok()?, needed(entry)))).collect()
    }

    /// A service as it was written.
    pub(super) fn service(&self, name: &str) -> Option<&Node> {
        self.services.get(name).map(|index| &self.root.entries("services")[*index].value)
    }

    fn find(&self, path: &[&str]) -> Option<&Node> {
        let mut node = &self.root;
        for (depth, key) in path.iter().enumerate() {
            let found = match (depth, path[0]) {
                (1, "services") => self.service(key),
                _ => child(node, key),
            };
            match found {
                Some(found) => node = found,
                None => return (depth > 0).then_some(node),
            }
        }
        Some(node)
    }
}

/// What is below a key: of a list also the item that says the key, as `depends_on: [db]` does.
pub(super) fn child<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    match &node.value {
        Value::Map(_) => node.get(key),
        Value::List(items) => {
            let says = |item: &&Node| {
                let text = item.as_text().unwrap_or_default();
                text.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with(['=', ':']))
            };
            key.parse::<usize>().ok().and_then(|index| items.get(index)).or_else(|| items.iter().find(says))
        }
        Value::Scalar(_) => None,
    }
}

impl Origins for Document {
    fn origin(&self, path: &[&str]) -> Option<Origin> {
        let node = self.find(path)?;
        let from = self.carriers.get(node.from as usize).filter(|_| node.from > 0).cloned();
        Some(Origin { position: self.sources.position(node.span), from })
    }
    fn span(&self, path: &[&str]) -> Option<Span> {
        self.find(path).map(|node| node.span)
    }
}
