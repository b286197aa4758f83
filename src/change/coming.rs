use std::collections::BTreeSet;

use super::{Changes, InstanceChange};
use crate::{
    name::PlanName,
    plan::{Plan, Protocol},
};

/// What other plans do before this one is applied, as far as it matters to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coming {
    /// The plans that are applied together with it.
    pub plans: BTreeSet<PlanName>,
    /// Networks and volumes that are there by then, by their names on the engine.
    pub networks: BTreeSet<String>,
    pub volumes: BTreeSet<String>,
    /// Ports of the host that are given up by then.
    pub ports: BTreeSet<(u16, Protocol)>,
}

impl Coming {
    /// Adds what applying a plan brings; `changes` tell what it gives up, if they are known.
    pub fn add(&mut self, plan: &Plan, changes: Option<&Changes>) {
        self.networks.extend(plan.own_networks().into_iter().map(|key| plan.network_name(key)));
        self.volumes.extend(plan.own_volumes().into_iter().map(|key| plan.volume_name(key)));
        let services = changes.into_iter().flat_map(|changes| &changes.services);
        let gone = services.flat_map(|change| &change.instances).filter_map(|instance| match instance {
            InstanceChange::Replace { old } | InstanceChange::Remove { old } => Some(old),
            InstanceChange::Create { .. }
            | InstanceChange::Keep { .. }
            | InstanceChange::Update { .. }
            | InstanceChange::Start { .. } => None,
        });
        self.ports.extend(gone.flat_map(|old| &old.ports).map(|port| (port.host_port, port.protocol)));
    }
}
