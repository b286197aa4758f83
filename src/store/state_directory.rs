use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    EventLog, EventReader, EventWatch, LockError, LockOwner, ProjectLock, SnapshotDirectory, SqliteStore,
    StateFileError, StoreError, private_file, sealing_key,
};
use crate::{
    name::{DeploymentId, ProjectName},
    time::Timestamp,
};

/// The directory that holds all that is kept between runs:
///
/// ```text
/// state.db    deployments and their journals
/// key         seals secrets in them
/// locks/      a file for each project
/// events/     what happened in each deployment, for those who watch
/// files/      configs and secrets, as they are mounted into containers
/// snapshots/  what data can be restored from, by project
/// processes/  what the supervisors of local processes keep
/// ```
///
/// `docs/state.md` says more, for those who back it up.
#[derive(Debug, Clone)]
pub struct StateDirectory {
    path: PathBuf,
}

impl StateDirectory {
    /// Opens `$ORCHESTRATE_STATE_DIR`, else `$XDG_STATE_HOME/orchestrate`, else
    /// `$HOME/.local/state/orchestrate`, and makes it if it is not there.
    ///
    /// # Errors
    /// If there is no such place, or it cannot be used: full, read-only, someone else's, open to
    /// others, or a link.
    pub fn open(env: &BTreeMap<String, String>) -> Result<Self, StateFileError> {
        let path = locate(env).ok_or(StateFileError::NoHome)?;
        Self::at(&path)
    }

    /// Where [`open`](Self::open) would open it. Touches nothing.
    ///
    /// # Errors
    /// If there is no such place.
    pub fn locate(env: &BTreeMap<String, String>) -> Result<PathBuf, StateFileError> {
        let path = locate(env).ok_or(StateFileError::NoHome)?;
        std::path::absolute(&path).map_err(|error| private_file::io(&path, "opened", error))
    }

    /// Opens the directory at `path`, and makes it if it is not there.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn at(path: &Path) -> Result<Self, StateFileError> {
        let path = std::path::absolute(path).map_err(|error| private_file::io(path, "opened", error))?;
        let directory = Self { path };
        for path in
            [directory.path.clone(), directory.locks(), directory.events(), directory.files(), directory.processes()]
        {
            private_file::make_directory(&path)?;
        }
        Ok(directory)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where configs and secrets are written that containers mount.
    pub fn files(&self) -> PathBuf {
        self.path.join("files")
    }

    /// Where the supervisors of local processes keep theirs.
    pub fn processes(&self) -> PathBuf {
        self.path.join("processes")
    }

    /// Who stopped a project's instances by hand.
    pub fn stop_notes(&self, project: &ProjectName) -> super::StopNotes {
        super::StopNotes::new(self.path.join("stops").join(project.as_str()))
    }

    pub fn database(&self) -> PathBuf {
        self.path.join("state.db")
    }

    pub fn key_file(&self) -> PathBuf {
        self.path.join("key")
    }

    /// The file in which a project's lock is held.
    pub fn lock_file(&self, project: &ProjectName) -> PathBuf {
        self.locks().join(project.as_str())
    }

    /// Keeps a deployment's events from now on, after those that are kept already.
    pub fn event_log(&self, deployment: DeploymentId) -> EventLog {
        EventLog::append_to(&self.event_file(deployment))
    }

    /// A deployment's events, from the first.
    pub fn event_reader(&self, deployment: DeploymentId) -> EventReader {
        EventReader::new(self.event_file(deployment))
    }

    /// Tells when events are written.
    ///
    /// # Errors
    /// If the kernel has no watches left.
    pub fn watch_events(&self) -> std::io::Result<EventWatch> {
        EventWatch::on(&self.events())
    }

    /// Removes a deployment's events, if any are kept.
    ///
    /// # Errors
    /// If they cannot be removed.
    pub fn forget_events(&self, deployment: DeploymentId) -> std::io::Result<()> {
        super::database_copy::remove_if_there(&self.event_file(deployment))
    }

    /// The snapshots of a project.
    pub fn snapshots(&self, project: &ProjectName) -> SnapshotDirectory {
        SnapshotDirectory::new(self.path.join("snapshots").join(project.as_str()))
    }

    /// Opens the database.
    ///
    /// # Errors
    /// If it cannot be used, is damaged, or was written by a newer version.
    pub fn store(&self) -> Result<SqliteStore, StoreError> {
        SqliteStore::open(&self.database())
    }

    /// The key that seals secrets, made the first time.
    ///
    /// # Errors
    /// If it cannot be read or made, or is damaged.
    pub fn sealing_key(&self) -> Result<[u8; 32], StateFileError> {
        sealing_key::read_or_make(&self.key_file())
    }

    /// Takes a project's lock on this host, without waiting; it is released on drop. `owner` is
    /// what others are told meanwhile, and its `since` is now.
    ///
    /// # Errors
    /// If it is held, with its owner; or if its file cannot be used.
    pub fn lock(&self, project: &ProjectName, owner: &LockOwner) -> Result<ProjectLock, LockError> {
        ProjectLock::take(&self.lock_file(project), project, owner)
    }

    /// Waits until nobody holds a project's lock on this host.
    ///
    /// # Errors
    /// If its file cannot be used.
    pub fn wait_for_lock(&self, project: &ProjectName) -> Result<(), LockError> {
        ProjectLock::wait(&self.lock_file(project))
    }

    /// Looks whether someone holds a project's lock, without keeping it.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    pub fn look_at_lock(&self, project: &ProjectName, now: Timestamp) -> Result<(), LockError> {
        ProjectLock::look(&self.lock_file(project), project, now)
    }

    /// Removes the copies of programs that are not among `needed`, by their digests. What cannot be
    /// removed is left for the next time.
    pub fn forget_programs(&self, needed: &BTreeSet<&str>) {
        let Ok(copies) = std::fs::read_dir(self.path.join("executables")) else { return };
        for copy in copies.flatten() {
            let name = copy.file_name().to_string_lossy().into_owned();
            let is_needed = needed.iter().any(|digest| digest.trim_start_matches("sha256:") == name);
            // One that is being made has a dot in front.
            if !is_needed && !name.starts_with('.') {
                let _ = std::fs::remove_file(copy.path());
            }
        }
    }

    /// How many bytes may still be written to its file system; `None` if that is not known.
    pub fn free_bytes(&self) -> Option<u64> {
        let facts = rustix::fs::statvfs(&self.path).ok()?;
        Some(facts.f_bavail.saturating_mul(facts.f_frsize))
    }

    pub fn locks(&self) -> PathBuf {
        self.path.join("locks")
    }

    pub fn events(&self) -> PathBuf {
        self.path.join("events")
    }

    fn event_file(&self, deployment: DeploymentId) -> PathBuf {
        self.events().join(format!("{deployment}.jsonl"))
    }
}

fn locate(env: &BTreeMap<String, String>) -> Option<PathBuf> {
    let set = |name: &str| env.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // Relative paths in XDG variables are to be ignored, says their specification.
    let xdg = || set("XDG_STATE_HOME").filter(|path| path.is_absolute());
    set("ORCHESTRATE_STATE_DIR")
        .or_else(|| Some(xdg()?.join("orchestrate")))
        .or_else(|| Some(set("HOME")?.join(".local/state/orchestrate")))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

    use super::*;

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn owner(seconds: i64) -> LockOwner {
        LockOwner {
            pid: 42,
            host: "laptop".to_owned(),
            since: Timestamp::from_micros(seconds * 1_000_000),
            deployment: "abcd1234".parse().unwrap(),
            message: Some("new prices".to_owned()),
        }
    }

    #[test]
    fn the_most_specific_variable_says_where_it_is() {
        let table = [
            (env(&[("ORCHESTRATE_STATE_DIR", "/a"), ("XDG_STATE_HOME", "/b"), ("HOME", "/c")]), Some("/a")),
            (env(&[("XDG_STATE_HOME", "/b"), ("HOME", "/c")]), Some("/b/orchestrate")),
            (env(&[("XDG_STATE_HOME", "b"), ("HOME", "/c")]), Some("/c/.local/state/orchestrate")),
            (env(&[("ORCHESTRATE_STATE_DIR", ""), ("HOME", "/c")]), Some("/c/.local/state/orchestrate")),
            (env(&[]), None),
        ];
        for (env, path) in table {
            assert_eq!(locate(&env), path.map(PathBuf::from), "{env:?}");
        }
    }

    #[test]
    fn it_is_made_for_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDirectory::open(&env(&[("HOME", home.path().to_str().unwrap())])).unwrap();
        state.sealing_key().unwrap();
        drop(state.lock(&"shop".parse().unwrap(), &owner(0)).unwrap());
        drop(state.store().unwrap());
        let modes: Vec<String> = ["", "files", "processes", "locks", "events", "key", "locks/shop", "state.db"]
            .iter()
            .map(|name| fs::metadata(state.path().join(name)).unwrap().permissions().mode() & 0o7777)
            .map(|mode| format!("{mode:o}"))
            .collect();
        assert_eq!(modes, ["700", "700", "700", "700", "700", "600", "600", "600"]);
    }

    #[test]
    fn places_that_are_not_its_own_are_refused_with_a_remedy() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::write(at("file"), "").unwrap();
        fs::create_dir(at("real")).unwrap();
        std::os::unix::fs::symlink(at("real"), at("link")).unwrap();
        fs::create_dir(at("open")).unwrap();
        fs::set_permissions(at("open"), fs::Permissions::from_mode(0o777)).unwrap();
        let table = [
            (
                "file",
                "`file` is not a directory",
                "move `file` away, or set `ORCHESTRATE_STATE_DIR` to a directory of your own",
            ),
            (
                "link",
                "`link` is a symbolic link, which is not followed here",
                "set `ORCHESTRATE_STATE_DIR` to the directory that is meant",
            ),
            (
                "open",
                "others may write to `open` (mode 777)",
                "`chmod go-w open`, or set `ORCHESTRATE_STATE_DIR` to a directory of your own",
            ),
        ];
        let prefix = format!("{}/", place.path().display());
        for (name, text, hint) in table {
            let error = StateDirectory::at(&at(name)).unwrap_err();
            assert_eq!(error.to_string().replace(&prefix, ""), text);
            assert_eq!(error.hint().replace(&prefix, ""), hint);
        }
        assert_eq!(fs::read_dir(at("real")).unwrap().count(), 0);
    }

    #[test]
    fn someone_elses_directory_is_refused() {
        let ours = rustix::process::geteuid().as_raw();
        let place = tempfile::tempdir().unwrap();
        let foreign = if ours == 0 {
            std::os::unix::fs::chown(place.path(), Some(12345), None).unwrap();
            place.path()
        } else {
            Path::new("/")
        };
        let error = StateDirectory::at(foreign).unwrap_err();
        assert!(matches!(error, StateFileError::ForeignOwner { .. }), "{error:?}");
    }

    #[test]
    fn the_key_is_made_once_and_noticed_when_damaged() {
        let place = tempfile::tempdir().unwrap();
        let state = StateDirectory::at(&place.path().join("state")).unwrap();
        let keys: Vec<[u8; 32]> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..4).map(|_| scope.spawn(|| state.sealing_key().unwrap())).collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert_ne!(keys[0], [0; 32]);
        assert!(keys.iter().all(|key| *key == keys[0]));
        let other = StateDirectory::at(&place.path().join("other")).unwrap();
        assert_ne!(other.sealing_key().unwrap(), keys[0]);

        fs::write(state.path().join("key"), "short").unwrap();
        let error = state.sealing_key().unwrap_err();
        assert!(matches!(error, StateFileError::DamagedKey { length: 5, .. }), "{error:?}");
    }

    #[test]
    fn a_lock_is_held_by_one_and_tells_by_whom() {
        let place = tempfile::tempdir().unwrap();
        let state = StateDirectory::at(&place.path().join("state")).unwrap();
        let (shop, blog) = ("shop".parse().unwrap(), "blog".parse().unwrap());
        let held = state.lock(&shop, &owner(100)).unwrap();
        let error = state.lock(&shop, &owner(225)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "project `shop` is locked by process 42 on `laptop`, for 2m5s: deployment `abcd1234` (new prices)"
        );
        assert_eq!(error.hint(), "wait until it is done, or end it with `kill 42`: the lock goes with its process");
        let LockError::Held { age, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*age, Duration::from_secs(125));

        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        assert_eq!(state.look_at_lock(&shop, at(225)).unwrap_err().to_string(), error.to_string());
        state.look_at_lock(&blog, at(225)).unwrap();
        drop(state.lock(&blog, &owner(100)).unwrap());
        drop(held);
        drop(state.lock(&shop, &owner(300)).unwrap());
        assert_eq!(fs::read(state.path().join("locks/shop")).unwrap(), b"");
    }

    #[test]
    fn who_looks_or_waits_keeps_nobody_from_taking_a_lock() {
        let place = tempfile::tempdir().unwrap();
        let state = StateDirectory::at(&place.path().join("state")).unwrap();
        let shop = "shop".parse().unwrap();
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                        let _ = state.look_at_lock(&shop, Timestamp::EPOCH);
                    }
                });
            }
            scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    if state.look_at_lock(&shop, Timestamp::EPOCH).is_err() {
                        state.wait_for_lock(&shop).unwrap();
                    }
                }
            });
            let taken = (0..200).filter(|second| state.lock(&shop, &owner(*second)).is_ok()).count();
            is_over.store(true, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(taken, 200);
        });
    }
}
