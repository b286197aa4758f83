use std::{
    collections::HashMap,
    fs::{File, Metadata},
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Mutex,
};

use rustix::fs::Mode;
use sha2::{Digest as _, Sha256};

use super::{directory::Directory, record::Program, trouble::reason};
use crate::{diagnostic::Class, name::Digest, observed::Fault};

/// Larger programs are not copied: a rollback then starts what lies at their path, or says that it
/// has changed.
const MAX_COPY_BYTES: u64 = 256 << 20;
const COPIES: &str = "executables";

/// Programs that processes run: where they are, what is in them, and copies of what has been run.
#[derive(Debug, Default)]
pub(super) struct Executables {
    /// What has been hashed in this run. A lock, since observing and performing share it, and a
    /// hash computed twice is only slow.
    digests: Mutex<HashMap<FileKey, Digest>>,
}

/// As long as all of this is the same, so is the content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct FileKey {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileKey {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Executables {
    /// The path and the digest of the program that a word names.
    pub(super) fn locate(&self, word: &str, path: &str, working_dir: &Path) -> Result<(PathBuf, Digest), Fault> {
        let found = resolve(word, path, working_dir)?;
        let digest = self.digest(&found).map_err(|error| {
            let text = format!("cannot read the program `{}`: {}", found.display(), reason(&error));
            Fault::new(Class::Permission, "executable-not-readable", text)
                .hint("its content is hashed to tell when it changes: make it readable for your user")
        })?;
        Ok((found, digest))
    }

    pub(super) fn digest(&self, path: &Path) -> io::Result<Digest> {
        let mut file = File::open(path)?;
        let key = FileKey::of(&file.metadata()?);
        let known = self.digests.lock().expect("nothing panics while it holds this lock").get(&key).cloned();
        if let Some(digest) = known {
            return Ok(digest);
        }
        let mut hash = Sha256::new();
        let mut chunk = vec![0; 128 << 10];
        loop {
            match file.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => hash.update(&chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let digest = Digest::from_hash(&hash.finalize());
        self.digests.lock().expect("nothing panics while it holds this lock").insert(key, digest.clone());
        Ok(digest)
    }

    /// Keeps a copy of a program that is about to run, if it is not too large and there is none.
    pub(super) fn keep(&self, state_dir: &Path, path: &Path, digest: &Digest) -> io::Result<()> {
        let copies = Directory::open(state_dir)?.make_child(COPIES)?;
        let name = digest.hex();
        let mut source = File::open(path)?;
        if copies.has(name) || source.metadata()?.len() > MAX_COPY_BYTES {
            return Ok(());
        }
        let staged = format!(".{name}.{}", std::process::id());
        let copied = copies.empty_file(&staged, Mode::RWXU).and_then(|mut file| io::copy(&mut source, &mut file));
        let is_whole = copied.and_then(|_| self.digest(&copies.path().join(&staged))).is_ok_and(|copy| copy == *digest);
        match is_whole {
            true => copies.rename(&staged, name),
            false => copies.remove_file(&staged),
        }
    }

    /// The file that holds what was pinned: the original, or its copy.
    pub(super) fn pinned(&self, state_dir: &Path, path: &Path, digest: &Digest) -> Result<PathBuf, Fault> {
        if self.digest(path).is_ok_and(|current| current == *digest) {
            return Ok(path.to_owned());
        }
        if let Some(copy) = self.copy(state_dir, digest) {
            return Ok(copy);
        }
        let text = format!("the program `{}` has changed, and there is no copy of what it was", path.display());
        Err(Fault::new(Class::Dependency, "executable-changed", text)
            .hint("put the program back, or apply the plan again to run the new one"))
    }

    /// The copy with this content, if there is one.
    pub(super) fn copy(&self, state_dir: &Path, digest: &Digest) -> Option<PathBuf> {
        let copy = state_dir.join(COPIES).join(digest.hex());
        self.digest(&copy).ok().filter(|content| content == digest).map(|_| copy)
    }

    /// What an instance is to run that is made now, when the plan was compared with `expected`.
    pub(super) fn choose(
        &self,
        state_dir: &Path,
        located: Result<(PathBuf, Digest), Fault>,
        expected: Option<Digest>,
    ) -> Result<Program, Fault> {
        match (located, expected) {
            (Ok((path, digest)), None) => Ok(Program::Found { path, digest }),
            (Ok((path, digest)), Some(expected)) if digest == expected => Ok(Program::Found { path, digest }),
            (Ok((path, _)), Some(expected)) => match self.copy(state_dir, &expected) {
                Some(_) => Ok(Program::Pinned { path, digest: expected }),
                None => Err(changed_since_compared(&path)),
            },
            (Err(fault), Some(expected)) => match self.copy(state_dir, &expected) {
                Some(path) => Ok(Program::Pinned { path, digest: expected }),
                None => Err(fault),
            },
            (Err(_), None) => Ok(Program::Awaited),
        }
    }
}

fn changed_since_compared(path: &Path) -> Fault {
    let text = format!("the program `{}` has changed since the plan was compared with what runs", path.display());
    Fault::new(Class::Dependency, "executable-changed", text).hint("apply the plan again")
}

/// The file that a command's first word names, as `execvp` would find it.
fn resolve(word: &str, path: &str, working_dir: &Path) -> Result<PathBuf, Fault> {
    if word.is_empty() {
        return Err(Fault::new(Class::Configuration, "executable-not-found", "the command is empty")
            .hint("give the service a `command`"));
    }
    if word.contains('/') {
        let file = working_dir.join(word);
        return match file.metadata() {
            Ok(metadata) if is_executable(&metadata) => Ok(file),
            Ok(_) => Err(not_executable(&file)),
            Err(error) => Err(not_found(&format!("`{}`: {}", file.display(), reason(&error)))
                .hint("a relative path is taken from `working_dir`")),
        };
    }
    let candidates = path.split(':').map(|directory| working_dir.join(directory).join(word));
    let mut others = candidates.filter_map(|file| file.metadata().ok().map(|metadata| (file, metadata)));
    match others.find(|(_, metadata)| is_executable(metadata)) {
        Some((file, _)) => Ok(file),
        None => Err(not_found(&format!("`{word}`: it is in none of the directories of PATH"))
            .hint("install it, or write its path; PATH is the service's own, or else yours")),
    }
}

fn is_executable(metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
}

fn not_found(what: &str) -> Fault {
    Fault::new(Class::Dependency, "executable-not-found", format!("cannot find the program {what}"))
}

fn not_executable(file: &Path) -> Fault {
    let text = format!("`{}` is not an executable file", file.display());
    Fault::new(Class::Permission, "executable-not-executable", text)
        .hint(format!("make it one with `chmod +x {}`", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(directory: &Path, name: &str, content: &str, mode: u32) -> PathBuf {
        let path = directory.join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn words_name_programs_as_a_shell_would_find_them() {
        let temporary = tempfile::tempdir().unwrap();
        let (bin, work) = (temporary.path().join("bin"), temporary.path().join("work"));
        std::fs::create_dir(&bin).unwrap();
        std::fs::create_dir(&work).unwrap();
        program(&bin, "tool", "in bin", 0o755);
        program(&work, "tool", "in work", 0o755);
        program(&work, "notes", "text", 0o644);
        let path = format!("/nowhere:{}", bin.display());
        let found = |word: &str| match resolve(word, &path, &work) {
            Ok(file) => file.strip_prefix(temporary.path()).unwrap().display().to_string(),
            Err(fault) => fault.code,
        };
        let table = [
            ("tool", "bin/tool"),
            ("./tool", "work/./tool"),
            ("../bin/tool", "work/../bin/tool"),
            ("./notes", "executable-not-executable"),
            ("notes", "executable-not-found"),
            ("./missing", "executable-not-found"),
            ("", "executable-not-found"),
        ];
        for (word, expected) in table {
            assert_eq!(found(word), expected, "{word:?}");
        }
    }

    #[test]
    fn a_changed_program_is_run_from_its_copy() {
        let temporary = tempfile::tempdir().unwrap();
        let state = temporary.path();
        let path = program(state, "tool", "first", 0o755);
        let executables = Executables::default();
        let first = executables.digest(&path).unwrap();
        executables.keep(state, &path, &first).unwrap();
        assert_eq!(executables.pinned(state, &path, &first).unwrap(), path);

        program(state, "tool", "other", 0o755);
        let copy = executables.pinned(state, &path, &first).unwrap();
        assert_eq!(std::fs::read_to_string(&copy).unwrap(), "first");

        std::fs::write(&copy, "spoilt").unwrap();
        assert_eq!(executables.pinned(state, &path, &first).unwrap_err().code, "executable-changed");
    }
}
