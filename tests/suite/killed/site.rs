//! A project to kill the program over: on the engine, or of local processes.

use std::{path::PathBuf, process::Command, time::Duration};

use serde_json::Value;

use super::world::World;
use crate::{
    engine,
    fixture::{Fixture, Ran},
    scene::Scene,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    A,
    B,
}

impl Version {
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ground {
    Docker,
    Processes,
}

enum Place {
    Docker { fixture: Box<Fixture>, port: u16 },
    Processes(Scene),
}

/// A project that stands at one version of its plan.
pub struct Site {
    place: Place,
    pub at: Version,
    /// Its files are those of a host that was taken for lost, and nobody's since.
    pub has_orphaned_files: bool,
    hosts: usize,
}

/// What a version of the plan makes, when nobody disturbs, and how long it takes to get there.
pub struct Reference {
    a: World,
    b: World,
    pub takes: Duration,
    /// The fail points that it comes by, in order.
    #[cfg_attr(not(feature = "fail-points"), expect(dead_code))]
    pub points: Vec<String>,
}

impl Reference {
    pub fn of(&self, version: Version) -> &World {
        match version {
            Version::A => &self.a,
            Version::B => &self.b,
        }
    }
}

/// Two are replaced, one changed in place, one stays, one goes and one comes.
const ON_DOCKER: &str = r#"
services:
  web:
    <<: *server
    restart: always
    environment: { VERSION: "{v}", MADE: "{{ random_string(8) }}" }
    ports: ["127.0.0.1:{port}:80"]
    volumes: ["data:/data"]
    checks: &quick [{ tcp: { port: 80 }, interval: 50ms, retries: 200 }]
  api:
    <<: *server
    image: orchestrate-test/busybox:{v}
    restart: unless-stopped
    configs: [conf]
    depends_on: { web: { condition: service_healthy } }
    checks: *quick
  sized:
    <<: *server
    restart: {restart}
    deploy: { resources: { limits: { memory: {memory} } } }
    checks: *quick
  migrate: { kind: job, image: "orchestrate-test/busybox:1", command: ["true"] }
  {only}: { <<: *server, restart: always, networks: [side], checks: *quick }
configs: { conf: { content: "version {v}" } }
networks: { side: {} }
volumes: { data: {} }
"#;

const OF_PROCESSES: &str = r#"
services:
  web:
    command: [sleep, "100{v}"]
    environment: { VERSION: "{v}" }
    restart: always
    stop_grace_period: 1s
    checks: &quick [{ command: ["true"], interval: 20ms }]
  api:
    command: [sleep, "200{v}"]
    depends_on: { web: { condition: service_healthy } }
    checks: *quick
  sized: { command: [sleep, "3000"], restart: "{restart}", checks: *quick }
  migrate: { kind: job, command: ["true"] }
  {only}: { command: [sleep, "4000"], restart: always, checks: *quick }
"#;

impl Site {
    /// A project without anything. `None` if there is no engine, which is told loudly.
    pub fn empty(ground: Ground) -> Option<Self> {
        let place = match ground {
            Ground::Docker => Place::Docker { fixture: Box::new(Fixture::new()?), port: engine::free_port() },
            Ground::Processes => Place::Processes(Scene::empty()),
        };
        Some(Self { place, at: Version::A, has_orphaned_files: false, hosts: 0 })
    }

    /// A project that stands at version A.
    pub fn new(ground: Ground) -> Option<Self> {
        let site = Self::empty(ground)?;
        site.plan(Version::A);
        site.run("apply -y --remove-orphans")?;
        Some(site)
    }

    pub fn ground(&self) -> Ground {
        match self.place {
            Place::Docker { .. } => Ground::Docker,
            Place::Processes(_) => Ground::Processes,
        }
    }

    /// Writes a version of the plan.
    pub fn plan(&self, version: Version) {
        let (v, restart, memory, only) = match version {
            Version::A => ("1", "on-failure:3", "32M", "gone"),
            Version::B => ("2", "always", "48M", "came"),
        };
        let fill = |text: &str| {
            let text = text.replace("{v}", v).replace("{restart}", restart).replace("{memory}", memory);
            text.replace("{only}", only)
        };
        match &self.place {
            Place::Docker { fixture, port } => {
                fixture.plan(&fill(ON_DOCKER).replace("{port}", &port.to_string()));
            }
            Place::Processes(scene) => scene.plan(&fill(OF_PROCESSES)),
        }
    }

    pub fn command(&self, line: &str) -> Command {
        match &self.place {
            Place::Docker { fixture, .. } => fixture.command(&line.split(' ').collect::<Vec<_>>()),
            Place::Processes(scene) => scene.command(line),
        }
    }

    /// Runs a command, which has to succeed: its output. Says what went wrong otherwise.
    fn run(&self, line: &str) -> Option<Ran> {
        Some(Ran::of(self.command(line).output().unwrap()).exits(0))
    }

    pub fn world(&self) -> World {
        match &self.place {
            Place::Docker { fixture, port } => World::on_engine(&fixture.project(), *port).with_files(&fixture.state()),
            Place::Processes(scene) => World::of_processes(scene),
        }
    }

    /// The state directory of a host that was never here.
    pub fn another_host(&mut self) -> PathBuf {
        self.hosts += 1;
        let name = format!("host-{}", self.hosts);
        match &self.place {
            Place::Docker { fixture, .. } => fixture.path().join(name),
            Place::Processes(scene) => scene.path(&name),
        }
    }

    /// The deployments that history knows, the newest first.
    pub fn history(&self) -> Vec<Value> {
        let ran = Ran::of(self.command("history --format json").output().unwrap());
        serde_json::from_str::<Value>(&ran.data).unwrap_or_default()["deployments"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    /// Walks from A to B and back again, undisturbed.
    pub fn reference(&self) -> Reference {
        let a = self.world();
        self.plan(Version::B);
        let trace = self.command("").get_current_dir().unwrap().join("../trace");
        let begun = std::time::Instant::now();
        let mut command = self.command("apply -y --remove-orphans");
        Ran::of(command.env("ORCHESTRATE_FAIL_POINT_TRACE", &trace).output().unwrap()).exits(0);
        let (takes, b) = (begun.elapsed(), self.world());
        self.plan(Version::A);
        self.run("apply -y --remove-orphans");
        assert_eq!(self.world().unlike(&a), Vec::<String>::new(), "back at A it is not as it was");
        assert!(!b.unlike(&a).is_empty(), "B is like A");
        let points = std::fs::read_to_string(trace).unwrap_or_default().lines().map(str::to_owned).collect();
        Reference { a, b, takes, points }
    }
}
