use std::collections::{BTreeMap, BTreeSet};

use super::{AddressRange, EngineFacts, Fault, Instance, Listener};
use crate::{
    name::ProjectName,
    plan::{ImageReference, Program, RuntimeKind},
    time::Timestamp,
};

/// What a plan wants to know about the world.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub project: ProjectName,
    /// Names that its instances would have: to see whether someone else has them.
    pub instance_names: BTreeSet<String>,
    pub images: BTreeSet<ImageReference>,
    /// Programs that processes would run.
    pub executables: BTreeSet<Program>,
    /// Networks and volumes, by their names on the engine.
    pub networks: BTreeSet<String>,
    pub volumes: BTreeSet<String>,
    /// Which runtimes the plan needs. One that is not named here is looked at only if that costs
    /// nothing, so that a plan of processes needs no engine.
    pub runtimes: BTreeSet<RuntimeKind>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageFacts {
    pub id: String,
    /// It brings a healthcheck of its own.
    pub has_healthcheck: bool,
    /// What registries call it in the repository that was asked for, as in `sha256:…`; none for an
    /// image that was built here.
    pub digests: BTreeSet<String>,
    /// What it was built for, as in `linux/amd64`, where that is known.
    pub platform: Option<String>,
    /// When it got its name here.
    pub tagged_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkFacts {
    pub id: String,
    /// Whose it is, if it has our labels.
    pub project: Option<ProjectName>,
    /// Whose it seems to be, if it is not the project's.
    pub owner: Option<String>,
    pub driver: String,
    pub is_internal: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeFacts {
    /// Whose it is, if it has our labels.
    pub project: Option<ProjectName>,
    pub driver: String,
}

/// Something that is not ours and has a name that we want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    pub runtime: RuntimeKind,
    pub id: String,
    pub name: String,
    /// Whose it seems to be: another project of ours, a Compose project, or nobody's.
    pub owner: Option<String>,
}

/// What exists now, as far as a plan wants to know.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    pub engines: BTreeMap<RuntimeKind, EngineFacts>,
    /// All of the project's instances, those of services no longer in the plan too.
    pub instances: Vec<Instance>,
    /// The project's one-offs: containers of `run`, which are no instances of a service.
    pub one_offs: Vec<Instance>,
    pub foreign: Vec<Foreign>,
    /// The images that are there, by the reference that was asked for.
    pub images: BTreeMap<ImageReference, ImageFacts>,
    /// Images that are there, but not as their registries have them now: the digests there.
    pub outdated: BTreeMap<ImageReference, String>,
    /// The digests of the programs that were asked for, or why there is none.
    pub executables: BTreeMap<Program, Result<String, Fault>>,
    /// Those that were asked for, and all of the project's.
    pub networks: BTreeMap<String, NetworkFacts>,
    pub volumes: BTreeMap<String, VolumeFacts>,
    /// Ports of the host that are taken, where that can be seen.
    pub listeners: BTreeSet<Listener>,
    /// Addresses that are in use, as far as that can be seen.
    pub ranges: Vec<AddressRange>,
    /// Runtimes that the plan does not need and that may hold something of the project, and why they
    /// could not be asked.
    pub unreachable: BTreeMap<RuntimeKind, Fault>,
}

impl Observed {
    /// Adds what another runtime saw.
    pub fn merge(&mut self, other: Self) {
        self.engines.extend(other.engines);
        self.instances.extend(other.instances);
        self.one_offs.extend(other.one_offs);
        self.foreign.extend(other.foreign);
        self.images.extend(other.images);
        self.outdated.extend(other.outdated);
        self.executables.extend(other.executables);
        self.networks.extend(other.networks);
        self.volumes.extend(other.volumes);
        self.listeners.extend(other.listeners);
        self.ranges.extend(other.ranges);
        self.unreachable.extend(other.unreachable);
    }
}
