use std::collections::{HashMap, HashSet};

use super::{
    interpolation::{Fault, Replaced, replace},
    notices::Notices,
    variables::Variables,
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, FileId, Span},
    load::{
        Node, ScalarKind, ScalarState, Value,
        library::Library,
        problem::{MOST_PROBLEMS, wrong},
        render::within,
    },
};

/// What variables brought into a project's documents: descriptions that nodes have indices of.
pub(super) struct Carriers {
    /// The first one is unused.
    pub descriptions: Vec<String>,
    index: HashMap<String, u32>,
}

impl Carriers {
    pub fn new() -> Self {
        Self { descriptions: vec![String::new()], index: HashMap::new() }
    }

    pub fn of(&mut self, variables: &Variables, used: &[String]) -> u32 {
        if used.is_empty() {
            return 0;
        }
        let description = used.iter().map(|name| variables.carrier(name)).collect::<Vec<_>>().join(", ");
        let next = u32::try_from(self.descriptions.len()).expect("there are fewer variables than 2³²");
        *self.index.entry(description).or_insert_with_key(|description| {
            self.descriptions.push(description.clone());
            next
        })
    }
}

/// What all values with variables may become together, in bytes: twice what files may hold.
const MOST_TEXT: usize = 64 << 20;

/// Replaces the variables in the values of documents. Keys are never looked at.
pub(super) struct Substitution {
    pub carriers: Carriers,
    written: usize,
    /// A variable that is not set is told once for a place, however often an alias repeats it.
    told: HashSet<(String, FileId, u32)>,
}

impl Substitution {
    pub fn new() -> Self {
        Self { carriers: Carriers::new(), written: 0, told: HashSet::new() }
    }

    pub fn document(
        &mut self,
        node: &mut Node,
        variables: &Variables,
        library: &Library,
        notices: &mut Notices,
        problems: &mut Diagnostics,
    ) {
        let scalar = match &mut node.value {
            Value::List(items) => {
                return items.iter_mut().for_each(|item| self.document(item, variables, library, notices, problems));
            }
            Value::Map(entries) => {
                for entry in entries {
                    self.document(&mut entry.value, variables, library, notices, problems);
                }
                return;
            }
            Value::Scalar(scalar) if scalar.text.contains('$') && scalar.state == ScalarState::Plain => scalar,
            Value::Scalar(_) => return,
        };
        match replace(&scalar.text, &|name| variables.get(name)) {
            Ok(Replaced { text, used, unset }) => {
                self.written += text.len();
                if self.written > MOST_TEXT {
                    if problems.len() <= MOST_PROBLEMS {
                        let summary = format!("variables make more than {} MiB of text", MOST_TEXT >> 20);
                        problems.push(wrong("too-large", summary).at(node.span, "this went too far"));
                    }
                    *node = Node::broken(node.span);
                    return;
                }
                scalar.text = text.into();
                scalar.kind = ScalarKind::String;
                node.from = self.carriers.of(variables, &used);
                for name in unset {
                    if self.told.insert((name.clone(), node.span.file, node.span.start)) {
                        notices.add(unset_variable(&name, node.span));
                    }
                }
            }
            Err(fault) => {
                if problems.len() <= MOST_PROBLEMS {
                    let source = library.source(node.span.file);
                    problems.push(refused(&fault, within(&source, node.span, &scalar.text, fault.at())));
                }
                *node = Node::broken(node.span);
            }
        }
    }
}

fn unset_variable(name: &str, span: Span) -> Diagnostic {
    super::notices::warning("unset-variable", format!("the variable `{name}` is not set: it becomes nothing"))
        .at(span, "used here")
        .hint(format!("set it in the environment or in `.env`, or give it a default: `${{{name}:-}}`"))
}

fn refused(fault: &Fault, span: Span) -> Diagnostic {
    match fault {
        Fault::Syntax { .. } => {
            wrong("invalid-variable", fault.to_string()).at(span, "here").hint("for a `$` itself write `$$`")
        }
        Fault::Required { name, .. } => wrong("missing-variable", fault.to_string())
            .at(span, "asked for here")
            .hint(format!("set it in the environment, or as `{name}=…` in `.env`")),
        Fault::TooDeep { .. } | Fault::TooLong { .. } => wrong("too-large", fault.to_string()).at(span, "here"),
    }
}
