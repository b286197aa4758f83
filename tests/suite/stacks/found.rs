//! What a stack has on the engine.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::engine;

/// Containers, networks and volumes of a project, as the engine describes them, by their names.
pub struct Found {
    pub containers: BTreeMap<String, Value>,
    pub networks: BTreeMap<String, Value>,
    pub volumes: BTreeMap<String, Value>,
}

impl Found {
    /// What Compose or we made for it.
    pub fn of(project: &str) -> Self {
        let labels = ["com.docker.compose.project", "io.orchestrate.project"];
        let found = |kind: &str, listing: &str| -> BTreeMap<String, Value> {
            let ids = labels
                .map(|label| engine::docker(&[kind, "ls", listing, "--filter", &format!("label={label}={project}")]));
            let ids: Vec<&str> = ids.iter().flat_map(|ids| ids.lines()).collect();
            if ids.is_empty() {
                return BTreeMap::new();
            }
            let described: Vec<Value> =
                serde_json::from_str(&engine::docker(&[&[kind, "inspect"], &ids[..]].concat())).unwrap();
            // Locks and vaults are not the stack's.
            let named = described.into_iter().map(|object| (name(&object), object));
            named.filter(|(name, _)| !name.starts_with("orchestrate-")).collect()
        };
        Self { containers: found("container", "-aq"), networks: found("network", "-q"), volumes: found("volume", "-q") }
    }

    pub fn ids(&self) -> BTreeMap<&str, &str> {
        self.containers.iter().map(|(name, container)| (name.as_str(), container["Id"].as_str().unwrap())).collect()
    }

    /// What the volumes are called in the Compose file.
    pub fn volume_keys(&self) -> Vec<&str> {
        self.volumes.values().map(|volume| volume["Labels"]["com.docker.compose.volume"].as_str().unwrap()).collect()
    }

    /// The volumes without a name that still exist.
    pub fn anonymous_volumes(&self) -> Vec<String> {
        let mounts = self.containers.values().flat_map(|container| container["Mounts"].as_array().unwrap());
        let names = mounts.filter_map(anonymous);
        names.filter(|name| engine::docker(&["volume", "ls", "-q"]).contains(name)).map(str::to_owned).collect()
    }

    /// The services of containers that are others than in what was found before.
    pub fn replaced_since(&self, before: &Self) -> Vec<String> {
        let (now, then) = (self.ids(), before.ids());
        let names = now.keys().chain(then.keys()).filter(|name| now.get(*name) != then.get(*name));
        let container = |name: &&str| self.containers.get(*name).or_else(|| before.containers.get(*name)).unwrap();
        names.map(|name| service(container(name))).collect()
    }
}

/// What a volume that nobody named is called: a digest.
pub fn anonymous(mount: &Value) -> Option<&str> {
    mount["Name"].as_str().filter(|name| name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn name(object: &Value) -> String {
    object["Name"].as_str().unwrap().trim_start_matches('/').to_owned()
}

fn service(container: &Value) -> String {
    let labels = &container["Config"]["Labels"];
    // Images that Compose builds carry its labels, whoever makes a container of them.
    let labels = ["io.orchestrate.service", "com.docker.compose.service"].map(|label| labels[label].as_str());
    labels.into_iter().flatten().next().expect("it is a service's").to_owned()
}
