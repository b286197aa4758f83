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
    const EXISTS: usize = 0;
    const NAMED: usize = 1;
    const RUNS: usize = 2;
    const RESTARTS: usize = 3;
    const LIMITED: usize = 4;

    /// Facts of one kind exclude each other.
    fn kind(&self) -> usize {
        match self {
            Self::Exists(_) => Self::EXISTS,
            Self::Named(_) => Self::NAMED,
            Self::Runs(_) => Self::RUNS,
            Self::Restarts(_) => Self::RESTARTS,
            Self::Limited(_) => Self::LIMITED,
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
    shared: Vec<(Shared, String, bool)>,
    shared_before: Vec<(Shared, String, Presence)>,
}

/// A kind of object that services share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shared {
    Network,
    Volume,
    File,
}

impl Shared {
    fn word(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Volume => "volume",
            Self::File => "file",
        }
    }
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
    /// Networks and volumes by their names, files by their paths and contents.
    shared: [BTreeMap<String, Presence>; 3],
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
        let there = Presence { may_exist: true, may_be_absent: false };
        let all = |names: Vec<&String>| names.into_iter().map(|name| (name.clone(), there)).collect();
        belief.shared = [
            all(world.networks().keys().collect()),
            all(world.volumes().keys().collect()),
            files(world).map(|name| (name, there)).collect(),
        ];
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
                for (kind, name, exists) in pending.shared {
                    self.shared[kind as usize].insert(name, Presence { may_exist: exists, may_be_absent: !exists });
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
                for (kind, name, before) in pending.shared_before {
                    self.shared[kind as usize].insert(name, before);
                }
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
        let mut shared_before = Vec::new();
        for (kind, name, exists) in &shared {
            let absent = Presence { may_exist: false, may_be_absent: true };
            let presence = self.shared[*kind as usize].entry(name.clone()).or_insert(absent);
            shared_before.push((*kind, name.clone(), *presence));
            presence.may_exist |= *exists;
            presence.may_be_absent |= !*exists;
        }
        self.pending.insert(step, Pending { key, facts, before, shared, shared_before });
    }

    fn shared_of(&self, action: &Action) -> Vec<(Shared, String, bool)> {
        match action {
            Action::CreateNetwork { name, .. } => vec![(Shared::Network, name.clone(), true)],
            Action::RemoveNetwork { name } => vec![(Shared::Network, name.clone(), false)],
            Action::CreateVolume { name, .. } => vec![(Shared::Volume, name.clone(), true)],
            Action::RemoveVolume { name } => vec![(Shared::Volume, name.clone(), false)],
            Action::WriteFile { path, content, .. } => vec![(Shared::File, file(path, content), true)],
            Action::SetFiles { files, .. } => {
                let exchanged = |change: &FileChange| {
                    let [from, to] = [&change.from, &change.to].map(|content| file(&change.path, content));
                    [(Shared::File, from, false), (Shared::File, to, true)]
                };
                files.iter().flat_map(exchanged).collect()
            }
            Action::RemoveFile { path } => {
                let (own, below) = (format!("{path} with "), format!("{path}/"));
                let is_in = |name: &&String| name.starts_with(&own) || name.starts_with(&below);
                let files = self.shared[Shared::File as usize].keys().filter(is_in);
                files.map(|name| (Shared::File, name.clone(), false)).collect()
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
            let unknown = || format!("nothing says that `{}` exists", instance.name);
            let possible = self.instances.get(&key).ok_or_else(unknown)?;
            compare_instance(possible, instance, is_daemon_restarted)
                .map_err(|text| format!("`{}` ({}) {text}", instance.name, instance.id))?;
        }
        for (key, possible) in &self.instances {
            if !seen.contains(key) && !possible.has(&Fact::Exists(false)) && !removed.contains(key) {
                return Err(format!("{key:?} does not exist, but nothing says that it was removed"));
            }
        }
        self.compare_shared(Shared::Network, world.networks())?;
        self.compare_shared(Shared::Volume, world.volumes())?;
        self.compare_shared(Shared::File, &files(world).map(|name| (name, ())).collect())
    }

    fn compare_shared<T>(&self, kind: Shared, there: &BTreeMap<String, T>) -> Result<(), String> {
        let believed = &self.shared[kind as usize];
        let word = kind.word();
        if let Some(name) = there.keys().find(|name| believed.get(*name).is_none_or(|it| !it.may_exist)) {
            return Err(format!("{word} {name} exists, but nothing says so"));
        }
        let missing = |(name, it): &(&String, &Presence)| !it.may_be_absent && !there.contains_key(*name);
        match believed.iter().find(missing) {
            Some((name, _)) => Err(format!("{word} {name} does not exist, but nothing says that it was removed")),
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
    let differs = |kind: usize, is_it: &dyn Fn(&Fact) -> bool| match possible.0[kind].iter().any(is_it) {
        true => Ok(()),
        false => Err(format!("is {instance:?}, but the journal says {:?}", possible.0[kind])),
    };
    let runs = |wanted: bool| differs(Fact::RUNS, &move |fact| *fact == Fact::Runs(wanted));
    differs(Fact::EXISTS, &|fact| *fact == Fact::Exists(true))?;
    differs(Fact::NAMED, &|fact| matches!(fact, Fact::Named(name) if *name == instance.name))?;
    differs(Fact::RESTARTS, &|fact| *fact == Fact::Restarts(instance.restart_policy))?;
    differs(Fact::LIMITED, &|fact| matches!(fact, Fact::Limited(limits) if *limits == instance.limits))?;
    match instance.state {
        // What was stopped says 143 here; everything else it did by itself.
        InstanceState::Exited { code: 143, .. } | InstanceState::Created => runs(false),
        InstanceState::Exited { .. } | InstanceState::Paused | InstanceState::Restarting | InstanceState::Dead => {
            Ok(())
        }
        // The daemon revives what always restarts, and nothing else.
        InstanceState::Running if is_daemon_restarted && instance.restart_policy != RestartPolicy::No => Ok(()),
        InstanceState::Running => runs(true),
    }
}

/// The files on the host with their contents.
pub fn files(world: &World) -> impl Iterator<Item = String> + '_ {
    world.files().iter().map(|(path, content)| file(path, content))
}

fn file(path: &str, content: &Text) -> String {
    format!("{path} with {}", content.expose())
}
