//! A file of a vault as it lies there: a directory with two slots, each with a generation of it, so
//! that one call reads both.
//!
//! The engine writes a file in place, so a crash can leave a part of it. A write therefore goes to
//! the slot that does not hold the present generation, and each slot says how long it is and what
//! its hash is: one that is torn is passed over, and the generation before still counts.

use std::collections::{BTreeMap, BTreeSet};

use crate::{diagnostic::Class, name::Digest, observed::Fault, runtime::VaultFiles};

/// The format that is written: a line of words, then the content.
const FORMAT: u64 = 1;
const MAGIC: &str = "orchestrate-vault";
/// The longest first line that is looked at; ours are below 160.
const HEADER_BYTES: usize = 256;
const SLOTS: [&str; 2] = ["0", "1"];
const DEPTH: usize = 4;
const PATH_BYTES: usize = 200;

/// What a slot holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Slot {
    /// `None`: the file was removed in this generation.
    Whole {
        generation: u64,
        content: Option<Vec<u8>>,
    },
    Torn,
}

/// All slots of a vault, by the files' paths.
#[derive(Debug, Default)]
pub(super) struct Slots {
    files: BTreeMap<String, [Option<Slot>; 2]>,
    /// What they take together.
    bytes: u64,
}

impl Slots {
    /// Reads what lies in a vault: contents by name. What has no slot's name is not ours to judge,
    /// and is passed over.
    ///
    /// # Errors
    /// If a newer version wrote a slot.
    pub fn read(raw: BTreeMap<String, Vec<u8>>) -> Result<Self, Fault> {
        let mut slots = Self::default();
        for (name, bytes) in raw {
            slots.bytes += bytes.len() as u64;
            let Some((path, index)) = path_of(&name) else { continue };
            let slot = decode(&bytes).map_err(|found| newer(&name, found))?;
            slots.files.entry(path.to_owned()).or_default()[index] = Some(slot);
        }
        Ok(slots)
    }

    /// What the project keeps.
    pub fn into_files(self) -> VaultFiles {
        let mut files = VaultFiles::default();
        for (path, mut slots) in self.files {
            match current(&slots) {
                None => drop(files.lost.insert(path)),
                Some((index, _)) => {
                    if let Some(Slot::Whole { content: Some(content), .. }) = slots[index].take() {
                        files.whole.insert(path, content);
                    }
                }
            }
        }
        files
    }

    /// One file.
    pub fn file(&self, path: &str) -> VaultFiles {
        let of_path = self.files.get(path).map(|slots| (path.to_owned(), slots.clone()));
        Self { files: of_path.into_iter().collect(), bytes: 0 }.into_files()
    }

    /// Takes note of what was written.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn note(&mut self, written: Vec<(String, Vec<u8>)>) -> Result<(), Fault> {
        let Self { files, bytes } = Self::read(written.into_iter().collect())?;
        for (path, slots) in files {
            let known = self.files.entry(path).or_default();
            for (index, slot) in slots.into_iter().enumerate().filter(|(_, slot)| slot.is_some()) {
                known[index] = slot;
            }
        }
        self.bytes += bytes;
        Ok(())
    }

    /// What all slots take together.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What to write so that the file has this content: a name and its bytes.
    pub fn next(&self, path: &str, content: &[u8]) -> (String, Vec<u8>) {
        let (index, generation) = self.free_slot(path);
        (slot_name(path, index), encode(generation, Some(content)))
    }

    /// What to write so that the file is gone, in this order: nothing if it is gone already. Its
    /// slots stay, without content, since the engine's archives cannot take a name away.
    pub fn removal(&self, path: &str) -> Vec<(String, Vec<u8>)> {
        let present = self.files.get(path).and_then(current_content);
        let is_gone = match (present, self.files.contains_key(path)) {
            (Some(content), _) => content.is_none(),
            // What is lost becomes removed, so that nobody is told of it again.
            (None, is_known) => !is_known,
        };
        if is_gone {
            return Vec::new();
        }
        let (index, generation) = self.free_slot(path);
        let slot = |index, generation| (slot_name(path, index), encode(generation, None));
        vec![slot(index, generation), slot(1 - index, generation.saturating_add(1))]
    }

    /// The slot that does not hold the present generation, and the number of the next one.
    fn free_slot(&self, path: &str) -> (usize, u64) {
        match self.files.get(path).and_then(current) {
            Some((index, generation)) => (1 - index, generation.saturating_add(1)),
            None => (0, 1),
        }
    }
}

/// Refuses what is no path of a vault.
pub(super) fn check_path(path: &str) -> Result<(), Fault> {
    let is_name = |name: &str| {
        let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !name.is_empty() && !name.starts_with('.') && !SLOTS.contains(&name) && name.chars().all(is_letter)
    };
    let is_sound = path.len() <= PATH_BYTES && path.split('/').count() <= DEPTH && path.split('/').all(is_name);
    match is_sound {
        true => Ok(()),
        false => {
            let text = format!("`{}` cannot be the path of a file in a vault", super::fault::clean(path));
            Err(Fault::new(Class::Configuration, "vault-path-invalid", text))
        }
    }
}

fn slot_name(path: &str, index: usize) -> String {
    format!("{path}/{}", SLOTS[index])
}

fn path_of(name: &str) -> Option<(&str, usize)> {
    let (path, slot) = name.rsplit_once('/')?;
    let index = SLOTS.iter().position(|known| *known == slot)?;
    check_path(path).is_ok().then_some((path, index))
}

/// The slot of the present generation, and its number.
fn current(slots: &[Option<Slot>; 2]) -> Option<(usize, u64)> {
    let generation = |slot: &Option<Slot>| match slot {
        Some(Slot::Whole { generation, .. }) => Some(*generation),
        Some(Slot::Torn) | None => None,
    };
    let whole = slots.iter().enumerate().filter_map(|(index, slot)| Some((index, generation(slot)?)));
    whole.max_by_key(|(_, generation)| *generation)
}

fn current_content(slots: &[Option<Slot>; 2]) -> Option<&Option<Vec<u8>>> {
    match &slots[current(slots)?.0] {
        Some(Slot::Whole { content, .. }) => Some(content),
        Some(Slot::Torn) | None => None,
    }
}

fn newer(name: &str, found: u64) -> Fault {
    let text =
        format!("`{name}` in the vault was written by a newer version (format {found}, this one knows {FORMAT})");
    Fault::new(Class::Configuration, "vault-newer", text)
        .hint("use the version of orchestrate that wrote it, or a later one")
}

/// What the hash covers: also the words that say how to read the content.
fn hash(words: &str, content: &[u8]) -> Digest {
    Digest::of(&[words.as_bytes(), b"\n", content].concat())
}

fn encode(generation: u64, content: Option<&[u8]>) -> Vec<u8> {
    let bytes = content.unwrap_or_default();
    let kind = if content.is_some() { "kept" } else { "gone" };
    let words = format!("{MAGIC} {FORMAT} {generation} {kind} {}", bytes.len());
    let digest = hash(&words, bytes);
    [words.as_bytes(), b" ", digest.hex().as_bytes(), b"\n", bytes].concat()
}

/// Reads a slot; the error is the format of a newer version.
fn decode(bytes: &[u8]) -> Result<Slot, u64> {
    let end = bytes.iter().take(HEADER_BYTES).position(|&byte| byte == b'\n');
    let Some((header, content)) = end.map(|end| (&bytes[..end], &bytes[end + 1..])) else { return Ok(Slot::Torn) };
    let Some((words, digest)) = std::str::from_utf8(header).ok().and_then(|header| header.rsplit_once(' ')) else {
        return Ok(Slot::Torn);
    };
    let parts: Vec<&str> = words.split(' ').collect();
    if let [MAGIC, format, ..] = parts.as_slice()
        && let Ok(format) = format.parse::<u64>()
        && format > FORMAT
    {
        return Err(format);
    }
    let &[MAGIC, _, generation, kind, length] = parts.as_slice() else { return Ok(Slot::Torn) };
    let is_whole = length.parse() == Ok(content.len()) && hash(words, content).hex() == digest;
    Ok(match (generation.parse(), kind, is_whole) {
        (Ok(generation), "kept", true) => Slot::Whole { generation, content: Some(content.to_vec()) },
        (Ok(generation), "gone", true) => Slot::Whole { generation, content: None },
        _ => Slot::Torn,
    })
}

/// The paths of several files, each of which has to be one.
pub(super) fn check_paths<'a>(paths: impl IntoIterator<Item = &'a String>) -> Result<(), Fault> {
    paths.into_iter().try_for_each(|path| check_path(path))
}

/// The directories that these names lie in, outermost first.
pub(super) fn directories<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let all = names.into_iter().flat_map(|name| name.match_indices('/').map(|(end, _)| name[..end].to_owned()));
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Raw = BTreeMap<String, Vec<u8>>;

    fn write(raw: &mut Raw, path: &str, content: &str) {
        let (name, bytes) = Slots::read(raw.clone()).unwrap().next(path, content.as_bytes());
        raw.insert(name, bytes);
    }

    fn told(raw: &Raw) -> String {
        let files = Slots::read(raw.clone()).unwrap().into_files();
        let whole = files.whole.iter().map(|(path, content)| format!("{path}={}", String::from_utf8_lossy(content)));
        let lost = files.lost.iter().map(|path| format!("{path} lost"));
        whole.chain(lost).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_newest_whole_generation_counts() {
        let mut raw = Raw::new();
        assert_eq!(told(&raw), "");
        for content in ["one", "two", "three"] {
            write(&mut raw, "d/a", content);
            assert_eq!(told(&raw), format!("d/a={content}"));
        }
        assert_eq!(raw.keys().collect::<Vec<_>>(), ["d/a/0", "d/a/1"]);
        let names: Vec<&str> = raw.keys().map(String::as_str).collect();
        assert_eq!(directories(names), ["d", "d/a"].map(str::to_owned).into());
    }

    #[test]
    fn a_write_that_was_cut_anywhere_leaves_the_generation_before() {
        let mut raw = Raw::new();
        write(&mut raw, "a", "one");
        let (name, bytes) = Slots::read(raw.clone()).unwrap().next("a", b"two");
        for length in 0..bytes.len() {
            let mut cut = raw.clone();
            cut.insert(name.clone(), bytes[..length].to_vec());
            assert_eq!(told(&cut), "a=one", "{length}");
            write(&mut cut, "a", "three");
            assert_eq!(told(&cut), "a=three", "{length}");
        }
        for at in 0..bytes.len() {
            let mut damaged = raw.clone();
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            damaged.insert(name.clone(), bytes);
            let read = Slots::read(damaged).map(Slots::into_files);
            let is_newer = read.as_ref().is_err_and(|fault| fault.code == "vault-newer");
            assert!(is_newer || read.unwrap().whole["a"] == b"one", "{at}");
        }
    }

    #[test]
    fn a_file_without_a_whole_generation_is_lost_and_can_be_written_again() {
        let mut raw = Raw::from([("a/0".to_owned(), b"orchestrate-vault 1 1 kept 3 00\none".to_vec())]);
        assert_eq!(told(&raw), "a lost");
        write(&mut raw, "a", "new");
        assert_eq!(told(&raw), "a=new");
    }

    #[test]
    fn a_removal_that_was_cut_has_happened_or_not() {
        let mut raw = Raw::new();
        write(&mut raw, "a", "one");
        write(&mut raw, "a", "two");
        let removal = Slots::read(raw.clone()).unwrap().removal("a");
        let expected = ["a=two", "", ""];
        for (count, expected) in expected.into_iter().enumerate() {
            let mut cut = raw.clone();
            cut.extend(removal[..count].iter().cloned());
            if let Some((name, _)) = removal.get(count) {
                cut.insert(name.clone(), b"torn".to_vec());
            }
            assert_eq!(told(&cut), expected, "{count}");
        }
        raw.extend(removal);
        assert!(raw.values().all(|bytes| bytes.len() < HEADER_BYTES));
        assert_eq!(Slots::read(raw.clone()).unwrap().removal("a"), vec![]);
        assert_eq!(Slots::default().removal("b"), vec![]);
        write(&mut raw, "a", "three");
        assert_eq!(told(&raw), "a=three");
    }

    #[test]
    fn what_a_newer_version_wrote_is_refused() {
        let raw = Raw::from([("a/0".to_owned(), b"orchestrate-vault 2 7 compressed x\nbytes".to_vec())]);
        let fault = Slots::read(raw).unwrap_err();
        assert_eq!(fault.text, "`a/0` in the vault was written by a newer version (format 2, this one knows 1)");
    }

    #[test]
    fn paths_stay_in_the_vault_and_apart() {
        for path in ["a", "deployments/0123abcd.json", "a.0", "a/b/c/d"] {
            assert!(check_path(path).is_ok(), "{path}");
        }
        for path in [
            "",
            "/a",
            "a/",
            "a//b",
            "..",
            "a/../b",
            ".a",
            "a/.b",
            "a b",
            "ä",
            "0",
            "a/1/b",
            "a/b/c/d/e",
            &"a".repeat(201),
        ] {
            assert_eq!(check_path(path).unwrap_err().code, "vault-path-invalid", "{path:?}");
        }
    }
}
