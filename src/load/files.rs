use std::path::{Component, Path, PathBuf};

/// Where the texts come from. Paths are absolute.
pub trait Files: Send + Sync {
    /// A file's contents, refused without reading them if there are more than `limit` bytes.
    ///
    /// # Errors
    /// If it is not there, too large, or cannot be read.
    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, FileError>;

    /// The names in a directory, in any order.
    ///
    /// # Errors
    /// If it is not there, or cannot be read.
    fn list(&self, directory: &Path) -> Result<Vec<String>, FileError>;

    /// A path without symbolic links, to tell where it leads.
    ///
    /// # Errors
    /// If it is not there, or cannot be reached.
    fn canonical(&self, path: &Path) -> Result<PathBuf, FileError>;
}

/// Why a file could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    #[error("there is no such file")]
    NotFound,
    #[error("it has {bytes} bytes, more than the {limit} that are read")]
    TooLarge { bytes: u64, limit: u64 },
    #[error("it may not be read: permission denied")]
    Denied,
    #[error("it is not UTF-8: byte {byte:#04x} of line {line} is no text")]
    NotText {
        /// Counts from 1.
        line: u32,
        byte: u8,
        /// In bytes from the file's start.
        offset: u32,
    },
    #[error("it is outside of the repository `{root}`")]
    Outside { root: String },
    #[error("{0}")]
    Other(String),
}

/// Takes `.` and `..` out of a path, without looking at any file.
pub(super) fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => out.push(component),
        }
    }
    out
}
