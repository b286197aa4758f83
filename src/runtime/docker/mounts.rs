use std::collections::HashMap;

use bollard::models::{Mount as EngineMount, MountTmpfsOptions, MountType};

use crate::{
    action::{FileMount, InstanceSpec},
    plan::{ByteSize, Mount, MountKind},
};

/// What is mounted into a container: its volumes, and the files that were written for it. A bind's
/// source has to be there: as a mount, unlike in the old form, the engine never makes it.
pub(super) fn mounts(spec: &InstanceSpec) -> Vec<EngineMount> {
    let volumes = spec.service.volumes.iter().map(of_volume);
    volumes.chain(spec.files.iter().map(of_file)).collect()
}

/// The service's `tmpfs`: mount options by path.
pub(super) fn tmpfs(spec: &InstanceSpec) -> HashMap<String, String> {
    let split = spec.service.tmpfs.iter().map(|tmpfs| tmpfs.split());
    split.map(|(path, options)| (path.to_owned(), options.to_owned())).collect()
}

fn of_volume(mount: &Mount) -> EngineMount {
    let (typ, source) = match mount.kind {
        MountKind::Volume => (MountType::VOLUME, mount.source.clone()),
        MountKind::Bind => (MountType::BIND, mount.source.clone()),
        MountKind::Tmpfs => (MountType::TMPFS, None),
        MountKind::Image => (MountType::IMAGE, mount.source.clone()),
        MountKind::Npipe => (MountType::NPIPE, mount.source.clone()),
        MountKind::Cluster => (MountType::CLUSTER, mount.source.clone()),
    };
    let size = mount.size.filter(|_| mount.kind == MountKind::Tmpfs);
    EngineMount {
        target: Some(mount.target.clone()),
        source,
        typ: Some(typ),
        read_only: Some(mount.read_only),
        tmpfs_options: size
            .map(|ByteSize(bytes)| MountTmpfsOptions { size_bytes: i64::try_from(bytes).ok(), ..Default::default() }),
        ..Default::default()
    }
}

fn of_file(file: &FileMount) -> EngineMount {
    EngineMount {
        target: Some(file.target.clone()),
        source: Some(file.source.clone()),
        typ: Some(MountType::BIND),
        read_only: Some(true),
        ..Default::default()
    }
}
