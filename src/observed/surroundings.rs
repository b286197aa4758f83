use std::collections::BTreeSet;

/// What is around a plan, as far as it was asked for: none of it says what runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Surroundings {
    /// What the engine's host has, where the engine tells.
    pub capacity: Option<Capacity>,
    /// Paths of this host that are to be mounted and are not there; only if the engine is here.
    pub missing_paths: BTreeSet<String>,
}

/// What the host of an engine has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capacity {
    pub cpus: Option<u32>,
    pub memory_bytes: Option<u64>,
    /// What it runs, as in `linux/amd64`.
    pub platform: Option<String>,
    /// Where the engine keeps images and volumes, and how much room there is; only if it is here.
    pub disk: Option<Disk>,
}

/// A place for data, and what is free there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    pub path: String,
    pub free_bytes: u64,
}
