use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;

use crate::{
    name::ProjectName,
    observed::Fault,
    runtime::{Reading, Vault, VaultFiles},
};

/// What projects keep, in memory.
#[derive(Debug, Default)]
pub struct MemoryVault {
    /// Several tasks use one vault, as several hosts use one engine; each call is one moment.
    projects: Mutex<BTreeMap<ProjectName, Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    files: VaultFiles,
    is_shut: bool,
}

impl MemoryVault {
    /// Takes away what the vault is read through, as someone does who prunes containers.
    pub fn shut(&self, project: &ProjectName) {
        if let Some(kept) = self.lock().get_mut(project) {
            kept.is_shut = true;
        }
    }

    /// Tears a file, as a crash does that leaves no generation whole.
    pub fn tear(&self, project: &ProjectName, path: &str) {
        if let Some(kept) = self.lock().get_mut(project)
            && kept.files.whole.remove(path).is_some()
        {
            kept.files.lost.insert(path.to_owned());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ProjectName, Kept>> {
        self.projects.lock().expect("nothing panics while it holds this")
    }

    fn look(&self, project: &ProjectName, is_wanted: impl Fn(&str) -> bool) -> Reading {
        let projects = self.lock();
        let Some(kept) = projects.get(project) else { return Reading::NoVault };
        if kept.is_shut {
            return Reading::Shut;
        }
        let mut files = kept.files.clone();
        files.whole.retain(|path, _| is_wanted(path));
        files.lost.retain(|path| is_wanted(path));
        Reading::Open(files)
    }
}

#[async_trait]
impl Vault for MemoryVault {
    async fn read(&self, project: &ProjectName, path: &str) -> Result<Reading, Fault> {
        Ok(self.look(project, |found| found == path))
    }

    async fn read_all(&self, project: &ProjectName) -> Result<Reading, Fault> {
        Ok(self.look(project, |_| true))
    }

    async fn prepare(&self, project: &ProjectName) -> Result<(), Fault> {
        self.lock().entry(project.clone()).or_default().is_shut = false;
        Ok(())
    }

    async fn write(&self, project: &ProjectName, files: &BTreeMap<String, Vec<u8>>) -> Result<(), Fault> {
        let mut projects = self.lock();
        let kept = projects.entry(project.clone()).or_default();
        kept.is_shut = false;
        kept.files.lost.retain(|path| !files.contains_key(path));
        kept.files.whole.extend(files.clone());
        Ok(())
    }

    async fn remove(&self, project: &ProjectName, paths: &BTreeSet<String>) -> Result<(), Fault> {
        if let Some(kept) = self.lock().get_mut(project) {
            kept.is_shut = false;
            kept.files.whole.retain(|path, _| !paths.contains(path));
            kept.files.lost.retain(|path| !paths.contains(path));
        }
        Ok(())
    }

    async fn destroy(&self, project: &ProjectName) -> Result<(), Fault> {
        self.lock().remove(project);
        Ok(())
    }
}
