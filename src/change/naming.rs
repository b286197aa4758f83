//! What an instance that stays is called: a service may have moved to another name.

use std::collections::{BTreeMap, BTreeSet};

use super::{Cause, InPlace, InstanceChange, instance::Desired};
use crate::{observed::Instance, plan::RuntimeKind};

/// The networks that every engine has.
const OF_THE_ENGINE: [&str; 3] = ["bridge", "host", "none"];

impl Desired<'_> {
    /// The change with what is to be called otherwise.
    pub(super) fn with_names(
        &self,
        (change, mut causes): (InstanceChange, Vec<Cause>),
    ) -> (InstanceChange, Vec<Cause>) {
        let old = match &change {
            InstanceChange::Keep { instance: old }
            | InstanceChange::Update { old, .. }
            | InstanceChange::Start { old, .. } => old,
            InstanceChange::Create { .. } | InstanceChange::Replace { .. } | InstanceChange::Remove { .. } => {
                return (change, causes);
            }
        };
        // What Compose made keeps the name that it gave until it is replaced.
        if old.adopted.is_some() {
            return (change, causes);
        }
        let wanted = self.plan.instance_name(self.service_name, old.identity.number);
        let name = (old.name != wanted).then_some(wanted);
        let aliases = self.aliases(old, name.is_some());
        if name.is_none() && aliases.is_empty() {
            return (change, causes);
        }
        causes.extend(name.iter().map(|name| Cause::new("name", &old.name, name)));
        if name.is_none() {
            let networks = aliases.keys().cloned().collect::<Vec<_>>().join(", ");
            causes.push(Cause::new(
                "networks",
                format!("not called `{}` in {networks}", self.service_name),
                "called so",
            ));
        }
        let named = |changes: InPlace| InPlace { name, aliases, ..changes };
        let change = match change {
            InstanceChange::Keep { instance: old } => {
                InstanceChange::Update { old, changes: named(InPlace::default()) }
            }
            InstanceChange::Update { old, changes } => InstanceChange::Update { old, changes: named(changes) },
            InstanceChange::Start { old, changes } => InstanceChange::Start { old, changes: named(changes) },
            other
            @ (InstanceChange::Create { .. } | InstanceChange::Replace { .. } | InstanceChange::Remove { .. }) => other,
        };
        (change, causes)
    }

    /// The networks where it lacks its service's name, or has an older one beside it.
    fn aliases(&self, old: &Instance, has_moved: bool) -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
        let mut changed = BTreeMap::new();
        if old.runtime != RuntimeKind::Docker {
            return changed;
        }
        for (key, attachment) in &self.service.networks {
            let network = self.plan.network_name(key);
            // The engine gives no names in its own networks.
            let Some(now) = old.networks.get(&network).filter(|_| !OF_THE_ENGINE.contains(&network.as_str())) else {
                continue;
            };
            let mut wanted = attachment.aliases.clone();
            wanted.insert(self.service_name.to_string());
            let is_called = wanted.is_subset(now);
            if !is_called || (has_moved && *now != wanted) {
                changed.insert(network, (now.clone(), wanted));
            }
        }
        changed
    }
}
