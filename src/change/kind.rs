use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Cause;
use crate::{
    graph::Graph,
    name::ServiceName,
    observed::Instance,
    plan::{ImageReference, Limits, OnChange, RestartPolicy},
    secret::Text,
};

/// What happens to a service as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    Create,
    /// At least one of its instances gives way to a new one.
    Replace,
    /// Changed in place, started again, or scaled.
    Update,
    Remove,
    None,
}

impl Op {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Update => "update",
            Self::Remove => "remove",
            Self::None => "none",
        }
    }
}

/// Which comes first when an instance is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    StopFirst,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Downtime {
    None,
    Expected,
}

/// Other contents for a file that an instance has mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// Where it is on the host.
    pub path: String,
    /// What is in it now.
    pub from: Text,
    pub to: Text,
}

/// What a runtime changes on an instance that stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InPlace {
    pub limits: Option<Limits>,
    pub restart: Option<RestartPolicy>,
    /// The name that it is to have.
    pub name: Option<String>,
    /// What it is to be called in networks, by their names on the engine: as it was, and as it is to be.
    pub aliases: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)>,
    /// Files with other contents, and how it comes to know of them, each way once.
    pub files: Vec<FileChange>,
    pub reactions: Vec<OnChange>,
}

impl InPlace {
    /// Whether the instance is stopped for a moment.
    pub fn restarts(&self) -> bool {
        self.reactions.contains(&OnChange::Restart)
    }
}

/// What happens to one instance.
#[derive(Debug, Clone, PartialEq)]
pub enum InstanceChange {
    /// It is as it should be.
    Keep {
        instance: Box<Instance>,
    },
    Create {
        number: u32,
    },
    Replace {
        old: Box<Instance>,
    },
    /// The runtime changes it in place.
    Update {
        old: Box<Instance>,
        changes: InPlace,
    },
    /// It is as it should be, or can be made so in place, but does not run.
    Start {
        old: Box<Instance>,
        changes: InPlace,
    },
    Remove {
        old: Box<Instance>,
    },
}

impl InstanceChange {
    /// Whether an instance that runs is stopped, and the same one started again.
    pub fn restarts_in_place(&self) -> bool {
        match self {
            Self::Update { changes, .. } => changes.restarts(),
            Self::Keep { .. }
            | Self::Create { .. }
            | Self::Replace { .. }
            | Self::Start { .. }
            | Self::Remove { .. } => false,
        }
    }
}

/// What happens to a service, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub service: ServiceName,
    pub is_job: bool,
    pub op: Op,
    pub causes: Vec<Cause>,
    /// How instances are replaced, if any are.
    pub order: Option<Order>,
    pub downtime: Downtime,
    pub instances: Vec<InstanceChange>,
}

/// How many services have each kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    pub create: usize,
    pub replace: usize,
    pub update: usize,
    pub remove: usize,
    pub none: usize,
}

/// How an image is pulled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pull {
    /// The digest that it is to have, where one of that name is there already.
    pub digest: Option<String>,
    /// Of an image for several platforms.
    pub platform: Option<String>,
}

/// All that has to change.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Changes {
    /// One for each service of the plan, and for each that is removed; in order of names.
    pub services: Vec<Change>,
    /// Images that are not there, or not as their registries have them.
    pub pulls: BTreeMap<ImageReference, Pull>,
    /// Images that are not there and are built, each for the first service that needs it.
    pub builds: BTreeMap<ImageReference, ServiceName>,
    /// Keys of networks and volumes of the plan that are not there.
    pub networks: BTreeSet<String>,
    pub volumes: BTreeSet<String>,
    /// Networks and volumes that go, by their names on the engine.
    pub removed_networks: BTreeSet<String>,
    pub removed_volumes: BTreeSet<String>,
    /// Services that run but are no longer in the plan, and stay since nobody asked to remove them.
    pub orphans: BTreeSet<ServiceName>,
    /// What failed deployments left behind, and one-offs where all is taken away: removed in passing.
    pub leftovers: Vec<Instance>,
    /// The content that services are to run, where that is not what their tag or path leads to now.
    pub contents: BTreeMap<ServiceName, String>,
}

impl Changes {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        let is_none = |change: &Change| change.op == Op::None;
        self.services.iter().all(is_none)
            && self.leftovers.is_empty()
            && self.removed_networks.is_empty()
            && self.removed_volumes.is_empty()
    }

    /// Whether something that runs is taken away or replaced: what people are asked about.
    pub fn is_disruptive(&self) -> bool {
        self.services.iter().any(|change| match change.op {
            Op::Replace | Op::Remove => true,
            Op::Create | Op::Update | Op::None => false,
        })
    }

    /// The services that need, directly or not, a job that runs in this deployment, with the first
    /// such job: what they will run can not be known before it has.
    pub fn behind_jobs(&self, graph: &Graph) -> BTreeMap<ServiceName, ServiceName> {
        let runs = |name: &ServiceName| self.change(name).is_some_and(|change| change.op != Op::None && change.is_job);
        let mut behind: BTreeMap<ServiceName, ServiceName> = BTreeMap::new();
        for service_name in graph.groups().iter().flatten() {
            let mut needed = graph.dependencies(service_name).into_keys();
            let job = needed.find_map(|name| if runs(name) { Some(name) } else { behind.get(name) }).cloned();
            behind.extend(job.map(|job| (service_name.clone(), job)));
        }
        behind
    }

    /// The change of a service.
    pub fn change(&self, service_name: &ServiceName) -> Option<&Change> {
        let index = self.services.binary_search_by(|change| change.service.cmp(service_name)).ok()?;
        Some(&self.services[index])
    }

    pub fn counts(&self) -> Counts {
        self.services.iter().fold(Counts::default(), |mut counts, change| {
            match change.op {
                Op::Create => counts.create += 1,
                Op::Replace => counts.replace += 1,
                Op::Update => counts.update += 1,
                Op::Remove => counts.remove += 1,
                Op::None => counts.none += 1,
            }
            counts
        })
    }
}
