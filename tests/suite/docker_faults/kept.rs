//! What lies in volumes, as the daemon's archives put it there and give it back.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read as _},
};

use serde_json::json;

use super::{
    http::{Reply, Request},
    world::World,
};

/// How much of an archive reaches the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Whole,
    /// Half of each file.
    Torn,
}

pub type Files = BTreeMap<String, Vec<u8>>;

/// The project's files of a vault, a line each, without the generations' numbers.
pub fn told(volume: &str, files: &Files) -> Vec<String> {
    let mut newest = BTreeMap::<&str, (u64, String)>::new();
    for (name, bytes) in files {
        let Some((path, _)) = name.rsplit_once('/') else { continue };
        let text = String::from_utf8_lossy(bytes);
        let Some((header, content)) = text.split_once('\n') else { continue };
        let words: Vec<&str> = header.split(' ').collect();
        let [_, _, generation, kind, length, _] = words[..] else { continue };
        if length.parse() != Ok(content.len()) {
            continue;
        }
        let found = (generation.parse().unwrap(), format!("{volume}/{path} {kind} {content}"));
        let known = newest.entry(path).or_insert_with(|| found.clone());
        if found.0 > known.0 {
            *known = found;
        }
    }
    newest.into_values().map(|(_, line)| line).filter(|line| !line.contains(" gone ")).collect()
}

impl World {
    /// The volume that a container has, and where.
    fn mounted(&self, id: &str) -> Option<(String, String)> {
        let mount = &self.container(id)?.asked["HostConfig"]["Mounts"][0];
        Some((mount["Source"].as_str()?.to_owned(), mount["Target"].as_str()?.to_owned()))
    }

    pub(super) fn read_archive(&self, id: &str, request: &Request) -> Reply {
        let path = request.query("path");
        let absent = || Reply::error(404, format!("Could not find the file {path} in container {id}"));
        let Some((volume, target)) = self.mounted(id) else { return absent() };
        let Some(below) = path.strip_prefix(&target) else { return absent() };
        let nothing = Files::new();
        let files = self.files.get(&volume).unwrap_or(&nothing);
        let below = below.trim_start_matches('/');
        let prefix = if below.is_empty() { String::new() } else { format!("{below}/") };
        let leaf = path.rsplit('/').next().unwrap_or_default();
        let mut archive = tar::Builder::new(Vec::new());
        let mut directory = tar::Header::new_gnu();
        directory.set_entry_type(tar::EntryType::Directory);
        directory.set_size(0);
        archive.append_data(&mut directory, format!("{leaf}/"), std::io::empty()).unwrap();
        let mut count = 0;
        for (name, content) in files {
            let Some(name) = name.strip_prefix(&prefix) else { continue };
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, format!("{leaf}/{name}"), content.as_slice()).unwrap();
            count += 1;
        }
        if count == 0 && !prefix.is_empty() {
            return absent();
        }
        Reply::Stream { text: archive.into_inner().unwrap(), stays_open: false }
    }

    pub(super) fn write_archive(&mut self, id: &str, request: &Request, extent: Extent) -> Reply {
        let Some((volume, _)) = self.mounted(id) else { return Reply::error(404, "no such path") };
        let files = self.files.entry(volume).or_default();
        for entry in tar::Archive::new(Cursor::new(&request.content)).entries().unwrap().map(Result::unwrap) {
            if entry.header().entry_type() != tar::EntryType::Regular {
                continue;
            }
            let (name, size) = (entry.path().unwrap().display().to_string(), entry.size());
            let mut content = Vec::new();
            let length = if extent == Extent::Torn { size / 2 } else { size };
            entry.take(length).read_to_end(&mut content).unwrap();
            files.insert(name, content);
        }
        Reply::Json(200, json!(null))
    }

    /// Writes half of what is in an archive.
    pub fn tear(&mut self, container: &str, request: &Request) -> Reply {
        let Some(id) = self.container(container).map(|container| container.id.clone()) else {
            return Reply::error(404, format!("No such container: {container}"));
        };
        self.write_archive(&id, request, Extent::Torn)
    }

    pub(super) fn remove_volume(&mut self, name: &str) -> Reply {
        let has_it = |id: &str| self.mounted(id).is_some_and(|(volume, _)| volume == name);
        if let Some(user) = self.containers.iter().find(|container| has_it(&container.id)) {
            return Reply::error(409, format!("remove {name}: volume is in use - [{}]", user.id));
        }
        if self.volumes.remove(name).is_none() {
            return Reply::error(404, format!("get {name}: no such volume"));
        }
        self.files.remove(name);
        self.act_on_volume("remove", name);
        Reply::Empty
    }
}
