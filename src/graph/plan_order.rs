use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use petgraph::graph::DiGraph;

use super::{Cycle, cycle};
use crate::{name::PlanName, plan::Plan};

/// In which order plans go that are given together: each after those that it names, otherwise as they
/// were given. A plan is called by its position among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOrder {
    sequence: Vec<usize>,
    /// Whom each waits for.
    waits_for: Vec<BTreeSet<usize>>,
}

impl PlanOrder {
    /// The order of plans by what each says of itself in `after`. Names of plans that are not given
    /// have no influence.
    ///
    /// # Errors
    /// All cycles, one for each knot of plans that come after each other.
    pub fn of(plans: &[&Plan]) -> Result<Self, Vec<Cycle<usize>>> {
        let mut by_name: BTreeMap<&PlanName, Vec<usize>> = BTreeMap::new();
        for (position, plan) in plans.iter().enumerate() {
            by_name.entry(&plan.name).or_default().push(position);
        }
        let named = |plan: &&Plan| plan.after.iter().filter_map(|name| by_name.get(name)).flatten().copied().collect();
        Self::new(plans.iter().map(named).collect())
    }

    fn new(waits_for: Vec<BTreeSet<usize>>) -> Result<Self, Vec<Cycle<usize>>> {
        let mut waiting: Vec<usize> = waits_for.iter().map(BTreeSet::len).collect();
        let behind = turned(&waits_for);
        let mut ready: BinaryHeap<Reverse<usize>> =
            (0..waiting.len()).filter(|position| waiting[*position] == 0).map(Reverse).collect();
        let mut sequence = Vec::new();
        while let Some(Reverse(position)) = ready.pop() {
            sequence.push(position);
            for next in &behind[position] {
                waiting[*next] -= 1;
                ready.extend((waiting[*next] == 0).then_some(Reverse(*next)));
            }
        }
        match sequence.len() == waits_for.len() {
            true => Ok(Self { sequence, waits_for }),
            false => Err(cycles(&waits_for)),
        }
    }

    /// The plans, each after all that it waits for.
    pub fn sequence(&self) -> &[usize] {
        &self.sequence
    }

    /// The plans that have to be done before one can begin.
    pub fn waits_for(&self, position: usize) -> &BTreeSet<usize> {
        &self.waits_for[position]
    }

    /// All plans that come before one, directly or not.
    pub fn all_before(&self, position: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut to_visit = vec![position];
        while let Some(next) = to_visit.pop() {
            to_visit.extend(self.waits_for[next].iter().copied().filter(|before| found.insert(*before)));
        }
        found
    }

    /// The order in which they are taken away: what comes last goes first.
    pub fn reversed(&self) -> Self {
        Self { sequence: self.sequence.iter().rev().copied().collect(), waits_for: turned(&self.waits_for) }
    }
}

/// The same with all arrows turned round.
fn turned(waits_for: &[BTreeSet<usize>]) -> Vec<BTreeSet<usize>> {
    let mut turned = vec![BTreeSet::new(); waits_for.len()];
    for (position, before) in waits_for.iter().enumerate() {
        for before in before {
            turned[*before].insert(position);
        }
    }
    turned
}

fn cycles(waits_for: &[BTreeSet<usize>]) -> Vec<Cycle<usize>> {
    let mut arrows: DiGraph<usize, ()> = DiGraph::new();
    let nodes: Vec<_> = (0..waits_for.len()).map(|position| arrows.add_node(position)).collect();
    for (position, before) in waits_for.iter().enumerate() {
        for before in before {
            arrows.add_edge(nodes[*before], nodes[position], ());
        }
    }
    cycle::find(&arrows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a: b c, b:, c: b` as an order, by the letters.
    fn order(text: &str) -> Result<String, String> {
        let entries: Vec<(&str, &str)> = text.split(", ").map(|entry| entry.split_once(':').unwrap()).collect();
        let position = |name: &str| entries.iter().position(|(given, _)| *given == name).unwrap();
        let names = |positions: &[usize]| positions.iter().map(|at| entries[*at].0).collect::<Vec<_>>().join(" ");
        let waits_for = entries.iter().map(|(_, after)| after.split_whitespace().map(position).collect()).collect();
        match PlanOrder::new(waits_for) {
            Ok(order) => Ok(format!("{} | {}", names(order.sequence()), names(order.reversed().sequence()))),
            Err(cycles) => Err(cycles.iter().map(|cycle| names(&cycle.path)).collect::<Vec<_>>().join(", ")),
        }
    }

    #[test]
    fn each_comes_after_those_that_it_names_and_otherwise_as_given() {
        let table = [
            ("c:, b:, a:", Ok("c b a | a b c")),
            ("web: api, api: db, db:", Ok("db api web | web api db")),
            ("web: db, blog:, api: db, db:", Ok("blog db web api | api web db blog")),
            ("a: a", Err("a")),
            ("a: b, b: c, c: a b, d: a", Err("a b c")),
            ("a: b, b: a, x: y, y: x", Err("a b, x y")),
        ];
        for (text, expected) in table {
            let expected: Result<&str, &str> = expected;
            assert_eq!(order(text).as_deref().map_err(String::as_str), expected, "{text}");
        }
    }

    #[test]
    fn what_comes_before_is_found_through_others() {
        let order = PlanOrder::new(vec![BTreeSet::new(), BTreeSet::from([0]), BTreeSet::from([1])]).unwrap();
        assert_eq!(order.all_before(2), BTreeSet::from([0, 1]));
        assert_eq!(order.reversed().waits_for(0), &BTreeSet::from([1]));
    }
}
