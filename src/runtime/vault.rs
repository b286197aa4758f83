use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use crate::{name::ProjectName, observed::Fault};

/// The most that a vault's files take together: what reads one keeps it in memory.
pub const VAULT_LIMIT_BYTES: u64 = 64 << 20;

/// What reading a vault found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// The project keeps nothing on this engine.
    NoVault,
    /// There is one, but it cannot be read without making something first: what it is read through
    /// was pruned. [`Vault::prepare`] brings that back, and so does a write.
    Shut,
    Open(VaultFiles),
}

/// Files of a vault, by path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VaultFiles {
    pub whole: BTreeMap<String, Vec<u8>>,
    /// Files of which no generation is whole: nothing is left of them but their names.
    pub lost: BTreeSet<String>,
}

/// What a project keeps where its services are, so that another host finds it: small files by path.
///
/// A path is one to four names with `/` between, each of letters, digits, `-`, `_` and `.`, no dot
/// first, and none just `0` or `1`. A write of several files replaces each of them whole or, after a crash, not at all:
/// the generation before stays until the new one is there. Two programs must not write at once, so
/// whoever writes holds the project's lock.
///
/// # What it protects from
/// Whoever may use the engine is root on its host: can read this vault, the environment of every
/// container, and memory. So what is kept here is as safe as what the containers are given, and no
/// safer. Secrets are sealed by the caller all the same, with a key that lies in the vault itself:
/// that keeps them out of listings, backups of other volumes, logs and a glance over the shoulder,
/// and it is no defence against the engine's users. Sealing also shows damage.
#[async_trait]
pub trait Vault: Send + Sync {
    /// One file; `whole` and `lost` are empty if there is none of that path. Changes nothing.
    async fn read(&self, project: &ProjectName, path: &str) -> Result<Reading, Fault>;

    /// All files. Changes nothing.
    async fn read_all(&self, project: &ProjectName) -> Result<Reading, Fault>;

    /// Makes what is missing to read and write. From then on the caller holds the project's lock as long
    /// as it uses this vault: what lies there is not read again.
    async fn prepare(&self, project: &ProjectName) -> Result<(), Fault>;

    /// Writes files; what is missing to write is made.
    async fn write(&self, project: &ProjectName, files: &BTreeMap<String, Vec<u8>>) -> Result<(), Fault>;

    /// Removes files; those that are not there are passed over.
    async fn remove(&self, project: &ProjectName, paths: &BTreeSet<String>) -> Result<(), Fault>;

    /// Takes the whole vault away.
    async fn destroy(&self, project: &ProjectName) -> Result<(), Fault>;
}
