use std::collections::BTreeSet;

use super::{Actions, Step, StepId};

/// The steps, numbered anew so that each comes after those that it follows, and otherwise by its place.
pub(super) fn in_order<P: Ord + Copy>(mut actions: Actions, place: impl Fn(&Step) -> P) -> Actions {
    let places: Vec<P> = actions.steps.iter().map(place).collect();
    let mut blockers: Vec<usize> = actions.steps.iter().map(|step| step.after.len()).collect();
    let mut followers: Vec<Vec<StepId>> = vec![Vec::new(); actions.steps.len()];
    for step in &actions.steps {
        step.after.iter().for_each(|before| followers[before.index()].push(step.id));
    }
    let free = actions.steps.iter().filter(|step| step.after.is_empty());
    let mut free: BTreeSet<(P, StepId)> = free.map(|step| (places[step.id.index()], step.id)).collect();
    let mut order = Vec::with_capacity(actions.steps.len());
    while let Some((_, id)) = free.pop_first() {
        order.push(id);
        for follower in &followers[id.index()] {
            blockers[follower.index()] -= 1;
            if blockers[follower.index()] == 0 {
                free.insert((places[follower.index()], *follower));
            }
        }
    }
    assert_eq!(order.len(), actions.steps.len(), "no step follows itself");
    let mut numbers = vec![StepId(0); order.len()];
    for (number, id) in order.iter().enumerate() {
        numbers[id.index()] = StepId(u32::try_from(number).expect("there are no more steps than before"));
    }
    for step in &mut actions.steps {
        step.id = numbers[step.id.index()];
        step.after.iter_mut().for_each(|before| *before = numbers[before.index()]);
        step.after.sort();
    }
    actions.steps.sort_by_key(|step| step.id);
    actions
}
