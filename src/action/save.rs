//! The steps that save data before it is at stake: of services that are replaced or removed, and
//! of those that an irreversible job is about to change.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Actions, Context, InstanceHandle, Phase, Step, StepId, order::in_order};
use crate::{
    change::{Change, Changes, InstanceChange, Op},
    graph::Graph,
    name::ServiceName,
    observed::Observed,
    plan::{Plan, RuntimeKind, SnapshotPolicy},
};

/// Adds them. A dump is written after everything was created and before the old instance stops; a
/// volume is copied after that and before a new instance starts.
pub(super) fn with_saves(
    actions: Actions,
    plan: &Plan,
    graph: &Graph,
    changes: &Changes,
    observed: &Observed,
    context: &Context,
) -> Actions {
    let Some(directory) = &context.snapshot_directory else { return actions };
    let mut saves = Saves { actions, plan, observed, context, directory, places: BTreeMap::new() };
    let mut dumps: BTreeMap<ServiceName, StepId> = BTreeMap::new();
    for change in changes.services.iter().filter(|change| is_at_stake(change)) {
        if let Some(dump) = saves.save(change) {
            dumps.insert(change.service.clone(), dump);
        }
    }
    for change in changes.services.iter().filter(|change| runs_for_good(plan, change)) {
        let needed = graph.with_dependencies(&BTreeSet::from([change.service.clone()]));
        let kept = needed.iter().filter_map(|service_name| changes.change(service_name));
        for needed in kept.filter(|needed| needed.op == Op::None) {
            saves.dump_before_job(needed, &change.service, &mut dumps);
        }
    }
    saves.in_order()
}

/// Where the data of a service's volume is written.
pub fn volume_file(directory: &str, service_name: &ServiceName, index: usize) -> String {
    format!("{directory}/{service_name}-volume-{index}.tar")
}

/// Where the dump of a service is written.
pub fn dump_file(directory: &str, service_name: &ServiceName) -> String {
    format!("{directory}/{service_name}.dump")
}

fn is_at_stake(change: &Change) -> bool {
    match change.op {
        Op::Replace | Op::Remove => true,
        Op::Create | Op::Update | Op::None => false,
    }
}

/// Whether it runs a job that cannot be undone.
fn runs_for_good(plan: &Plan, change: &Change) -> bool {
    let starts = |instance: &InstanceChange| match instance {
        InstanceChange::Create { .. } | InstanceChange::Replace { .. } | InstanceChange::Start { .. } => true,
        InstanceChange::Keep { .. } | InstanceChange::Update { .. } | InstanceChange::Remove { .. } => false,
    };
    let service = plan.services.get(&change.service);
    service.is_some_and(|service| service.irreversible) && change.instances.iter().any(starts)
}

struct Saves<'a> {
    actions: Actions,
    plan: &'a Plan,
    observed: &'a Observed,
    context: &'a Context,
    directory: &'a str,
    /// Where a step that was added stands among those that were there.
    places: BTreeMap<StepId, (StepId, Side)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Before,
    Itself,
    After,
}

/// What is saved of a service: its policy with the volumes' names on the engine.
struct Wanted {
    policy: SnapshotPolicy,
    volumes: Vec<(usize, String)>,
}

impl Saves<'_> {
    /// Saves the data of a service that is replaced or removed; answers the step of its dump.
    fn save(&mut self, change: &Change) -> Option<StepId> {
        let wanted = self.wanted(change)?;
        let old: BTreeSet<u32> = change.instances.iter().filter_map(|instance| self.slot_of_old(instance)).collect();
        let is_of_old = |step: &&Step| {
            let about = step.action.instance().map(|instance| instance.slot);
            step.phase == Phase::ServiceDeployment && about.is_some_and(|slot| old.contains(&slot))
        };
        let of_old: Vec<Step> = self.actions.steps.iter().filter(is_of_old).cloned().collect();
        let stops: Vec<&Step> = of_old.iter().filter(|step| matches!(step.action, Action::Stop { .. })).collect();
        let dump = stops.first().and_then(|stop| self.dump(change, &wanted.policy, stop, &of_old));
        if !wanted.volumes.is_empty() {
            self.copy_volumes(change, &wanted, &of_old, &stops);
        }
        dump
    }

    /// A dump comes before its instance's first step: what stops it, or keeps it from being revived.
    fn dump(&mut self, change: &Change, policy: &SnapshotPolicy, stop: &Step, of_old: &[Step]) -> Option<StepId> {
        let instance = stop.action.instance()?;
        let chain =
            of_old.iter().filter(|step| step.action.instance().is_some_and(|about| about.slot == instance.slot));
        let chain: Vec<&Step> = chain.filter(|step| step.id <= stop.id).collect();
        let first = *chain.first()?;
        let own: Vec<StepId> = chain.iter().map(|step| step.id).collect();
        let after = chain.iter().flat_map(|step| &step.after).filter(|before| !own.contains(before)).copied();
        let after: BTreeSet<StepId> = after.collect();
        let action = self.dump_action(change, policy, instance.clone())?;
        let waits = chain.iter().any(|step| step.waits_for_dependencies);
        let dump =
            self.push(stop.runtime, &change.service, action, after.into_iter().collect(), (first.id, Side::Before));
        self.actions.steps[dump.index()].waits_for_dependencies = waits;
        self.actions.steps[first.id.index()].after.push(dump);
        Some(dump)
    }

    fn dump_action(&self, change: &Change, policy: &SnapshotPolicy, instance: InstanceHandle) -> Option<Action> {
        let (command, timeout) = (policy.dump.clone()?, policy.timeout());
        Some(Action::Dump { instance, command, to: dump_file(self.directory, &change.service), timeout })
    }

    fn copy_volumes(&mut self, change: &Change, wanted: &Wanted, of_old: &[Step], stops: &[&Step]) {
        let starts = self.actions.steps.iter().filter(|step| {
            step.service.as_ref() == Some(&change.service) && matches!(step.action, Action::Start { .. })
        });
        let starts: Vec<StepId> = starts.map(|step| step.id).collect();
        let after: Vec<StepId> = stops.iter().map(|stop| stop.id).collect();
        let place = match (stops.last(), starts.first().or(of_old.first().map(|step| &step.id))) {
            (Some(stop), _) => (stop.id, Side::After),
            (None, Some(start)) => (*start, Side::Before),
            (None, None) => return,
        };
        for (index, volume) in &wanted.volumes {
            let action = Action::SaveVolume {
                project: self.plan.project.clone(),
                volume: volume.clone(),
                to: volume_file(self.directory, &change.service, *index),
                timeout: wanted.policy.timeout(),
            };
            let saved = self.push(RuntimeKind::Docker, &change.service, action, after.clone(), place);
            for start in &starts {
                self.actions.steps[start.index()].after.push(saved);
            }
        }
    }

    /// Writes the dump of a service that stays before a job changes what it holds.
    fn dump_before_job(&mut self, needed: &Change, job: &ServiceName, dumps: &mut BTreeMap<ServiceName, StepId>) {
        let starts = self
            .actions
            .steps
            .iter()
            .filter(|step| step.service.as_ref() == Some(job) && matches!(step.action, Action::Start { .. }));
        let starts: Vec<StepId> = starts.map(|step| step.id).collect();
        let Some(&first) = starts.first() else { return };
        let dump = match dumps.get(&needed.service) {
            Some(dump) => *dump,
            None => {
                let service = self.plan.services.get(&needed.service);
                let Some(policy) = service.and_then(|service| service.snapshot.clone()) else { return };
                let Some((instance, runtime)) = self.running(needed) else { return };
                let Some(action) = self.dump_action(needed, &policy, instance) else { return };
                self.push(runtime, &needed.service, action, Vec::new(), (first, Side::Before))
            }
        };
        dumps.insert(needed.service.clone(), dump);
        for start in starts {
            self.actions.steps[start.index()].after.push(dump);
        }
    }

    /// The first of a service's instances that stay and run.
    fn running(&self, change: &Change) -> Option<(InstanceHandle, RuntimeKind)> {
        let kept = change.instances.iter().find_map(|instance| match instance {
            InstanceChange::Keep { instance } => Some(instance).filter(|instance| instance.is_running()),
            InstanceChange::Create { .. }
            | InstanceChange::Replace { .. }
            | InstanceChange::Update { .. }
            | InstanceChange::Start { .. }
            | InstanceChange::Remove { .. } => None,
        })?;
        let handle = InstanceHandle { slot: self.slot(&kept.id)?, name: kept.name.clone(), id: Some(kept.id.clone()) };
        Some((handle, kept.runtime))
    }

    /// What is saved of it: as the plan says, or what the one that is removed was made from.
    fn wanted(&self, change: &Change) -> Option<Wanted> {
        if let Some(service) = self.plan.services.get(&change.service) {
            let policy = service.snapshot.clone()?;
            let names = policy.volumes.iter().map(|key| self.plan.volume_name(key)).enumerate();
            let volumes = names.filter(|(_, name)| self.observed.volumes.contains_key(name)).collect();
            return Some(Wanted { policy, volumes });
        }
        let specs = change.instances.iter().filter_map(|instance| match instance {
            InstanceChange::Remove { old } => self.context.snapshots.get(&old.id),
            InstanceChange::Keep { .. }
            | InstanceChange::Create { .. }
            | InstanceChange::Replace { .. }
            | InstanceChange::Update { .. }
            | InstanceChange::Start { .. } => None,
        });
        let policy = specs.filter_map(|spec| spec.service.snapshot.clone()).next()?;
        let volumes = policy.volumes.iter().cloned().enumerate().collect();
        Some(Wanted { policy, volumes })
    }

    fn slot_of_old(&self, change: &InstanceChange) -> Option<u32> {
        match change {
            InstanceChange::Replace { old } | InstanceChange::Remove { old } => self.slot(&old.id),
            InstanceChange::Keep { .. }
            | InstanceChange::Create { .. }
            | InstanceChange::Update { .. }
            | InstanceChange::Start { .. } => None,
        }
    }

    fn slot(&self, id: &str) -> Option<u32> {
        let is_it = |slot: &super::Slot| slot.observed.as_ref().is_some_and(|observed| observed.id == id);
        self.actions.slots.iter().position(is_it).and_then(|index| u32::try_from(index).ok())
    }

    fn push(
        &mut self,
        runtime: RuntimeKind,
        service_name: &ServiceName,
        action: Action,
        after: Vec<StepId>,
        place: (StepId, Side),
    ) -> StepId {
        let id = StepId(u32::try_from(self.actions.steps.len()).expect("plans are bounded far below 2³² steps"));
        let (phase, service) = (Phase::ServiceDeployment, Some(service_name.clone()));
        let step = Step { service, ..Step::new(id, phase, runtime, action, after) };
        self.actions.steps.push(step);
        self.places.insert(id, place);
        id
    }

    /// The steps, numbered anew, what was added in its place.
    fn in_order(self) -> Actions {
        let Self { actions, places, .. } = self;
        if places.is_empty() {
            return actions;
        }
        in_order(actions, |step| places.get(&step.id).copied().unwrap_or((step.id, Side::Itself)))
    }
}
