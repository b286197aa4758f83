//! Configs and secrets as files of the host that containers mount. Their names say nothing of their
//! contents.

use super::FileMount;
use crate::{
    name::{ProjectName, ServiceName},
    plan::{FileReference, Plan, Service},
    secret::Text,
};

/// A config or secret of a service, and where it lies.
pub(super) struct MountedFile<'a> {
    pub file: &'a FileReference,
    pub mount: FileMount,
    pub content: Text,
}

/// The directory with the files of one instance.
pub(super) fn file_directory(
    files_directory: &str,
    project: &ProjectName,
    deployment: &str,
    service_name: &ServiceName,
    number: u32,
) -> String {
    format!("{files_directory}/{project}/{deployment}/{service_name}-{number}")
}

/// The files that an instance of a service mounts from its directory.
pub(super) fn mounted_files<'a>(plan: &Plan, service: &'a Service, directory: &str) -> Vec<MountedFile<'a>> {
    let configs = service.configs.iter().map(|file| (file, "/", "config", content_of_config(plan, file)));
    let secrets = service.secrets.iter().map(|file| (file, "/run/secrets/", "secret", content_of_secret(plan, file)));
    let mounted = configs.chain(secrets).map(|(file, below, kind, content)| {
        let target = file.target.as_deref().unwrap_or(&file.source);
        let target = if target.starts_with('/') { target.to_owned() } else { format!("{below}{target}") };
        let source = format!("{directory}/{kind}-{}", file.source);
        MountedFile { file, mount: FileMount { source, target }, content }
    });
    mounted.collect()
}

fn content_of_config(plan: &Plan, file: &FileReference) -> Text {
    plan.configs.get(&file.source).and_then(|config| config.content.clone()).unwrap_or_default()
}

fn content_of_secret(plan: &Plan, file: &FileReference) -> Text {
    plan.secrets.get(&file.source).and_then(|secret| secret.content.clone()).unwrap_or_default()
}
