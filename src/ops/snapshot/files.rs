//! Files of the host that are mounted into containers: what they hold, kept and put back.

use std::{
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    diagnostic::Class,
    journal::SavedFile,
    name::{Digest, ServiceName},
    observed::Fault,
    plan::{MountKind, Plan},
    secret::{Secret, Text},
};

/// A configuration file is smaller; what is larger is data, and belongs into a volume.
const MOST_BYTES: u64 = 1 << 20;
/// All files of a snapshot together.
const MOST_BYTES_IN_ALL: u64 = 16 << 20;

/// The regular files that the plan's services bind, by path. Directories, and what cannot be read,
/// are passed over; of what is too large only the hash is kept.
pub(super) fn bound_files(plan: &Plan) -> Vec<SavedFile> {
    let mut kept_bytes = 0;
    let mut files: Vec<SavedFile> = Vec::new();
    for (service_name, service) in &plan.services {
        let binds = service.volumes.iter().filter(|mount| mount.kind == MountKind::Bind);
        for path in binds.filter_map(|mount| mount.source.as_deref()) {
            if files.iter().any(|file| file.path == path) {
                continue;
            }
            let Some(file) = read(service_name, path, MOST_BYTES_IN_ALL - kept_bytes) else { continue };
            kept_bytes += file.content.as_ref().map_or(0, |_| file.bytes);
            files.push(file);
        }
    }
    files
}

fn read(service_name: &ServiceName, path: &str, room: u64) -> Option<SavedFile> {
    let file = std::fs::File::open(path).ok()?;
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    if metadata.len() > MOST_BYTES.min(room) {
        let (bytes, mode) = (metadata.len(), metadata.permissions().mode() & 0o7777);
        let (service, path, digest) = (service_name.clone(), path.to_owned(), Digest::of(b""));
        return Some(SavedFile { service, path, mode, bytes, digest, content: None });
    }
    let mut content = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut content).ok()?;
    Some(SavedFile {
        service: service_name.clone(),
        path: path.to_owned(),
        mode: metadata.permissions().mode() & 0o7777,
        bytes: content.len() as u64,
        digest: Digest::of(&content),
        content: Some(Text::Secret(Secret::new(STANDARD.encode(&content)))),
    })
}

/// Whether a file is there and holds just what was saved of it.
pub(super) fn is_as_saved(file: &SavedFile) -> bool {
    let found = std::fs::File::open(&file.path).and_then(|found| {
        let mut content = Vec::new();
        found.take(MOST_BYTES + 1).read_to_end(&mut content)?;
        Ok(Digest::of(&content))
    });
    found.is_ok_and(|digest| digest == file.digest)
}

/// Writes a file's saved content back. It is written in place, since a container that has the file
/// mounted would go on with the old one otherwise.
pub(super) fn put_back(file: &SavedFile) -> Result<(), Fault> {
    let fault = |text: String| Fault::new(Class::Deployment, "file-not-restored", text);
    let content = file.content.as_ref().ok_or_else(|| fault(format!("`{}` was too large to be kept", file.path)))?;
    let content = STANDARD.decode(content.expose()).map_err(|_| fault(format!("`{}` is damaged", file.path)))?;
    write(Path::new(&file.path), &content, file.mode)
        .map_err(|error| fault(format!("cannot write `{}`: {error}", file.path)))
}

fn write(path: &Path, content: &[u8], mode: u32) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(false).mode(mode).open(path)?;
    file.rewind()?;
    file.write_all(content)?;
    file.set_len(content.len() as u64)?;
    file.sync_all()
}
