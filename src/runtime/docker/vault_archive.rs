//! Files as the engine takes and gives them: a tar archive.

use std::{
    collections::BTreeMap,
    io::{self, Read as _},
};

use tar::{Archive, Builder, EntryType, Header};

use super::{fault, vault_slot};
use crate::{diagnostic::Class, observed::Fault, runtime::VAULT_LIMIT_BYTES};

/// Every archive ends with two blocks of zeros.
pub(super) const END_BYTES: usize = 1024;
/// More files than a vault has: some for each of a few hundred deployments.
const ENTRIES_BOUND: usize = 100_000;
/// The longest archive that is read: what is in a vault, and as much again for the archive's own
/// blocks.
pub(super) const ARCHIVE_LIMIT_BYTES: u64 = 2 * VAULT_LIMIT_BYTES;

/// An archive of these files, in this order, and the directories that they lie in; for root alone.
pub(super) fn pack(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>, Fault> {
    let mut builder = Builder::new(Vec::new());
    let add = |builder: &mut Builder<Vec<u8>>| -> io::Result<()> {
        for directory in vault_slot::directories(files.iter().map(|(name, _)| name.as_str())) {
            builder.append_data(&mut header(EntryType::Directory, 0o700, 0), format!("{directory}/"), io::empty())?;
        }
        for (name, content) in files {
            let mut header = header(EntryType::Regular, 0o600, content.len() as u64);
            builder.append_data(&mut header, name, content.as_slice())?;
        }
        Ok(())
    };
    let packed = add(&mut builder).and_then(|()| builder.into_inner());
    packed.map_err(|error| Fault::new(Class::Deployment, "vault-unwritable", format!("cannot pack the vault: {error}")))
}

/// Whether an archive whose last bytes these are is whole.
pub(super) fn is_end(bytes: &[u8]) -> bool {
    bytes.len() == END_BYTES && bytes.iter().all(|byte| *byte == 0)
}

/// Whether there is nothing in an archive, or nothing but a directory, as far as its beginning tells.
pub(super) fn has_only_root(beginning: &[u8]) -> bool {
    let mut archive = Archive::new(beginning);
    let Ok(entries) = archive.entries() else { return false };
    let mut found = entries.map(|entry| entry.map(|entry| entry.header().entry_type()));
    match found.next() {
        None => true,
        Some(Ok(EntryType::Directory)) => found.next().is_none(),
        Some(_) => false,
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

/// The regular files of an archive, by their paths below `root`. Nothing of it is written anywhere,
/// so links and paths that lead elsewhere do no harm: they are passed over.
pub(super) fn unpack(archive: &[u8], root: &str) -> Result<BTreeMap<String, Vec<u8>>, Fault> {
    read(archive, root).map_err(|error| {
        let text = format!("the vault's archive cannot be read: {}", fault::clean(&error.to_string()));
        Fault::new(Class::Deployment, "vault-unreadable", text)
            .hint("look at it with `docker cp`, or take it away with its volume: what it keeps is lost then")
    })
}

fn read(archive: &[u8], root: &str) -> io::Result<BTreeMap<String, Vec<u8>>> {
    // The engine ends its answer properly also where it could not go on: only this tells.
    if !archive.is_empty() && !archive.ends_with(&[0; END_BYTES]) {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it is cut off"));
    }
    let mut files = BTreeMap::new();
    for (count, entry) in Archive::new(archive).entries()?.enumerate() {
        let entry = entry?;
        if count >= ENTRIES_BOUND {
            return Err(io::Error::other(format!("it has more than {ENTRIES_BOUND} files")));
        }
        if entry.header().entry_type() != EntryType::Regular {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some(path) = path.strip_prefix(root) else { continue };
        let size = entry.size();
        let mut content = Vec::new();
        // A header may promise any size: only what is there is taken.
        entry.take(VAULT_LIMIT_BYTES).read_to_end(&mut content)?;
        if content.len() as u64 != size {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("`{path}` is cut off")));
        }
        files.insert(path.to_owned(), content);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<(String, Vec<u8>)> {
        let long = format!("{}/{}", "d".repeat(90), "f".repeat(90));
        vec![("b".to_owned(), b"bee".to_vec()), ("a/c".to_owned(), vec![0, 255]), (long, vec![7; 3000])]
    }

    #[test]
    fn files_read_back_as_they_were_packed() {
        let archive = pack(&files()).unwrap();
        assert_eq!(unpack(&archive, "").unwrap(), files().into_iter().collect());
        assert_eq!(unpack(&pack(&[]).unwrap(), "").unwrap(), BTreeMap::new());
        let below: Vec<String> = unpack(&archive, "a/").unwrap().into_keys().collect();
        assert_eq!(below, ["c"]);
    }

    #[test]
    fn an_archive_that_is_cut_or_damaged_does_no_harm() {
        let archive = pack(&files()).unwrap();
        for length in (1..archive.len()).step_by(7).chain((1..archive.len() / 512).map(|blocks| blocks * 512)) {
            // Cut off among the zeros that follow the last file, it has lost nothing.
            match unpack(&archive[..length], "") {
                Ok(found) => assert_eq!(found, files().into_iter().collect(), "{length}"),
                Err(fault) => assert_eq!(fault.code, "vault-unreadable", "{length}"),
            }
        }
        for at in 0..archive.len() {
            let mut damaged = archive.clone();
            damaged[at] ^= 0xff;
            drop(unpack(&damaged, ""));
        }
        let mut promise = header(EntryType::Regular, 0o600, u64::MAX / 2);
        promise.set_path("a").unwrap();
        promise.set_cksum();
        assert_eq!(unpack(promise.as_bytes(), "").unwrap_err().code, "vault-unreadable");
    }

    #[test]
    fn an_archive_tells_whether_it_is_whole_and_empty() {
        let archive = pack(&files()).unwrap();
        assert!(is_end(&archive[archive.len() - END_BYTES..]));
        assert!(!is_end(&archive[archive.len() - END_BYTES - 512..archive.len() - 512]));
        assert!(!is_end(&[0; 512]));
        let mut builder = Builder::new(Vec::new());
        builder.append_data(&mut header(EntryType::Directory, 0o700, 0), "v/", io::empty()).unwrap();
        assert!(has_only_root(&builder.into_inner().unwrap()));
        assert!(has_only_root(&pack(&[]).unwrap()));
        assert!(!has_only_root(&archive));
        assert!(!has_only_root(&archive[..700]));
    }

    #[test]
    fn links_are_passed_over() {
        let mut builder = Builder::new(Vec::new());
        let mut link = header(EntryType::Symlink, 0o777, 0);
        builder.append_link(&mut link, "key/0", "/etc/shadow").unwrap();
        assert_eq!(unpack(&builder.into_inner().unwrap(), "").unwrap(), BTreeMap::new());
    }
}
