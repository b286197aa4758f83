use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    observed::Identity,
    plan::{NetworkAttachment, Service},
    secret::Salt,
};

/// The version that a spec document starts with.
pub const SPEC_VERSION: u32 = 1;

/// A file of the host that is mounted read-only into a container: a config or a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMount {
    /// Where it is on the host, absolute.
    pub source: String,
    /// Where it is in the container, absolute.
    pub target: String,
}

/// All that a runtime has to know to make an instance. Names in it are the engine's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceSpec {
    pub identity: Identity,
    /// The service, with its volumes' sources as names on the engine or absolute paths, and its
    /// configs and secrets turned into `files`.
    pub service: Arc<Service>,
    /// The image's id, or the digest of the executable, if it was known when the actions were made.
    pub image_id: Option<String>,
    /// The networks to join, by their names on the engine.
    pub networks: BTreeMap<String, NetworkAttachment>,
    pub files: Vec<FileMount>,
    /// The document that the label `io.orchestrate.spec` carries, secrets as fingerprints.
    pub document: serde_json::Value,
    pub salt: Salt,
}

/// The parts of a service that say how it is orchestrated, not what an instance of it is: changing
/// them never replaces an instance.
const NOT_OF_THE_INSTANCE: [&str; 8] =
    ["depends_on", "checks", "priority", "run", "irreversible", "env_file", "runtime", "kind"];

/// The parts that the engine can change in place; they are compared by looking at the instance.
const IN_PLACE: [&str; 2] = ["restart", "deploy"];

/// What an instance of the service is, as the label keeps it: secrets are fingerprints under the
/// instance's own salt, defaults are left out, keys are in order.
pub fn spec_document(service: &Service, salt: &Salt) -> serde_json::Value {
    let mut service = service.clone();
    service.visit_texts(&mut |text| text.fingerprint(salt));
    let mut document = serde_json::to_value(service).expect("a service has only string keys");
    if let Some(fields) = document.as_object_mut() {
        fields.retain(|field, _| !NOT_OF_THE_INSTANCE.contains(&field.as_str()) && !IN_PLACE.contains(&field.as_str()));
        fields.sort_keys();
    }
    serde_json::json!({ "version": SPEC_VERSION, "service": document })
}
