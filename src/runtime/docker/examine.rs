use bollard::models::{SystemInfo, SystemInfoCgroupVersionEnum};

use super::{Docker, engine::Engine};
use crate::observed::{Capacity, Disk, Fault};

/// What an engine can do, for whoever looks for trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineExamination {
    /// `docker 20.10.24 at unix:///var/run/docker.sock`
    pub name: String,
    /// It is as old as what this was tried on, or younger.
    pub is_supported: bool,
    /// This host can dial containers at their own addresses, so checks need no published ports.
    pub dials_containers: bool,
    /// It is known where published ports are.
    pub has_published_ports: bool,
    /// `1` or `2`, where the engine tells.
    pub cgroup_version: Option<&'static str>,
    /// The limits of a service that its kernel cannot keep: `memory`, `cpus`, `pids`.
    pub missing_limits: Vec<&'static str>,
}

/// The oldest engine that is supported, by its major and minor version.
pub const OLDEST_ENGINE: (u32, u32) = (20, 10);

impl Docker {
    /// Asks the engine what it is and what it can do; changes nothing.
    ///
    /// # Errors
    /// If it cannot be reached, or refuses.
    pub async fn examine(&self) -> Result<EngineExamination, Fault> {
        let engine = self.engine().await?;
        let call = self.read(format!("ask the engine at `{}` what it can do", self.address()));
        let system = call.run(self.client()?.info()).await?;
        Ok(EngineExamination::new(self.facts(engine).name, engine, &system))
    }
}

/// What the engine's host has, by the engine's words; of the disk, by this host's, if it is the same.
pub(super) async fn capacity(docker: &Docker) -> Result<Capacity, Fault> {
    let engine = docker.engine().await?;
    let system = docker.read("ask the engine what its host has").run(docker.client()?.info()).await?;
    let disk = system.docker_root_dir.as_ref().filter(|_| engine.is_local).and_then(|path| {
        let facts = rustix::fs::statvfs(path.as_str()).ok()?;
        Some(Disk { path: path.clone(), free_bytes: facts.f_bavail.saturating_mul(facts.f_frsize) })
    });
    Ok(Capacity {
        cpus: system.ncpu.and_then(|cpus| cpus.try_into().ok()).filter(|cpus| *cpus > 0),
        memory_bytes: system.mem_total.and_then(|bytes| bytes.try_into().ok()).filter(|bytes| *bytes > 0),
        platform: engine.platform.clone(),
        disk,
    })
}

impl EngineExamination {
    fn new(name: String, engine: &Engine, system: &SystemInfo) -> Self {
        let limits = [("memory", system.memory_limit), ("cpus", system.cpu_cfs_quota), ("pids", system.pids_limit)];
        // What the engine does not mention, it is taken to have.
        let missing = limits.into_iter().filter(|(_, has)| *has == Some(false));
        Self {
            name,
            is_supported: is_supported(&engine.version),
            dials_containers: engine.dials_containers,
            has_published_ports: engine.host.is_some(),
            cgroup_version: match system.cgroup_version {
                Some(SystemInfoCgroupVersionEnum::_1) => Some("1"),
                Some(SystemInfoCgroupVersionEnum::_2) => Some("2"),
                Some(SystemInfoCgroupVersionEnum::EMPTY) | None => None,
            },
            missing_limits: missing.map(|(name, _)| name).collect(),
        }
    }
}

/// A version that cannot be read is given the benefit of the doubt.
fn is_supported(version: &str) -> bool {
    let mut numbers = version.split('.').map_while(|part| part.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => (major, minor) >= OLDEST_ENGINE,
        (Some(_) | None, _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_before_20_10_are_too_old() {
        let table =
            [("20.10.24+dfsg1", true), ("20.9.1", false), ("19.03.8", false), ("29.0.0-rc.1", true), ("?", true)];
        for (version, supported) in table {
            assert_eq!(is_supported(version), supported, "{version}");
        }
    }

    #[test]
    fn only_a_limit_that_is_denied_is_missing() {
        let engine =
            Engine { version: "20.10.24".into(), is_local: true, dials_containers: false, host: None, platform: None };
        let system = SystemInfo { memory_limit: Some(false), pids_limit: Some(true), ..SystemInfo::default() };
        let examination = EngineExamination::new("docker".to_owned(), &engine, &system);
        assert_eq!((examination.missing_limits, examination.cgroup_version), (vec!["memory"], None));
    }
}
