use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    name::{DeploymentId, EnvironmentName, ProjectName, ServiceName},
    plan::{ByteSize, Limits, Protocol, RestartPolicy, RuntimeKind},
    secret::{Salt, Text},
    time::Timestamp,
};

/// Whose an instance is: what our labels say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub project: ProjectName,
    pub service: ServiceName,
    /// Its number among the service's instances, from 1.
    pub number: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// The deployment that made it.
    pub deployment: DeploymentId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum InstanceState {
    /// Made, never started.
    Created,
    Running,
    Paused,
    /// Between an exit and the start that its restart policy asks for.
    Restarting,
    Exited {
        code: i64,
        killed_for_memory: bool,
    },
    /// The engine is removing it, or failed to.
    Dead,
}

/// What the engine's own healthcheck says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    None,
    Starting,
    Healthy,
    Unhealthy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PublishedPort {
    pub target: u16,
    pub protocol: Protocol,
    pub host_ip: Option<IpAddr>,
    pub host_port: u16,
}

/// How a check gets to an instance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Any port, at this address.
    Address(IpAddr),
    /// Only what is published, at the engine's host.
    Published(IpAddr),
    #[default]
    Nowhere,
}

/// In what an instance differs from what a plan would make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The field's path within the service. What only the engine has a word for has that.
    pub field: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A file of the host that an instance was given: a config, a secret, or a copy of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenFile {
    /// Where it is on the host.
    pub path: String,
    /// What is in it now, as a secret; `None` if it is gone.
    pub content: Option<Text>,
    /// Whether the instance knows: someone may have been cut off after the contents were written.
    pub is_told: bool,
}

/// One container or process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    pub runtime: RuntimeKind,
    /// The runtime's own id: never changes, never comes back.
    pub id: String,
    pub name: String,
    pub identity: Identity,
    /// The spec that it was made from (the label `io.orchestrate.spec`), or `None` if it is
    /// damaged or from a version that this one cannot read.
    pub spec: Option<Arc<serde_json::Value>>,
    /// Only if Compose made it and its project was taken over: in what it differs from what the plan
    /// would make, as the runtime sees it. It has no spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<Vec<Difference>>,
    pub salt: Salt,
    pub state: InstanceState,
    pub health: Health,
    /// What the engine's healthcheck last wrote in this run, cut and unscrubbed: for a probe's
    /// answer, and never kept.
    #[serde(skip)]
    pub health_output: Option<String>,
    pub started_at: Option<Timestamp>,
    /// From then on its log is of its present run; from the beginning if there was no run before.
    /// A program may write before its start is noted, so `started_at` does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_since: Option<Timestamp>,
    /// How often its restart policy has started it again.
    pub restart_count: u32,
    /// The image it runs, or the digest of the executable.
    pub image_id: String,
    /// What limits it has now.
    pub limits: Limits,
    pub restart_policy: RestartPolicy,
    /// The networks it is in, by their names on the engine, each with its aliases there.
    pub networks: BTreeMap<String, BTreeSet<String>>,
    pub ports: BTreeSet<PublishedPort>,
    pub reach: Reach,
    /// The ids of the containers that it shares something with, by what that is: `network_mode`,
    /// `pid`, `ipc`, `volumes_from[0]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shares: BTreeMap<String, String>,
    /// The memory that it can count on, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_reservation: Option<ByteSize>,
    /// The files that it was given, by their names on the host, as far as they can be seen: for
    /// the comparison with a plan, and never kept.
    #[serde(skip)]
    pub files: BTreeMap<String, SeenFile>,
}

impl Instance {
    pub fn is_running(&self) -> bool {
        match self.state {
            InstanceState::Running => true,
            InstanceState::Created
            | InstanceState::Paused
            | InstanceState::Restarting
            | InstanceState::Exited { .. }
            | InstanceState::Dead => false,
        }
    }

    /// It runs, or would again by itself: it has to be stopped before another takes its place.
    pub fn is_active(&self) -> bool {
        match self.state {
            InstanceState::Running | InstanceState::Paused | InstanceState::Restarting => true,
            InstanceState::Created | InstanceState::Exited { .. } | InstanceState::Dead => false,
        }
    }

    /// It ran to its end, and that was a success.
    pub fn has_completed(&self) -> bool {
        matches!(self.state, InstanceState::Exited { code: 0, .. })
    }

    /// It does not run, and someone wanted that. An engine only leaves one with the policy
    /// `unless-stopped` ended if it was told to, and whoever stops a service here gives it that
    /// policy: so it stays stopped, and every host can see why.
    pub fn is_stopped_on_purpose(&self) -> bool {
        match self.state {
            // Nobody saw how the processes of an earlier boot ended: nobody stopped them.
            InstanceState::Exited { code, .. } => self.restart_policy == RestartPolicy::UnlessStopped && code >= 0,
            InstanceState::Created
            | InstanceState::Running
            | InstanceState::Paused
            | InstanceState::Restarting
            | InstanceState::Dead => false,
        }
    }

    /// Where to dial one of its ports, if that is possible from here.
    pub fn dial(&self, port: u16) -> Option<SocketAddr> {
        match self.reach {
            Reach::Nowhere => None,
            Reach::Address(address) => Some(SocketAddr::new(address, port)),
            Reach::Published(host) => {
                let is_it =
                    |published: &&PublishedPort| published.target == port && published.protocol == Protocol::Tcp;
                let published = self.ports.iter().find(is_it)?;
                let address =
                    published.host_ip.filter(|ip| !ip.is_unspecified() && host == IpAddr::V4(Ipv4Addr::LOCALHOST));
                Some(SocketAddr::new(address.unwrap_or(host), published.host_port))
            }
        }
    }
}
