use super::{FileReference, Mount, OnChange, Plan, Service};
use crate::secret::Text;

/// A file whose contents the plan has, and that a service's instances are given: a config, a secret,
/// or the copy of a file with `on_change`.
#[derive(Debug, Clone)]
pub struct ServedFile<'a> {
    /// Its place within the service, as in `configs[0]`.
    pub field: String,
    /// Tells it from the service's other files, and is a file's name.
    pub name: String,
    /// Its path in the instance, absolute.
    pub target: String,
    pub content: Text,
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub on_change: Option<&'a OnChange>,
    /// Whether Compose gives it as a file of the host, too, and not as a copy inside the container.
    pub is_host_file: bool,
}

impl Plan {
    /// The files that each instance of a service is given.
    pub fn files_of<'a>(&self, service: &'a Service) -> Vec<ServedFile<'a>> {
        let configs = service.configs.iter().enumerate().map(|(index, file)| {
            let config = self.configs.get(&file.source);
            let content = config.and_then(|config| config.content.clone()).unwrap_or_default();
            let is_host_file = config.is_some_and(|config| config.file.is_some());
            ServedFile { is_host_file, ..served(file, ("config", index), "/", content) }
        });
        let secrets = service.secrets.iter().enumerate().map(|(index, file)| {
            let secret = self.secrets.get(&file.source);
            let content = secret.and_then(|secret| secret.content.clone()).unwrap_or_default();
            let is_host_file = secret.is_some_and(|secret| secret.file.is_some());
            ServedFile { is_host_file, ..served(file, ("secret", index), "/run/secrets/", content) }
        });
        let copies = service.volumes.iter().enumerate().filter_map(|(index, mount)| copied(mount, index));
        configs.chain(secrets).chain(copies).collect()
    }
}

fn served<'a>(file: &'a FileReference, (kind, index): (&str, usize), below: &str, content: Text) -> ServedFile<'a> {
    let target = file.target.as_deref().unwrap_or(&file.source);
    let owner = |id: &Option<String>| id.as_ref().and_then(|id| id.parse().ok());
    ServedFile {
        field: format!("{kind}s[{index}]"),
        name: format!("{kind}-{}", file.source),
        target: if target.starts_with('/') { target.to_owned() } else { format!("{below}{target}") },
        content,
        mode: file.mode,
        uid: owner(&file.uid),
        gid: owner(&file.gid),
        on_change: file.on_change.as_ref(),
        is_host_file: false,
    }
}

fn copied(mount: &Mount, index: usize) -> Option<ServedFile<'_>> {
    Some(ServedFile {
        field: format!("volumes[{index}]"),
        name: format!("copy-{index}"),
        target: mount.target.clone(),
        content: mount.content.as_deref()?.into(),
        mode: None,
        uid: None,
        gid: None,
        on_change: mount.on_change.as_ref(),
        is_host_file: true,
    })
}
