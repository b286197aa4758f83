//! What the world has to be like, as far as the journal says.

use std::collections::{BTreeMap, BTreeSet};

use orchestrate::{
    action::{Action, InstanceHandle, StepId},
    change::FileChange,
    engine::Setup,
    journal::{Entry, Record},
    name::{DeploymentId, ServiceName},
    observed::{Identity, Instance, InstanceState},
    plan::{Limits, RestartPolicy},
    runtime::simulated::World,
    secret::Text,
};

/// An instance, whatever its id and name are at the moment.
pub type Key = (ServiceName, u32, DeploymentId);

pub fn key(identity: &Identity) -> Key {
    (identity.service.clone(), identity.number, identity.deployment)
}

/// One thing that may be true of an instance or a shared object.
#[derive(Debug, Clone, PartialEq)]
enum Fact {
    Exists(bool),
    Named(String),
    Runs(bool),
    Restarts(RestartPolicy),
    Limited(Limits),
}

impl Fact {
    /// Facts of one kind exclude each other.
    fn kind(&self) -> usize {
        match self {
            Self::Exists(_) => 0,
            Self::Named(_) => 1,
            Self::Runs(_) => 2,
            Self::Restarts(_) => 3,
            Self::Limited(_) => 4,
        }
    }
}

/// The facts of each kind that the journal leaves possible.
#[derive(Debug, Clone, Default)]
struct Possible([Vec<Fact>; 5]);

impl Possible {
    fn of(instance: &Instance) -> Self {
        let mut possible = Self::default();
        let facts = [
            Fact::Exists(true),
            Fact::Named(instance.name.clone()),
            Fact::Runs(instance.is_running()),
            Fact::Restarts(instance.restart_policy),
            Fact::Limited(instance.limits.clone()),
        ];
        facts.into_iter().for_each(|fact| possible.settle(fact));
        possible
    }

    fn absent() -> Self {
        let mut possible = Self::default();
        possible.settle(Fact::Exists(false));
        possible
    }

    fn settle(&mut self, fact: Fact) {
        let kind = fact.kind();
        self.0[kind] = vec![fact];
    }

    fn allow(&mut self, fact: Fact) {
        let facts = &mut self.0[fact.kind()];
        if !facts.contains(&fact) {
            facts.push(fact);
        }
    }

    fn has(&self, fact: &Fact) -> bool {
        self.0[fact.kind()].contains(fact)
    }
}

/// What a step is about to make true, and what was possible before.
#[derive(Debug, Clone)]
struct Pending {
    key: Option<Key>,
    facts: Vec<Fact>,
    before: Option<Possible>,
    shared: Vec<(String, bool)>,
    shared_before: BTreeMap<String, Presence>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Presence {
    may_exist: bool,
    may_be_absent: bool,
}

/// What the world has to be like.
#[derive(Debug, Clone, Default)]
pub struct Belief {
    instances: BTreeMap<Key, Possible>,
    keys: Vec<Key>,
    pending: BTreeMap<StepId, Pending>,
    /// Networks, volumes, and files with their contents, by their kind and name.
    shared: BTreeMap<String, Presence>,
}

impl Belief {
    /// Before anything is done.
    pub fn new(setup: &Setup, world: &World) -> Self {
        let mut belief = Self::default();
        for instance in world.instances() {
            belief.instances.insert(key(&instance.identity), Possible::of(instance));
        }
        for slot in &setup.actions.slots {
            let identity = slot.observed.as_ref().map(|observed| key(&observed.identity));
            let key = identity.unwrap_or((slot.service.clone(), slot.number, setup.options.deployment));
            belief.instances.entry(key.clone()).or_insert_with(Possible::absent);
            belief.keys.push(key);
        }
        for name in objects(world) {
            belief.shared.insert(name, Presence { may_exist: true, may_be_absent: false });
        }
        belief
    }

    /// Learns what a durable entry says.
    pub fn learn(&mut self, entry: &Entry) {
        match &entry.record {
            Record::Intended { step, action, .. } | Record::UndoIntended { step, action } => self.intend(*step, action),
            Record::Succeeded { step, .. } | Record::UndoSucceeded { step } => {
                let Some(pending) = self.pending.remove(step) else { return };
                if let Some(key) = &pending.key {
                    let possible = self.instances.entry(key.clone()).or_default();
                    pending.facts.into_iter().for_each(|fact| possible.settle(fact));
                }
                for (name, exists) in pending.shared {
                    self.shared.insert(name, Presence { may_exist: exists, may_be_absent: !exists });
                }
            }
            Record::Failed { step, .. } => {
                let Some(pending) = self.pending.remove(step) else { return };
                if let (Some(key), Some(before)) = (pending.key, pending.before) {
                    // Other steps may be about other facts of it meanwhile.
                    let possible = self.instances.entry(key).or_default();
                    for kind in pending.facts.iter().map(Fact::kind) {
                        possible.0[kind].clone_from(&before.0[kind]);
                    }
                }
                self.shared.extend(pending.shared_before);
            }
            Record::UndoFailed { .. }
            | Record::Abandoned { .. }
            | Record::Committed
            | Record::Ended { .. }
            | Record::Resumed { .. } => {}
        }
    }

    fn intend(&mut self, step: StepId, action: &Action) {
        let key = action.instance().map(|instance| self.keys[instance.slot as usize].clone());
        let facts = facts_of(action);
        let before = key.as_ref().map(|key| self.instances.get(key).cloned().unwrap_or_else(Possible::absent));
        if let Some(key) = &key {
            let possible = self.instances.entry(key.clone()).or_insert_with(Possible::absent);
            facts.iter().cloned().for_each(|fact| possible.allow(fact));
        }
        let shared = self.shared_of(action);
        let mut shared_before = BTreeMap::new();
        for (name, exists) in &shared {
            let absent = Presence { may_exist: false, may_be_absent: true };
            let presence = self.shared.entry(name.clone()).or_insert(absent);
            shared_before.insert(name.clone(), *presence);
            presence.may_exist |= *exists;
            presence.may_be_absent |= !*exists;
        }
        self.pending.insert(step, Pending { key, facts, before, shared, shared_before });
    }

    fn shared_of(&self, action: &Action) -> Vec<(String, bool)> {
        match action {
            Action::CreateNetwork { name, .. } => vec![(format!("network {name}"), true)],
            Action::RemoveNetwork { name } => vec![(format!("network {name}"), false)],
            Action::CreateVolume { name, .. } => vec![(format!("volume {name}"), true)],
            Action::RemoveVolume { name } => vec![(format!("volume {name}"), false)],
            Action::WriteFile { path, content, .. } => vec![(file(path, content), true)],
            Action::SetFiles { files, .. } => {
                let exchanged = |change: &FileChange| {
                    [(file(&change.path, &change.from), false), (file(&change.path, &change.to), true)]
                };
                files.iter().flat_map(exchanged).collect()
            }
            Action::RemoveFile { path } => {
                let (own, below) = (format!("file {path} "), format!("file {path}/"));
                let is_in = |name: &&String| name.starts_with(&own) || name.starts_with(&below);
                self.shared.keys().filter(is_in).map(|name| (name.clone(), false)).collect()
            }
            Action::PullImage { .. }
            | Action::BuildImage { .. }
            | Action::HoldImage { .. }
            | Action::ReleaseImage { .. }
            | Action::SaveVolume { .. }
            | Action::Dump { .. }
            | Action::RunCommand { .. }
            | Action::Create { .. }
            | Action::Remove { .. }
            | Action::Rename { .. }
            | Action::SetRestartPolicy { .. }
            | Action::SetLimits { .. }
            | Action::SetAliases { .. }
            | Action::Start { .. }
            | Action::Stop { .. } => Vec::new(),
        }
    }

    /// How the world differs from what the journal says, both ways. `removed` are the ids of what
    /// someone else took away.
    pub fn compare(&self, world: &World, removed: &BTreeSet<Key>, is_daemon_restarted: bool) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for instance in world.instances() {
            let key = key(&instance.identity);
            if !seen.insert(key.clone()) {
                return Err(format!("there are two of {key:?}, one is `{}`", instance.name));
            }
            let possible = self.instances.get(&key).ok_or(format!("nothing says that `{}` exists", instance.name))?;
            compare_instance(possible, instance, is_daemon_restarted)
                .map_err(|text| format!("`{}` ({}) {text}", instance.name, instance.id))?;
        }
        for (key, possible) in &self.instances {
            if !seen.contains(key) && !possible.has(&Fact::Exists(false)) && !removed.contains(key) {
                return Err(format!("{key:?} does not exist, but nothing says that it was removed"));
            }
        }
        let there: BTreeSet<String> = objects(world).collect();
        if let Some(name) = there.iter().find(|name| self.shared.get(*name).is_none_or(|it| !it.may_exist)) {
            return Err(format!("{name} exists, but nothing says so"));
        }
        let missing = |(name, it): &(&String, &Presence)| !it.may_be_absent && !there.contains(*name);
        match self.shared.iter().find(missing) {
            Some((name, _)) => Err(format!("{name} does not exist, but nothing says that it was removed")),
            None => Ok(()),
        }
    }
}

fn facts_of(action: &Action) -> Vec<Fact> {
    match action {
        Action::Create { instance: InstanceHandle { name, .. }, spec } => vec![
            Fact::Exists(true),
            Fact::Named(name.clone()),
            Fact::Runs(false),
            Fact::Restarts(spec.service.restart_policy()),
            Fact::Limited(spec.service.deploy.resources.limits.clone()),
        ],
        Action::Remove { .. } => vec![Fact::Exists(false)],
        Action::Rename { to, .. } => vec![Fact::Named(to.clone())],
        Action::SetRestartPolicy { to, .. } => vec![Fact::Restarts(*to)],
        Action::SetLimits { to, .. } => vec![Fact::Limited(to.clone())],
        Action::Start { .. } => vec![Fact::Runs(true)],
        // What is told of its files runs, or is started.
        Action::SetFiles { notices, .. } if !notices.is_empty() => vec![Fact::Runs(true)],
        Action::Stop { .. } => vec![Fact::Runs(false)],
        Action::PullImage { .. }
        | Action::SetAliases { .. }
        | Action::SetFiles { .. }
        | Action::BuildImage { .. }
        | Action::HoldImage { .. }
        | Action::ReleaseImage { .. }
        | Action::SaveVolume { .. }
        | Action::Dump { .. }
        | Action::RunCommand { .. }
        | Action::CreateNetwork { .. }
        | Action::RemoveNetwork { .. }
        | Action::CreateVolume { .. }
        | Action::RemoveVolume { .. }
        | Action::WriteFile { .. }
        | Action::RemoveFile { .. } => Vec::new(),
    }
}

fn compare_instance(possible: &Possible, instance: &Instance, is_daemon_restarted: bool) -> Result<(), String> {
    let differs = |fact: Fact| match possible.has(&fact) {
        true => Ok(()),
        false => Err(format!("is {fact:?}, but the journal says {:?}", possible.0[fact.kind()])),
    };
    differs(Fact::Exists(true))?;
    differs(Fact::Named(instance.name.clone()))?;
    differs(Fact::Restarts(instance.restart_policy))?;
    differs(Fact::Limited(instance.limits.clone()))?;
    match instance.state {
        // What was stopped says 143 here; everything else it did by itself.
        InstanceState::Exited { code: 143, .. } | InstanceState::Created => differs(Fact::Runs(false)),
        InstanceState::Exited { .. } | InstanceState::Paused | InstanceState::Restarting | InstanceState::Dead => {
            Ok(())
        }
        // The daemon revives what always restarts, and nothing else.
        InstanceState::Running if is_daemon_restarted && instance.restart_policy != RestartPolicy::No => Ok(()),
        InstanceState::Running => differs(Fact::Runs(true)),
    }
}

/// What services share, by kind and name.
fn objects(world: &World) -> impl Iterator<Item = String> + '_ {
    let networks = world.networks().keys().map(|name| format!("network {name}"));
    let volumes = world.volumes().keys().map(|name| format!("volume {name}"));
    networks.chain(volumes).chain(files(world))
}

/// The files on the host with their contents.
pub fn files(world: &World) -> impl Iterator<Item = String> + '_ {
    world.files().iter().map(|(path, content)| file(path, content))
}

fn file(path: &str, content: &Text) -> String {
    format!("file {path} with {}", content.expose())
}
