//! The file that says which images exactly a plan's references mean.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    diagnostic::{Class, Diagnostic, Origins},
    load::Loaded,
    observed::Fault,
    plan::{ImageReference, RuntimeKind},
};

/// Its name: it lies beside the plan.
pub(super) const LOCK_FILE: &str = "orchestrate.lock";

const VERSION: u32 = 1;

/// Far more than a plan has images for.
const LONGEST_FILE: u64 = 16 << 20;

/// References, and the digests that they stand for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImageLock {
    version: u32,
    pub images: BTreeMap<ImageReference, String>,
}

impl ImageLock {
    pub fn new(images: BTreeMap<ImageReference, String>) -> Self {
        Self { version: VERSION, images }
    }

    /// Where the lock of a plan in this directory is.
    pub fn path(directory: &Path) -> PathBuf {
        directory.join(LOCK_FILE)
    }

    /// Reads a lock; `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be read, or a newer version wrote it.
    pub fn read(path: &Path) -> Result<Option<Self>, Fault> {
        use std::io::Read as _;
        let unreadable = |why: String| {
            let text = format!("cannot read `{}`: {why}", path.display());
            let fault = Fault::new(Class::Configuration, "lock-file", text);
            fault.hint("restore it, or remove it and write it anew: `orchestrate lock-images`")
        };
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error.to_string())),
        };
        let mut text = String::new();
        file.take(LONGEST_FILE).read_to_string(&mut text).map_err(|error| unreadable(error.to_string()))?;
        let lock: Self = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        if lock.version != VERSION {
            return Err(unreadable(format!("it has version {}, and this `orchestrate` reads {VERSION}", lock.version)));
        }
        Ok(Some(lock))
    }

    /// The file's text: sorted, so that it only changes where a digest does.
    pub fn to_text(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("a lock has only string keys");
        format!("{text}\n")
    }

    /// Pins the images of a plan; what the lock does not have is warned of.
    pub fn pin(&self, loaded: &mut Loaded) {
        let mut unknown: BTreeMap<ImageReference, Diagnostic> = BTreeMap::new();
        let Loaded { plan, document, warnings, .. } = loaded;
        for (name, service) in &mut plan.services {
            let Some(image) = service.image.clone().filter(|image| is_lockable(service, image)) else { continue };
            match self.images.get(&image) {
                Some(digest) => {
                    let pinned = image.pinned(digest);
                    Arc::make_mut(service).image = Some(pinned.unwrap_or(image));
                }
                None => {
                    let text = format!("the image `{image}` is not in `{LOCK_FILE}`, so whatever it leads to is used");
                    let warning = Diagnostic::warning("image-not-locked", Class::Configuration, text);
                    let mut warning = warning.hint("`orchestrate lock-images` adds it");
                    let origin = document.origin(&["services", name.as_str(), "image"]);
                    warning.detail = origin.map(|origin| format!("written at {}", origin.position));
                    unknown.entry(image).or_insert(warning);
                }
            }
        }
        warnings.extend(unknown.into_values());
    }
}

/// Whether a service's image is one that a lock knows: out of a registry, and not pinned in the plan.
pub(super) fn is_lockable(service: &crate::plan::Service, image: &ImageReference) -> bool {
    service.build.is_none() && service.runtime() == RuntimeKind::Docker && !image.is_pinned()
}
