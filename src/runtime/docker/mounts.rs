use std::collections::HashMap;

use bollard::models::{
    Mount as EngineMount, MountBindOptions, MountImageOptions, MountTmpfsOptions, MountType, MountVolumeOptions,
};

use crate::{
    action::{FileMount, InstanceSpec},
    plan::{ByteSize, Mount, MountKind, Propagation, Recursive, Selinux, VolumeOptions},
};

/// What is mounted into a container: its volumes, and the files that were written for it. A bind's
/// source has to be there: as a mount, unlike in the old form, the engine never makes it.
pub(super) fn mounts(spec: &InstanceSpec) -> Vec<EngineMount> {
    let volumes = spec.service.volumes.iter().filter(|mount| !is_bind_text(mount)).map(of_volume);
    volumes.chain(spec.files.iter().map(of_file)).collect()
}

/// Binds in the old form, which is the only one in which an engine makes what is not there, or
/// labels it: `source:target:options`.
pub(super) fn binds(spec: &InstanceSpec) -> Vec<String> {
    spec.service.volumes.iter().filter(|mount| is_bind_text(mount)).map(bind_text).collect()
}

fn is_bind_text(mount: &Mount) -> bool {
    mount.kind == MountKind::Bind && (mount.bind.create_host_path || mount.bind.selinux.is_some())
}

fn bind_text(mount: &Mount) -> String {
    let mut options = vec![if mount.read_only { "ro" } else { "rw" }];
    options.extend(mount.bind.selinux.map(|label| match label {
        Selinux::Shared => "z",
        Selinux::Private => "Z",
    }));
    options.extend(mount.bind.propagation.map(Propagation::as_str));
    format!("{}:{}:{}", mount.source.as_deref().unwrap_or_default(), mount.target, options.join(","))
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
    EngineMount {
        target: Some(mount.target.clone()),
        source,
        typ: Some(typ),
        read_only: Some(mount.read_only),
        bind_options: bind_options(mount),
        volume_options: volume_options(mount),
        image_options: mount.image.subpath.clone().map(|subpath| MountImageOptions { subpath: Some(subpath) }),
        tmpfs_options: tmpfs_options(mount),
        ..Default::default()
    }
}

fn bind_options(mount: &Mount) -> Option<MountBindOptions> {
    let propagation = mount.bind.propagation.and_then(|propagation| propagation.as_str().parse().ok());
    let recursive = mount.bind.recursive;
    let is_said = propagation.is_some() || recursive.is_some();
    is_said.then(|| MountBindOptions {
        propagation,
        non_recursive: (recursive == Some(Recursive::Disabled)).then_some(true),
        read_only_non_recursive: (recursive == Some(Recursive::Writable)).then_some(true),
        read_only_force_recursive: (recursive == Some(Recursive::Readonly)).then_some(true),
        ..Default::default()
    })
}

fn volume_options(mount: &Mount) -> Option<MountVolumeOptions> {
    let VolumeOptions { nocopy, subpath, labels } = &mount.volume;
    (mount.volume != VolumeOptions::default()).then(|| MountVolumeOptions {
        no_copy: nocopy.then_some(true),
        subpath: subpath.clone(),
        labels: (!labels.is_empty()).then(|| labels.clone().into_iter().collect()),
        ..Default::default()
    })
}

fn tmpfs_options(mount: &Mount) -> Option<MountTmpfsOptions> {
    let is_said = mount.kind == MountKind::Tmpfs && (mount.size.is_some() || mount.mode.is_some());
    is_said.then(|| MountTmpfsOptions {
        size_bytes: mount.size.and_then(|ByteSize(bytes)| i64::try_from(bytes).ok()),
        mode: mount.mode.map(i64::from),
        ..Default::default()
    })
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
