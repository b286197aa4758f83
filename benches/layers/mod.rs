//! Deployments of layered graphs on the simulated runtime, which several benchmarks measure.
#![allow(dead_code, reason = "each benchmark uses some of it")]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use orchestrate::{
    action::{Context, build},
    change::{Request, diff},
    engine::{Engine, Options, Setup},
    graph::Graph,
    load::{ComposeInputs, FileError, Files, Inputs, Loaded, load},
    name::DeploymentId,
    observed::{Observed, Wanted},
    plan::RollbackStrategy,
    runtime::simulated::World,
    time::Timestamp,
};

/// A layered graph: every service of a layer needs two of the layer before it, healthy.
pub fn document(layers: usize, width: usize) -> String {
    let mut text =
        String::from("apiVersion: orchestrate/v1\nname: scale\nvars: { tag: { default: '1' } }\nservices:\n");
    for layer in 0..layers {
        for column in 0..width {
            write!(text, "  s{layer}-{column}:\n    image: \"bench:{{{{ vars.tag }}}}\"\n").unwrap();
            text.push_str("    command: [sh, -c, \"exec httpd -f -p 80\"]\n    stop_grace_period: 0s\n");
            text.push_str(
                "    environment: { PORT: \"80\", LEVEL: info }\n    checks: [{ http: { port: 80, path: / } }]\n",
            );
            if layer > 0 {
                let (one, other) = (column, (column + 1) % width);
                for needed in [one.min(other), one.max(other)] {
                    if needed == one.min(other) {
                        text.push_str("    depends_on:\n");
                    }
                    writeln!(text, "      s{}-{needed}: {{ condition: service_healthy }}", layer - 1).unwrap();
                }
            }
        }
    }
    text
}

struct OneFile(Vec<u8>);

impl Files for OneFile {
    fn read(&self, path: &Path, _: u64) -> Result<Vec<u8>, FileError> {
        match path == Path::new("/repo/plan.yaml") {
            true => Ok(self.0.clone()),
            false => Err(FileError::NotFound),
        }
    }

    fn list(&self, _: &Path) -> Result<Vec<String>, FileError> {
        Err(FileError::NotFound)
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf, FileError> {
        Ok(path.to_owned())
    }
}

pub fn read(document: &str) -> Loaded {
    let inputs = Inputs {
        adopt: false,
        plan_file: "/repo/plan.yaml".into(),
        root: "/repo".into(),
        working_directory: "/repo".into(),
        environment: None,
        compose: ComposeInputs::default(),
        vars: Vec::new(),
        env: Arc::new(BTreeMap::new()),
        now: Timestamp::EPOCH,
        made: Arc::new(BTreeMap::new()),
        random: Arc::new(|length| "r".repeat(length)),
    };
    load(Arc::new(OneFile(document.as_bytes().to_vec())), &inputs).expect("the generated plan is valid")
}

/// The world as it is for a plan before, or after, its deployment.
pub fn observe(world: &World, loaded: &Loaded) -> Observed {
    let services = loaded.plan.services.values();
    world.observe(&Wanted {
        project: loaded.plan.project.clone(),
        instance_names: Default::default(),
        images: services.clone().filter_map(|service| service.image.clone()).collect(),
        executables: Default::default(),
        networks: Default::default(),
        volumes: Default::default(),
        runtimes: services.map(|service| service.runtime()).collect(),
    })
}

/// A deployment of a plan in a world, before its first step.
pub fn engine(loaded: &Loaded, graph: &Graph, world: &World) -> Engine {
    Engine::new(setup(loaded, graph, world), Timestamp::EPOCH)
}

pub fn setup(loaded: &Loaded, graph: &Graph, world: &World) -> Setup {
    let observed = observe(world, loaded);
    let changes = diff(&loaded.plan, graph, &observed, &loaded.document, &Request::default());
    let deployment = DeploymentId::from_random(1);
    let context = Context {
        deployment,
        salt_seed: String::new(),
        files_directory: String::new(),
        snapshots: BTreeMap::new(),
        snapshot_directory: None,
        commands: None,
        released_images: Default::default(),
    };
    let actions = build(&loaded.plan, graph, &changes, &observed, &context);
    let options = Options {
        deployment,
        parallelism: 8,
        strategy: RollbackStrategy::Graceful,
        keep_failed: false,
        timeout: None,
        prelude: Vec::new(),
        seed: 1,
    };
    Setup::new(&loaded.plan, graph, &changes, actions, options)
}
