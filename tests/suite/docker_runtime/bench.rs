use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bollard::query_parameters::{
    ListContainersOptions, ListImagesOptions, ListNetworksOptions, ListVolumesOptions, RemoveContainerOptions,
    RemoveImageOptions, RemoveVolumeOptions,
};
use orchestrate::{
    action::{Action, Effect, InstanceHandle, InstanceSpec},
    name::{DeploymentId, ProjectName},
    observed::{Fault, Identity, Instance, Observed, Wanted},
    plan::{CommandLine, Interval, NetworkAttachment, RuntimeKind, Service},
    runtime::{Observe, Runtime, docker::Docker},
    secret::Salt,
};

/// An image that every machine for these tests has, with a shell.
pub const IMAGE: &str = "orchestrate-test/busybox:1";
pub const SOCKET: &str = "/var/run/docker.sock";
/// Foreign containers carry it, so that they are removed too.
pub const TEST_LABEL: &str = "org.example.test";

/// A project of a test's own on the engine.
pub struct Bench {
    pub docker: Docker,
    pub client: bollard::Docker,
    pub project: ProjectName,
    pub deployment: DeploymentId,
}

fn random() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    RandomState::new().hash_one(COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Runs a test in a project of its own, and removes what it left, also after a failure.
pub fn run<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Arc<Bench>) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(bench) = Bench::new().await else { return };
        let bench = Arc::new(bench);
        let outcome = tokio::spawn(test(bench.clone())).await;
        bench.clean().await;
        outcome.unwrap();
    });
}

impl Bench {
    async fn new() -> Option<Self> {
        let missing = |why: String| {
            eprintln!("SKIPPED: {why}");
            assert!(std::env::var_os("CI").is_none(), "{why}, and CI is set");
        };
        let client = match bollard::Docker::connect_with_unix(SOCKET, 60, bollard::API_DEFAULT_VERSION) {
            Ok(client) => client,
            Err(error) => {
                return {
                    missing(format!("no Docker Engine at {SOCKET}: {error}"));
                    None
                };
            }
        };
        if let Err(error) = client.inspect_image(IMAGE).await {
            missing(format!("no image {IMAGE} on the engine at {SOCKET}: {error}"));
            return None;
        }
        let docker = Docker::new(format!("unix://{SOCKET}").parse().unwrap());
        let deployment = DeploymentId::from_random(random());
        let project = format!("test-{deployment}").parse().unwrap();
        Some(Self { docker, client, project, deployment })
    }

    pub fn name(&self, rest: &str) -> String {
        format!("{}-{rest}", self.project)
    }

    /// A service that sleeps, changed as the test likes.
    pub fn spec(&self, service_name: &str, change: impl FnOnce(&mut Service)) -> InstanceSpec {
        let mut service =
            Service { image: Some(IMAGE.parse().unwrap()), command: command(&["sleep", "600"]), ..Service::default() };
        change(&mut service);
        let networks: BTreeMap<String, NetworkAttachment> = service.networks.clone();
        InstanceSpec {
            peers: Default::default(),
            linked: Default::default(),
            identity: Identity {
                project: self.project.clone(),
                service: service_name.parse().unwrap(),
                number: 1,
                environment: None,
                deployment: self.deployment,
            },
            document: Arc::new(orchestrate::plan::spec_document(&Arc::new(service.clone()), &Salt("s".into()))),
            service: Arc::new(service),
            image_id: None,
            networks,
            files: vec![],
            salt: Salt("s".into()),
        }
    }

    pub async fn perform(&self, action: Action) -> Result<Effect, Fault> {
        self.docker.perform(RuntimeKind::Docker, &action, &|_| {}).await
    }

    /// Performs it, and again: the second time nothing is left to do.
    pub async fn perform_twice(&self, action: Action) -> [Effect; 2] {
        let first = self.perform(action.clone()).await.unwrap();
        [first, self.perform(action).await.unwrap()]
    }

    pub async fn create(&self, name: &str, spec: InstanceSpec) -> Result<InstanceHandle, Fault> {
        let handle = InstanceHandle { slot: 0, name: name.to_owned(), id: None };
        let effect = self.perform(Action::Create { instance: handle.clone(), spec: Box::new(spec) }).await?;
        let Effect::Created { id } = effect else { panic!("creating answered {effect:?}") };
        Ok(InstanceHandle { id: Some(id), ..handle })
    }

    pub async fn start(&self, handle: &InstanceHandle) -> Result<Instance, Fault> {
        let effect = self.perform(Action::Start { instance: handle.clone(), grace: NOW }).await?;
        let Effect::Started { instance } = effect else { panic!("starting answered {effect:?}") };
        Ok(*instance)
    }

    pub async fn inspect(&self, handle: &InstanceHandle) -> Option<Instance> {
        self.docker.inspect(RuntimeKind::Docker, handle.id.as_ref().unwrap()).await.unwrap()
    }

    /// Runs a shell line in a container: its exit code and output.
    pub async fn shell(&self, handle: &InstanceHandle, line: &str) -> (i64, String) {
        let words = ["sh", "-c", line].map(str::to_owned);
        let limit = std::time::Duration::from_secs(30);
        let ran = self.docker.exec(RuntimeKind::Docker, handle.id.as_ref().unwrap(), &words, limit).await.unwrap();
        (ran.exit_code, ran.output)
    }

    /// What asks for the project's instances and nothing more.
    pub fn wanted(&self) -> Wanted {
        Wanted {
            project: self.project.clone(),
            instance_names: BTreeSet::new(),
            images: BTreeSet::new(),
            executables: BTreeSet::new(),
            networks: BTreeSet::new(),
            volumes: BTreeSet::new(),
            runtimes: BTreeSet::from([RuntimeKind::Docker]),
        }
    }

    pub async fn observe(&self, change: impl FnOnce(&mut Wanted)) -> Observed {
        let mut wanted = self.wanted();
        change(&mut wanted);
        self.docker.observe(&wanted).await.unwrap()
    }

    async fn clean(&self) {
        for label in ["io.orchestrate.project", TEST_LABEL] {
            self.clean_labelled(&format!("{label}={}", self.project)).await;
        }
        let reference = format!("orchestrate/{}", self.project);
        let filters = Some(HashMap::from([("reference".to_owned(), vec![reference])]));
        let images = self.client.list_images(Some(ListImagesOptions { filters, ..Default::default() })).await.unwrap();
        let tags = images.iter().flat_map(|image| &image.repo_tags);
        for tag in tags.filter(|tag| tag.starts_with(&format!("orchestrate/{}:", self.project))) {
            self.client.remove_image(tag, None::<RemoveImageOptions>, None).await.unwrap();
        }
    }

    async fn clean_labelled(&self, label: &str) {
        let filters = Some(HashMap::from([("label".to_owned(), vec![label.to_owned()])]));
        let options = ListContainersOptions { all: true, filters: filters.clone(), ..Default::default() };
        for container in self.client.list_containers(Some(options)).await.unwrap() {
            let options = RemoveContainerOptions { force: true, v: true, ..Default::default() };
            self.client.remove_container(&container.id.unwrap(), Some(options)).await.unwrap();
        }
        let options = ListNetworksOptions { filters: filters.clone() };
        for network in self.client.list_networks(Some(options)).await.unwrap() {
            self.client.remove_network(&network.id.unwrap()).await.unwrap();
        }
        let volumes = self.client.list_volumes(Some(ListVolumesOptions { filters })).await.unwrap();
        for volume in volumes.volumes.unwrap_or_default() {
            self.client.remove_volume(&volume.name, None::<RemoveVolumeOptions>).await.unwrap();
        }
    }
}

/// No time to stop: `sleep` does not listen anyway.
pub const NOW: Interval = Interval::from_millis(0);

pub fn command(words: &[&str]) -> Option<CommandLine> {
    Some(CommandLine(words.iter().map(|word| (*word).into()).collect()))
}

/// A port of the host that nothing listened on a moment ago.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
