use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    observed::Identity,
    plan::{NetworkAttachment, Service},
    secret::Salt,
};

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
    pub document: Arc<serde_json::Value>,
    pub salt: Salt,
}
