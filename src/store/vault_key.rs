use std::collections::BTreeMap;

use super::random_bytes;
use crate::{
    name::ProjectName,
    observed::Fault,
    runtime::{Reading, Vault, VaultFiles},
    secret::Sealer,
};

/// The key that a project's vault is sealed with. It lies in the vault itself, so that another host
/// can open what is there; what that protects from, and what not, is said at [`Vault`].
pub struct VaultKey([u8; 32]);

/// Why a vault's key is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum VaultKeyError {
    #[error("the key in the vault of project `{project}` is damaged")]
    Damaged { project: ProjectName },
    #[error("no key can be made")]
    Random(#[source] std::io::Error),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The key's path in the vault.
const PATH: &str = "key";

impl VaultKey {
    /// The key, if there is one that can be read. Changes nothing.
    ///
    /// # Errors
    /// If it is damaged, or the engine fails.
    pub async fn read(vault: &dyn Vault, project: &ProjectName) -> Result<Option<Self>, VaultKeyError> {
        let Reading::Open(files) = vault.read(project, PATH).await? else { return Ok(None) };
        Self::in_file(project, &files)
    }

    /// The key among a vault's files.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn in_files(project: &ProjectName, files: &VaultFiles) -> Result<Option<Self>, VaultKeyError> {
        if files.whole.is_empty() && files.lost.iter().all(|path| path == PATH) {
            // The first write was cut off: nothing was ever sealed by it.
            return Ok(None);
        }
        Self::in_file(project, files)
    }

    fn in_file(project: &ProjectName, files: &VaultFiles) -> Result<Option<Self>, VaultKeyError> {
        let damaged = || VaultKeyError::Damaged { project: project.clone() };
        if files.lost.contains(PATH) {
            return Err(damaged());
        }
        let Some(content) = files.whole.get(PATH) else { return Ok(None) };
        content.clone().try_into().map(|key| Some(Self(key))).map_err(|_| damaged())
    }

    /// The key of a project, made the first time. The caller holds the project's lock, so that nobody
    /// else makes one at the same time; one that is damaged is not made anew, since what it sealed would be
    /// lost without a word.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_or_make(vault: &dyn Vault, project: &ProjectName) -> Result<Self, VaultKeyError> {
        vault.prepare(project).await?;
        let found = match Self::read(vault, project).await {
            Err(VaultKeyError::Damaged { .. }) => match vault.read_all(project).await? {
                Reading::Open(files) => Self::in_files(project, &files)?,
                Reading::Shut | Reading::NoVault => None,
            },
            found => found?,
        };
        if let Some(key) = found {
            return Ok(key);
        }
        let key = random_bytes::<32>().map_err(VaultKeyError::Random)?;
        vault.write(project, &BTreeMap::from([(PATH.to_owned(), key.to_vec())])).await?;
        Ok(Self(key))
    }

    pub fn sealer(&self) -> Sealer {
        Sealer::new(self.0)
    }
}

impl VaultKeyError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Damaged { project } => Some(format!(
                "apply from the host that deployed `{project}` before, which has its own records; without them, take the \
                 vault away (`docker rm orchestrate-state-{project}`, `docker volume rm orchestrate-state-{project}`): \
                 its history and the secrets that were made once are lost then"
            )),
            Self::Random(_) => None,
            Self::Fault(fault) => fault.hint.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::simulated::MemoryVault;

    #[tokio::test]
    async fn a_key_is_made_once_and_never_replaced() {
        let (vault, project): (_, ProjectName) = (MemoryVault::default(), "app".parse().unwrap());
        assert!(VaultKey::read(&vault, &project).await.unwrap().is_none());
        let sealed = VaultKey::read_or_make(&vault, &project).await.unwrap().sealer().seal("hunter2");
        vault.shut(&project);
        assert!(VaultKey::read(&vault, &project).await.unwrap().is_none());
        let key = VaultKey::read_or_make(&vault, &project).await.unwrap();
        assert_eq!(key.sealer().open(&sealed).unwrap(), "hunter2");
        let read = VaultKey::read(&vault, &project).await.unwrap().unwrap();
        assert_eq!(read.sealer().open(&sealed).unwrap(), "hunter2");
        vault.write(&project, &BTreeMap::from([("made.json".to_owned(), sealed.into())])).await.unwrap();
        vault.tear(&project, "key");
        let error = VaultKey::read_or_make(&vault, &project).await.map(drop).unwrap_err();
        assert_eq!(error.to_string(), "the key in the vault of project `app` is damaged");
        vault.write(&project, &BTreeMap::from([("key".to_owned(), vec![1])])).await.unwrap();
        assert!(matches!(VaultKey::read(&vault, &project).await, Err(VaultKeyError::Damaged { .. })));
    }

    #[tokio::test]
    async fn a_key_that_never_sealed_anything_is_made_anew() {
        let (vault, project): (_, ProjectName) = (MemoryVault::default(), "app".parse().unwrap());
        VaultKey::read_or_make(&vault, &project).await.unwrap();
        vault.tear(&project, "key");
        let Reading::Open(files) = vault.read_all(&project).await.unwrap() else { panic!("it is open") };
        assert!(VaultKey::in_files(&project, &files).unwrap().is_none());
        VaultKey::read_or_make(&vault, &project).await.unwrap();
        assert!(VaultKey::read(&vault, &project).await.unwrap().is_some());
    }
}
