use super::{Node, Value};
use crate::diagnostic::{Origin, Origins, Sources, Span};

/// The merged and rendered document, to tell where each value of the plan was written.
#[derive(Debug, Clone)]
pub struct Document {
    root: Node,
    sources: Sources,
    /// Descriptions of what carried values here; nodes have indices into it, 0 is unused.
    carriers: Vec<String>,
}

impl Document {
    pub(super) fn new(root: Node, sources: Sources, carriers: Vec<String>) -> Self {
        Self { root, sources, carriers }
    }

    /// The texts that spans point into.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    fn find(&self, path: &[&str]) -> Option<&Node> {
        let mut node = &self.root;
        for (depth, key) in path.iter().enumerate() {
            match child(node, key) {
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
