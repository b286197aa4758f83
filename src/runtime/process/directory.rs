use std::{
    fs::{DirBuilder, File},
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::DirBuilderExt as _,
    },
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const DIRECTORY_MODE: Mode = Mode::RWXU;

/// More than any file of ours has; a longer one was not written by us.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// What of a write has to outlive a power failure. Nothing has to for the sake of processes, which
/// do not either: an apply brings back what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// The file is either not there or whole.
    Whole,
    /// Anything may be left.
    UntilReboot,
}

/// An open directory below the state directory. Everything in it is addressed relative to its
/// descriptor, and no symbolic link is followed.
#[derive(Debug)]
pub(super) struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Opens the state directory itself, which the user may have put behind a link.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let fd = rustix::fs::open(path, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// [`open`](Self::open), after making it and what is missing above it.
    pub(super) fn make(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE.bits()).create(path)?;
        Self::open(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn child(&self, name: &str) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::empty())?;
        Ok(Self { fd, path: self.path.join(name) })
    }

    pub(super) fn make_child(&self, name: &str) -> io::Result<Self> {
        match rustix::fs::mkdirat(&self.fd, name, DIRECTORY_MODE) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => self.child(name),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The names of what is in it, in order, hidden ones left out.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            if let Ok(name) = entry?.file_name().to_str()
                && !name.starts_with('.')
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    pub(super) fn open_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(rustix::fs::openat(&self.fd, name, flags, Mode::empty())?.into())
    }

    /// Opens a file to write at its end, and makes it if it is not there.
    pub(super) fn append_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.fd, name, flags, FILE_MODE)?.into())
    }

    /// Makes a file that was not there, or empties the one that was.
    pub(super) fn empty_file(&self, name: &str, mode: Mode) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.fd, name, flags, mode)?.into())
    }

    pub(super) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        self.open_file(name)?.take(MAX_FILE_BYTES).read_to_end(&mut content)?;
        Ok(content)
    }

    /// Writes a whole file: readers see the old content or the new one.
    pub(super) fn write(&self, name: &str, content: &[u8], durability: Durability) -> io::Result<()> {
        let staged = format!(".{name}.{}", std::process::id());
        let written = self.empty_file(&staged, FILE_MODE).and_then(|mut file| {
            file.write_all(content)?;
            match durability {
                Durability::Whole => file.sync_data(),
                Durability::UntilReboot => Ok(()),
            }
        });
        if let Err(error) = written.and_then(|()| self.rename(&staged, name)) {
            let _ = self.remove_file(&staged);
            return Err(error);
        }
        Ok(())
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, from, &self.fd, to)?)
    }

    pub(super) fn remove_file(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.fd, name, AtFlags::empty())?)
    }

    /// Removes a directory of files, `last` after all others.
    pub(super) fn remove_child(&self, name: &str, last: &str) -> io::Result<()> {
        let child = self.child(name)?;
        for entry in Dir::read_from(&child.fd)? {
            let entry = entry?;
            let is_file = entry.file_type() != FileType::Directory;
            if is_file && entry.file_name().to_bytes() != last.as_bytes() {
                rustix::fs::unlinkat(&child.fd, entry.file_name(), AtFlags::empty())?;
            }
        }
        match child.remove_file(last) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        Ok(rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR)?)
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn files_are_private_and_links_are_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("foreign"), "theirs").unwrap();
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::make(&temporary.path().join("a/b")).unwrap();
        directory.write("file", b"ours", Durability::Whole).unwrap();
        symlink(outside.path().join("foreign"), directory.path().join("link")).unwrap();
        symlink(outside.path(), directory.path().join("linked")).unwrap();

        let mode = |name: &str| std::fs::metadata(temporary.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("a"), mode("a/b"), mode("a/b/file")), (0o700, 0o700, 0o600));
        assert!(directory.read("link").is_err());
        assert!(directory.append_file("link").is_err());
        assert!(directory.child("linked").is_err());
        assert!(directory.make_child("linked").is_err());
        directory.write("link", b"ours", Durability::Whole).unwrap();
        assert_eq!(std::fs::read_to_string(outside.path().join("foreign")).unwrap(), "theirs");
        assert_eq!(directory.names().unwrap(), ["file", "link", "linked"]);
    }
}
