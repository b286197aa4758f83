//! A build's context: a directory as a tar archive, written as it is sent.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use futures_util::Stream;
use hyper::body::Bytes;
use tokio::{sync::mpsc, task::JoinHandle};

use super::build_ignore::Ignore;
use crate::{diagnostic::Class, observed::Fault};

/// What is written ahead of the engine, in chunks of [`CHUNK_BYTES`].
const CHUNKS_AHEAD: usize = 8;
const CHUNK_BYTES: usize = 64 << 10;

/// The entries of a context. More is a mistake: a home directory, a whole disk.
const MOST_ENTRIES: usize = 1_000_000;

/// How much of a Dockerfile or a `.dockerignore` is read.
const LONGEST_TEXT: u64 = 1 << 20;

/// A Dockerfile that does not lie in its context goes with it under this name.
const ADDED_DOCKERFILE: &str = ".orchestrate.dockerfile";

const IGNORE_FILE: &str = ".dockerignore";

/// A directory that an image is built from, and how.
#[derive(Debug)]
pub(super) struct BuildContext {
    root: PathBuf,
    /// The Dockerfile's path in the context.
    pub dockerfile: String,
    pub dockerfile_text: String,
    /// Whether it is only there for the build.
    is_added: bool,
    ignore_text: Option<String>,
    ignore: Ignore,
}

/// An archive on its way.
pub(super) struct Packing {
    pub chunks: mpsc::Receiver<io::Result<Bytes>>,
    pub task: JoinHandle<io::Result<()>>,
}

impl BuildContext {
    /// Looks at a context: reads its Dockerfile and what it leaves out. `dockerfile` is a path from
    /// the context.
    pub fn open(root: &Path, dockerfile: Option<&str>, inline: Option<&str>) -> Result<Self, Fault> {
        let missing = |path: &Path, what: &str, error: &io::Error| {
            let text = format!("cannot read the {what} `{}`: {error}", path.display());
            Fault::new(Class::Configuration, "build-context", text)
                .hint("check `build`: paths start at the plan's file")
        };
        let root = root.canonicalize().map_err(|error| missing(root, "build context", &error))?;
        if !root.is_dir() {
            return Err(missing(&root, "build context", &io::Error::from(io::ErrorKind::NotADirectory)));
        }
        let (name, dockerfile_text) = match inline {
            Some(text) => (None, text.to_owned()),
            None => {
                let path = root.join(dockerfile.unwrap_or("Dockerfile"));
                let text = read_text(&path).map_err(|error| missing(&path, "Dockerfile", &error))?;
                let inside = path.canonicalize().ok().and_then(|path| inside(&root, &path));
                (inside, text)
            }
        };
        let is_added = name.is_none();
        let dockerfile = name.unwrap_or_else(|| ADDED_DOCKERFILE.to_owned());
        let candidates = [format!("{dockerfile}{IGNORE_FILE}"), IGNORE_FILE.to_owned()];
        let mut ignore_text = None;
        for path in candidates.map(|name| root.join(name)) {
            match read_text(&path) {
                Ok(text) => ignore_text = ignore_text.or(Some((path, text))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(missing(&path, "file", &error)),
            }
        }
        let ignore = match &ignore_text {
            Some((path, text)) => Ignore::parse(text).map_err(|error| {
                let text = format!("cannot read `{}`: {error}", path.display());
                Fault::new(Class::Configuration, "build-context", text)
            })?,
            None => Ignore::default(),
        };
        let ignore_text = ignore_text.map(|(_, text)| text);
        Ok(Self { root, dockerfile, dockerfile_text, is_added, ignore_text, ignore })
    }

    /// Begins to write the archive, on a thread that ends with the archive or its reader.
    pub fn pack(self) -> Packing {
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let task = tokio::task::spawn_blocking(move || {
            let writer = io::BufWriter::with_capacity(CHUNK_BYTES, Chunks(sender.clone()));
            let written = self.write(writer);
            if let Err(error) = &written {
                // The engine must not take half a context for a whole one.
                drop(sender.blocking_send(Err(io::Error::new(error.kind(), error.to_string()))));
            }
            written
        });
        Packing { chunks, task }
    }

    fn write(&self, out: impl io::Write) -> io::Result<()> {
        let mut archive = Archive { builder: tar::Builder::new(out), directories: BTreeSet::new(), entries: 0 };
        self.write_directory(&mut archive)?;
        if self.is_added {
            // Neither is to be copied into the image: the engine takes out what is named here.
            let ignored = self.ignore_text.as_deref().unwrap_or_default();
            let own = if ignored.is_empty() { IGNORE_FILE } else { "" };
            let ignored = format!("{ignored}\n{own}\n{ADDED_DOCKERFILE}\n");
            archive.add_text(IGNORE_FILE, &ignored)?;
            archive.add_text(ADDED_DOCKERFILE, &self.dockerfile_text)?;
        }
        io::Write::flush(&mut archive.builder.into_inner()?)
    }

    /// Every entry that is not left out, in order of names; a directory's before what is in it.
    fn write_directory(&self, archive: &mut Archive<impl io::Write>) -> io::Result<()> {
        let mut waiting = listed(&self.root, "")?;
        while let Some(path) = waiting.pop() {
            let place = self.root.join(&path);
            let facts = fs::symlink_metadata(&place).map_err(|error| named(&place, &error))?;
            let is_out = !self.is_needed(&path) && self.ignore.leaves_out(&path);
            if facts.is_dir() {
                if !is_out {
                    archive.add_directory(&self.root, &path)?;
                }
                if !is_out || self.ignore.keeps_some() || self.dockerfile.starts_with(&format!("{path}/")) {
                    waiting.extend(listed(&place, &path)?);
                }
            } else if !is_out && !self.replaces(&path) {
                archive.add_parents(&self.root, &path)?;
                archive.add_file(&place, &path, &facts)?;
            }
        }
        Ok(())
    }

    /// Another one is written in its place.
    fn replaces(&self, path: &str) -> bool {
        self.is_added && path == IGNORE_FILE
    }

    /// The engine reads these, and takes them out if they are to be left out.
    fn is_needed(&self, path: &str) -> bool {
        path == self.dockerfile || path == IGNORE_FILE
    }
}

/// The paths of a directory's entries from the context's root, the first by name last.
fn listed(directory: &Path, path: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| named(directory, &error))? {
        let name = entry.map_err(|error| named(directory, &error))?.file_name();
        let name = name.into_string().map_err(|name| {
            let text = format!("`{}` has a name that is not UTF-8", directory.join(name).display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        })?;
        names.push(if path.is_empty() { name } else { format!("{path}/{name}") });
    }
    names.sort_by(|a, b| b.cmp(a));
    Ok(names)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}

fn read_text(path: &Path) -> io::Result<String> {
    use io::Read as _;
    let mut text = String::new();
    fs::File::open(path)?.take(LONGEST_TEXT).read_to_string(&mut text)?;
    Ok(text)
}

/// A path from the context's root, if it leads to something in it.
fn inside(root: &Path, path: &Path) -> Option<String> {
    path.strip_prefix(root).ok()?.to_str().map(str::to_owned)
}

/// The archive as it is written.
struct Archive<W: io::Write> {
    builder: tar::Builder<W>,
    directories: BTreeSet<String>,
    entries: usize,
}

impl<W: io::Write> Archive<W> {
    fn count(&mut self) -> io::Result<()> {
        self.entries += 1;
        match self.entries {
            ..=MOST_ENTRIES => Ok(()),
            _ => {
                Err(io::Error::other(format!("the context has more than {MOST_ENTRIES} entries: is it the right one?")))
            }
        }
    }

    fn header(facts: &fs::Metadata) -> tar::Header {
        use std::os::unix::fs::MetadataExt as _;
        let mut header = tar::Header::new_gnu();
        header.set_mode(facts.mode() & 0o7777);
        header.set_mtime(u64::try_from(facts.mtime()).unwrap_or(0));
        // Whose files they are here means nothing in an image.
        header.set_uid(0);
        header.set_gid(0);
        header
    }

    /// What a file lies in, where that was left out itself.
    fn add_parents(&mut self, root: &Path, path: &str) -> io::Result<()> {
        let ends: Vec<usize> = path.char_indices().filter(|(_, c)| *c == '/').map(|(end, _)| end).collect();
        ends.into_iter().try_for_each(|end| self.add_directory(root, &path[..end]))
    }

    fn add_directory(&mut self, root: &Path, path: &str) -> io::Result<()> {
        if !self.directories.insert(path.to_owned()) {
            return Ok(());
        }
        self.add_parents(root, path)?;
        self.count()?;
        let place = root.join(path);
        let mut header = Self::header(&fs::symlink_metadata(&place).map_err(|error| named(&place, &error))?);
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        self.builder.append_data(&mut header, format!("{path}/"), io::empty())
    }

    fn add_file(&mut self, place: &Path, path: &str, facts: &fs::Metadata) -> io::Result<()> {
        let mut header = Self::header(facts);
        if facts.is_symlink() {
            self.count()?;
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            let target = fs::read_link(place).map_err(|error| named(place, &error))?;
            return self.builder.append_link(&mut header, path, target);
        }
        if !facts.is_file() {
            // Sockets, pipes and devices are nothing that an image is made from.
            return Ok(());
        }
        self.count()?;
        let file = open(place).map_err(|error| named(place, &error))?;
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(facts.len());
        self.builder.append_data(&mut header, path, Exactly { file, left: facts.len(), place })
    }

    fn add_text(&mut self, path: &str, text: &str) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(text.len() as u64);
        self.builder.append_data(&mut header, path, text.as_bytes())
    }
}

/// Opens a file, and nothing that a link put in its place leads to.
fn open(place: &Path) -> io::Result<fs::File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    Ok(rustix::fs::open(place, flags, Mode::empty())?.into())
}

/// As many bytes of a file as its header says.
struct Exactly<'a> {
    file: fs::File,
    left: u64,
    place: &'a Path,
}

impl io::Read for Exactly<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Ok(0);
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read(&mut buffer[..room]).map_err(|error| named(self.place, &error))?;
        if read == 0 {
            let text = format!("`{}` became shorter while it was read", self.place.display());
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// Hands on what is written; waits while the engine is slower.
struct Chunks(mpsc::Sender<io::Result<Bytes>>);

impl io::Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The chunks as a stream.
pub(super) fn stream(chunks: mpsc::Receiver<io::Result<Bytes>>) -> impl Stream<Item = io::Result<Bytes>> {
    futures_util::stream::unfold(chunks, |mut chunks| async move { Some((chunks.recv().await?, chunks)) })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// The entries of the archive, a line each: path, and what it holds or leads to.
    fn packed(files: &[(&str, &str)], open: impl Fn(&Path) -> Result<BuildContext, Fault>) -> String {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("context");
        fs::create_dir(&root).unwrap();
        for (path, content) in files {
            let place = root.join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            match content.strip_prefix("-> ") {
                Some(target) => std::os::unix::fs::symlink(target, place).unwrap(),
                None => fs::write(place, content).unwrap(),
            }
        }
        let mut bytes = Vec::new();
        open(&root).unwrap().write(&mut bytes).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let lines = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let target = entry.link_name().unwrap().map(|target| format!(" -> {}", target.display()));
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            format!("{path}{} {}\n", target.unwrap_or_default(), content.replace('\n', "|")).replace(" \n", "\n")
        });
        lines.collect()
    }

    #[test]
    fn a_context_is_packed_without_what_is_ignored() {
        let files = [
            ("Dockerfile", "FROM a"),
            (".dockerignore", "**/*.log\nDockerfile\nbig\n!big/keep"),
            ("src/main.c", "int"),
            ("src/x.log", "no"),
            ("big/a", "no"),
            ("big/keep/b", "yes"),
            ("out", "-> /etc/passwd"),
        ];
        let found = packed(&files, |root| BuildContext::open(root, None, None));
        let expected = "\
.dockerignore **/*.log|Dockerfile|big|!big/keep
Dockerfile FROM a
big/
big/keep/
big/keep/b yes
out -> /etc/passwd
src/
src/main.c int
";
        assert_eq!(found, expected);
    }

    #[test]
    fn a_dockerfile_from_elsewhere_goes_with_the_context() {
        let found = packed(&[("a", "1")], |root| BuildContext::open(root, None, Some("FROM b")));
        assert_eq!(
            found,
            "a 1\n.dockerignore |.dockerignore|.orchestrate.dockerfile|\n.orchestrate.dockerfile FROM b\n"
        );
        let found = packed(&[("a", "1"), (".dockerignore", "x")], |root| {
            fs::write(root.join("../other"), "FROM c").unwrap();
            BuildContext::open(root, Some("../other"), None)
        });
        assert_eq!(found, "a 1\n.dockerignore x||.orchestrate.dockerfile|\n.orchestrate.dockerfile FROM c\n");
    }

    #[test]
    fn what_is_missing_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let shown = |fault: Fault| fault.text.replace(&directory.path().display().to_string(), "$D");
        let fault = BuildContext::open(&directory.path().join("no"), None, None).unwrap_err();
        assert_eq!(shown(fault), "cannot read the build context `$D/no`: No such file or directory (os error 2)");
        let fault = BuildContext::open(directory.path(), Some("D"), None).unwrap_err();
        assert_eq!(shown(fault), "cannot read the Dockerfile `$D/D`: No such file or directory (os error 2)");
    }
}
