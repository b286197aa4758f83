use std::collections::{BTreeSet, HashMap};

use bollard::{
    models::{CreateImageInfo, ImageInspect},
    query_parameters::{CreateImageOptions, ListImagesOptions, RemoveImageOptions, TagImageOptions},
};

use super::{Docker, fault};
use crate::{
    action::Effect,
    diagnostic::Class,
    name::{Digest, ProjectName},
    observed::{Fault, ImageFacts},
    plan::ImageReference,
    runtime::Progress,
};

/// What we have to know of an image, if it is there.
pub(super) async fn facts(docker: &Docker, reference: &str) -> Result<Option<ImageFacts>, Fault> {
    let image = inspect(docker, reference).await?;
    Ok(image.and_then(|image| Some(ImageFacts { id: image.id.clone()?, has_healthcheck: has_healthcheck(&image) })))
}

/// Pulls an image, unless it is there.
pub(super) async fn pull(
    docker: &Docker,
    image: &ImageReference,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Effect, Fault> {
    match inspect(docker, image.as_str()).await? {
        Some(_) => Ok(Effect::AlreadySo),
        None => fetch(docker, image, progress).await,
    }
}

/// Pulls an image, also if one of that name is there. It was so already if that is the same.
pub(super) async fn refresh(
    docker: &Docker,
    image: &ImageReference,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Effect, Fault> {
    let before = inspect(docker, image.as_str()).await?;
    fetch(docker, image, progress).await?;
    let after = inspect(docker, image.as_str()).await?;
    let is_same = before.is_some() && before.and_then(|image| image.id) == after.and_then(|image| image.id);
    Ok(if is_same { Effect::AlreadySo } else { Effect::Done })
}

async fn fetch(
    docker: &Docker,
    image: &ImageReference,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Effect, Fault> {
    let (name, tag) = image.split();
    let options =
        CreateImageOptions { from_image: Some(name.to_owned()), tag: Some(tag.to_owned()), ..Default::default() };
    let (client, meter) = docker.streaming()?;
    let mut messages = client.create_image(Some(options), None, None);
    let call = docker.change(format!("pull `{image}`")).within(docker.patience().pull_silence);
    let mut layers = Layers::default();
    let read = async {
        while let Some(message) = call.next(&mut messages, &meter).await? {
            if layers.hear(&message) {
                let (current_bytes, total_bytes) = layers.bytes();
                progress(Progress::Pull { image: image.to_string(), current_bytes, total_bytes });
            }
        }
        Ok(())
    };
    let whole = call.clone().within(docker.patience().pull);
    let pulled = tokio::time::timeout(whole.limit, read).await.unwrap_or_else(|_| Err(fault::timed_out(&whole)));
    pulled.map_err(|fault| of_registry(image, fault))?;
    match inspect(docker, image.as_str()).await? {
        Some(_) => Ok(Effect::Done),
        None => Err(not_found(image, format!("cannot pull `{image}`: it is not there after the pull"))),
    }
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

/// The layers of an image that is pulled: bytes there, bytes in all.
#[derive(Default)]
struct Layers(HashMap<String, (u64, u64)>);

impl Layers {
    /// Takes in one message; whether there is something new to tell.
    fn hear(&mut self, message: &CreateImageInfo) -> bool {
        let (Some(layer), Some(status)) = (&message.id, message.status.as_deref()) else { return false };
        let detail = message.progress_detail.as_ref();
        let count = |bytes: Option<i64>| bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
        match status {
            "Downloading" => {
                let current = count(detail.and_then(|detail| detail.current));
                let total = count(detail.and_then(|detail| detail.total));
                self.0.insert(layer.clone(), (current, total.max(current)));
                true
            }
            "Download complete" => {
                let known = self.0.get_mut(layer);
                known.map(|(current, total)| *current = *total).is_some()
            }
            _ => false,
        }
    }

    fn bytes(&self) -> (u64, u64) {
        self.0.values().fold((0, 0), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1))
    }
}

fn not_found(image: &ImageReference, text: String) -> Fault {
    let registry = image.split().0.split_once('/').map_or("docker.io", |(registry, _)| registry);
    let hint = format!(
        "check its name and tag; if it is private, pull it first: `docker login {registry}`, `docker pull {image}`"
    );
    Fault::new(Class::Dependency, "image-not-found", text).hint(hint)
}

/// What the registry's or the network's words, as the engine passes them on, mean.
fn of_registry(image: &ImageReference, fault: Fault) -> Fault {
    let lower = fault.text.to_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    // A pull that is done twice does no harm, so nothing has to be looked up first.
    let fault = Fault { is_outcome_unknown: false, ..fault };
    if matches!(fault.class, Class::Timeout | Class::Network) {
        return fault;
    }
    if says(&[
        "manifest unknown",
        "not found",
        "pull access denied",
        "does not exist",
        "name unknown",
        "invalid reference",
    ]) {
        return not_found(image, fault.text);
    }
    if says(&["unauthorized", "authentication required", "denied"]) {
        let hint = format!("pull it first: `docker login`, `docker pull {image}`");
        return Fault::new(Class::Permission, "registry-denied", fault.text).hint(hint);
    }
    if says(&["no matching manifest", "does not match the specified platform"]) {
        return Fault::new(Class::Dependency, "wrong-architecture", fault.text)
            .hint("choose an image that was built for the engine's architecture");
    }
    let hint = "check the engine host's network, proxy and name servers";
    if says(&["timeout", "timed out", "deadline exceeded", "toomanyrequests", "too many requests"])
        || says(&["500 internal", "502 bad", "503 service", "504 gateway", "unexpected eof", "connection reset"])
    {
        return Fault::new(Class::Network, "registry-unavailable", fault.text).hint(hint).transient();
    }
    if says(&["no such host", "connection refused", "network is unreachable", "server misbehaving", "no route to host"])
    {
        return Fault::new(Class::Network, "registry-unreachable", fault.text).hint(hint);
    }
    fault
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::docker::call::{Call, Intent};

    #[test]
    fn what_a_registry_says_is_classified() {
        let table = [
            ("manifest for a:1 not found: manifest unknown: manifest unknown", "Dependency image-not-found"),
            (
                "pull access denied for a, repository does not exist or may require 'docker login'",
                "Dependency image-not-found",
            ),
            ("unauthorized: authentication required", "Permission registry-denied"),
            ("no matching manifest for linux/arm64 in the manifest list entries", "Dependency wrong-architecture"),
            ("Get \"https://r/v2/\": dial tcp: lookup r on 1.1.1.1:53: no such host", "Network registry-unreachable"),
            (
                "Get \"https://r/v2/\": dial tcp 1.2.3.4:443: connect: connection refused",
                "Network registry-unreachable",
            ),
            ("Get \"https://r/v2/\": dial tcp 1.2.3.4:443: i/o timeout", "Network registry-unavailable transient"),
            ("received unexpected HTTP status: 503 Service Unavailable", "Network registry-unavailable transient"),
            ("write /var/lib/docker/tmp/x: no space left on device", "Resource disk-full"),
            ("something else", "Deployment engine-failed"),
        ];
        let image = "a:1".parse().unwrap();
        let call = Call { intent: Intent::Change, doing: "pull `a:1`".to_owned(), limit: std::time::Duration::ZERO };
        for (message, expected) in table {
            let fault = of_registry(&image, fault::refused(&call, 500, message));
            let transient = if fault.is_transient { " transient" } else { "" };
            assert_eq!(format!("{:?} {}{transient}", fault.class, fault.code), expected, "{message}");
        }
    }

    #[test]
    fn a_pulls_bytes_are_those_of_its_layers() {
        let message = |text: &str| serde_json::from_str::<CreateImageInfo>(text).unwrap();
        let mut layers = Layers::default();
        let heard = [
            r#"{"status":"Pulling from a","id":"1"}"#,
            r#"{"status":"Downloading","progressDetail":{"current":10,"total":100},"id":"l1"}"#,
            r#"{"status":"Downloading","progressDetail":{"current":5,"total":50},"id":"l2"}"#,
            r#"{"status":"Download complete","progressDetail":{},"id":"l2"}"#,
            r#"{"status":"Extracting","progressDetail":{"current":1,"total":50},"id":"l2"}"#,
        ]
        .map(|text| layers.hear(&message(text)));
        assert_eq!(heard, [false, true, true, true, false]);
        assert_eq!(layers.bytes(), (60, 150));
    }

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
