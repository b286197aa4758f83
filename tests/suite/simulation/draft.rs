use std::{collections::BTreeMap, sync::Arc, sync::LazyLock};

use orchestrate::{
    name::ServiceName,
    plan::{
        ByteSize, Check, CommandLine, Condition, ConfigDefinition, Dependency, ExposedPort, FileReference, Importance,
        Kind, Mount, Network, Plan, Port, Protocol, RestartPolicy, Retry, Rollback, RollbackStrategy, RunPolicy,
        RuntimeKind, Schedule, SecretDefinition, Service, Volume,
    },
    secret::{Secret, Text},
};

use super::dice::Dice;

/// What every secret of a simulation begins with: it must never be seen.
pub const SECRET: &str = "s3cr3t-";

const NAMES: [&str; 16] = [
    "web", "db", "api", "cache", "queue", "auth", "mail", "search", "proxy", "jobs", "audit", "files", "geo", "hub",
    "index", "kiosk",
];

/// A plan that can be changed at random and is always valid: what contradicts itself is left out
/// when it is turned into a [`Plan`].
#[derive(Debug, Clone)]
pub struct Draft {
    services: BTreeMap<usize, Sketch>,
    is_grouped: bool,
    parallelism: usize,
    strategy: RollbackStrategy,
}

#[derive(Debug, Clone)]
struct Sketch {
    version: usize,
    is_job: bool,
    is_irreversible: bool,
    is_process: bool,
    run: RunPolicy,
    replicas: usize,
    priority: i32,
    port: Option<u16>,
    container_name: Option<usize>,
    restart: Option<RestartPolicy>,
    memory: Option<u64>,
    has_check: bool,
    has_warning: bool,
    volume: Option<usize>,
    network: Option<usize>,
    config: Option<usize>,
    secret: Option<usize>,
    has_secret_variable: bool,
    /// Services before it in the list of names, and how much of them is needed.
    needs: BTreeMap<usize, usize>,
}

const STRATEGIES: [RollbackStrategy; 8] = [
    RollbackStrategy::Graceful,
    RollbackStrategy::Graceful,
    RollbackStrategy::Graceful,
    RollbackStrategy::Batch,
    RollbackStrategy::Batch,
    RollbackStrategy::Immediate,
    RollbackStrategy::Aggressive,
    RollbackStrategy::Manual,
];

impl Draft {
    pub fn random(dice: &mut Dice) -> Self {
        let mut draft = Self {
            services: BTreeMap::new(),
            is_grouped: dice.chance(250),
            parallelism: 1 + dice.below(8),
            strategy: *dice.pick(&STRATEGIES),
        };
        for _ in 0..1 + dice.below(12) {
            draft.add(dice);
        }
        draft
    }

    fn add(&mut self, dice: &mut Dice) {
        let index = dice.below(NAMES.len());
        let sketch = Sketch::random(dice, index);
        if self.services.len() < 12 {
            self.services.insert(index, sketch);
        }
    }

    /// The next version of the plan.
    pub fn changed(&self, dice: &mut Dice) -> Self {
        let mut draft = self.clone();
        for _ in 0..1 + dice.below(4) {
            match dice.below(14) {
                0 => draft.add(dice),
                1 if draft.services.len() > 1 => {
                    let gone = *dice.pick(&draft.indices());
                    draft.services.remove(&gone);
                }
                2 => draft.is_grouped = !draft.is_grouped,
                3 => draft.strategy = *dice.pick(&STRATEGIES),
                4 => draft.move_claims(dice),
                _ => {
                    let index = *dice.pick(&draft.indices());
                    draft.services.get_mut(&index).expect("it was picked").change(dice, index);
                }
            }
        }
        draft
    }

    fn indices(&self) -> Vec<usize> {
        self.services.keys().copied().collect()
    }

    /// A port and a name move from one service to another.
    fn move_claims(&mut self, dice: &mut Dice) {
        let (from, to) = (*dice.pick(&self.indices()), *dice.pick(&self.indices()));
        let source = self.services.get_mut(&from).expect("it was picked");
        let (port, name) = (source.port.take(), source.container_name.take());
        let target = self.services.get_mut(&to).expect("it was picked");
        (target.port, target.container_name) = (port.or(target.port), name.or(target.container_name));
    }

    pub fn plan(&self) -> Plan {
        let mut plan = Plan {
            moved: Vec::new(),
            name: "app".parse().expect("a name"),
            project: "app".parse().expect("a name"),
            environment: None,
            services: BTreeMap::new(),
            networks: BTreeMap::new(),
            volumes: BTreeMap::new(),
            configs: BTreeMap::new(),
            secrets: BTreeMap::new(),
            rollback: Rollback { strategy: self.strategy },
            retry: Retry::default(),
            retain: Plan::RETAIN,
            parallelism: self.parallelism,
            schedule: if self.is_grouped { Schedule::Grouped } else { Schedule::Eager },
        };
        let (mut ports, mut names) = (Vec::new(), Vec::new());
        for (index, sketch) in &self.services {
            let mut sketch = sketch.clone();
            sketch.port = sketch.port.filter(|port| !ports.contains(port));
            sketch.container_name =
                sketch.container_name.filter(|name| !names.contains(name) && !sketch.is_process && !sketch.is_job);
            ports.extend(sketch.port);
            names.extend(sketch.container_name);
            let service = self.service(&sketch, &mut plan);
            plan.services.insert(name_of(*index), Arc::new(service));
        }
        plan
    }

    fn service(&self, sketch: &Sketch, plan: &mut Plan) -> Service {
        let mut service = Service {
            kind: if sketch.is_job { Kind::Job } else { Kind::Service },
            run: if sketch.is_job { sketch.run } else { RunPolicy::OnChange },
            irreversible: sketch.is_job && sketch.is_irreversible,
            priority: sketch.priority,
            restart: sketch.restart.filter(|_| !sketch.is_job),
            depends_on: self.dependencies(sketch),
            ..Service::default()
        };
        service.environment.insert("VERSION".to_owned(), Some(Text::from(sketch.version.to_string())));
        if sketch.has_secret_variable {
            let secret = Secret::new(format!("{SECRET}variable-{}", sketch.version % 2));
            service.environment.insert("TOKEN".to_owned(), Some(Text::Secret(secret)));
        }
        let claims = sketch.port.is_some() || sketch.container_name.is_some();
        service.deploy.replicas = (!claims && !sketch.is_job && sketch.replicas > 1).then_some(sketch.replicas as u32);
        if sketch.has_check && !sketch.is_job {
            service.checks.push(CRITICAL.clone());
        }
        if sketch.has_warning && !sketch.is_job {
            service.checks.push(WARNING.clone());
        }
        match sketch.is_process {
            true => as_process(sketch, &mut service),
            false => as_container(sketch, &mut service, plan),
        }
        service
    }

    fn dependencies(&self, sketch: &Sketch) -> BTreeMap<ServiceName, Dependency> {
        let needs = sketch.needs.iter().filter_map(|(needed, how)| Some((needed, self.services.get(needed)?, how)));
        let condition = |needed: &Sketch, how: &usize| match (needed.is_job, needed.has_check, how % 3) {
            (true, _, 0 | 1) => Condition::ServiceCompletedSuccessfully,
            (false, true, 0 | 1) => Condition::ServiceHealthy,
            (_, _, _) => Condition::ServiceStarted,
        };
        needs
            .map(|(index, needed, how)| {
                (name_of(*index), Dependency { condition: condition(needed, how), required: true, restart: false })
            })
            .collect()
    }
}

fn as_process(sketch: &Sketch, service: &mut Service) {
    service.runtime = Some(RuntimeKind::Process);
    let words =
        [format!("/opt/{}", if sketch.is_job { "job" } else { "server" }), format!("--version={}", sketch.version)];
    service.command = Some(CommandLine(words.map(Text::from).into()));
    service.expose.extend(sketch.port.map(|port| ExposedPort { port, protocol: Protocol::Tcp }));
}

fn as_container(sketch: &Sketch, service: &mut Service, plan: &mut Plan) {
    let image = if sketch.is_job { "job" } else { "server" };
    service.image = Some(format!("{image}:{}", sketch.version).parse().expect("an image"));
    let port = |published| Port {
        target: 80,
        published: Some(published),
        published_to: None,
        host_ip: None,
        protocol: Protocol::Tcp,
    };
    service.ports.extend(sketch.port.map(port));
    service.container_name = sketch.container_name.map(|name| format!("named-{name}"));
    service.deploy.resources.limits.memory = sketch.memory.map(|megabytes| ByteSize(megabytes << 20));
    // A job that has run once and for good stays what it was.
    let is_settled = sketch.is_job && sketch.run == RunPolicy::Once;
    if let Some(volume) = sketch.volume.filter(|_| !is_settled) {
        let key = format!("data{volume}");
        service.volumes.push(Mount::parse_short(&format!("{key}:/data")).expect("a mount"));
        plan.volumes.insert(key, Volume::default());
    }
    if let Some(network) = sketch.network.filter(|_| !is_settled) {
        let key = format!("net{network}");
        service.networks.insert(key.clone(), Default::default());
        plan.networks.insert(key, Network::default());
    }
    if let Some(version) = sketch.config.filter(|_| !is_settled) {
        let (key, content) = (format!("conf{version}"), Text::from(format!("version = {version}")));
        let digest = Some(content.clone());
        service.configs.push(FileReference { source: key.clone(), digest, ..FileReference::default() });
        plan.configs.insert(key, ConfigDefinition { content: Some(content), ..Default::default() });
    }
    if let Some(version) = sketch.secret.filter(|_| !is_settled) {
        let (key, content) = ("token".to_owned() + &version.to_string(), format!("{SECRET}file-{version}"));
        let content = Some(Text::Secret(Secret::new(content)));
        let digest = content.clone();
        service.secrets.push(FileReference { source: key.clone(), digest, ..FileReference::default() });
        plan.secrets.insert(key, SecretDefinition { content, ..Default::default() });
    }
}

impl Sketch {
    fn random(dice: &mut Dice, index: usize) -> Self {
        let some = |dice: &mut Dice, per_mille, below| dice.chance(per_mille).then(|| dice.below(below));
        let needs = (0..index).filter(|_| dice.chance(250)).collect::<Vec<_>>();
        Self {
            version: dice.below(3),
            is_job: dice.chance(150),
            is_irreversible: dice.chance(300),
            is_process: dice.chance(150),
            run: *dice.pick(&[RunPolicy::OnChange, RunPolicy::OnChange, RunPolicy::Once, RunPolicy::Always]),
            replicas: if dice.chance(250) { 1 + dice.below(3) } else { 1 },
            priority: dice.below(3) as i32,
            port: some(dice, 200, 4).map(|port| 8000 + port as u16),
            container_name: some(dice, 100, 3),
            restart: restart(dice),
            memory: some(dice, 300, 3).map(|size| 64 << size),
            has_check: dice.chance(600),
            has_warning: dice.chance(100),
            volume: some(dice, 200, 3),
            network: some(dice, 300, 3),
            config: some(dice, 150, 3),
            secret: some(dice, 150, 3),
            has_secret_variable: dice.chance(100),
            needs: needs.into_iter().map(|needed| (needed, dice.below(3))).collect(),
        }
    }

    fn change(&mut self, dice: &mut Dice, index: usize) {
        let other = Self::random(dice, index);
        match dice.below(12) {
            0..=2 => self.version += 1,
            3 => self.replicas = 1 + dice.below(4),
            4 => self.memory = Some(64 << dice.below(4)),
            5 => self.memory = other.memory,
            6 => self.restart = other.restart,
            7 => (self.config, self.secret) = (other.config, other.secret),
            8 => (self.network, self.volume) = (other.network, other.volume),
            9 => self.needs = other.needs,
            10 => (self.port, self.container_name) = (other.port, other.container_name),
            _ => (self.has_check, self.has_secret_variable) = (other.has_check, other.has_secret_variable),
        }
    }
}

fn restart(dice: &mut Dice) -> Option<RestartPolicy> {
    let policies = [RestartPolicy::Always, RestartPolicy::UnlessStopped, RestartPolicy::OnFailure { max_attempts: 3 }];
    dice.chance(500).then(|| *dice.pick(&policies))
}

fn name_of(index: usize) -> ServiceName {
    NAMES[index].parse().expect("a name")
}

fn check(fields: &str) -> Check {
    let text = format!("{{\"http\": {{\"port\": 80}}, \"interval\": \"500ms\", \"retries\": 4{fields}}}");
    serde_json::from_str(&text).expect("a check")
}

static CRITICAL: LazyLock<Check> = LazyLock::new(|| check(""));
static WARNING: LazyLock<Check> =
    LazyLock::new(|| Check { severity: Importance::Warning, name: Some("hint".to_owned()), ..check("") });
