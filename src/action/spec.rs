use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    InstanceHandle,
    files::{file_directory, mounted_files},
};
use crate::{
    name::ServiceName,
    observed::{Identity, Instance},
    plan::{Mount, MountKind, NetworkAttachment, Plan, Service},
    secret::Salt,
};

/// A file of the host that is mounted read-only into a container: a config, a secret or a copy.
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
    /// configs, secrets and copies turned into `files`.
    pub service: Arc<Service>,
    /// The image's id, or the digest of the executable, if it was known when the actions were made.
    pub image_id: Option<String>,
    /// The networks to join, by their names on the engine.
    pub networks: BTreeMap<String, NetworkAttachment>,
    pub files: Vec<FileMount>,
    /// The instances of other services that it shares something with. Their ids are known by the
    /// time it is made.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub peers: BTreeMap<ServiceName, InstanceHandle>,
    /// The names of the instances of services that it has links to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub linked: BTreeMap<ServiceName, Vec<String>>,
    /// The document that the label `io.orchestrate.spec` carries, secrets as fingerprints.
    pub document: Arc<serde_json::Value>,
    pub salt: Salt,
}

impl InstanceSpec {
    /// An instance of a service, without what only its deployment knows: the content that it runs,
    /// its files, its salt.
    pub(super) fn of(
        plan: &Plan,
        identity: Identity,
        service: &Arc<Service>,
        document: Arc<serde_json::Value>,
    ) -> Self {
        let mut resolved = service.clone();
        let is_renamed = |mount: &Mount| mount.kind == MountKind::Volume || mount.content.is_some();
        if service.volumes.iter().any(is_renamed) || !service.configs.is_empty() || !service.secrets.is_empty() {
            let resolved = Arc::make_mut(&mut resolved);
            let volumes = resolved.volumes.iter_mut().filter(|mount| mount.kind == MountKind::Volume);
            volumes.filter_map(|mount| mount.source.as_mut()).for_each(|source| *source = plan.volume_name(source));
            let saved = resolved.snapshot.iter_mut().flat_map(|policy| &mut policy.volumes);
            saved.for_each(|volume| *volume = plan.volume_name(volume));
            resolved.volumes.retain(|mount| mount.content.is_none());
            resolved.configs.clear();
            resolved.secrets.clear();
        }
        let attach = |(key, attachment): (&String, &NetworkAttachment)| {
            let mut attachment = attachment.clone();
            attachment.aliases.insert(identity.service.to_string());
            (plan.network_name(key), attachment)
        };
        let names = |service_name: &ServiceName| {
            let replicas = plan.services.get(service_name).map_or(0, |service| service.replicas());
            (1..=replicas).map(|number| plan.instance_name(service_name, number)).collect()
        };
        Self {
            peers: BTreeMap::new(),
            linked: service.links.iter().map(|link| (link.service.clone(), names(&link.service))).collect(),
            networks: service.networks.iter().map(attach).collect(),
            service: resolved,
            image_id: None,
            files: Vec::new(),
            document,
            salt: Salt::default(),
            identity,
        }
    }

    /// What an instance that exists was made from, by the plan of the deployment that made it.
    /// `None` if that is not it.
    pub fn snapshot(plan: &Plan, instance: &Instance, files_directory: &str) -> Option<Self> {
        let identity = instance.identity.clone();
        let service = plan.services.get(&identity.service)?;
        let document = instance.spec.clone()?;
        let (project, deployment) = (&plan.project, identity.deployment.as_str());
        let directory = file_directory(files_directory, project, deployment, &identity.service, identity.number);
        let files = mounted_files(plan, service, &directory).into_iter().map(|file| file.mount).collect();
        let (image_id, salt) = (Some(instance.image_id.clone()), instance.salt.clone());
        let peers = shared_with(plan, service, instance);
        Some(Self { image_id, files, salt, peers, ..Self::of(plan, identity, service, document) })
    }
}

impl InstanceSpec {
    /// What an instance that Compose made is compared with. Of its files there are only those that
    /// are files for Compose, too: it writes others into the container, where nobody sees them.
    pub fn to_compare(plan: &Plan, instance: &Instance) -> Option<Self> {
        let identity = instance.identity.clone();
        let service = plan.services.get(&identity.service)?;
        let files = mounted_files(plan, service, "").into_iter().filter(|mounted| mounted.file.is_host_file);
        let files = files.map(|mounted| mounted.mount).collect();
        let peers = shared_with(plan, service, instance);
        Some(Self { files, peers, ..Self::of(plan, identity, service, Arc::default()) })
    }
}

/// Whom an instance shares something with, as the runtime tells.
fn shared_with(plan: &Plan, service: &Service, instance: &Instance) -> BTreeMap<ServiceName, InstanceHandle> {
    let handle = |name: &ServiceName, id: &String| {
        (name.clone(), InstanceHandle { slot: u32::MAX, name: plan.instance_name(name, 1), id: Some(id.clone()) })
    };
    let named = service.shared().into_iter();
    named.filter_map(|(what, name)| Some(handle(name, instance.shares.get(&what)?))).collect()
}
