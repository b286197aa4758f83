//! Files of a container, out and in.

use bollard::query_parameters::{ContainerArchiveInfoOptions, DownloadFromContainerOptions, UploadToContainerOptions};
use futures_util::{StreamExt as _, TryStreamExt as _};
use hyper::body::Bytes;

use super::{Docker, by_hand::ours, fault};
use crate::{
    observed::Fault,
    runtime::{Chunks, PathFacts},
};

/// Bits of Go's file modes.
const GO_DIRECTORY: u32 = 1 << 31;
const GO_SYMLINK: u32 = 1 << 27;

/// What a path leads to, if there is something.
pub(super) async fn facts(docker: &Docker, id: &str, path: &str) -> Result<Option<PathFacts>, Fault> {
    let (id, name) = ours(docker, id).await?;
    let call = docker.read(format!("look at `{path}` in `{name}`"));
    let options = ContainerArchiveInfoOptions { path: path.to_owned() };
    let asked = docker.client()?.get_container_archive_info(&id, Some(options)).await;
    let found = match asked {
        Ok(found) => found,
        // The answer has no body that could say more.
        Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => return Ok(None),
        Err(error) => return Err(fault::from_error(&call, &error)),
    };
    let is_link = found.file_mode & GO_SYMLINK != 0 && !found.link_target.is_empty();
    Ok(Some(PathFacts {
        is_directory: found.file_mode & GO_DIRECTORY != 0,
        link_target: is_link.then_some(found.link_target),
    }))
}

/// What is at a path, as an archive.
pub(super) async fn read(docker: &Docker, id: &str, path: &str) -> Result<Chunks, Fault> {
    let (id, name) = ours(docker, id).await?;
    let call = docker.read(format!("read `{path}` of `{name}`"));
    let options = DownloadFromContainerOptions { path: path.to_owned() };
    let (client, meter) = docker.streaming()?;
    let mut chunks = client.download_from_container(&id, Some(options)).boxed();
    // The first one tells whether there is anything at all.
    let first = call.run(async { chunks.next().await.transpose() }).await?;
    let rest = chunks.map(move |chunk| {
        meter.refill();
        chunk.map(|bytes| bytes.to_vec()).map_err(|error| std::io::Error::other(fault::clean(&error.to_string())))
    });
    Ok(futures_util::stream::iter(first.map(|bytes| Ok(bytes.to_vec()))).chain(rest).boxed())
}

/// Writes an archive's contents into a directory.
pub(super) async fn write(docker: &Docker, id: &str, directory: &str, archive: Chunks) -> Result<(), Fault> {
    let (id, name) = ours(docker, id).await?;
    let call = docker.change(format!("write to `{directory}` of `{name}`"));
    let options = UploadToContainerOptions {
        path: directory.to_owned(),
        // A file is not put in a directory's place, nor the other way round.
        no_overwrite_dir_non_dir: Some("true".to_owned()),
        ..Default::default()
    };
    let body = bollard::body_try_stream(archive.map_ok(Bytes::from));
    let uploaded = docker.client()?.upload_to_container(&id, Some(options), body).await;
    uploaded.map_err(|error| fault::from_error(&call, &error))
}
