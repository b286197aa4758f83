use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use bollard::{
    errors::Error,
    models::{ContainerCreateBody, ContainerInspectResponse, HostConfig, Mount, MountType, VolumeCreateRequest},
    query_parameters::{
        CreateContainerOptions, CreateImageOptions, DownloadFromContainerOptions, RemoveContainerOptions,
        RemoveVolumeOptions, UploadToContainerOptions,
    },
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use hyper::body::Bytes;

use super::{
    Docker, instance, labels,
    vault_archive::{self, ARCHIVE_LIMIT_BYTES},
    vault_slot::{self, Slots},
};
use crate::{
    diagnostic::Class,
    name::ProjectName,
    observed::Fault,
    runtime::{Reading, VAULT_LIMIT_BYTES, Vault},
};

/// An image with nothing in it, which is made where it is missing.
const IMAGE: (&str, &str) = ("orchestrate/state", "1");
/// Where the volume is in the container.
const PLACE: &str = "/state";
/// As archives of it name what is in it.
const ROOT: &str = "state/";

/// The name of a project's volume, and of the container that it is reached through.
fn name_of(project: &ProjectName) -> String {
    format!("orchestrate-state-{project}")
}

fn labels_of(project: &ProjectName) -> labels::Labels {
    labels::of_project(project, &BTreeMap::from([(labels::STATE.to_owned(), project.to_string())]))
}

fn is_vault_of(project: &ProjectName, found: Option<&labels::Labels>) -> bool {
    labels::project(found).as_ref() == Some(project) && labels::is_vault(found)
}

/// A vault that was made ready: how it is reached, and what lies in it.
#[derive(Debug)]
pub(super) struct ReadyVault {
    container: String,
    slots: Slots,
}

/// A vault is a volume, and a container that has it mounted and is never started: through it the
/// engine reads and writes the volume's files. Of the container nothing is needed but that it is
/// there, so that reading makes nothing.
#[async_trait]
impl Vault for Docker {
    async fn read(&self, project: &ProjectName, path: &str) -> Result<Reading, Fault> {
        vault_slot::check_path(path)?;
        if let Some(ready) = self.ready_vaults.lock().await.get(project) {
            return Ok(Reading::Open(ready.slots.file(path)));
        }
        let Some(container) = container(self, project).await? else { return closed(self, project).await };
        let archive = download(self, project, &container, &format!("{PLACE}/{path}")).await?.unwrap_or_default();
        let leaf = path.rsplit('/').next().unwrap_or(path);
        let below = vault_archive::unpack(&archive, &format!("{leaf}/"))?;
        let raw = below.into_iter().map(|(name, content)| (format!("{path}/{name}"), content)).collect();
        let mut files = Slots::read(raw)?.into_files();
        // Files in a directory of that name come with it.
        files.whole.retain(|found, _| found == path);
        files.lost.retain(|found| found == path);
        Ok(Reading::Open(files))
    }

    async fn read_all(&self, project: &ProjectName) -> Result<Reading, Fault> {
        let Some(container) = container(self, project).await? else { return closed(self, project).await };
        Ok(Reading::Open(slots(self, project, &container).await?.into_files()))
    }

    async fn prepare(&self, project: &ProjectName) -> Result<(), Fault> {
        let mut ready = self.ready_vaults.lock().await;
        if !ready.contains_key(project) {
            let container = open(self, project).await?;
            let slots = slots(self, project, &container).await?;
            ready.insert(project.clone(), ReadyVault { container, slots });
        }
        Ok(())
    }

    async fn write(&self, project: &ProjectName, files: &BTreeMap<String, Vec<u8>>) -> Result<(), Fault> {
        vault_slot::check_paths(files.keys())?;
        self.prepare(project).await?;
        let mut all_ready = self.ready_vaults.lock().await;
        let ready = all_ready.get_mut(project).expect("it was made ready just now");
        let entries: Vec<_> = files.iter().map(|(path, content)| ready.slots.next(path, content)).collect();
        let bytes = ready.slots.bytes() + entries.iter().map(|(_, content)| content.len() as u64).sum::<u64>();
        if bytes > VAULT_LIMIT_BYTES {
            let text = format!("the vault `{}` cannot hold more than {VAULT_LIMIT_BYTES} bytes", name_of(project));
            return Err(Fault::new(Class::Resource, "vault-full", text));
        }
        let uploaded = upload(self, project, &ready.container, &entries).await;
        match &uploaded {
            Ok(()) => ready.slots.note(entries)?,
            // What lies there now has to be looked at.
            Err(_) => drop(all_ready.remove(project)),
        }
        uploaded
    }

    async fn remove(&self, project: &ProjectName, paths: &BTreeSet<String>) -> Result<(), Fault> {
        vault_slot::check_paths(paths)?;
        if paths.is_empty() || matches!(self.read_all(project).await?, Reading::NoVault) {
            return Ok(());
        }
        self.ready_vaults.lock().await.remove(project);
        let container = open(self, project).await?;
        let slots = slots(self, project, &container).await?;
        let entries: Vec<_> = paths.iter().flat_map(|path| slots.removal(path)).collect();
        upload(self, project, &container, &entries).await
    }

    async fn destroy(&self, project: &ProjectName) -> Result<(), Fault> {
        self.ready_vaults.lock().await.remove(project);
        let (client, name) = (self.client()?, name_of(project));
        if let Some(id) = container(self, project).await? {
            let options = RemoveContainerOptions { force: true, ..Default::default() };
            let call = self.change(format!("remove the vault's container `{name}`"));
            call.find(client.remove_container(&id, Some(options))).await?;
        }
        if has_volume(self, project).await? {
            let call = self.change(format!("remove the vault's volume `{name}`"));
            call.find(client.remove_volume(&name, None::<RemoveVolumeOptions>)).await?;
        }
        Ok(())
    }
}

/// What there is where there is no container.
async fn closed(docker: &Docker, project: &ProjectName) -> Result<Reading, Fault> {
    Ok(if has_volume(docker, project).await? { Reading::Shut } else { Reading::NoVault })
}

async fn has_volume(docker: &Docker, project: &ProjectName) -> Result<bool, Fault> {
    let name = name_of(project);
    let call = docker.read(format!("inspect the volume `{name}`"));
    match call.find(docker.client()?.inspect_volume(&name)).await? {
        None => Ok(false),
        Some(volume) if is_vault_of(project, Some(&volume.labels)) => Ok(true),
        Some(_) => Err(instance::not_ours(&name)),
    }
}

/// The id of the container that the vault is reached through, if it is there.
async fn container(docker: &Docker, project: &ProjectName) -> Result<Option<String>, Fault> {
    let name = name_of(project);
    let call = docker.read(format!("inspect `{name}`"));
    let Some(found) = call.find(docker.client()?.inspect_container(&name, None)).await? else { return Ok(None) };
    if !is_vault_of(project, found.config.as_ref().and_then(|config| config.labels.as_ref())) {
        return Err(instance::not_ours(&name));
    }
    if !has_volume_mounted(&found, &name) {
        let text = format!("the container `{name}` has not the vault's volume mounted at `{PLACE}`");
        let hint = format!("remove it (`docker rm {name}`): it is made again, and the volume keeps what is in it");
        return Err(Fault::new(Class::Configuration, "vault-damaged", text).hint(hint));
    }
    Ok(found.id)
}

fn has_volume_mounted(container: &ContainerInspectResponse, volume_name: &str) -> bool {
    container
        .mounts
        .iter()
        .flatten()
        .any(|mount| mount.name.as_deref() == Some(volume_name) && mount.destination.as_deref() == Some(PLACE))
}

/// The id of the container that the vault is reached through; what is missing is made.
async fn open(docker: &Docker, project: &ProjectName) -> Result<String, Fault> {
    if let Some(id) = container(docker, project).await? {
        return Ok(id);
    }
    make_volume(docker, project).await?;
    make_image(docker).await?;
    let name = name_of(project);
    let body = ContainerCreateBody {
        image: Some(image()),
        // The engine wants a command, and never runs it.
        cmd: Some(vec!["never".to_owned()]),
        labels: Some(labels_of(project)),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            mounts: Some(vec![Mount {
                target: Some(PLACE.to_owned()),
                source: Some(name.clone()),
                typ: Some(MountType::VOLUME),
                ..Default::default()
            }]),
            ..Default::default()
        }),
        ..Default::default()
    };
    let options = CreateContainerOptions { name: Some(name.clone()), ..Default::default() };
    let call = docker.change(format!("create `{name}`"));
    match call.run(docker.client()?.create_container(Some(options), body)).await {
        Ok(made) => Ok(made.id),
        // An earlier try that nobody heard the end of, or someone else.
        Err(fault) => container(docker, project).await?.ok_or(fault),
    }
}

/// Making a volume answers with the labels of the one that is there.
async fn make_volume(docker: &Docker, project: &ProjectName) -> Result<(), Fault> {
    let name = name_of(project);
    let request =
        VolumeCreateRequest { name: Some(name.clone()), labels: Some(labels_of(project)), ..Default::default() };
    let call = docker.change(format!("create the volume `{name}`"));
    let volume = call.run(docker.client()?.create_volume(request)).await?;
    match is_vault_of(project, Some(&volume.labels)) {
        true => Ok(()),
        false => Err(instance::not_ours(&name)),
    }
}

/// The empty image, as containers name it.
pub(super) fn image() -> String {
    format!("{}:{}", IMAGE.0, IMAGE.1)
}

/// Imports the empty image, which needs no registry.
pub(super) async fn make_image(docker: &Docker) -> Result<(), Fault> {
    let (client, (repository, tag)) = (docker.client()?, IMAGE);
    let image = format!("{repository}:{tag}");
    let look = docker.read(format!("inspect the image `{image}`"));
    if look.find(client.inspect_image(&image)).await?.is_some() {
        return Ok(());
    }
    let options = CreateImageOptions {
        from_src: Some("-".to_owned()),
        repo: Some(repository.to_owned()),
        tag: Some(tag.to_owned()),
        ..Default::default()
    };
    let nothing = bollard::body_full(Bytes::from(vault_archive::pack(&[])?));
    let call = docker.change(format!("import the image `{image}`"));
    let answers = client.create_image(Some(options), Some(nothing), None);
    call.run(answers.try_for_each(|_| std::future::ready(Ok(())))).await
}

/// Everything that lies in the vault.
async fn slots(docker: &Docker, project: &ProjectName, container: &str) -> Result<Slots, Fault> {
    let archive = download(docker, project, container, PLACE).await?.unwrap_or_default();
    Slots::read(vault_archive::unpack(&archive, ROOT)?)
}

/// An archive of a path in the container; `None` if there is no such path.
async fn download(
    docker: &Docker,
    project: &ProjectName,
    container: &str,
    path: &str,
) -> Result<Option<Vec<u8>>, Fault> {
    let options = DownloadFromContainerOptions { path: path.to_owned() };
    // As much as is allowed below, which is more than answers may have otherwise.
    let (client, meter) = docker.streaming()?;
    let chunks = client.download_from_container(container, Some(options));
    let mut chunks = std::pin::pin!(chunks);
    let archive = async {
        let mut archive = Vec::new();
        while let Some(chunk) = chunks.next().await {
            meter.refill();
            let chunk = chunk?;
            if archive.len() + chunk.len() > ARCHIVE_LIMIT_BYTES as usize {
                return Ok(Err(too_large(project)));
            }
            archive.extend_from_slice(&chunk);
        }
        Ok::<_, Error>(Ok(archive))
    };
    let call = docker.read(format!("read the vault `{}`", name_of(project))).within(docker.patience().transfer);
    call.find(archive).await?.transpose()
}

fn too_large(project: &ProjectName) -> Fault {
    let name = name_of(project);
    let text =
        format!("the vault `{name}` is larger than {ARCHIVE_LIMIT_BYTES} bytes: it was not only us who wrote to it");
    Fault::new(Class::Resource, "vault-too-large", text)
        .hint(format!("see what is in it: `docker cp {name}:{PLACE} .`"))
}

async fn upload(
    docker: &Docker,
    project: &ProjectName,
    container: &str,
    entries: &[(String, Vec<u8>)],
) -> Result<(), Fault> {
    if entries.is_empty() {
        return Ok(());
    }
    let options = UploadToContainerOptions { path: PLACE.to_owned(), ..Default::default() };
    let body = bollard::body_full(Bytes::from(vault_archive::pack(entries)?));
    let call = docker.change(format!("write the vault `{}`", name_of(project))).within(docker.patience().transfer);
    call.run(docker.client()?.upload_to_container(container, Some(options), body)).await
}
