use std::collections::{BTreeMap, BTreeSet};

use petgraph::{
    Direction,
    graph::{DiGraph, NodeIndex},
    visit::EdgeRef,
};

use super::{Cycle, cycle};
use crate::{
    name::ServiceName,
    plan::{Condition, Plan},
};

/// One dependency: `from` depends on `to`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Edge {
    pub from: ServiceName,
    pub to: ServiceName,
    pub condition: Condition,
}

/// A plan's services and what each needs, without cycles.
#[derive(Debug, Clone)]
pub struct Graph {
    /// Arrows point from what is needed to what needs it, so that they follow time.
    arrows: DiGraph<ServiceName, Condition>,
    nodes: BTreeMap<ServiceName, NodeIndex>,
    /// For each node: its group, and how many services the longest chain behind it has.
    group: Vec<usize>,
    behind: Vec<usize>,
    groups: Vec<Vec<ServiceName>>,
}

impl Graph {
    /// The graph of a plan. A dependency on a service that is not in the plan is left out: `load`
    /// has refused it unless it is not required.
    ///
    /// # Errors
    /// All cycles, one for each knot of services that need each other.
    pub fn build(plan: &Plan) -> Result<Self, Vec<Cycle>> {
        let (arrows, nodes) = draw(plan.services.iter().map(|(name, service)| {
            let needed = service.depends_on.iter().map(|(needed, dependency)| (needed, dependency.condition));
            (name, needed)
        }));
        let Ok(order) = petgraph::algo::toposort(&arrows, None) else {
            return Err(cycle::find(&arrows));
        };
        let group = longest_chains(&arrows, order.iter().copied(), Direction::Incoming);
        let behind = longest_chains(&arrows, order.iter().rev().copied(), Direction::Outgoing);
        let mut groups = vec![Vec::new(); group.iter().max().map_or(0, |last| last + 1)];
        for (name, node) in &nodes {
            groups[group[node.index()]].push(name.clone());
        }
        Ok(Self { arrows, nodes, group, behind, groups })
    }

    /// The services by groups: each group needs only groups before it. Names in order.
    pub fn groups(&self) -> &[Vec<ServiceName>] {
        &self.groups
    }

    /// The number of the service's group, from 0.
    pub fn group_of(&self, service_name: &ServiceName) -> usize {
        self.group[self.nodes[service_name].index()]
    }

    /// How many services the longest chain of those that wait for it has.
    pub fn services_behind(&self, service_name: &ServiceName) -> usize {
        self.behind[self.nodes[service_name].index()]
    }

    /// What the service needs, and in what condition; names in order.
    pub fn dependencies(&self, service_name: &ServiceName) -> BTreeMap<&ServiceName, Condition> {
        self.neighbours(service_name, Direction::Incoming)
    }

    /// What needs the service; names in order.
    pub fn dependents(&self, service_name: &ServiceName) -> BTreeMap<&ServiceName, Condition> {
        self.neighbours(service_name, Direction::Outgoing)
    }

    /// The services and all that they need, directly or not.
    pub fn with_dependencies(&self, service_names: &BTreeSet<ServiceName>) -> BTreeSet<ServiceName> {
        let mut found = BTreeSet::new();
        let mut to_visit: Vec<&ServiceName> = service_names.iter().collect();
        while let Some(service_name) = to_visit.pop() {
            if found.insert(service_name.clone()) {
                to_visit.extend(self.dependencies(service_name).into_keys());
            }
        }
        found
    }

    /// The longest chain of services that need each other: what a deployment cannot be shorter
    /// than. Of several, the one whose names come first.
    pub fn critical_path(&self) -> Vec<ServiceName> {
        let mut path = Vec::new();
        let longest = |names: &mut dyn Iterator<Item = &ServiceName>| {
            names.min_by_key(|name| (std::cmp::Reverse(self.services_behind(name)), (*name).clone())).cloned()
        };
        let mut next = longest(&mut self.groups.first().into_iter().flatten());
        while let Some(service_name) = next {
            let behind = self.services_behind(&service_name);
            let mut dependents =
                self.dependents(&service_name).into_keys().filter(|name| self.services_behind(name) + 1 == behind);
            next = longest(&mut dependents);
            path.push(service_name);
        }
        path
    }

    /// All dependencies, in order.
    pub fn edges(&self) -> Vec<Edge> {
        let edge = |arrow: petgraph::graph::EdgeReference<'_, Condition>| Edge {
            from: self.arrows[arrow.target()].clone(),
            to: self.arrows[arrow.source()].clone(),
            condition: *arrow.weight(),
        };
        let mut edges: Vec<Edge> = self.arrows.edge_references().map(edge).collect();
        edges.sort();
        edges
    }

    fn neighbours(&self, service_name: &ServiceName, direction: Direction) -> BTreeMap<&ServiceName, Condition> {
        let node = self.nodes[service_name];
        let neighbour = |arrow: petgraph::graph::EdgeReference<'_, Condition>| match direction {
            Direction::Incoming => arrow.source(),
            Direction::Outgoing => arrow.target(),
        };
        let arrows = self.arrows.edges_directed(node, direction);
        arrows.map(|arrow| (&self.arrows[neighbour(arrow)], *arrow.weight())).collect()
    }
}

/// All cycles of what services need, by name: also of a plan that cannot be built for other reasons.
pub fn find_cycles(needs: &BTreeMap<ServiceName, BTreeSet<ServiceName>>) -> Vec<Cycle> {
    let arrow = |needed| (needed, Condition::default());
    let (arrows, _) = draw(needs.iter().map(|(name, needed)| (name, needed.iter().map(arrow))));
    cycle::find(&arrows)
}

/// Draws services and what each needs. What is no service is left out.
fn draw<'n, N: Iterator<Item = (&'n ServiceName, Condition)>>(
    services: impl Iterator<Item = (&'n ServiceName, N)>,
) -> (DiGraph<ServiceName, Condition>, BTreeMap<ServiceName, NodeIndex>) {
    let mut arrows = DiGraph::new();
    let (names, needs): (Vec<&ServiceName>, Vec<N>) = services.unzip();
    let nodes: BTreeMap<ServiceName, NodeIndex> =
        names.iter().map(|name| ((*name).clone(), arrows.add_node((*name).clone()))).collect();
    for (name, needs) in names.into_iter().zip(needs) {
        for (needed, condition) in needs {
            if let Some(&needed) = nodes.get(needed) {
                arrows.add_edge(needed, nodes[name], condition);
            }
        }
    }
    (arrows, nodes)
}

/// For each node the length of the longest chain that leads to it against `direction`; `order`
/// visits a node after all that count towards it.
fn longest_chains(
    arrows: &DiGraph<ServiceName, Condition>,
    order: impl Iterator<Item = NodeIndex>,
    direction: Direction,
) -> Vec<usize> {
    let mut length = vec![0; arrows.node_count()];
    for node in order {
        let before = arrows.neighbors_directed(node, direction);
        length[node.index()] = before.map(|neighbour| length[neighbour.index()] + 1).max().unwrap_or(0);
    }
    length
}
