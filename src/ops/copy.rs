use std::path::{Path, PathBuf};

use super::{Context, OpsError, Project, standing::Standing};
use crate::{
    diagnostic::{Class, Diagnostics},
    name::ServiceName,
    observed::{Fault, Instance},
    runtime::{Chunks, Observe as _, PathFacts, Root, Runtime as _, packed, unpacked},
};

/// A path in an instance of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemotePath {
    pub service: ServiceName,
    /// Its instance's number; the first that there is by default.
    pub number: Option<u32>,
    pub path: String,
}

/// Whether a symbolic link that is named is copied, or what it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    AsTheyAre,
    Followed,
}

/// Reads what is at a path in an instance, as a tar archive.
///
/// # Errors
/// If there is no such instance, or nothing at the path.
pub async fn copy_out_archive(
    context: &Context,
    project: &Project,
    (from, links): (&RemotePath, Links),
    warnings: &mut Diagnostics,
) -> Result<Chunks, OpsError> {
    let standing = Standing::look(context, project, warnings).await?;
    let instance = standing.one(&from.service, from.number)?;
    let (_, path) = existing(&standing, instance, &from.path, links).await?;
    Ok(standing.runtimes.copy_out(instance.runtime, &instance.id, &path).await?)
}

/// Copies what is at a path in an instance to this host, as `cp` would: into a directory that is
/// there, else under the name that is given. Nothing is written anywhere else, whatever comes in.
/// Answers what was left out, such as devices.
///
/// # Errors
/// If there is no such instance or path, or something cannot be written.
pub async fn copy_out(
    context: &Context,
    project: &Project,
    (from, links): (&RemotePath, Links),
    to: &Path,
    warnings: &mut Diagnostics,
) -> Result<Vec<String>, OpsError> {
    let standing = Standing::look(context, project, warnings).await?;
    let instance = standing.one(&from.service, from.number)?;
    let (facts, path) = existing(&standing, instance, &from.path, links).await?;
    let to = context.working_directory.join(to);
    let (directory, root) = match (to.is_dir(), is_contents(&from.path)) {
        (true, true) => (to.clone(), Root::Contents),
        (true, false) => (to.clone(), Root::Named(name_of(&from.path))),
        (false, _) => beside(&to, facts.is_directory).map(|(directory, name)| (directory, Root::Named(name)))?,
    };
    let archive = standing.runtimes.copy_out(instance.runtime, &instance.id, &path).await?;
    let unpacked = unpacked(archive, directory, root).await;
    unpacked.map_err(|error| not_copied(&from.path, &to.display().to_string(), &error.to_string()).into())
}

/// Writes a tar archive's contents into a directory of an instance.
///
/// # Errors
/// If there is no such instance or directory.
pub async fn copy_in_archive(
    context: &Context,
    project: &Project,
    (archive, to): (Chunks, &RemotePath),
    warnings: &mut Diagnostics,
) -> Result<(), OpsError> {
    let standing = Standing::look(context, project, warnings).await?;
    let instance = standing.one(&to.service, to.number)?;
    Ok(standing.runtimes.copy_in(instance.runtime, &instance.id, &to.path, archive).await?)
}

/// Copies something of this host into an instance, as `cp` would.
///
/// # Errors
/// If there is no such instance, nothing to copy, or no directory to copy it to.
pub async fn copy_in(
    context: &Context,
    project: &Project,
    (from, links): (&Path, Links),
    to: &RemotePath,
    warnings: &mut Diagnostics,
) -> Result<(), OpsError> {
    let source = context.working_directory.join(from);
    let shown = from.display().to_string();
    let found = match links {
        Links::Followed => std::fs::metadata(&source),
        Links::AsTheyAre => std::fs::symlink_metadata(&source),
    };
    let found = found.map_err(|error| not_copied(&shown, &to.path, &error.to_string()))?;
    let standing = Standing::look(context, project, warnings).await?;
    let instance = standing.one(&to.service, to.number)?;
    let there = facts(&standing, instance, &to.path, Links::Followed).await?;
    let (directory, name) = match there {
        Some((facts, path)) if facts.is_directory => {
            (path, if is_contents(&shown) { ".".to_owned() } else { name_of(&source.display().to_string()) })
        }
        Some(_) if found.is_dir() => {
            return Err(not_copied(&shown, &to.path, "a directory cannot take a file's place").into());
        }
        Some(_) => split(&to.path),
        None if to.path.ends_with('/') && !found.is_dir() => {
            return Err(not_copied(&shown, &to.path, "there is no such directory").into());
        }
        None => split(to.path.trim_end_matches('/')),
    };
    match facts(&standing, instance, &directory, Links::Followed).await? {
        Some((facts, _)) if facts.is_directory => {}
        Some(_) | None => return Err(not_copied(&shown, &to.path, "there is no such directory").into()),
    }
    let archive = packed(source, name, links == Links::Followed);
    Ok(standing.runtimes.copy_in(instance.runtime, &instance.id, &directory, archive).await?)
}

/// What is at a path that has to be there, and the path to read it by.
async fn existing(
    standing: &Standing<'_>,
    instance: &Instance,
    path: &str,
    links: Links,
) -> Result<(PathFacts, String), Fault> {
    // With a slash or dot at its end, a directory is meant, wherever it is.
    let links = if path.ends_with('/') || is_contents(path) { Links::Followed } else { links };
    let found = facts(standing, instance, path, links).await?;
    found.ok_or_else(|| {
        let text = format!("there is no `{path}` in `{}`", instance.name);
        Fault::new(Class::Configuration, "path-not-found", text)
    })
}

/// What a path leads to, after one link at most if links are followed.
async fn facts(
    standing: &Standing<'_>,
    instance: &Instance,
    path: &str,
    links: Links,
) -> Result<Option<(PathFacts, String)>, Fault> {
    let look = |path: String| async move {
        let found = standing.runtimes.path_facts(instance.runtime, &instance.id, &path).await?;
        Ok::<_, Fault>(found.map(|facts| (facts, path)))
    };
    // Without its last slash a link to a directory is seen as what it is.
    let plain = path.strip_suffix("/.").unwrap_or(path).trim_end_matches('/');
    let plain = if plain.is_empty() { "/" } else { plain };
    match look(plain.to_owned()).await? {
        Some((PathFacts { link_target: Some(target), .. }, _)) if links == Links::Followed => look(target).await,
        found => Ok(found),
    }
}

fn is_contents(path: &str) -> bool {
    path == "." || path.ends_with("/.") || path == "/"
}

/// The last part of a path.
fn name_of(path: &str) -> String {
    let name = Path::new(path).file_name();
    name.map_or_else(|| "root".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// A path's directory and its last part.
fn split(path: &str) -> (String, String) {
    match path.rsplit_once('/') {
        Some(("", name)) => ("/".to_owned(), name.to_owned()),
        Some((directory, name)) => (directory.to_owned(), name.to_owned()),
        None => (".".to_owned(), path.to_owned()),
    }
}

/// Where something new goes on this host: its directory, which has to be there, and its name.
fn beside(to: &Path, is_directory: bool) -> Result<(PathBuf, String), OpsError> {
    let shown = to.display().to_string();
    if shown.ends_with('/') && !is_directory {
        return Err(OpsError::Missing(format!("there is no directory `{shown}`")));
    }
    if is_directory && to.exists() {
        return Err(OpsError::Missing(format!("`{shown}` is a file: a directory cannot take its place")));
    }
    let parent = to.parent().filter(|parent| parent.is_dir());
    let parent = parent.ok_or_else(|| OpsError::Missing(format!("there is no directory for `{shown}`")))?;
    Ok((parent.to_owned(), name_of(&shown)))
}

fn not_copied(from: &str, to: &str, why: &str) -> Fault {
    Fault::new(Class::Resource, "not-copied", format!("cannot copy `{from}` to `{to}`: {why}"))
}
