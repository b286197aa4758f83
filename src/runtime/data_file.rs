//! A file of a snapshot: written as it comes in, never held in memory, and seen only once it is
//! whole.

use std::{
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use tokio::{
    fs::{File, OpenOptions},
    io::{AsyncReadExt as _, AsyncWriteExt as _},
};

use crate::{action::Effect, diagnostic::Class, name::Digest, observed::Fault};

/// Bytes that are read at once.
pub(super) const CHUNK_BYTES: usize = 64 << 10;

/// A file that is being written, under another name until it is whole. It is removed if it never is.
pub(super) struct DataFile {
    file: File,
    path: PathBuf,
    draft: Draft,
    hash: Sha256,
    bytes: u64,
}

/// The file's name until it is whole.
struct Draft {
    path: PathBuf,
    is_kept: bool,
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_kept {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

impl DataFile {
    /// Begins to write a file. What an earlier try left of it is thrown away.
    pub async fn create(path: &str) -> Result<Self, Fault> {
        let path = PathBuf::from(path);
        let draft = path.with_extension("part");
        let begin = async {
            let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            match std::fs::remove_file(&draft) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).await
        };
        let file = begin.await.map_err(|error| refused("make", &draft, &error))?;
        Ok(Self { file, path, draft: Draft { path: draft, is_kept: false }, hash: Sha256::new(), bytes: 0 })
    }

    pub async fn write(&mut self, chunk: &[u8]) -> Result<(), Fault> {
        self.hash.update(chunk);
        self.bytes += chunk.len() as u64;
        self.file.write_all(chunk).await.map_err(|error| refused("write", &self.path, &error))
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The file is whole: it is made durable, and gets its name.
    pub async fn finish(mut self) -> Result<Effect, Fault> {
        let end = async {
            self.file.flush().await?;
            self.file.sync_all().await?;
            std::fs::rename(&self.draft.path, &self.path)?;
            std::fs::File::open(self.path.parent().unwrap_or(Path::new("/")))?.sync_all()
        };
        end.await.map_err(|error| refused("write", &self.path, &error))?;
        self.draft.is_kept = true;
        Ok(Effect::Saved { bytes: self.bytes, digest: Digest::from_hash(&self.hash.finalize()) })
    }
}

/// What is in a file that an earlier try has written whole, if one has.
pub(super) async fn written_before(path: &str) -> Result<Option<Effect>, Fault> {
    let path = Path::new(path);
    let fault = |error: io::Error| refused("read", path, &error);
    let mut file = match open_unfollowed(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(error)),
    };
    let (mut hash, mut bytes, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK_BYTES]);
    while let length @ 1.. = file.read(&mut chunk).await.map_err(fault)? {
        hash.update(&chunk[..length]);
        bytes += length as u64;
    }
    Ok(Some(Effect::Saved { bytes, digest: Digest::from_hash(&hash.finalize()) }))
}

/// Opens a file of a snapshot to read it.
pub(super) async fn open(path: &Path) -> Result<File, Fault> {
    open_unfollowed(path).await.map_err(|error| refused("read", path, &error))
}

async fn open_unfollowed(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
    OpenOptions::new().read(true).custom_flags(flags).open(path).await
}

fn refused(doing: &str, path: &Path, error: &io::Error) -> Fault {
    let text = format!("cannot {doing} `{}`: {error}", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Fault::new(Class::Permission, "file-denied", text).hint("check who owns the state directory")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Fault::new(Class::Resource, "disk-full", text)
            .hint(
                "make room, with `orchestrate snapshot prune` for instance, or go on without saving: `--no-snapshot`",
            ),
        _ => Fault::new(Class::Deployment, "file-failed", text),
    }
}

/// The last of what a command said besides its data, for the message about its failure.
#[derive(Default)]
pub(super) struct LastWords(Vec<u8>);

impl LastWords {
    const BYTES: usize = 2 << 10;

    pub fn hear(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        let surplus = self.0.len().saturating_sub(Self::BYTES);
        self.0.drain(..surplus);
    }

    /// Its last lines as one; what to say if there are none.
    pub fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.0);
        let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        match spaced.split_whitespace().collect::<Vec<_>>().join(" ") {
            none if none.is_empty() => "it said nothing".to_owned(),
            words => words,
        }
    }
}

/// Judges a command by its end: one that dumps has to have written something.
pub(super) fn dump_ended(name: &str, exit_code: i64, bytes: u64, words: &LastWords) -> Result<(), Fault> {
    let text = match (exit_code, bytes) {
        (0, 1..) => return Ok(()),
        (0, 0) => format!("the dump of `{name}` is empty: {}", words.text()),
        (code, _) => format!("the dump command of `{name}` ended with exit code {code}: {}", words.text()),
    };
    Err(Fault::new(Class::Deployment, "dump-failed", text)
        .hint("try the service's `snapshot.dump` by hand; `--no-snapshot` goes on without saving"))
}

/// Judges a command that took a dump back.
pub(super) fn feed_ended(name: &str, exit_code: i64, words: &LastWords) -> Result<(), Fault> {
    if exit_code == 0 {
        return Ok(());
    }
    let text = format!("the restore command of `{name}` ended with exit code {exit_code}: {}", words.text());
    Err(Fault::new(Class::Deployment, "restore-failed", text).hint("try the service's `snapshot.restore` by hand"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn a_file_is_seen_whole_or_not_at_all() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("data/db.dump");
        let text = path.display().to_string();
        let mut file = DataFile::create(&text).await.unwrap();
        file.write(b"one ").await.unwrap();
        assert!(!path.exists());
        drop(file);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
        assert_eq!(written_before(&text).await.unwrap(), None);

        std::fs::write(path.with_extension("part"), "left by a crash").unwrap();
        let mut file = DataFile::create(&text).await.unwrap();
        file.write(b"one ").await.unwrap();
        file.write(b"two").await.unwrap();
        let saved = file.finish().await.unwrap();
        assert_eq!(saved, Effect::Saved { bytes: 7, digest: Digest::of(b"one two") });
        assert_eq!(std::fs::read(&path).unwrap(), b"one two");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(written_before(&text).await.unwrap(), Some(saved));
    }

    #[tokio::test]
    async fn links_are_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("db.dump");
        std::fs::write(place.path().join("target"), "x").unwrap();
        std::os::unix::fs::symlink(place.path().join("target"), &path).unwrap();
        assert!(written_before(&path.display().to_string()).await.is_err());
        assert!(open(&path).await.is_err());
    }

    #[test]
    fn a_command_is_judged_by_its_end() {
        let mut words = LastWords::default();
        let judge = |code, bytes, words: &LastWords| match dump_ended("db-1", code, bytes, words) {
            Ok(()) => "good".to_owned(),
            Err(fault) => fault.text,
        };
        assert_eq!(judge(0, 1, &words), "good");
        assert_eq!(judge(0, 0, &words), "the dump of `db-1` is empty: it said nothing");
        words.hear(b"no such\n role\n");
        assert_eq!(judge(1, 9, &words), "the dump command of `db-1` ended with exit code 1: no such role");
        words.hear(&[b'a'; 5000]);
        assert_eq!(words.text().len(), LastWords::BYTES);
        assert!(feed_ended("db-1", 0, &words).is_ok());
    }
}
