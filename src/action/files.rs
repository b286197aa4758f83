//! Configs, secrets and copies as files of the host that containers mount. Their names say nothing of
//! their contents.

use super::{Action, FileMount};
use crate::{
    name::{ProjectName, ServiceName},
    observed::Identity,
    plan::{Plan, ServedFile, Service},
};

/// A file of a service, and where it lies.
pub(super) struct MountedFile<'a> {
    pub file: ServedFile<'a>,
    pub mount: FileMount,
}

impl MountedFile<'_> {
    /// What writes it for an instance to come.
    pub fn write(self) -> Action {
        let ServedFile { content, mode, uid, gid, .. } = self.file;
        Action::WriteFile { path: self.mount.source, content, mode: mode.unwrap_or(0o444), uid, gid }
    }
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

/// Whether a path is that of a file which was written for this instance, whatever the directory for
/// files is.
pub fn is_file_of(path: &str, identity: &Identity) -> bool {
    let Identity { project, service, number, deployment, .. } = identity;
    let directory = file_directory("", project, deployment.as_str(), service, *number);
    path.rsplit_once('/').is_some_and(|(parent, _)| parent.ends_with(&directory))
}

/// The files that an instance of a service mounts from its directory.
pub(super) fn mounted_files<'a>(plan: &Plan, service: &'a Service, directory: &str) -> Vec<MountedFile<'a>> {
    let mounted = plan.files_of(service).into_iter().map(|file| {
        let mount = FileMount { source: format!("{directory}/{}", file.name), target: file.target.clone() };
        MountedFile { file, mount }
    });
    mounted.collect()
}
