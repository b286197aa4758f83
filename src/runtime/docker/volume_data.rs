//! What a volume holds, out and in again, through a container that is created and never started:
//! owners and modes are kept, and the service's own image needs no tools for it.

use std::{path::Path, time::Duration};

use bollard::{
    models::{ContainerCreateBody, HostConfig, Mount, MountType},
    query_parameters::{
        CreateContainerOptions, DownloadFromContainerOptions, ListContainersOptions, RemoveContainerOptions,
        UploadToContainerOptions,
    },
};
use futures_util::StreamExt as _;
use hyper::body::Bytes;
use tokio::io::AsyncReadExt as _;

use super::{Docker, fault, instance, labels, vault, vault_archive};
use crate::{
    action::Effect,
    diagnostic::Class,
    name::{Digest, ProjectName},
    observed::Fault,
    runtime::data_file::{self, CHUNK_BYTES, DataFile},
};

/// Where the volume is in the container, and what archives call it.
const PLACE: &str = "/volume";
const ROOT: &str = "volume";
/// The archive of an empty directory is much shorter.
const GLANCE_BYTES: usize = 64 << 10;

/// Copies all that a volume holds into a file, unless that is there already.
pub(super) async fn save(
    docker: &Docker,
    project: &ProjectName,
    volume: &str,
    to: &str,
    timeout: Duration,
) -> Result<Effect, Fault> {
    if let Some(saved) = data_file::written_before(to).await? {
        return Ok(saved);
    }
    require(docker, volume).await?;
    let window = Window::open(docker, project, volume, to, Access::Read).await?;
    let saved = within(timeout, &format!("copy the volume `{volume}`"), window.copy_out(to)).await;
    window.close().await;
    saved
}

/// Empties a volume of ours and fills it with what a file holds.
pub(super) async fn restore(
    docker: &Docker,
    project: &ProjectName,
    volume: &str,
    from: &Path,
    timeout: Duration,
) -> Result<(), Fault> {
    let owner = require(docker, volume).await?;
    if owner.as_ref() != Some(project) {
        let hint = format!("what it held can be put there by hand: `{}` is a tar archive", from.display());
        return Err(instance::not_ours(volume).hint(hint));
    }
    let window = Window::open(docker, project, volume, &from.display().to_string(), Access::Write).await?;
    let work = async {
        window.empty().await?;
        window.fill(from).await
    };
    let restored = within(timeout, &format!("restore the volume `{volume}`"), work).await;
    window.close().await;
    restored
}

/// Takes away the containers through which a volume was reached, and which a crash has left: they
/// would keep it from being removed.
pub(super) async fn sweep(docker: &Docker, volume: &str) -> Result<(), Fault> {
    let client = docker.client()?;
    let filters = [("label".to_owned(), vec![format!("{}={volume}", labels::VOLUME_DATA)])].into();
    let options = ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
    let left = docker.read("list containers").run(client.list_containers(Some(options))).await?;
    for container in left.iter().filter(|container| labels::is_vault(container.labels.as_ref())) {
        remove(docker, container.id.as_deref().unwrap_or_default()).await?;
    }
    Ok(())
}

/// The project whose volume it is, if it is one of ours.
async fn require(docker: &Docker, volume: &str) -> Result<Option<ProjectName>, Fault> {
    let call = docker.read(format!("inspect the volume `{volume}`"));
    let Some(found) = call.find(docker.client()?.inspect_volume(volume)).await? else {
        let text = format!("the volume `{volume}` does not exist");
        return Err(Fault::new(Class::Dependency, "volume-not-found", text));
    };
    Ok(docker.ownership().project(Some(&found.labels)))
}

async fn remove(docker: &Docker, id: &str) -> Result<(), Fault> {
    let options = RemoveContainerOptions { force: true, ..Default::default() };
    let call = docker.change("remove the container that a volume was reached through");
    call.find(docker.client()?.remove_container(id, Some(options))).await.map(drop)
}

async fn within<T>(timeout: Duration, doing: &str, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    tokio::time::timeout(timeout, work).await.unwrap_or_else(|_| {
        let text = format!("cannot {doing} within {}", crate::time::format_duration(timeout));
        Err(Fault::new(Class::Timeout, "data-timeout", text).hint("give it more time: `snapshot.timeout`"))
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// A container through which a volume's files are reached.
struct Window<'a> {
    docker: &'a Docker,
    volume: &'a str,
    id: String,
}

impl<'a> Window<'a> {
    /// The same file always goes through a container of the same name, so that what a crash left is
    /// found and made anew.
    async fn open(
        docker: &'a Docker,
        project: &ProjectName,
        volume: &'a str,
        file: &str,
        access: Access,
    ) -> Result<Self, Fault> {
        vault::make_image(docker).await?;
        let name = format!("orchestrate-data-{}", Digest::of(format!("{volume} {file}").as_bytes()).short());
        let asked = [(labels::STATE, project.to_string()), (labels::VOLUME_DATA, volume.to_owned())];
        let asked = asked.map(|(label, value)| (label.to_owned(), value)).into();
        let body = ContainerCreateBody {
            image: Some(vault::image()),
            cmd: Some(vec!["never".to_owned()]),
            labels: Some(labels::of_project(project, &asked)),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                mounts: Some(vec![Mount {
                    target: Some(PLACE.to_owned()),
                    source: Some(volume.to_owned()),
                    typ: Some(MountType::VOLUME),
                    read_only: Some(access == Access::Read),
                    ..Default::default()
                }]),
                ..Default::default()
            }),
            ..Default::default()
        };
        let client = docker.client()?;
        let look = docker.read(format!("inspect `{name}`"));
        if let Some(left) = look.find(client.inspect_container(&name, None)).await? {
            let found = left.config.as_ref().and_then(|config| config.labels.as_ref());
            if !labels::is_vault(found) || labels::project(found).as_ref() != Some(project) {
                return Err(instance::not_ours(&name));
            }
            remove(docker, &name).await?;
        }
        let options = CreateContainerOptions { name: Some(name.clone()), ..Default::default() };
        let call = docker.change(format!("create `{name}`"));
        let made = call.run(client.create_container(Some(options), body)).await?;
        Ok(Self { docker, volume, id: made.id })
    }

    /// What cannot be taken away now is taken away the next time, or with the volume.
    async fn close(self) {
        drop(remove(self.docker, &self.id).await);
    }

    async fn copy_out(&self, to: &str) -> Result<Effect, Fault> {
        let call = self.docker.read(format!("read the volume `{}`", self.volume));
        let mut file = DataFile::create(to).await?;
        let options = DownloadFromContainerOptions { path: PLACE.to_owned() };
        let (client, meter) = self.docker.streaming()?;
        let mut chunks = std::pin::pin!(client.download_from_container(&self.id, Some(options)));
        let mut end = Vec::new();
        while let Some(chunk) = call.run(async { chunks.next().await.transpose() }).await? {
            meter.refill();
            file.write(&chunk).await?;
            end.extend_from_slice(&chunk);
            end.drain(..end.len().saturating_sub(vault_archive::END_BYTES));
        }
        if !vault_archive::is_end(&end) {
            // The engine has no other way to say that it could not go on.
            let text = format!("the engine broke off while it read the volume `{}`", self.volume);
            return Err(Fault::new(Class::Deployment, "volume-cut-off", text).transient());
        }
        file.finish().await
    }

    /// An engine has no call that removes files. But it replaces a directory by a file of the same
    /// name, and for that removes what is in the directory first; the volume's own directory is
    /// mounted, so it stays, and that is what the engine then complains of.
    async fn empty(&self) -> Result<(), Fault> {
        if self.is_empty().await? {
            return Ok(());
        }
        let options = UploadToContainerOptions { path: "/".to_owned(), ..Default::default() };
        let body = bollard::body_full(Bytes::from(vault_archive::pack(&[(ROOT.to_owned(), Vec::new())])?));
        let uploaded = self.docker.client()?.upload_to_container(&self.id, Some(options), body).await;
        match self.is_empty().await? {
            true => Ok(()),
            false => {
                let why = match uploaded {
                    Ok(()) => "the engine kept it".to_owned(),
                    Err(error) => fault::clean(&error.to_string()),
                };
                let text = format!("cannot empty the volume `{}`: {why}", self.volume);
                Err(Fault::new(Class::Deployment, "volume-not-emptied", text)
                    .hint("remove what is in it by hand, and restore again"))
            }
        }
    }

    async fn is_empty(&self) -> Result<bool, Fault> {
        let call = self.docker.read(format!("look into the volume `{}`", self.volume));
        let options = DownloadFromContainerOptions { path: PLACE.to_owned() };
        let (client, meter) = self.docker.streaming()?;
        let mut chunks = std::pin::pin!(client.download_from_container(&self.id, Some(options)));
        let mut beginning = Vec::new();
        while beginning.len() < GLANCE_BYTES
            && let Some(chunk) = call.run(async { chunks.next().await.transpose() }).await?
        {
            meter.refill();
            beginning.extend_from_slice(&chunk);
        }
        Ok(vault_archive::has_only_root(&beginning))
    }

    async fn fill(&self, from: &Path) -> Result<(), Fault> {
        let file = data_file::open(from).await?;
        let chunks = futures_util::stream::try_unfold(file, |mut file| async move {
            let mut chunk = vec![0; CHUNK_BYTES];
            let length = file.read(&mut chunk).await?;
            chunk.truncate(length);
            Ok((length > 0).then(|| (Bytes::from(chunk), file)))
        });
        let options = UploadToContainerOptions { path: "/".to_owned(), ..Default::default() };
        let uploaded =
            self.docker.client()?.upload_to_container(&self.id, Some(options), bollard::body_try_stream(chunks));
        let call = self.docker.change(format!("fill the volume `{}`", self.volume));
        uploaded.await.map_err(|error| fault::from_error(&call, &error))
    }
}
