//! Images out of registries.

use std::collections::HashMap;

use bollard::{models::CreateImageInfo, query_parameters::CreateImageOptions};

use super::{Docker, fault, image, registry};
use crate::{action::Effect, observed::Fault, plan::ImageReference, runtime::Progress};

/// What is pulled.
pub(super) struct Pull<'a> {
    pub image: &'a ImageReference,
    /// The digest that it is to have, where one of that name is there already.
    pub digest: Option<&'a str>,
    /// Of an image for several platforms.
    pub platform: Option<&'a str>,
}

/// Pulls an image, unless it is there.
pub(super) async fn pull(
    docker: &Docker,
    pull: &Pull<'_>,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Effect, Fault> {
    let is_it = |facts: &crate::observed::ImageFacts| pull.digest.is_none_or(|digest| facts.digests.contains(digest));
    match image::facts(docker, pull.image).await? {
        Some(facts) if is_it(&facts) => Ok(Effect::AlreadySo),
        Some(_) | None => fetch(docker, pull, progress).await,
    }
}

/// Pulls an image, also if one of that name is there. It was so already if that is the same.
pub(super) async fn refresh(
    docker: &Docker,
    image: &ImageReference,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Effect, Fault> {
    let before = image::facts(docker, image).await?;
    fetch(docker, &Pull { image, digest: None, platform: None }, progress).await?;
    let after = image::facts(docker, image).await?;
    let is_same = before.is_some() && before.map(|facts| facts.id) == after.map(|facts| facts.id);
    Ok(if is_same { Effect::AlreadySo } else { Effect::Done })
}

async fn fetch(docker: &Docker, pull: &Pull<'_>, progress: &(dyn Fn(Progress) + Send + Sync)) -> Result<Effect, Fault> {
    let image = pull.image;
    let (name, tag) = image.split();
    let options = CreateImageOptions {
        from_image: Some(name.to_owned()),
        tag: Some(tag.to_owned()),
        platform: pull.platform.unwrap_or_default().to_owned(),
        ..Default::default()
    };
    let lookup = docker.logins().find(image).await;
    let (client, meter) = docker.streaming()?;
    let mut messages = client.create_image(Some(options), None, lookup.credentials());
    let call = docker.change(format!("pull `{image}` {}", lookup.wherefrom())).within(docker.patience().pull_silence);
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
    pulled.map_err(|fault| registry::explain(&lookup, fault))?;
    match image::facts(docker, image).await? {
        Some(_) => Ok(Effect::Done),
        None => Err(registry::not_found(&lookup, format!("cannot pull `{image}`: it is not there after the pull"))),
    }
}

/// What an image's registry calls it now.
pub(super) async fn registry_digest(docker: &Docker, image: &ImageReference) -> Result<String, Fault> {
    let lookup = docker.logins().find(image).await;
    let call = docker.read(format!("ask for `{image}` {}", lookup.wherefrom()));
    let asked = docker.client()?.inspect_registry_image(image.as_str(), lookup.credentials());
    let found = call.run(asked).await.map_err(|fault| registry::explain(&lookup, fault))?;
    found.descriptor.digest.ok_or_else(|| fault::incomplete(&call, "digest"))
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
