use std::sync::Arc;

use super::{
    Action, InstanceSpec,
    files::{file_directory, mounted_files},
};
use crate::{
    observed::Identity,
    plan::{Plan, Service, spec_document},
    secret::Salt,
};

impl InstanceSpec {
    /// Something that runs once as a service's instances do, and the actions that write the files
    /// which it mounts. `identity` is its own, so that its files lie apart.
    pub fn one_off(
        plan: &Plan,
        identity: Identity,
        service: &Arc<Service>,
        salt: Salt,
        files_directory: &str,
    ) -> (Self, Vec<Action>) {
        let document = Arc::new(spec_document(service, &salt));
        let deployment = identity.deployment.as_str();
        let directory = file_directory(files_directory, &plan.project, deployment, &identity.service, identity.number);
        let (mut files, mut writes) = (Vec::new(), Vec::new());
        for found in mounted_files(plan, service, &directory) {
            files.push(found.mount.clone());
            writes.push(found.write());
        }
        (Self { files, salt, ..Self::of(plan, identity, service, document) }, writes)
    }
}

/// The directory that only one one-off has files in.
pub fn one_off_files(plan: &Plan, identity: &Identity, files_directory: &str) -> String {
    format!("{files_directory}/{}/{}", plan.project, identity.deployment)
}
