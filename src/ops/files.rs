use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::load::{FileError, Files};

/// The file system, as `load` sees it.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealFiles;

/// What came from the standard input: it can be read once, and a plan is loaded again where its state
/// changed meanwhile.
static STANDARD_INPUT: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// The standard input, in place of a file that is named `-`.
fn standard_input(limit: u64) -> Result<Vec<u8>, FileError> {
    // A lock on what is only ever filled once.
    let mut known = STANDARD_INPUT.lock().unwrap_or_else(PoisonError::into_inner);
    if known.is_none() {
        let mut bytes = Vec::new();
        io::stdin().take(limit + 1).read_to_end(&mut bytes).map_err(explain)?;
        *known = Some(bytes);
    }
    let bytes = known.clone().unwrap_or_default();
    match bytes.len() as u64 > limit {
        true => Err(FileError::TooLarge { bytes: bytes.len() as u64, limit }),
        false => Ok(bytes),
    }
}

fn is_standard_input(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "-") && !path.exists()
}

impl Files for RealFiles {
    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
        if is_standard_input(path) {
            return standard_input(limit);
        }
        let metadata = fs::metadata(path).map_err(explain)?;
        if !metadata.is_file() {
            return Err(FileError::Other("it is not a regular file".to_owned()));
        }
        let bytes = metadata.len();
        if bytes > limit {
            return Err(FileError::TooLarge { bytes, limit });
        }
        fs::read(path).map_err(explain)
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, FileError> {
        let entries = fs::read_dir(directory).map_err(explain)?;
        let name =
            |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name().to_string_lossy().into_owned());
        entries.map(name).collect::<io::Result<_>>().map_err(explain)
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf, FileError> {
        if is_standard_input(path) {
            return Ok(path.to_owned());
        }
        fs::canonicalize(path).map_err(explain)
    }
}

fn explain(error: io::Error) -> FileError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FileError::NotFound,
        io::ErrorKind::PermissionDenied => FileError::Denied,
        _ => FileError::Other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::load::{ComposeInputs, Inputs, load};

    #[test]
    fn a_large_file_is_refused_unread() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plan.yaml");
        // Sparse: reading it would give zeros, which are no YAML.
        fs::File::create(&path).unwrap().set_len(64 << 20).unwrap();
        let limit = crate::load::MAX_FILE_BYTES;
        assert_eq!(RealFiles.read(&path, limit), Err(FileError::TooLarge { bytes: 64 << 20, limit }));
        assert_eq!(RealFiles.read(&directory.path().join("none"), limit), Err(FileError::NotFound));
        assert!(matches!(RealFiles.read(directory.path(), limit), Err(FileError::Other(_))));
        assert_eq!(RealFiles.list(directory.path()), Ok(vec!["plan.yaml".to_owned()]));
    }

    #[test]
    fn a_link_is_followed_to_where_it_leads() {
        let directory = tempfile::tempdir().unwrap();
        let real = fs::canonicalize(directory.path()).unwrap();
        fs::write(real.join("a"), "").unwrap();
        std::os::unix::fs::symlink(real.join("a"), real.join("b")).unwrap();
        assert_eq!(RealFiles.canonical(&real.join("b")), Ok(real.join("a")));
    }

    #[test]
    fn a_plan_cannot_read_outside_of_its_repository_through_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let repository = directory.path().join("repository");
        fs::create_dir(&repository).unwrap();
        fs::write(directory.path().join("outside.yaml"), "services: { web: { image: a } }").unwrap();
        std::os::unix::fs::symlink(directory.path(), repository.join("up")).unwrap();
        std::os::unix::fs::symlink("inside.yaml", repository.join("link.yaml")).unwrap();
        fs::write(repository.join("inside.yaml"), "services: { db: { image: b } }").unwrap();
        let plan = |include: &str| {
            let text = format!("apiVersion: orchestrate/v1\nname: a\ninclude: [{include}]\n");
            fs::write(repository.join("plan.yaml"), text).unwrap();
            let inputs = Inputs {
                plan_file: repository.join("plan.yaml"),
                root: repository.clone(),
                working_directory: repository.clone(),
                environment: None,
                compose: ComposeInputs::default(),
                adopt: false,
                vars: Vec::new(),
                env: Arc::default(),
                now: crate::time::Timestamp::EPOCH,
                made: Arc::default(),
                random: Arc::new(|length| "x".repeat(length)),
            };
            load(Arc::new(RealFiles), &inputs)
        };
        let failure = plan("up/outside.yaml").unwrap_err();
        let codes: Vec<&str> = failure.diagnostics.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, ["outside-repository"]);
        assert_eq!(plan("link.yaml").unwrap().plan.services.len(), 1);
    }
}
