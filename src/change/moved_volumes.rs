use crate::{
    observed::Observed,
    plan::{Moves, Plan},
};

/// Keeps volumes that moved where their data is: an engine cannot rename one, so the plan's new one
/// has the old one's name, as long as there is none of the new name.
pub fn keep_moved_volumes(plan: &mut Plan, observed: &Observed) {
    let moves = Moves::of(&plan.moved);
    for before in moves.volumes.keys() {
        let Some(today) = moves.volume(before) else { continue };
        let (old, new) = (format!("{}_{before}", plan.project), plan.volume_name(today));
        let is_there = |name: &String| observed.volumes.contains_key(name);
        let volume = plan.volumes.entry(today.clone()).or_default();
        if volume.name.is_none() && !volume.external.is_external && is_there(&old) && !is_there(&new) {
            volume.name = Some(old);
        }
    }
}
