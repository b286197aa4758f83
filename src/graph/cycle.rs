use std::collections::{BTreeMap, VecDeque, btree_map::Entry};

use petgraph::{
    algo::kosaraju_scc,
    graph::{DiGraph, NodeIndex},
};

use crate::{
    diagnostic::{Class, Diagnostic, Diagnostics, Origins, Position, Span},
    name::ServiceName,
};

/// Services, or plans, that each need the next; the last needs the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle<N = ServiceName> {
    pub path: Vec<N>,
}

/// A shortest cycle of every knot of services, each from its first name on.
pub(super) fn find<N: Clone + Ord, E>(arrows: &DiGraph<N, E>) -> Vec<Cycle<N>> {
    let mut cycles: Vec<Cycle<N>> = kosaraju_scc(arrows)
        .into_iter()
        .filter_map(|knot| {
            let first = *knot.iter().min_by_key(|node| &arrows[**node])?;
            shortest_way_round(arrows, first)
        })
        .collect();
    cycles.sort_by(|a, b| a.path.cmp(&b.path));
    cycles
}

/// The shortest way from a service along what it needs back to itself.
fn shortest_way_round<N: Clone + Ord, E>(arrows: &DiGraph<N, E>, start: NodeIndex) -> Option<Cycle<N>> {
    let mut came_from: BTreeMap<NodeIndex, NodeIndex> = BTreeMap::new();
    let mut to_visit = VecDeque::from([start]);
    while let Some(node) = to_visit.pop_front() {
        let mut needed: Vec<NodeIndex> = arrows.neighbors_directed(node, petgraph::Direction::Incoming).collect();
        needed.sort_by_key(|node| &arrows[*node]);
        for next in needed {
            if next == start {
                return Some(Cycle { path: way_back(arrows, &came_from, start, node) });
            }
            if let Entry::Vacant(unseen) = came_from.entry(next) {
                unseen.insert(node);
                to_visit.push_back(next);
            }
        }
    }
    None
}

fn way_back<N: Clone, E>(
    arrows: &DiGraph<N, E>,
    came_from: &BTreeMap<NodeIndex, NodeIndex>,
    start: NodeIndex,
    end: NodeIndex,
) -> Vec<N> {
    let mut path = vec![arrows[end].clone()];
    let mut node = end;
    while node != start {
        node = came_from[&node];
        path.push(arrows[node].clone());
    }
    path.reverse();
    path
}

/// How many cycles are told of, and of how many steps of one the lines are shown: whoever has more
/// made a mistake that these show.
const MOST_CYCLES: usize = 100;
const MOST_EXCERPTS: usize = 20;

/// Cycles as problems of the document: the whole path, and the line of each step of it.
pub fn cycle_diagnostics(cycles: &[Cycle], origins: &dyn Origins) -> Diagnostics {
    cycles.iter().take(MOST_CYCLES).map(|cycle| diagnose(cycle, origins)).collect()
}

fn diagnose(cycle: &Cycle, origins: &dyn Origins) -> Diagnostic {
    let names = || cycle.path.iter().chain(cycle.path.first());
    let path: Vec<String> = names().map(|name| format!("`{name}`")).collect();
    let steps: Vec<Step> = names().zip(names().skip(1)).map(|(from, to)| Step::new(from, to, origins)).collect();
    let summary = match cycle.path.as_slice() {
        [alone] => format!("`{alone}` depends on itself"),
        _ => format!("services depend on each other in a circle: {}", path.join(" → ")),
    };
    let mut diagnostic = Diagnostic::error("dependency-cycle", Class::Dependency, summary)
        .detail(steps.iter().map(Step::line).collect::<Vec<_>>().join("\n"))
        .hint("remove one of these dependencies, or split a service in two");
    for Step { span, text, .. } in steps.into_iter().take(MOST_EXCERPTS) {
        if let Some(span) = span {
            diagnostic = diagnostic.at(span, text);
        }
    }
    diagnostic
}

/// One dependency of a cycle, and where it was written.
struct Step {
    text: String,
    position: Option<Position>,
    span: Option<Span>,
}

impl Step {
    fn new(from: &ServiceName, to: &ServiceName, origins: &dyn Origins) -> Self {
        let path = ["services", from.as_str(), "depends_on", to.as_str()];
        Self {
            text: format!("`{from}` depends on `{to}`"),
            position: origins.origin(&path).map(|origin| origin.position),
            span: origins.span(&path),
        }
    }

    fn line(&self) -> String {
        let place = self.position.as_ref().map_or_else(String::new, |position| format!(" ({position})"));
        format!("{}{place}", self.text)
    }
}
