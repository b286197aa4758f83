use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;

use super::{Instance, Observed};
use crate::{name::ServiceName, plan::Moves};

impl Observed {
    /// Calls what was renamed by today's names: labels cannot change. An instance keeps its old name
    /// where there is one of the new name and the same number: then it is another one.
    pub fn follow(&mut self, moves: &Moves) {
        if moves.is_empty() {
            return;
        }
        let key = |instance: &Instance| (instance.identity.service.clone(), instance.identity.number);
        let taken: BTreeSet<(ServiceName, u32)> = self.instances.iter().map(key).collect();
        for instance in self.instances.iter_mut().chain(&mut self.one_offs) {
            instance.follow(moves, &|service, number| taken.contains(&(service.clone(), number)));
        }
    }
}

impl Instance {
    /// [`Observed::follow`], for one.
    pub fn follow(&mut self, moves: &Moves, is_taken: &dyn Fn(&ServiceName, u32) -> bool) {
        if let Some(today) = moves.service(&self.identity.service)
            && !is_taken(today, self.identity.number)
        {
            self.identity.service = today.clone();
        }
        let mounts = self
            .spec
            .as_mut()
            .filter(|_| !moves.volumes.is_empty())
            .and_then(|spec| Arc::make_mut(spec).get_mut("service")?.get_mut("volumes")?.as_array_mut());
        for mount in mounts.into_iter().flatten().filter(|mount| mount["type"] == "volume") {
            let today = mount["source"].as_str().and_then(|key| moves.volume(key)).cloned();
            if let Some(today) = today {
                mount["source"] = Value::String(today);
            }
        }
    }
}
