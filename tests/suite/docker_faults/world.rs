//! What a daemon has: as much of it as the program asks for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    endpoint::Endpoint,
    http::{Reply, Request},
    kept::{self, Extent},
};

/// The moment of the daemon's `n`th act.
fn moment(n: usize) -> String {
    format!("2026-11-20T{:02}:{:02}:{:02}.000000000Z", 10 + n / 3600, n / 60 % 60, n % 60)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Created,
    Running,
    Paused,
    Exited,
}

#[derive(Debug, Clone)]
pub struct Container {
    pub id: String,
    pub name: String,
    /// What it was created with; updates go into its `HostConfig`.
    pub asked: Value,
    pub state: State,
    started_at: Option<usize>,
    /// Networks by name: the id it knows, its aliases, its address.
    pub networks: BTreeMap<String, (String, Value, String)>,
}

#[derive(Debug, Clone)]
pub struct Network {
    pub id: String,
    pub name: String,
    pub labels: Value,
    subnet: String,
    created: usize,
}

#[derive(Debug, Clone, Default)]
pub struct World {
    pub containers: Vec<Container>,
    pub networks: Vec<Network>,
    pub volumes: BTreeMap<String, Value>,
    /// What lies in volumes that archives were written to: files by volume and path.
    pub files: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    /// Ids by reference.
    pub images: BTreeMap<String, String>,
    /// What a registry would give.
    pub registry: BTreeSet<String>,
    /// What has been done, a line each.
    pub log: Vec<String>,
    /// Whole text of the event stream, and of every container's log.
    pub events: Vec<u8>,
    pub lines: Vec<u8>,
    /// The stream of events stays open when all is said.
    pub events_stay: bool,
    acts: usize,
    execs: usize,
    /// The lists before the last act.
    before: Option<Box<World>>,
}

impl World {
    /// One with an image, `test/app:1`, and another that could be pulled, `test/app:2`.
    pub fn new() -> Self {
        Self {
            images: BTreeMap::from([("test/app:1".to_owned(), format!("sha256:{:064x}", 1))]),
            registry: BTreeSet::from(["test/app:2".to_owned()]),
            ..Self::default()
        }
    }

    pub fn container(&self, id_or_name: &str) -> Option<&Container> {
        self.containers.iter().find(|container| container.id == id_or_name || container.name == id_or_name)
    }

    fn container_mut(&mut self, id_or_name: &str) -> Option<&mut Container> {
        self.containers.iter_mut().find(|container| container.id == id_or_name || container.name == id_or_name)
    }

    fn network(&self, id_or_name: &str) -> Option<&Network> {
        self.networks.iter().find(|network| network.id == id_or_name || network.name == id_or_name)
    }

    /// All that is there, a line each, without ids.
    pub fn summary(&self) -> Vec<String> {
        let containers = self.containers.iter().map(|container| {
            let networks = container.networks.iter().map(|(name, (_, aliases, _))| format!("{name} as {aliases}"));
            let networks: Vec<String> = networks.collect();
            let host = &container.asked["HostConfig"];
            format!(
                "container {} {:?} in [{}] from {} restart {} pids {} env {}",
                container.name,
                container.state,
                networks.join(" "),
                self.image_of(container),
                host["RestartPolicy"]["Name"],
                host["PidsLimit"],
                container.asked["Env"],
            )
        });
        let networks = self.networks.iter().map(|network| format!("network {}", network.name));
        let volumes = self.volumes.keys().filter(|name| !is_lock(name)).map(|name| format!("volume {name}"));
        let files = self.files.iter().flat_map(|(volume, files)| kept::told(volume, files));
        let images = self.images.iter().map(|(reference, id)| format!("image {reference} {}", &id[..15]));
        let mut lines: Vec<String> = containers.chain(networks).chain(volumes).chain(files).chain(images).collect();
        lines.sort();
        lines
    }

    fn image_of(&self, container: &Container) -> String {
        let asked = container.asked["Image"].as_str().unwrap_or_default();
        self.images
            .get(asked)
            .map_or(asked, String::as_str)
            .trim_start_matches("sha256:0")
            .trim_start_matches('0')
            .to_owned()
    }

    /// The locks' chains of records: names and labels.
    pub fn locks(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.volumes.iter().filter(|(name, _)| is_lock(name)).map(|(name, volume)| (name, &volume["Labels"]))
    }

    /// Locks are written to and forgotten all the time: that is no part of what was done.
    pub(super) fn act_on_volume(&mut self, doing: &str, name: &str) {
        let is_told = !is_lock(name);
        self.act(format!("{doing} volume {name}"));
        if !is_told {
            self.log.pop();
        }
    }

    /// Notes that something was done.
    fn act(&mut self, what: String) -> usize {
        self.log.push(what);
        self.acts += 1;
        self.acts
    }

    fn new_id(&mut self) -> String {
        self.acts += 1;
        // The end tells them apart as well as the beginning.
        format!("{:012x}{:052x}", 0xabc0_0000_0000_u64 + self.acts as u64, self.acts)
    }

    pub fn answer(&mut self, endpoint: Endpoint, name: &str, request: &Request) -> Reply {
        if endpoint.changes() {
            let before = Self { before: None, ..self.clone() };
            self.before = Some(Box::new(before));
        }
        match endpoint {
            Endpoint::Version => Reply::Json(200, version()),
            Endpoint::Info => Reply::Json(200, json!({ "SystemTime": moment(self.acts), "CgroupVersion": "2" })),
            Endpoint::Events => Reply::Stream { text: self.events.clone(), stays_open: self.events_stay },
            Endpoint::Logs => Reply::Stream { text: self.lines.clone(), stays_open: false },
            Endpoint::ListContainers | Endpoint::ListNetworks | Endpoint::ListVolumes | Endpoint::ListImages => {
                self.list(endpoint, request)
            }
            Endpoint::CreateContainer => self.create_container(request),
            Endpoint::InspectContainer
            | Endpoint::StartContainer
            | Endpoint::UnpauseContainer
            | Endpoint::StopContainer
            | Endpoint::RemoveContainer
            | Endpoint::RenameContainer
            | Endpoint::UpdateContainer
            | Endpoint::ReadArchive
            | Endpoint::WriteArchive
            | Endpoint::CreateExec => match self.container(name).map(|container| container.id.clone()) {
                Some(id) => self.of_container(endpoint, &id, request),
                None => Reply::error(404, format!("No such container: {name}")),
            },
            Endpoint::StartExec => Reply::Upgrade(frame(1, "ran\n")),
            Endpoint::InspectExec => Reply::Json(200, json!({ "ID": name, "ExitCode": 0, "Running": false })),
            Endpoint::ImportImage => self.import_image(request),
            Endpoint::BuildImage => self.build_image(request),
            Endpoint::InspectImage | Endpoint::TagImage | Endpoint::PullImage | Endpoint::RemoveImage => {
                self.of_image(endpoint, name, request)
            }
            Endpoint::CreateNetwork => self.create_network(request),
            Endpoint::InspectNetwork
            | Endpoint::RemoveNetwork
            | Endpoint::ConnectNetwork
            | Endpoint::DisconnectNetwork => match self.network(name).cloned() {
                Some(network) => self.of_network(endpoint, &network, request),
                None => Reply::error(404, format!("network {name} not found")),
            },
            Endpoint::CreateVolume => self.create_volume(request),
            Endpoint::InspectVolume => match self.volumes.get(name) {
                Some(volume) => Reply::Json(200, volume.clone()),
                None => Reply::error(404, format!("get {name}: no such volume")),
            },
            Endpoint::RemoveVolume => self.remove_volume(name),
        }
    }

    /// A list as it was before the last change.
    pub fn stale_list(&self, endpoint: Endpoint, request: &Request) -> Reply {
        self.before.as_deref().unwrap_or(self).list(endpoint, request)
    }

    fn list(&self, endpoint: Endpoint, request: &Request) -> Reply {
        let filters: Value = serde_json::from_str(request.query("filters")).unwrap_or_default();
        let has_label = |volume: &&Value| match filters["label"][0].as_str().and_then(|label| label.split_once('=')) {
            Some((label, value)) => volume["Labels"][label] == value,
            None => true,
        };
        let value = match endpoint {
            Endpoint::ListImages => self.images_of(filters["reference"][0].as_str().unwrap_or_default()),
            Endpoint::ListContainers => self.containers.iter().map(summary_of).collect(),
            Endpoint::ListNetworks => self.networks.iter().map(description_of).collect(),
            _ => json!({ "Volumes": self.volumes.values().filter(has_label).collect::<Vec<_>>(), "Warnings": null }),
        };
        Reply::Json(200, value)
    }

    fn create_container(&mut self, request: &Request) -> Reply {
        let name = request.query("name").to_owned();
        if let Some(holder) = self.container(&name) {
            let text = format!(
                "Conflict. The container name \"/{name}\" is already in use by container \"{}\". You have to remove (or rename) that container to be able to reuse that name.",
                holder.id
            );
            return Reply::error(409, text);
        }
        let image = request.body["Image"].as_str().unwrap_or_default().to_owned();
        if !self.images.iter().any(|(reference, id)| *reference == image || *id == image) {
            return Reply::error(404, format!("No such image: {image}"));
        }
        let id = self.new_id();
        self.act(format!("create container {name}"));
        let endpoints = request.body["NetworkingConfig"]["EndpointsConfig"].as_object().cloned().unwrap_or_default();
        let networks = endpoints.into_iter().filter_map(|(network_name, endpoint)| {
            let network = self.network(&network_name)?;
            let address = address(self.acts);
            Some((network_name, (network.id.clone(), endpoint["Aliases"].clone(), address)))
        });
        let networks = networks.collect();
        let asked = request.body.clone();
        let state = State::Created;
        self.containers.push(Container { id: id.clone(), name, asked, state, started_at: None, networks });
        Reply::Json(201, json!({ "Id": id, "Warnings": [] }))
    }

    fn of_container(&mut self, endpoint: Endpoint, id: &str, request: &Request) -> Reply {
        let name = self.container(id).map(|container| container.name.clone()).unwrap_or_default();
        match endpoint {
            Endpoint::InspectContainer => {
                let image_ids = &self.images;
                return Reply::Json(
                    200,
                    self.container(id).map(|found| inspection_of(found, image_ids)).unwrap_or_default(),
                );
            }
            Endpoint::CreateExec => {
                self.execs += 1;
                return Reply::Json(201, json!({ "Id": format!("exec{}", self.execs) }));
            }
            Endpoint::StartContainer => return self.start(id, &name),
            Endpoint::ReadArchive => return self.read_archive(id, request),
            Endpoint::WriteArchive => return self.write_archive(id, request, Extent::Whole),
            Endpoint::RenameContainer => {
                let to = request.query("name").to_owned();
                if let Some(holder) = self.container(&to) {
                    let text = format!(
                        "Conflict. The container name \"/{to}\" is already in use by container \"{}\".",
                        holder.id
                    );
                    return Reply::error(409, text);
                }
                self.act(format!("rename container {name} to {to}"));
                self.with(id, |container| container.name = to);
            }
            Endpoint::UnpauseContainer => {
                self.act(format!("unpause container {name}"));
                self.with(id, |container| container.state = State::Running);
            }
            Endpoint::StopContainer => {
                self.act(format!("stop container {name}"));
                self.with(id, |container| container.state = State::Exited);
            }
            Endpoint::RemoveContainer => {
                self.act(format!("remove container {name}"));
                self.containers.retain(|container| container.id != id);
            }
            Endpoint::UpdateContainer => {
                self.act(format!("update container {name}"));
                let changes = request.body.as_object().cloned().unwrap_or_default();
                self.with(id, |container| {
                    for (key, value) in changes {
                        container.asked["HostConfig"][key] = value;
                    }
                });
                return Reply::Json(200, json!({ "Warnings": [] }));
            }
            other => unreachable!("{other:?} is not about containers"),
        }
        Reply::Empty
    }

    fn start(&mut self, id: &str, name: &str) -> Reply {
        let Some(container) = self.container(id) else { return Reply::Empty };
        for (known, ..) in container.networks.values() {
            if !self.networks.iter().any(|network| network.id == *known) {
                return Reply::error(404, format!("network {known} not found"));
            }
        }
        let at = self.act(format!("start container {name}"));
        self.with(id, |container| {
            container.started_at = Some(at);
            let ends_at_once = container.asked["Cmd"] == json!(["true"]);
            container.state = if ends_at_once { State::Exited } else { State::Running };
        });
        Reply::Empty
    }

    pub fn with(&mut self, id: &str, change: impl FnOnce(&mut Container)) {
        if let Some(container) = self.container_mut(id) {
            change(container);
        }
    }

    fn of_image(&mut self, endpoint: Endpoint, name: &str, request: &Request) -> Reply {
        if endpoint == Endpoint::PullImage {
            let reference = format!("{}:{}", request.query("fromImage"), request.query("tag"));
            if !self.registry.contains(&reference) {
                return Reply::error(404, format!("manifest for {reference} not found: manifest unknown"));
            }
            self.act(format!("pull image {reference}"));
            self.images.insert(reference.clone(), format!("sha256:{:064x}", 2));
            let messages = [
                json!({ "status": "Pulling from test/app", "id": "2" }),
                json!({ "status": "Downloading", "progressDetail": { "current": 1, "total": 2 }, "id": "layer" }),
                json!({ "status": format!("Status: Downloaded newer image for {reference}") }),
            ];
            let text = messages.map(|message| format!("{message}\r\n")).concat().into_bytes();
            return Reply::Stream { text, stays_open: false };
        }
        let is_it = |(reference, id): &(&String, &String)| *reference == name || *id == name;
        let Some((_, id)) = self.images.iter().find(is_it).map(|(a, b)| (a.clone(), b.clone())) else {
            return Reply::error(404, format!("No such image: {name}"));
        };
        if endpoint == Endpoint::RemoveImage {
            self.act(format!("remove image {name}"));
            self.images.remove(name);
            return Reply::Json(200, json!([{ "Untagged": name }]));
        }
        if endpoint == Endpoint::TagImage {
            let tag = format!("{}:{}", request.query("repo"), request.query("tag"));
            self.act(format!("tag image {tag}"));
            self.images.insert(tag, id);
            return Reply::Json(201, Value::Null);
        }
        let tags: Vec<&String> = self.images.iter().filter(|(_, other)| **other == id).map(|(tag, _)| tag).collect();
        Reply::Json(200, json!({ "Id": id, "RepoTags": tags, "Config": {} }))
    }

    fn import_image(&mut self, request: &Request) -> Reply {
        let reference = format!("{}:{}", request.query("repo"), request.query("tag"));
        self.act(format!("import image {reference}"));
        self.images.insert(reference, format!("sha256:{:064x}", 3));
        let text = json!({ "status": format!("sha256:{:064x}", 3) }).to_string() + "\r\n";
        Reply::Stream { text: text.into_bytes(), stays_open: false }
    }

    /// What has been built before comes out of the cache, and leaves all as it is.
    fn build_image(&mut self, request: &Request) -> Reply {
        let reference = request.query("t").to_owned();
        if !self.images.contains_key(&reference) {
            self.act(format!("build image {reference}"));
            self.images.insert(reference, format!("sha256:{:064x}", 4));
        }
        let messages = ["Step 1/1 : FROM test/app:1\n", " ---> 1\n", "Successfully built 4\n"];
        let text = messages.map(|text| json!({ "stream": text }).to_string() + "\r\n").concat().into_bytes();
        Reply::Stream { text, stays_open: false }
    }

    /// The images of a repository.
    fn images_of(&self, repository: &str) -> Value {
        let is_in = |tag: &str| tag.rsplit_once(':').is_some_and(|(name, _)| name == repository);
        let tagged = self.images.iter().filter(|(tag, _)| is_in(tag));
        tagged
            .map(|(tag, id)| {
                json!({
                    "Id": id, "ParentId": "", "RepoTags": [tag], "RepoDigests": [], "Created": 0, "Size": 1,
                    "SharedSize": -1, "Labels": {}, "Containers": -1,
                })
            })
            .collect()
    }

    fn create_network(&mut self, request: &Request) -> Reply {
        let name = request.body["Name"].as_str().unwrap_or_default().to_owned();
        let given = request.body["IPAM"]["Config"][0]["Subnet"].as_str();
        let subnet = given.map_or_else(|| format!("10.{}.0.0/16", self.acts), str::to_owned);
        if self.networks.iter().any(|network| network.subnet == subnet) {
            return Reply::error(403, "Pool overlaps with other one on this address space");
        }
        let id = self.new_id();
        let created = self.act(format!("create network {name}"));
        let labels = request.body["Labels"].clone();
        self.networks.push(Network { id: id.clone(), name, labels, subnet, created });
        Reply::Json(201, json!({ "Id": id, "Warning": "" }))
    }

    fn of_network(&mut self, endpoint: Endpoint, network: &Network, request: &Request) -> Reply {
        let (id, name) = (network.id.clone(), network.name.clone());
        let container_id = request.body["Container"].as_str().unwrap_or_default().to_owned();
        match endpoint {
            Endpoint::InspectNetwork => return Reply::Json(200, description_of(network)),
            Endpoint::RemoveNetwork => {
                let is_in = |container: &Container| {
                    container.state == State::Running && container.networks.values().any(|(known, ..)| *known == id)
                };
                if self.containers.iter().any(is_in) {
                    return Reply::error(
                        403,
                        format!("error while removing network: network {name} has active endpoints"),
                    );
                }
                self.act(format!("remove network {name}"));
                self.networks.retain(|network| network.id != id);
            }
            Endpoint::ConnectNetwork => {
                self.act(format!("connect {name}"));
                let aliases = request.body["EndpointConfig"]["Aliases"].clone();
                let address = address(self.acts);
                self.with(&container_id, |container| drop(container.networks.insert(name, (id, aliases, address))));
            }
            Endpoint::DisconnectNetwork => {
                self.act(format!("disconnect {name}"));
                self.with(&container_id, |container| drop(container.networks.remove(&name)));
            }
            other => unreachable!("{other:?} is not about networks"),
        }
        Reply::Empty
    }

    fn create_volume(&mut self, request: &Request) -> Reply {
        let name = request.body["Name"].as_str().unwrap_or_default().to_owned();
        if !self.volumes.contains_key(&name) {
            self.act_on_volume("create", &name);
        }
        let volume = json!({
            "Name": name, "Driver": "local", "Mountpoint": "/v", "Scope": "local", "Options": {},
            "Labels": request.body["Labels"], "CreatedAt": moment(self.acts),
        });
        Reply::Json(201, self.volumes.entry(name).or_insert(volume).clone())
    }
}

fn is_lock(volume_name: &str) -> bool {
    volume_name.starts_with("orchestrate-lock-")
}

/// A frame of a log, as the engine puts it.
pub fn frame(stream: u8, text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    [&[stream, 0, 0, 0], &length[..], text.as_bytes()].concat()
}

fn version() -> Value {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({ "Version": "29.0.0", "KernelVersion": kernel.trim(), "Platform": { "Name": "Test Engine" } })
}

/// Not of the network's subnet: which one that is depends on the host's routes at the moment.
fn address(number: usize) -> String {
    format!("192.0.2.{}", number % 250 + 2)
}

fn summary_of(container: &Container) -> Value {
    json!({ "Id": container.id, "Names": [format!("/{}", container.name)], "Labels": container.asked["Labels"] })
}

fn description_of(network: &Network) -> Value {
    json!({
        "Id": network.id, "Name": network.name, "Labels": network.labels, "Driver": "bridge", "Internal": false,
        "Created": moment(network.created), "IPAM": { "Config": [{ "Subnet": network.subnet }] },
    })
}

fn inspection_of(container: &Container, images: &BTreeMap<String, String>) -> Value {
    let image = container.asked["Image"].as_str().unwrap_or_default();
    let status = match container.state {
        State::Created => "created",
        State::Running => "running",
        State::Paused => "paused",
        State::Exited => "exited",
    };
    let networks: BTreeMap<&String, Value> = container
        .networks
        .iter()
        .map(|(name, (id, aliases, address))| {
            (name, json!({ "NetworkID": id, "Aliases": aliases, "IPAddress": address }))
        })
        .collect();
    let mounts = container.asked["HostConfig"]["Mounts"].as_array().cloned().unwrap_or_default();
    let mounts: Vec<Value> = mounts
        .iter()
        .map(|mount| json!({ "Type": mount["Type"], "Name": mount["Source"], "Destination": mount["Target"] }))
        .collect();
    json!({
        "Id": container.id,
        "Name": format!("/{}", container.name),
        "Image": images.get(image).map_or(image, String::as_str),
        "RestartCount": 0,
        "Config": { "Labels": container.asked["Labels"] },
        "State": {
            "Status": status, "ExitCode": 0, "OOMKilled": false,
            "StartedAt": container.started_at.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), moment),
        },
        "HostConfig": container.asked["HostConfig"],
        "Mounts": mounts,
        "NetworkSettings": { "Networks": networks, "Ports": {} },
    })
}
