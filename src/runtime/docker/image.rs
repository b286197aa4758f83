use std::collections::{BTreeSet, HashMap};

use bollard::{
    models::ImageInspect,
    query_parameters::{ListImagesOptions, RemoveImageOptions, TagImageOptions},
};

use super::{Docker, fault};
use crate::{
    action::Effect,
    diagnostic::Class,
    name::{Digest, ProjectName},
    observed::{Fault, ImageFacts},
    plan::ImageReference,
    time::Timestamp,
};

/// What we have to know of an image, if it is there.
pub(super) async fn facts(docker: &Docker, reference: &ImageReference) -> Result<Option<ImageFacts>, Fault> {
    let image = inspect(docker, reference.as_str()).await?;
    Ok(image.and_then(|image| read(reference, &image)))
}

fn read(reference: &ImageReference, image: &ImageInspect) -> Option<ImageFacts> {
    let of_repository = |digest: &String| {
        let (name, digest) = digest.split_once('@')?;
        (repository(name) == repository(reference.split().0)).then(|| digest.to_owned())
    };
    let platform = image.os.as_ref().zip(image.architecture.as_ref());
    let tagged_at = image.metadata.as_ref().and_then(|metadata| metadata.last_tag_time.as_ref());
    Some(ImageFacts {
        id: image.id.clone()?,
        has_healthcheck: has_healthcheck(image),
        digests: image.repo_digests.iter().flatten().filter_map(of_repository).collect(),
        platform: platform.map(|(os, architecture)| format!("{os}/{architecture}")),
        tagged_at: tagged_at.and_then(|moment| Timestamp::parse(&moment.to_string())),
    })
}

/// A repository as engines write it, without the tag: those of Docker Hub leave its name out.
fn repository(name: &str) -> &str {
    let last_slash = name.rfind('/').map_or(0, |slash| slash + 1);
    let name = name[last_slash..].find(':').map_or(name, |colon| &name[..last_slash + colon]);
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    name.strip_prefix("library/").unwrap_or(name)
}

/// Tags an image as one of the project's, so that pruning leaves it.
pub(super) async fn hold(docker: &Docker, project: &ProjectName, image_id: &str) -> Result<Effect, Fault> {
    let Some(image) = inspect(docker, image_id).await? else {
        let text = format!("cannot hold the image `{image_id}`: it is not there any more");
        return Err(Fault::new(Class::Dependency, "image-not-found", text).hint("apply again to pull it"));
    };
    let id = image.id.clone().ok_or_else(|| {
        let look = docker.read(format!("inspect the image `{image_id}`"));
        fault::incomplete(&look, "id")
    })?;
    let digits = id.trim_start_matches("sha256:");
    let (repository, tag) = (hold_repository(project), digits.get(..12).unwrap_or(digits));
    if image.repo_tags.iter().flatten().any(|existing| *existing == format!("{repository}:{tag}")) {
        return Ok(Effect::AlreadySo);
    }
    let call = docker.change(format!("hold the image `{image_id}`"));
    let options = TagImageOptions { repo: Some(repository), tag: Some(tag.to_owned()) };
    call.run(docker.client()?.tag_image(&id, Some(options))).await?;
    Ok(Effect::Done)
}

/// Takes away the tag that holds an image. An image that nothing else names goes with it, unless a
/// container has it.
pub(super) async fn release(docker: &Docker, project: &ProjectName, image_id: &str) -> Result<Effect, Fault> {
    let digits = image_id.trim_start_matches("sha256:");
    let tag = format!("{}:{}", hold_repository(project), digits.get(..12).unwrap_or(digits));
    let call = docker.change(format!("release the image `{image_id}`"));
    let options = RemoveImageOptions { noprune: true, ..Default::default() };
    let removed = call.find(docker.client()?.remove_image(&tag, Some(options), None)).await?;
    Ok(if removed.is_some() { Effect::Done } else { Effect::AlreadySo })
}

/// The ids of the images that are held for a project.
pub(super) async fn held(docker: &Docker, project: &ProjectName) -> Result<BTreeSet<String>, Fault> {
    let call = docker.read("list held images");
    let filters = HashMap::from([("reference".to_owned(), vec![hold_repository(project)])]);
    let options = ListImagesOptions { filters: Some(filters), ..Default::default() };
    let images = call.run(docker.client()?.list_images(Some(options))).await?;
    Ok(images.into_iter().map(|image| image.id).collect())
}

async fn inspect(docker: &Docker, reference: &str) -> Result<Option<ImageInspect>, Fault> {
    let call = docker.read(format!("inspect the image `{reference}`"));
    call.find(docker.client()?.inspect_image(reference)).await
}

fn has_healthcheck(image: &ImageInspect) -> bool {
    let test = image.config.as_ref().and_then(|config| config.healthcheck.as_ref()?.test.as_ref());
    test.is_some_and(|test| test.first().is_some_and(|form| form != "NONE"))
}

/// The repository of a project's tags. Not every project's name may stand in a reference: between
/// letters and digits there can be one `_`, two of them, or any number of `-`.
fn hold_repository(project: &ProjectName) -> String {
    let name = project.as_str();
    let is_separator = |c: char| matches!(c, '-' | '_');
    let mut runs = name.split(|c: char| !is_separator(c)).filter(|run| !run.is_empty());
    let is_sound = runs.all(|run| run.chars().all(|c| c == '-') || matches!(run, "_" | "__"));
    match is_sound && !name.ends_with(is_separator) {
        true => format!("orchestrate/{name}"),
        false => format!("orchestrate/x{}", Digest::of(name.as_bytes()).short()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_project_has_a_repository_for_its_tags() {
        let table = [("app", "app"), ("a--b", "a--b"), ("a_b-c", "a_b-c"), ("a__b", "a__b")];
        for (project, name) in table {
            assert_eq!(hold_repository(&project.parse().unwrap()), format!("orchestrate/{name}"));
        }
        for project in ["a_-b", "a___b", "a-", "a_"] {
            let repository = hold_repository(&project.parse().unwrap());
            assert!(repository.starts_with("orchestrate/x") && repository.len() == 25, "{repository}");
        }
    }
}
