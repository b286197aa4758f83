use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{SqliteStore, StateFileError, StoreError, StoreKeys, private_file};

/// What lies in a state directory, beside its database.
#[derive(Debug, Default)]
pub struct Stock {
    /// What is not its owner's alone, or not what it should be.
    pub troubles: Vec<StateFileError>,
    /// What others may read, with its mode.
    pub readable: Vec<(PathBuf, u32)>,
    /// Of projects and deployments that the database does not know of: of each kind, what it is and
    /// where. It does no harm.
    pub leftovers: Vec<(&'static str, Vec<PathBuf>)>,
}

/// Looks through a state directory, and changes nothing.
///
/// # Errors
/// If a directory or the database cannot be read.
pub fn take_stock(directory: &Path, store: &SqliteStore, keys: &StoreKeys) -> Result<Stock, StoreError> {
    let unreadable = |error: io::Error| StoreError::Unusable {
        path: directory.to_owned(),
        doing: "looked through",
        source: error.into(),
    };
    let mut stock = Stock::default();
    stock.look_at_modes(directory).map_err(unreadable)?;
    let is_deployment = |name: &str| keys.deployments.iter().any(|id| id == name);
    let is_project = |name: &str| keys.projects.iter().any(|project| project == name);

    let locks = strays(&directory.join("locks"), is_project).map_err(unreadable)?;
    let is_event_file = |name: &str| name.strip_suffix(".jsonl").is_some_and(is_deployment);
    let events = strays(&directory.join("events"), is_event_file).map_err(unreadable)?;
    let mut files = strays(&directory.join("files"), is_project).map_err(unreadable)?;
    for project in &keys.projects {
        files.extend(strays(&directory.join("files").join(project), is_deployment).map_err(unreadable)?);
    }
    let mut executables = Vec::new();
    for path in strays(&directory.join("executables"), |_| false).map_err(unreadable)? {
        let digest = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !store.is_mentioned(&digest)? && !runs(directory, &digest).map_err(unreadable)? {
            executables.push(path);
        }
    }
    let drafts = strays(directory, |name| !name.contains(".draft") && !name.ends_with("-draft")).map_err(unreadable)?;
    let kinds = [
        ("locks of projects that were never deployed from here", locks),
        ("events of deployments that are not known", events),
        ("mounted files of deployments that are not known", files),
        ("programs that no deployment ran", executables),
        ("drafts of what was never finished", drafts),
    ];
    stock.leftovers = kinds.into_iter().filter(|(_, paths)| !paths.is_empty()).collect();
    Ok(stock)
}

impl Stock {
    /// The directories, and the files of those that hold nothing but files of ours.
    fn look_at_modes(&mut self, directory: &Path) -> io::Result<()> {
        self.look_at(directory, private_file::check_directory)?;
        for path in strays(directory, |_| false)? {
            let is_directory = path.symlink_metadata()?.is_dir();
            self.look_at(&path, if is_directory { private_file::check_directory } else { private_file::check_file })?;
        }
        for path in ["locks", "events"].map(|name| strays(&directory.join(name), |_| false)) {
            path?.iter().try_for_each(|path| self.look_at(path, private_file::check_file))?;
        }
        Ok(())
    }

    fn look_at(&mut self, path: &Path, check: fn(&Path) -> Result<(), StateFileError>) -> io::Result<()> {
        match check(path) {
            Ok(()) => {
                let mode = path.symlink_metadata()?.mode() & 0o7777;
                if mode & 0o077 != 0 {
                    self.readable.push((path.to_owned(), mode));
                }
            }
            Err(error) => self.troubles.push(error),
        }
        Ok(())
    }
}

/// What a directory holds that is not known, in order; nothing if it is not there.
fn strays(directory: &Path, is_known: impl Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(&is_known) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a local process that is there was made from a program.
fn runs(directory: &Path, digest: &str) -> io::Result<bool> {
    for project in strays(&directory.join("processes"), |_| false)? {
        for instance in strays(&project, |_| false)? {
            let record = fs::read_to_string(instance.join("instance.json")).unwrap_or_default();
            if record.contains(digest) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
