use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use super::{
    Entry, FileError, Files, Node, Scalar,
    compose::OWN_KEY,
    files::normal,
    parse::{Reading, parse_more},
};
use crate::diagnostic::{Diagnostics, FileId, Sources, Span};

/// The largest file that is read: a plan of 10,000 services has 4 MB.
pub const MAX_FILE_BYTES: u64 = 16 << 20;
/// How much of a file is shown after a byte that is no text.
const SHOWN_AFTER: usize = 40;
/// All files of a plan together, and how many they may be.
const MAX_TOTAL_BYTES: u64 = 32 << 20;
const MAX_FILES: usize = 4096;

/// The files of a plan: each read once, and none from outside of the repository.
pub(super) struct Library {
    files: Arc<dyn Files>,
    root: PathBuf,
    canonical_root: PathBuf,
    /// Where people are: paths below it are shown from there.
    shown_from: PathBuf,
    // Templates call `file()` through a shared reference; loading itself is single-threaded.
    read: Mutex<Read>,
}

#[derive(Default)]
struct Read {
    sources: Sources,
    /// The absolute path of each source.
    paths: Vec<PathBuf>,
    /// Where relative paths of a source start, if that is not its own directory.
    bases: HashMap<FileId, PathBuf>,
    by_path: HashMap<(PathBuf, Option<PathBuf>), FileId>,
    bytes: u64,
    documents: Reading,
}

impl Library {
    pub fn new(files: Arc<dyn Files>, root: &Path, shown_from: &Path) -> Self {
        let canonical_root = files.canonical(root).unwrap_or_else(|_| root.to_owned());
        let (root, shown_from) = (root.to_owned(), shown_from.to_owned());
        Self { files, root, canonical_root, shown_from, read: Mutex::default() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Read> {
        self.read.lock().expect("nothing panics while it holds this")
    }

    /// A path as the user would type it.
    pub fn shown(&self, path: &Path) -> String {
        match path.strip_prefix(&self.shown_from).unwrap_or(path) {
            here if here.as_os_str().is_empty() => ".".to_owned(),
            path => path.display().to_string(),
        }
    }

    /// A path that a document names, from the directory of the file that it was written in.
    pub fn resolve(&self, span: Span, path: &str) -> PathBuf {
        normal(&self.directory(span.file).join(path))
    }

    pub fn directory(&self, file: FileId) -> PathBuf {
        let read = self.lock();
        if let Some(base) = read.bases.get(&file) {
            return base.clone();
        }
        let path = read.paths.get(file.0 as usize).map_or(&*self.root, PathBuf::as_path);
        path.parent().unwrap_or(&self.root).to_owned()
    }

    /// The bytes of a file of the repository.
    pub fn bytes(&self, path: &Path) -> Result<Vec<u8>, FileError> {
        self.contained(path)?;
        self.bytes_from_anywhere(path)
    }

    /// The bytes of a file that may be outside, as a secret's may.
    pub fn bytes_from_anywhere(&self, path: &Path) -> Result<Vec<u8>, FileError> {
        let mut read = self.lock();
        let limit = MAX_FILE_BYTES.min(MAX_TOTAL_BYTES - read.bytes.min(MAX_TOTAL_BYTES));
        let bytes = self.files.read(path, limit)?;
        read.bytes += bytes.len() as u64;
        Ok(bytes)
    }

    /// Refuses a path that leads out of the repository, also through a symbolic link.
    fn contained(&self, path: &Path) -> Result<(), FileError> {
        let outside = || FileError::Outside { root: self.root.display().to_string() };
        if !path.starts_with(&self.root) {
            return Err(outside());
        }
        let canonical = self.files.canonical(path)?;
        if canonical.starts_with(&self.canonical_root) { Ok(()) } else { Err(outside()) }
    }

    /// Reads a text of the repository and adds it to the sources, once.
    pub fn text(&self, path: &Path) -> Result<FileId, FileError> {
        self.text_from(path, None)
    }

    /// [`Library::text`], where relative paths in it start at `base`.
    pub fn text_from(&self, path: &Path, base: Option<&Path>) -> Result<FileId, FileError> {
        let key = (path.to_owned(), base.map(Path::to_owned));
        if let Some(file) = self.lock().by_path.get(&key) {
            return Ok(*file);
        }
        let text = self.unlisted_text(path)?;
        let file = self.list_as(path, &text);
        let mut read = self.lock();
        read.bases.extend(base.map(|base| (file, base.to_owned())));
        read.by_path.insert(key, file);
        Ok(file)
    }

    /// Lets relative paths of a file that was read start at `base`.
    pub fn set_base(&self, file: FileId, path: &Path, base: &Path) {
        let mut read = self.lock();
        read.bases.insert(file, base.to_owned());
        read.by_path.insert((path.to_owned(), Some(base.to_owned())), file);
    }

    /// Lets files be read from everywhere, as Compose does.
    pub fn open_up(&mut self) {
        self.root = PathBuf::from("/");
        self.canonical_root = PathBuf::from("/");
    }

    /// Whether a value of any document says how it merges.
    pub fn has_merge_tags(&self) -> bool {
        self.lock().documents.has_merge_tags
    }

    /// Reads a file of YAML that is among the sources; all of them together have bounds.
    pub fn parse(&self, file: FileId, problems: &mut Diagnostics) -> Option<Node> {
        let text = self.source(file);
        let mut root = parse_more(file, &text, &mut self.lock().documents, problems)?;
        forget_unused(&mut root);
        Some(root)
    }

    /// The documents that stand in a file after its first one, each with the place where it begins.
    pub fn take_further(&self, file: FileId) -> Vec<(Span, Node)> {
        let is_of_file = |(start, _): &mut (Span, Node)| start.file == file;
        let mut further: Vec<(Span, Node)> = self.lock().documents.further.extract_if(.., is_of_file).collect();
        further.iter_mut().for_each(|(_, node)| forget_unused(node));
        further
    }

    /// Adds what may be shown of a file to the sources.
    pub fn list_as(&self, path: &Path, text: &str) -> FileId {
        let shown = self.shown(path);
        let mut read = self.lock();
        read.paths.push(path.to_owned());
        read.sources.add(shown, text)
    }

    /// Reads a text of the repository without adding it to the sources.
    pub fn unlisted_text(&self, path: &Path) -> Result<String, FileError> {
        if self.lock().paths.len() >= MAX_FILES {
            return Err(FileError::Other(format!("a plan has at most {MAX_FILES} files")));
        }
        let bytes = self.bytes(path)?;
        String::from_utf8(bytes).map_err(|error| not_text(error.as_bytes(), error.utf8_error().valid_up_to()))
    }

    /// Where in a file of the plan a byte is no text: the file, up to there, is among the sources.
    pub fn list_broken(&self, path: &Path, offset: u32) -> Option<Span> {
        let mut bytes = self.bytes(path).ok()?;
        let start = offset as usize;
        bytes.truncate(start + SHOWN_AFTER);
        let text = String::from_utf8_lossy(&bytes);
        let before = text.get(..start)?;
        let column = 1 + before.rsplit('\n').next().unwrap_or_default().chars().count();
        let line = 1 + before.matches('\n').count();
        let file = self.list_as(path, &text);
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Some(Span { file, start: offset, end: offset.saturating_add(3), line: number(line), column: number(column) })
    }

    pub fn source(&self, file: FileId) -> Arc<str> {
        self.lock().sources.text(file).clone()
    }

    /// Adds a text that is in no file, as `--var` gives them.
    pub fn add(&self, shown: &str, text: &str) -> FileId {
        let mut read = self.lock();
        read.paths.push(self.root.join(shown));
        read.sources.add(shown, text)
    }

    pub fn exists(&self, path: &Path) -> bool {
        self.files.canonical(path).is_ok()
    }

    /// The names in a directory of the repository, sorted.
    pub fn names_in(&self, directory: &Path) -> Result<Vec<String>, FileError> {
        self.contained(directory)?;
        let mut names = self.files.list(directory)?;
        names.sort();
        Ok(names)
    }

    pub fn position(&self, span: Span) -> String {
        self.lock().sources.position(span).to_string()
    }

    pub fn sources(&self) -> Sources {
        self.lock().sources.clone()
    }
}

fn not_text(bytes: &[u8], offset: usize) -> FileError {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let line = 1 + bytes[..offset].iter().filter(|byte| **byte == b'\n').count();
    FileError::NotText { line: number(line), byte: bytes[offset], offset: number(offset) }
}
/// What stands below `x-` keys was only for its anchors, which are resolved.
fn forget_unused(root: &mut Node) {
    let is_unused = |entry: &&mut Entry| entry.key.starts_with("x-") && &*entry.key != OWN_KEY;
    for entry in root.as_map_mut().into_iter().flatten().filter(is_unused) {
        entry.value = Node::scalar(entry.value.span, Scalar::null());
    }
}
