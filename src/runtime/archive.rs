//! Tar archives of files on this host, out and in. What comes in is not trusted: nothing is written
//! outside the directory that it goes to, whatever the archive says.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink},
    path::{Component, Path, PathBuf},
};

use futures_util::stream::BoxStream;
use tar::{Archive, Builder, Entry, EntryType};
use tokio::sync::mpsc;

/// Chunks that wait between the two sides.
const QUEUE: usize = 8;
const CHUNK_BYTES: usize = 64 << 10;

/// What an archive is made of, chunk by chunk.
pub type Chunks = BoxStream<'static, io::Result<Vec<u8>>>;

/// What the first part of each path in an archive becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    Named(String),
    /// It stays as it is.
    AsItIs,
    /// It goes: only what is in the directory is taken.
    Contents,
}

/// Writes what is at a path as an archive whose first entry is called `name`.
///
/// # Errors
/// If it cannot be read or written.
pub fn pack(source: &Path, name: &str, follow_links: bool, output: impl Write) -> io::Result<()> {
    let mut builder = Builder::new(io::BufWriter::with_capacity(CHUNK_BYTES, output));
    builder.follow_symlinks(follow_links);
    // What was named may be a link all the same: a path with a slash at its end means its target.
    let facts = if follow_links { fs::metadata(source)? } else { fs::symlink_metadata(source)? };
    match facts.is_dir() {
        true => builder.append_dir_all(name, source)?,
        false => builder.append_path_with_name(source, name)?,
    }
    builder.into_inner()?.flush()
}

/// `pack`, on a thread of its own.
pub fn packed(source: PathBuf, name: String, follow_links: bool) -> Chunks {
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::task::spawn_blocking(move || {
        let result = pack(&source, &name, follow_links, ChunkWriter(sender.clone()));
        if let Err(error) = result {
            // Whoever reads may have gone: then nobody has to hear of it.
            drop(sender.blocking_send(Err(error)));
        }
    });
    Box::pin(futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    }))
}

/// Writes what an archive holds below a directory, which has to be there. Answers what was left out.
///
/// # Errors
/// If an entry would lie outside of it, or cannot be written: what came before it stays.
pub fn unpack(archive: impl Read, directory: &Path, root: &Root) -> io::Result<Vec<String>> {
    let mut left_out = Vec::new();
    let mut made = Vec::new();
    for entry in Archive::new(archive).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let Some(relative) = placed(&path, root)? else { continue };
        match place(&mut entry, directory, &relative, root)? {
            Placed::Directory(path, mode) => made.push((path, mode)),
            Placed::Other => {}
            Placed::LeftOut => left_out.push(path.display().to_string()),
        }
    }
    // Last, so that one that is read-only can be filled; those within first.
    for (path, mode) in made.into_iter().rev() {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    Ok(left_out)
}

/// `unpack`, on a thread of its own.
///
/// # Errors
/// As `unpack`, and if the chunks break off.
pub async fn unpacked(mut chunks: Chunks, directory: PathBuf, root: Root) -> io::Result<Vec<String>> {
    use futures_util::StreamExt as _;
    let (sender, receiver) = mpsc::channel(QUEUE);
    let reading = tokio::task::spawn_blocking(move || {
        let mut reader = ChunkReader { receiver, chunk: Vec::new(), position: 0 };
        let left_out = unpack(&mut reader, &directory, &root)?;
        // What follows the archive's end is read, so that whoever writes it can end.
        io::copy(&mut reader, &mut io::sink())?;
        Ok(left_out)
    });
    while let Some(chunk) = chunks.next().await {
        if sender.send(chunk).await.is_err() {
            break;
        }
    }
    drop(sender);
    reading.await.map_err(io::Error::other)?
}

enum Placed {
    Directory(PathBuf, u32),
    Other,
    /// A device or the like.
    LeftOut,
}

/// Where an entry goes below the directory; `None` for the root itself if only its contents count.
fn placed(path: &Path, root: &Root) -> io::Result<Option<PathBuf>> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => parts.push(part),
            Component::CurDir => {}
            // An absolute path means one below the root, as everywhere.
            Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(hostile(path)),
        }
    }
    let within: PathBuf = parts.iter().skip(1).collect();
    let relative = match root {
        // An empty path joined to a name would make it a directory's.
        Root::Named(name) if within.as_os_str().is_empty() => PathBuf::from(name),
        Root::Named(name) => Path::new(name).join(within),
        Root::AsItIs => parts.iter().collect(),
        Root::Contents => within,
    };
    Ok(Some(relative).filter(|relative| !relative.as_os_str().is_empty()))
}

fn hostile(path: &Path) -> io::Error {
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("`{}` would lie outside of the destination", path.display()),
    )
}

fn place(entry: &mut Entry<'_, impl Read>, directory: &Path, relative: &Path, root: &Root) -> io::Result<Placed> {
    let target = make_parents(directory, relative)?;
    let mode = entry.header().mode().unwrap_or(0o644) & 0o777;
    match entry.header().entry_type() {
        EntryType::Directory => match fs::symlink_metadata(&target) {
            Ok(found) if found.is_dir() => Ok(Placed::Other),
            Ok(_) => Err(hostile(relative)),
            Err(_) => {
                fs::create_dir(&target)?;
                Ok(Placed::Directory(target, mode | 0o700))
            }
        },
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            remove_file(&target)?;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode | 0o200).open(&target)?;
            io::copy(entry, &mut file)?;
            file.set_permissions(Permissions::from_mode(mode))?;
            let changed = entry.header().mtime().unwrap_or(0);
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(changed))?;
            Ok(Placed::Other)
        }
        EntryType::Symlink => {
            let link = entry.link_name()?.ok_or_else(|| hostile(relative))?.into_owned();
            remove_file(&target)?;
            symlink(link, &target)?;
            Ok(Placed::Other)
        }
        EntryType::Link => {
            let link = entry.link_name()?.ok_or_else(|| hostile(relative))?.into_owned();
            let other = placed(&link, root)?.ok_or_else(|| hostile(&link))?;
            let other = make_parents(directory, &other)?;
            if !fs::symlink_metadata(&other)?.is_file() {
                return Err(hostile(&link));
            }
            remove_file(&target)?;
            fs::hard_link(other, &target)?;
            Ok(Placed::Other)
        }
        _ => Ok(Placed::LeftOut),
    }
}

/// The path below the directory, whose parents are directories and no links. Those that are not
/// there are made.
fn make_parents(directory: &Path, relative: &Path) -> io::Result<PathBuf> {
    let mut path = directory.to_owned();
    for part in relative.parent().into_iter().flat_map(Path::components) {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(hostile(relative)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(&path)?,
            Err(error) => return Err(error),
        }
    }
    Ok(directory.join(relative))
}

/// Makes room for a file. A directory is in the way.
fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

struct ChunkWriter(mpsc::Sender<io::Result<Vec<u8>>>);

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(bytes.to_vec()));
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct ChunkReader {
    receiver: mpsc::Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    position: usize,
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.position == self.chunk.len() {
            match self.receiver.blocking_recv() {
                Some(chunk) => (self.chunk, self.position) = (chunk?, 0),
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.chunk.len() - self.position);
        buffer[..length].copy_from_slice(&self.chunk[self.position..self.position + length]);
        self.position += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use tar::Header;

    use super::*;

    /// An archive of entries: type, path as it is written, and content or link.
    fn archive(entries: &[(EntryType, &str, &str)]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (kind, path, text) in entries {
            let mut header = Header::new_gnu();
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o4755);
            let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
            let content = if is_link { "" } else { text };
            if is_link {
                header.as_gnu_mut().unwrap().linkname[..text.len()].copy_from_slice(text.as_bytes());
            }
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    /// What is tried, and the archive that does.
    type Case = (&'static str, &'static [(EntryType, &'static str, &'static str)]);

    #[test]
    fn a_hostile_archive_writes_nothing_outside() {
        use EntryType::{Directory, Link, Regular, Symlink};

        let table: [Case; 7] = [
            ("upwards", &[(Regular, "a/../../out", "x")]),
            ("through a link", &[(Directory, "a", ""), (Symlink, "a/l", "../.."), (Regular, "a/l/out", "x")]),
            ("through an absolute link", &[(Directory, "a", ""), (Symlink, "a/l", "{out}"), (Regular, "a/l/out", "x")]),
            ("a link as a directory", &[(Directory, "a", ""), (Symlink, "a/l", "{out}"), (Directory, "a/l", "")]),
            ("a hard link to a file outside", &[(Directory, "a", ""), (Link, "a/h", "../secret")]),
            (
                "a hard link through a link",
                &[(Directory, "a", ""), (Symlink, "a/l", "{out}"), (Link, "a/h", "a/l/secret")],
            ),
            ("a hard link to a link", &[(Directory, "a", ""), (Symlink, "a/l", "{out}/secret"), (Link, "a/h", "a/l")]),
        ];
        for (name, entries) in table {
            let outside = tempfile::tempdir().unwrap();
            fs::write(outside.path().join("secret"), "s").unwrap();
            let destination = outside.path().join("in");
            fs::create_dir(&destination).unwrap();
            let out = outside.path().display().to_string();
            let entries: Vec<(EntryType, &str, String)> =
                entries.iter().map(|(kind, path, text)| (*kind, *path, text.replace("{out}", &out))).collect();
            let entries: Vec<_> = entries.iter().map(|(kind, path, text)| (*kind, *path, text.as_str())).collect();
            let result = unpack(archive(&entries).as_slice(), &destination, &Root::Named("a".to_owned()));
            assert!(result.is_err(), "{name}");
            let mut left: Vec<_> = fs::read_dir(outside.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
            left.sort();
            assert_eq!(left, ["in", "secret"], "{name}");
        }
    }

    #[test]
    fn a_link_in_the_way_is_replaced_and_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        let at = |name: &str| outside.path().join(name);
        fs::write(at("secret"), "s").unwrap();
        fs::create_dir(at("in")).unwrap();
        symlink(at("secret"), at("in/file")).unwrap();
        unpack(archive(&[(EntryType::Regular, "f", "new")]).as_slice(), &at("in"), &Root::Named("file".to_owned()))
            .unwrap();
        assert_eq!(
            (fs::read(at("secret")).unwrap(), fs::read(at("in/file")).unwrap()),
            (b"s".to_vec(), b"new".to_vec())
        );
        // Nothing runs as its owner because an archive says so.
        assert_eq!(fs::metadata(at("in/file")).unwrap().permissions().mode() & 0o7777, 0o755);
    }

    #[test]
    fn what_is_packed_comes_out_again_under_its_new_name() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir_all(at("from/sub")).unwrap();
        fs::write(at("from/sub/file"), "text").unwrap();
        symlink("sub/file", at("from/link")).unwrap();
        let packed = |follow| {
            let mut bytes = Vec::new();
            pack(&at("from"), "from", follow, &mut bytes).unwrap();
            bytes
        };
        fs::create_dir(at("to")).unwrap();
        unpack(packed(false).as_slice(), &at("to"), &Root::Named("new".to_owned())).unwrap();
        assert_eq!(fs::read_link(at("to/new/link")).unwrap(), Path::new("sub/file"));
        unpack(packed(true).as_slice(), &at("to"), &Root::Contents).unwrap();
        assert_eq!(fs::read(at("to/link")).unwrap(), b"text");
        assert!(fs::symlink_metadata(at("to/link")).unwrap().is_file());
    }
}
