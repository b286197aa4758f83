use std::collections::BTreeMap;

use serde::Serialize;

use super::{Ink, Tone, count, json::versioned_json};
use crate::plan::ImageReference;

/// Which images a plan's references are pinned to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageLockReport {
    pub file: String,
    pub images: Vec<LockedImage>,
    /// Those that were pinned before, and are in the plan no more.
    pub dropped: Vec<ImageReference>,
    /// Those that were made on the engine and are in no registry: they have no digest.
    pub skipped: Vec<ImageReference>,
}

/// One reference, and what it is pinned to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LockedImage {
    pub image: ImageReference,
    pub digest: String,
    /// What it was pinned to before; none for a new one.
    pub before: Option<String>,
}

impl ImageLockReport {
    pub fn new(
        file: String,
        before: BTreeMap<ImageReference, String>,
        images: BTreeMap<ImageReference, String>,
    ) -> Self {
        let dropped = before.keys().filter(|image| !images.contains_key(*image)).cloned().collect();
        let locked = |(image, digest): (ImageReference, String)| {
            let before = before.get(&image).cloned();
            LockedImage { image, digest, before }
        };
        Self { file, images: images.into_iter().map(locked).collect(), dropped, skipped: Vec::new() }
    }

    /// For programs.
    pub fn to_json(&self) -> String {
        versioned_json(self)
    }

    /// For people: a line for each image that is new, has changed, or is gone, then the count.
    pub fn to_text(&self, ink: Ink) -> String {
        let mut text = String::new();
        for LockedImage { image, digest, before } in &self.images {
            let line = match before {
                Some(before) if before == digest => continue,
                Some(before) => {
                    format!("{} {image}: {} -> {}", ink.paint(Tone::Strong, "~"), short(before), short(digest))
                }
                None => format!("{} {image}: {}", ink.paint(Tone::Good, "+"), short(digest)),
            };
            text.push_str(&format!("{line}\n"));
        }
        for image in &self.dropped {
            text.push_str(&format!("{} {image}\n", ink.paint(Tone::Bad, "-")));
        }
        for image in &self.skipped {
            let mark = ink.paint(Tone::Notable, "!");
            text.push_str(&format!("{mark} {image}: left out, as no registry gives it: it has no digest there\n"));
        }
        text.push_str(&format!("{} in {}\n", count(self.images.len(), "image"), self.file));
        text
    }
}

/// A digest's first digits.
fn short(digest: &str) -> &str {
    digest.get(..19).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_told() {
        let pins = |pairs: &[(&str, &str)]| -> BTreeMap<ImageReference, String> {
            let pin = |(image, digest): &(&str, &str)| (image.parse().unwrap(), format!("sha256:{digest:0<64}"));
            pairs.iter().map(pin).collect()
        };
        let before = pins(&[("a:1", "1"), ("b:1", "2"), ("old", "3")]);
        let report = ImageLockReport::new(
            "orchestrate.lock".to_owned(),
            before,
            pins(&[("a:1", "1"), ("b:1", "4"), ("c", "5")]),
        );
        let report = ImageLockReport { skipped: vec!["here:1".parse().unwrap()], ..report };
        let expected = "\
~ b:1: sha256:200000000000 -> sha256:400000000000
+ c: sha256:500000000000
- old
! here:1: left out, as no registry gives it: it has no digest there
3 images in orchestrate.lock
";
        assert_eq!(report.to_text(Ink::Plain), expected);
    }
}
