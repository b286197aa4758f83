//! The twelve invariants of the design, each as a function that says what does not hold.

use std::collections::{BTreeMap, BTreeSet};

use orchestrate::{
    action::{Action, StepId},
    change::{Change, Changes, InstanceChange, Op},
    journal::Outcome,
    observed::{Instance, InstanceState},
    plan::{Condition, Plan, RunPolicy, Schedule},
    runtime::simulated::World,
    time::Timestamp,
};

use super::{
    belief::key,
    draft::SECRET,
    oracle::{Before, Oracle},
};

type Holds = Result<(), String>;

fn expect(holds: bool, text: impl FnOnce() -> String) -> Holds {
    if holds { Ok(()) } else { Err(text()) }
}

/// Invariant 1: A second apply performs no mutating call: nothing is left to change. `changes` are those of the
/// same plan, right after it was applied; what was disturbed from outside meanwhile is excused, and
/// what could not be removed (`is_disturbed("")`).
pub fn second_apply_does_nothing(plan: &Plan, changes: &Changes, is_disturbed: impl Fn(&str) -> bool) -> Holds {
    let runs_always = |name: &_| plan.services.get(name).is_some_and(|service| service.run == RunPolicy::Always);
    let change = changes.services.iter().find(|change| {
        let is_excused = match change.op {
            Op::None => true,
            Op::Remove => is_disturbed(""),
            Op::Create | Op::Replace | Op::Update => {
                runs_always(&change.service) || (only_removes(change) && is_disturbed(""))
            }
        };
        !is_excused && !is_disturbed(change.service.as_str())
    });
    match change {
        Some(change) => {
            Err(format!("after it was applied, `{}` would change again: {:?}", change.service, change.causes))
        }
        None => expect(changes.leftovers.is_empty() || is_disturbed(""), || {
            let names: Vec<&str> = changes.leftovers.iter().map(|instance| instance.name.as_str()).collect();
            format!("after it was applied, leftovers are there: {}", names.join(", "))
        }),
    }
}

fn only_removes(change: &Change) -> bool {
    let stays_or_goes =
        |change: &InstanceChange| matches!(change, InstanceChange::Keep { .. } | InstanceChange::Remove { .. });
    change.instances.iter().all(stays_or_goes)
}

/// Invariant 2: Live labelled objects and the journal agree, both ways.
pub fn journal_agrees_with_world(oracle: &Oracle, world: &World) -> Holds {
    oracle.belief.compare(world, &oracle.removed, oracle.is_daemon_restarted)
}

/// Invariant 2, at the end: after an applied deployment there is what is to be there, and nothing else; what
/// could not be cleaned up is left only where the journal says so.
pub fn nothing_is_left_over(oracle: &Oracle, world: &World, outcome: Outcome) -> Holds {
    if outcome != Outcome::Applied {
        return Ok(());
    }
    for slot in &oracle.setup.actions.slots {
        let wanted = match &slot.observed {
            Some(observed) => key(&observed.identity),
            None => (slot.service.clone(), slot.number, oracle.setup.options.deployment),
        };
        let found = world.instances().find(|instance| key(&instance.identity) == wanted);
        match found {
            Some(found) if slot.stays => {
                expect(found.name == slot.name, || format!("`{}` is still called `{}`", slot.name, found.name))?;
            }
            None if slot.stays => {
                expect(oracle.removed.contains(&wanted), || format!("`{}` is not there", slot.name))?;
            }
            Some(found) => {
                let is_excused = oracle.has_failed_to_remove(slot);
                expect(is_excused, || {
                    format!("`{}` is left over, and nothing says that its removal failed", found.name)
                })?;
            }
            None => {}
        }
    }
    Ok(())
}

/// Invariant 3: Volumes, and networks that were there before, are removed only by a destroy, volumes only if
/// they are named.
pub fn data_stays(oracle: &Oracle, action: &Action) -> Holds {
    match action {
        Action::RemoveVolume { name } => {
            expect(oracle.named_volumes.contains(name), || format!("volume `{name}` was removed, nobody named it"))
        }
        Action::RemoveNetwork { name } => {
            let is_allowed = oracle.is_destroy || !oracle.before.networks.contains(name);
            expect(is_allowed, || format!("network `{name}` was there before, and was removed"))
        }
        Action::PullImage { .. }
        | Action::BuildImage { .. }
        | Action::HoldImage { .. }
        | Action::ReleaseImage { .. }
        | Action::SaveVolume { .. }
        | Action::Dump { .. }
        | Action::RunCommand { .. }
        | Action::CreateNetwork { .. }
        | Action::CreateVolume { .. }
        | Action::WriteFile { .. }
        | Action::RemoveFile { .. }
        | Action::Create { .. }
        | Action::Remove { .. }
        | Action::Rename { .. }
        | Action::SetRestartPolicy { .. }
        | Action::SetLimits { .. }
        | Action::SetAliases { .. }
        | Action::SetFiles { .. }
        | Action::Start { .. }
        | Action::Stop { .. } => Ok(()),
    }
}

/// Invariant 3, at the end: every volume of before is there still.
pub fn volumes_are_there(oracle: &Oracle, world: &World) -> Holds {
    let mut gone = oracle.before.volumes.iter().filter(|name| !world.volumes().contains_key(*name));
    let unnamed = gone.find(|name| !oracle.named_volumes.contains(*name));
    unnamed.map_or(Ok(()), |name| Err(format!("volume `{name}` is gone, nobody named it")))
}

/// Invariant 4: After a rollback, image, command, environment, mounts, ports, networks, limits, health
/// configuration and restart policy of everything are as before, and what ran runs. The spec holds
/// what cannot be looked at otherwise.
pub fn rollback_restores(oracle: &Oracle, world: &World, outcome: Outcome) -> Holds {
    if !matches!(outcome, Outcome::RolledBack | Outcome::Failed) {
        return Ok(());
    }
    let now: BTreeMap<_, &Instance> = world.instances().map(|instance| (key(&instance.identity), instance)).collect();
    for (key, before) in &oracle.before.instances {
        let Some(found) = now.get(key) else {
            expect(oracle.removed.contains(key), || format!("`{}` was there before, and is gone", before.name))?;
            continue;
        };
        let same_id = found.id == before.id || oracle.removed.contains(key);
        expect(same_id, || format!("`{}` has another id", before.name))?;
        // What a stale list shows as stopped and runs is started, and stopped again.
        restored(before, found, oracle.is_disturbed(key) || oracle.is_stale)?;
    }
    for (key, found) in &now {
        let was_there = oracle.before.instances.contains_key(key);
        let is_kept_body = oracle.setup.options.keep_failed && found.name.contains(".failed-");
        expect(was_there || is_kept_body, || format!("`{}` was not there before", found.name))?;
    }
    let after = Before::new(world);
    let same = |what: &str, before: &BTreeSet<String>, after: &BTreeSet<String>| {
        expect(before == after, || format!("{what} before: {before:?}, after: {after:?}"))
    };
    same("networks", &oracle.before.networks, &after.networks)?;
    same("files", &oracle.before.files, &after.files)
}

fn restored(before: &Instance, now: &Instance, is_disturbed: bool) -> Holds {
    let name = &before.name;
    let same =
        |what: &str, is_same: bool| expect(is_same, || format!("{what} of `{name}` is not what it was: {now:?}"));
    same("the name", now.name == before.name)?;
    same("the image", now.image_id == before.image_id)?;
    same("the spec", now.spec == before.spec)?;
    same("the networks", now.networks == before.networks)?;
    same("the limits", now.limits == before.limits)?;
    same("the restart policy", now.restart_policy == before.restart_policy)?;
    let runs_as_before = now.is_running() == before.is_running();
    let ended_itself = matches!(now.state, InstanceState::Exited { code, .. } if code != 143) && before.is_running();
    same("the state", runs_as_before || ended_itself || is_disturbed)?;
    same("the ports", now.ports == before.ports || !runs_as_before)
}

/// Invariant 5: Nothing starts before the conditions of its dependencies hold, and at most so many calls are
/// under way as the plan allows.
pub fn order_and_parallelism(
    oracle: &Oracle,
    world: &mut World,
    now: Timestamp,
    step: StepId,
    action: &Action,
) -> Holds {
    expect(oracle.in_flight < oracle.parallelism, || {
        format!("`{action}` is one more than the {} calls that may be under way", oracle.parallelism)
    })?;
    let is_forward = oracle.journal.failure().is_none();
    let Some(service_name) = oracle.setup.actions.steps[step.index()].service.as_ref().filter(|_| is_forward) else {
        return Ok(());
    };
    let Some(service) = oracle.plan.services.get(service_name).filter(|_| action.begins_a_run()) else {
        return Ok(());
    };
    for (needed, dependency) in &service.depends_on {
        if oracle.plan.services.contains_key(needed) {
            let holds = oracle.condition_holds(world, now, needed, dependency.condition);
            let condition = dependency.condition.as_str();
            expect(holds, || format!("`{action}` came before `{needed}` was {condition}"))?;
        }
    }
    if oracle.plan.schedule == Schedule::Grouped {
        let group = oracle.graph.group_of(service_name);
        for needed in oracle.graph.groups()[..group].iter().flatten() {
            let is_job = oracle.plan.services[needed].is_job();
            let has_checks = !oracle.plan.services[needed].checks.is_empty();
            let condition = match (is_job, has_checks && oracle.is_started_now(needed)) {
                (true, _) => Condition::ServiceCompletedSuccessfully,
                (false, true) => Condition::ServiceHealthy,
                (false, false) => Condition::ServiceStarted,
            };
            let holds = oracle.condition_holds(world, now, needed, condition);
            expect(holds, || format!("`{action}` came before `{needed}` of an earlier group"))?;
        }
    }
    Ok(())
}

/// Invariant 6: Effects are a subset of journaled intents: a call is made only if its entry is durable.
pub fn effects_are_intended(oracle: &Oracle, step: StepId, action: &Action) -> Holds {
    let intended = oracle.intents.get(&step);
    let is_it = intended.is_some_and(|intended| {
        std::ptr::eq(&**intended, action)
            || (intended.to_string() == action.to_string() && slot_of(intended) == slot_of(action))
    });
    expect(is_it, || {
        let said = intended.map_or("nothing".to_owned(), |intended| format!("`{intended}`"));
        format!("`{action}` is performed as {step}, but the journal intends {said}")
    })
}

/// Invariant 6: What nobody can look up is done at most once, unless it may be done twice.
pub fn runs_at_most_once(oracle: &Oracle, step: StepId, action: &Action) -> Holds {
    expect(!oracle.has_run.contains(&step), || format!("`{action}` may have run, and is run again"))
}

fn slot_of(action: &Action) -> Option<u32> {
    action.instance().map(|instance| instance.slot)
}

/// Invariant 6, at the end: as many effects as calls that were intended.
pub fn no_effect_but_ours(expected: usize, world: &World) -> Holds {
    let found = world.calls.len();
    expect(found == expected, || format!("{found} calls had an effect, {expected} were intended"))
}

/// Invariant 7: A preview makes no mutating call, and leaves everything as it is.
pub fn preview_changes_nothing(before: &World, after: &World) -> Holds {
    let same_calls = before.calls.len() == after.calls.len();
    let same_objects = before.networks() == after.networks() && before.volumes() == after.volumes();
    let same = same_calls && same_objects && before.instances().eq(after.instances());
    expect(same, || format!("a preview made calls: {:?}", &after.calls[before.calls.len().min(after.calls.len())..]))
}

/// Invariant 8: Foreign objects are never changed: no call is even made that would.
pub fn foreign_stays(oracle: &Oracle, world: &World, action: &Action) -> Holds {
    let ours = |instance: &Instance| instance.identity.project == oracle.plan.project;
    if let (Some(handle), false) = (action.instance(), matches!(action, Action::Create { .. })) {
        let is_meant = |instance: &&Instance| match &handle.id {
            Some(id) => instance.id == *id,
            None => instance.name == handle.name,
        };
        let meant = world.instances().find(is_meant);
        return expect(meant.is_none_or(ours), || format!("`{action}` is about what is not ours"));
    }
    let is_foreign = match action {
        Action::RemoveNetwork { name } => world.networks().get(name).is_some_and(|facts| facts.project.is_none()),
        Action::RemoveVolume { name } => world.volumes().get(name).is_some_and(|facts| facts.project.is_none()),
        Action::RemoveFile { path } => !path.starts_with("/state/files/app/"),
        Action::WriteFile { path, .. } => !path.starts_with("/state/files/app/"),
        Action::PullImage { .. }
        | Action::BuildImage { .. }
        | Action::HoldImage { .. }
        | Action::ReleaseImage { .. }
        | Action::SaveVolume { .. }
        | Action::Dump { .. }
        | Action::RunCommand { .. }
        | Action::CreateNetwork { .. }
        | Action::CreateVolume { .. }
        | Action::Create { .. }
        | Action::Remove { .. }
        | Action::Rename { .. }
        | Action::SetRestartPolicy { .. }
        | Action::SetLimits { .. }
        | Action::SetAliases { .. }
        | Action::SetFiles { .. }
        | Action::Start { .. }
        | Action::Stop { .. } => false,
    };
    expect(!is_foreign, || format!("`{action}` is about what is not ours"))
}

/// Invariant 9: No secret byte is in what is written down or told.
pub fn no_secret_seen(what: &str, written: &str) -> Holds {
    expect(!written.contains(SECRET), || format!("a secret is in {what}: {written}"))
}

/// Invariant 10: A→B→C ends as a fresh C.
/// What needed attention and got none may have left files, and so may a job that runs once.
pub fn ends_as_fresh(plan: &Plan, world: &World, fresh: &World, is_all_attended_to: bool) -> Holds {
    let describe = |world: &World| {
        // A job that runs once may have done so with an image that was current then.
        let once = |name: &_| plan.services.get(name).is_some_and(|service| service.run == RunPolicy::Once);
        let ours = world.instances().filter(|instance| instance.identity.project == plan.project);
        let ours = ours.filter(|instance| !once(&instance.identity.service));
        let mut lines: Vec<String> = ours
            .map(|i| {
                // A job keeps the limits that it ran with.
                let limits = (!i.has_completed()).then_some(&i.limits);
                let limits = serde_json::to_string(&limits).expect("limits are plain");
                let ports: Vec<u16> = i.ports.iter().map(|port| port.host_port).collect();
                let state = (i.is_running(), i.has_completed());
                let (networks, policy) = (&i.networks, i.restart_policy);
                format!("{} {:?} {} {limits} {policy} {networks:?} {ports:?} {state:?}", i.name, i.runtime, i.image_id)
            })
            .collect();
        lines.sort();
        lines
    };
    let (now, fresh_now) = (describe(world), describe(fresh));
    expect(now == fresh_now, || format!("is\n  {}\ninstead of\n  {}", now.join("\n  "), fresh_now.join("\n  ")))?;
    let missing = fresh.networks().keys().find(|name| !world.networks().contains_key(*name));
    expect(missing.is_none(), || format!("network {missing:?} is missing"))?;
    let contents = |world: &World| {
        let mut contents: Vec<String> = world
            .files()
            .iter()
            .map(|(path, text)| format!("{} {}", path.rsplit('/').next().unwrap_or_default(), text.expose()))
            .collect();
        contents.sort();
        contents
    };
    let (now, fresh_now) = (contents(world), contents(fresh));
    let is_right = match is_all_attended_to {
        true => now == fresh_now,
        false => fresh_now.iter().all(|file| now.contains(file)),
    };
    expect(is_right, || format!("the files are {now:?} instead of {fresh_now:?}"))
}

/// Invariant 11: The same seed gives the same transcript.
pub fn same_transcript(first: u64, second: u64) -> Holds {
    expect(first == second, || format!("the transcripts of two runs are not the same: {first:x} and {second:x}"))
}

/// Invariant 12: Every run ends, in one of the five outcomes, and what needs attention says why.
pub fn ends_with_reason(oracle: &Oracle, outcome: Outcome) -> Holds {
    let is_durable = oracle.journal.outcome() == Some(outcome);
    expect(is_durable, || format!("it ended as {outcome:?}, the journal says {:?}", oracle.journal.outcome()))?;
    match outcome {
        Outcome::Applied => expect(oracle.journal.is_committed(), || "it was applied, but not committed".to_owned()),
        Outcome::Failed | Outcome::RolledBack => {
            expect(oracle.journal.failure().is_some(), || format!("it is {outcome:?} without a failure"))
        }
        Outcome::NeedsAttention => {
            let is_told = oracle.warnings > 0 || oracle.is_manual();
            expect(is_told, || "it needs attention, and nobody says why".to_owned())
        }
        Outcome::Unchanged => Err("an engine ran for nothing".to_owned()),
    }
}
