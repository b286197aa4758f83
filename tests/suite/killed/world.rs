//! All that is there of a project, as far as it should be the same again.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{engine, scene::Scene};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct World {
    /// What each instance is, by name; neither ids nor moments.
    pub instances: BTreeMap<String, String>,
    /// Which each is, and of what only runs once, when it ran.
    pub ids: BTreeMap<String, String>,
    /// Networks, volumes, locks, files.
    pub others: BTreeSet<String>,
    /// What was made at random once, and is kept.
    pub made: BTreeSet<String>,
    /// The lock's record and the moments of starts: nothing changes them but another deployment.
    pub moments: BTreeSet<String>,
}

impl World {
    /// How it differs from what it should be, a line each.
    pub fn unlike(&self, expected: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let names: BTreeSet<&String> = self.instances.keys().chain(expected.instances.keys()).collect();
        for name in names {
            let (found, wanted) = (self.instances.get(name), expected.instances.get(name));
            if found != wanted {
                lines.push(format!("{name} is\n    {found:?}\n  and should be\n    {wanted:?}"));
            }
        }
        lines.extend(self.others.difference(&expected.others).map(|extra| format!("left over: {extra}")));
        lines.extend(expected.others.difference(&self.others).map(|missing| format!("missing: {missing}")));
        lines
    }

    /// What is on the engine of a project.
    pub fn on_engine(project: &str, port: u16) -> Self {
        let mut world = Self::default();
        let general = |text: &str| text.replace(project, "P").replace(&port.to_string(), "PORT");
        for found in engine::inspect_all(&engine::labelled("ps -aq --no-trunc", project)) {
            let text = |pointer: &str| found.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            let name = general(text("/Name").trim_start_matches('/'));
            if found["Config"]["Labels"].get("io.orchestrate.service").is_none() {
                world.others.insert(format!("container {name}"));
                continue;
            }
            let is_job = text("/State/Status") == "exited";
            let run = if is_job { text("/State/StartedAt") } else { String::new() };
            world.moments.insert(format!("{name} {}", text("/State/StartedAt")));
            world.ids.insert(name.clone(), format!("{} {run}", text("/Id")));
            let made = |variable: &&str| variable.starts_with("MADE=");
            let environment = found["Config"]["Env"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let made: Vec<String> = environment.filter(made).map(str::to_owned).collect();
            let is = made.iter().fold(general(&container(&found)), |is, made| is.replace(made.as_str(), "MADE=…"));
            world.instances.insert(name, is);
            world.made.extend(made);
        }
        let label = format!("label=io.orchestrate.project={project}");
        let list = |listing: &str, format: &str| {
            let mut words: Vec<&str> = listing.split(' ').collect();
            words.extend(["--filter", &label, "--format", format]);
            engine::docker(&words)
        };
        world.others.extend(list("network ls", "{{.Name}}").lines().map(|name| general(&format!("network {name}"))));
        let lock = format!("orchestrate-lock-{project}.");
        for line in list("volume ls", "{{.Name}} {{.Label \"io.orchestrate.lock.state\"}}").lines() {
            match line.strip_prefix(&lock).and_then(|rest| rest.split_once(' ')) {
                Some((_, state)) => {
                    world.moments.insert(line.to_owned());
                    // More than one would be counted once: they differ by number in `moments`.
                    world.others.insert(format!("lock {state}"));
                }
                None => drop(world.others.insert(general(&format!("volume {line}")))),
            }
        }
        world
    }

    /// The local processes of a scene.
    pub fn of_processes(scene: &Scene) -> Self {
        let mut world = Self::default();
        let instances = scene.instances();
        let root = scene.state().parent().unwrap().display().to_string();
        for instance in &instances {
            let read = |name: &str| -> Value {
                let text = std::fs::read(instance.join(name)).unwrap_or_default();
                serde_json::from_slice(&text).unwrap_or_default()
            };
            let (record, state) = (read("instance.json"), read("state.json"));
            if instance.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
                continue;
            }
            let name = record["name"].as_str().unwrap_or("nameless").to_owned();
            let arguments = std::fs::read(format!("/proc/{}/cmdline", state["pid"])).unwrap_or_default();
            let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
            let is = json!({
                "command": record["launch"]["command"], "environment": record["launch"]["environment"],
                "restart": record["restart"], "program": record["program"]["digest"],
                "activity": state["activity"], "exit": state["exit_code"], "runs": arguments.trim_end(),
            });
            let run = if state["activity"] == "running" { &Value::Null } else { &state["started_at"] };
            world.moments.insert(format!("{name} {}", state["started_at"]));
            world.ids.insert(name.clone(), format!("{} {run}", record["id"]));
            world.instances.insert(name, is.to_string().replace(&root, "ROOT"));
        }
        world.others.extend(strays(&scene.state(), &instances));
        world
    }

    /// The files that services are given, beneath a state directory.
    pub fn with_files(mut self, state: &Path) -> Self {
        let mut directories = vec![state.join("files")];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).into_iter().flatten().map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true => directories.push(entry.path()),
                    false => drop(self.others.insert(format!("file {}", digest_of(&entry.path())))),
                }
            }
        }
        self
    }
}

/// A file by what is in it: its name has a salt.
fn digest_of(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

fn container(found: &Value) -> String {
    let (config, host) = (&found["Config"], &found["HostConfig"]);
    let sorted = |list: &Value| -> Vec<String> {
        let mut lines: Vec<String> = list.as_array().into_iter().flatten().map(Value::to_string).collect();
        lines.sort();
        lines
    };
    let mounts: Vec<Value> = found["Mounts"].as_array().into_iter().flatten().map(mount).collect();
    let id = found["Id"].as_str().unwrap_or_default();
    let networks: BTreeMap<&String, Vec<String>> = found["NetworkSettings"]["Networks"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, network)| {
            let mut aliases = sorted(&network["Aliases"]);
            aliases.retain(|alias| !id.starts_with(alias.trim_matches('"')));
            (name, aliases)
        })
        .collect();
    json!({
        "image": found["Image"], "command": config["Cmd"], "entrypoint": config["Entrypoint"],
        "environment": sorted(&config["Env"]), "mounts": sorted(&Value::from(mounts)),
        "ports": host["PortBindings"], "networks": networks, "memory": host["Memory"],
        "memory_swap": host["MemorySwap"], "cpus": host["NanoCpus"], "pids": host["PidsLimit"],
        "restart": host["RestartPolicy"], "health": config["Healthcheck"], "state": found["State"]["Status"],
        "exit": found["State"]["ExitCode"],
    })
    .to_string()
}

fn mount(mount: &Value) -> Value {
    let source = match mount["Type"].as_str() {
        // Told apart by what is in it.
        Some("bind") => digest_of(Path::new(mount["Source"].as_str().unwrap_or_default())).into(),
        _ => mount["Name"].clone(),
    };
    json!({ "type": mount["Type"], "source": source, "to": mount["Destination"], "writable": mount["RW"] })
}

/// Processes that have something open in the state directory and belong to no instance.
fn strays(state: &Path, instances: &[PathBuf]) -> Vec<String> {
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let Ok(open) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let mut files = open.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        let is_stray = |file: &PathBuf| {
            file.starts_with(state.join("processes")) && !instances.iter().any(|instance| file.starts_with(instance))
        };
        if let Some(file) = files.find(is_stray) {
            found.push(format!("process with {} open", file.strip_prefix(state).unwrap().display()));
        }
    }
    found
}
