use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use bollard::models::SystemVersion;

use super::{EngineAddress, fault};

/// What the engine says of itself, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Engine {
    pub version: String,
    /// It sees the same files as we do.
    pub is_local: bool,
    /// This host can dial containers at their own addresses.
    pub dials_containers: bool,
    /// Where published ports are, if that is known.
    pub host: Option<IpAddr>,
    /// What containers run on there, as in `linux/amd64`.
    pub platform: Option<String>,
}

/// How long a name server may take to say where the engine's host is.
const LOOKUP_LIMIT: Duration = Duration::from_secs(5);

impl Engine {
    /// The engine at an address, by its own words.
    pub async fn at(address: &EngineAddress, version: &SystemVersion) -> Self {
        let own_kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok();
        let host = host_address(address).await;
        Self::new(address, version, own_kernel.as_deref().map(str::trim), host)
    }

    /// A socket of this host may lead to an engine elsewhere: forwarded by SSH, or in a virtual
    /// machine. Such an engine has another kernel. If it is a desktop's, or if we do not run on Linux
    /// at all, the machine is this host's own, and shares files and published ports with it.
    fn new(address: &EngineAddress, version: &SystemVersion, own_kernel: Option<&str>, host: Option<IpAddr>) -> Self {
        let platform = version.platform.as_ref().map_or("", |platform| platform.name.as_str());
        let is_desktop = platform.contains("Desktop") || own_kernel.is_none();
        let has_own_network =
            version.components.iter().flatten().any(|component| component.name.eq_ignore_ascii_case("rootlesskit"));
        let shares_kernel = own_kernel.is_some() && own_kernel == version.kernel_version.as_deref();
        let is_local = address.is_local() && (shares_kernel || is_desktop);
        Self {
            version: fault::clean(version.version.as_deref().unwrap_or("of an unknown version")),
            is_local,
            dials_containers: is_local && shares_kernel && !is_desktop && !has_own_network,
            host: host.filter(|_| is_local || !address.is_local()),
            platform: version.os.as_ref().zip(version.arch.as_ref()).map(|(os, arch)| format!("{os}/{arch}")),
        }
    }
}

async fn host_address(address: &EngineAddress) -> Option<IpAddr> {
    let EngineAddress::Tcp { host, port } = address else {
        return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    };
    if let Ok(address) = host.parse() {
        return Some(address);
    }
    let found = tokio::time::timeout(LOOKUP_LIMIT, tokio::net::lookup_host((host.as_str(), *port))).await;
    found.ok()?.ok()?.next().map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_local_if_it_shares_this_hosts_kernel_or_desktop() {
        let linux = r#"{"Version":"29.0","KernelVersion":"6.1","Platform":{"Name":"Docker Engine - Community"}}"#;
        let desktop = r#"{"Version":"29.0","KernelVersion":"6.6-vm","Platform":{"Name":"Docker Desktop 4.50"}}"#;
        let rootless =
            r#"{"Version":"29.0","KernelVersion":"6.1","Components":[{"Name":"rootlesskit","Version":"2"}]}"#;
        let socket = "unix:///var/run/docker.sock";
        let remote = "tcp://192.0.2.1:2375";
        let (local, vm, forwarded, far) = (
            (true, true, Some("127.0.0.1")),
            (true, false, Some("127.0.0.1")),
            (false, false, None),
            (false, false, Some("192.0.2.1")),
        );
        let table = [
            (socket, linux, Some("6.1"), local),
            (socket, rootless, Some("6.1"), vm),
            (socket, desktop, Some("6.1"), vm),
            (socket, linux, None, vm),
            (socket, linux, Some("5.9"), forwarded),
            (remote, linux, Some("6.1"), far),
            (remote, linux, Some("5.9"), far),
        ];
        for (address, version, kernel, (is_local, dials_containers, host)) in table {
            let found = match address == remote {
                true => "192.0.2.1",
                false => "127.0.0.1",
            };
            let engine = Engine::new(
                &address.parse().unwrap(),
                &serde_json::from_str(version).unwrap(),
                kernel,
                found.parse().ok(),
            );
            let host = host.map(|host| host.parse().unwrap());
            let expected = Engine { version: "29.0".to_owned(), is_local, dials_containers, host, platform: None };
            assert_eq!(engine, expected, "{address} {version} {kernel:?}");
        }
    }
}
