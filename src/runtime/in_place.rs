//! Files that stay the same file while their contents change: a container has mounted the file, and
//! would go on seeing what was there if another took its name.

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions, Permissions},
    io::{self, Read as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use super::host_file::refused;
use crate::{
    change::FileChange,
    diagnostic::Class,
    observed::{Fault, SeenFile},
    secret::{Secret, Text},
};

/// More than a plan can have in a file: what has grown beyond is no longer what was written.
const LARGEST: u64 = 64 << 20;

/// Why files could not be changed.
#[derive(Debug)]
struct Failed {
    path: PathBuf,
    error: io::Error,
    /// Something may have been written already.
    has_begun: bool,
}

/// Puts other contents into files. Answers whether that changed something.
pub(super) async fn rewrite_all(files: &[FileChange]) -> Result<bool, Fault> {
    let content = |file: &FileChange| (PathBuf::from(&file.path), file.to.expose().to_owned().into_bytes());
    let files: Vec<(PathBuf, Vec<u8>)> = files.iter().map(content).collect();
    let rewritten = tokio::task::spawn_blocking(move || rewrite(&files)).await;
    let lost = |error| Fault::new(Class::Deployment, "file-failed", format!("cannot change files: {error}"));
    rewritten.map_err(|error| lost(error).outcome_unknown())?.map_err(|failed| {
        let fault = refused("change", &failed.path, &failed.error);
        if failed.has_begun { fault.outcome_unknown() } else { fault }
    })
}

/// What is in a file, if that can be seen from here.
pub(super) fn look_into(path: String) -> Option<SeenFile> {
    let content = match read(Path::new(&path)) {
        Ok(bytes) => Some(Text::Secret(Secret::new(String::from_utf8_lossy(&bytes)))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(_) => return None,
    };
    let is_told = !mark_beside(&path).exists();
    Some(SeenFile { path, content, is_told })
}

/// A mark beside an instance's files: they are being changed, and it is to be told. Whoever comes by
/// later finds it, also without the journal of the one who was cut off.
fn mark_beside(path: &str) -> PathBuf {
    Path::new(path).with_file_name(".untold")
}

/// Notes that an instance is to be told of what its files will say.
pub(super) fn begin_telling(files: &[FileChange]) -> Result<(), Fault> {
    let marks = files.iter().map(|file| mark_beside(&file.path)).collect::<BTreeSet<_>>();
    let mut made = marks.into_iter().map(|mark| (File::create(&mark).and_then(|file| file.sync_all()), mark));
    made.try_for_each(|(made, mark)| made.map_err(|error| refused("write", &mark, &error)))
}

/// The instance has been told.
pub(super) fn end_telling(files: &[FileChange]) {
    for mark in files.iter().map(|file| mark_beside(&file.path)) {
        // One that stays is found, and the instance is told again.
        drop(std::fs::remove_file(mark));
    }
}

/// Puts these contents into files that are there. Nothing is written unless all of them can be.
/// Answers whether that changed something.
fn rewrite(files: &[(PathBuf, Vec<u8>)]) -> Result<bool, Failed> {
    let opened = files.iter().map(|(path, content)| {
        let failed = |error| Failed { path: path.clone(), error, has_begun: false };
        let is_other = read(path).map_err(failed)? != *content;
        Ok((is_other.then(|| open(path)).transpose().map_err(failed)?, path, content))
    });
    let mut has_changed = false;
    for (opened, path, content) in opened.collect::<Result<Vec<_>, Failed>>()? {
        let Some(opened) = opened else { continue };
        opened.fill(content).map_err(|error| Failed { path: path.clone(), error, has_begun: true })?;
        has_changed = true;
    }
    Ok(has_changed)
}

/// What is in a file; no symbolic link is followed.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = unfollowed().read(true).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > LARGEST {
        true => Err(io::ErrorKind::FileTooLarge.into()),
        false => Ok(bytes),
    }
}

fn unfollowed() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32);
    options
}

/// A file that can be written, and the mode that it is to have again after.
struct Opened {
    file: File,
    mode: Option<u32>,
}

/// Opens a file for writing. Its own mode may forbid that to its owner, who is let in for the moment.
fn open(path: &Path) -> io::Result<Opened> {
    match unfollowed().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        opened => return opened.map(|file| Opened { file, mode: None }),
    }
    let readable = unfollowed().read(true).open(path)?;
    let mode = readable.metadata()?.permissions().mode() & 0o7777;
    readable.set_permissions(Permissions::from_mode(mode | 0o200))?;
    let opened = unfollowed().write(true).open(path);
    if opened.is_err() {
        drop(readable.set_permissions(Permissions::from_mode(mode)));
    }
    opened.map(|file| Opened { file, mode: Some(mode) })
}

impl Opened {
    fn fill(self, content: &[u8]) -> io::Result<()> {
        let filled = self.file.write_all_at(content, 0).and_then(|()| self.file.set_len(content.len() as u64));
        let closed = self.mode.map_or(Ok(()), |mode| self.file.set_permissions(Permissions::from_mode(mode)));
        filled.and(closed).and_then(|()| self.file.sync_all())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::MetadataExt as _};

    use super::*;

    #[test]
    fn a_file_keeps_what_it_is_and_says_something_else() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("config");
        fs::write(&path, "the first contents").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o440)).unwrap();
        let facts = || {
            let metadata = fs::metadata(&path).unwrap();
            (metadata.ino(), metadata.permissions().mode() & 0o7777)
        };
        let before = facts();
        for (content, changes) in [("short", true), ("short", false), ("longer than it was at first", true), ("", true)]
        {
            assert_eq!(rewrite(&[(path.clone(), content.into())]).unwrap(), changes, "{content}");
            assert_eq!((fs::read_to_string(&path).unwrap().as_str(), facts()), (content, before));
        }
    }

    #[test]
    fn nothing_is_written_unless_all_can_be() {
        let root = tempfile::tempdir().unwrap();
        let (path, link, gone) = (root.path().join("a"), root.path().join("link"), root.path().join("gone"));
        fs::write(&path, "as it was").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for other in [gone, link, root.path().to_owned()] {
            let failed = rewrite(&[(path.clone(), "new".into()), (other.clone(), "new".into())]).unwrap_err();
            assert_eq!((failed.path, failed.has_begun), (other, false));
            assert_eq!(fs::read_to_string(&path).unwrap(), "as it was");
        }
    }
}
