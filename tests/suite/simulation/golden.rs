//! Plans before and after, which together need every kind of action.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use orchestrate::{
    change::removal_of_all,
    graph::Graph,
    journal::DeploymentKind,
    name::ServiceName,
    plan::{Plan, RollbackStrategy},
    runtime::simulated::Behaviour,
    secret::{Secret, Text},
};
use serde_json::{Value, json};

use super::{
    draft::SECRET,
    life::Cut,
    rig::{Applied, Rig, wanted},
    weather::Weather,
};

/// A golden transition.
pub struct Golden {
    pub name: String,
    pub before: Option<Arc<Plan>>,
    pub after: Arc<Plan>,
    /// A service that does not become ready.
    pub failing: Option<ServiceName>,
    /// Images that are not there.
    pub missing: Vec<&'static str>,
    pub is_destroy: bool,
    /// An instance whose names in its networks someone took away.
    pub nameless: Option<&'static str>,
}

fn plan(document: Value) -> Arc<Plan> {
    let mut whole = json!({ "name": "app", "project": "app", "parallelism": 4, "services": {} });
    for (key, value) in document.as_object().expect("a mapping") {
        whole[key] = value.clone();
    }
    let mut plan: Plan = serde_json::from_value(whole).expect("a golden plan is valid");
    // What `load` would have read from files.
    for (name, definition) in &mut plan.secrets {
        definition.content = Some(Text::Secret(Secret::new(format!("{SECRET}{name}"))));
    }
    let contents: Vec<(String, Text)> =
        plan.configs.iter().filter_map(|(name, config)| Some((name.clone(), config.content.clone()?))).collect();
    for service in plan.services.values_mut() {
        for file in &mut Arc::make_mut(service).configs {
            file.digest = contents.iter().find(|(name, _)| *name == file.source).map(|(_, content)| content.clone());
        }
    }
    Arc::new(plan)
}

fn golden(name: &str, before: Option<Value>, after: Value) -> Golden {
    let (before, after) = (before.map(plan), plan(after));
    Golden {
        name: name.to_owned(),
        before,
        after,
        failing: None,
        missing: Vec::new(),
        is_destroy: false,
        nameless: None,
    }
}

fn pair(version: &str) -> Value {
    let check = json!([{ "http": { "port": 80 }, "interval": "500ms", "retries": 3 }]);
    json!({ "services": {
        "db": { "image": format!("db:{version}"), "checks": check, "restart": "always" },
        "web": { "image": format!("web:{version}"), "checks": check,
                 "depends_on": { "db": { "condition": "service_healthy" } } },
    } })
}

/// One with a config and a secret.
fn configured(version: &str) -> Value {
    json!({
        "services": { "web": { "image": "web:1", "configs": [{ "source": "conf" }], "secrets": [{ "source": "token" }] } },
        "configs": { "conf": { "content": format!("version {version}") } },
        "secrets": { "token": {} },
    })
}

/// A config of two instances changes in place, and one waits for them.
fn in_place() -> Vec<Golden> {
    let served = |version: &str, on_change: &Value| {
        let mut plan = configured(version);
        let web = &mut plan["services"]["web"];
        web["configs"][0]["on_change"] = on_change.clone();
        web["deploy"] = json!({ "replicas": 2 });
        web["checks"] = json!([{ "http": { "port": 80 }, "interval": "500ms", "retries": 4 }]);
        plan["services"]["front"] =
            json!({ "image": "front:1", "depends_on": { "web": { "condition": "service_healthy" } } });
        plan
    };
    let reactions = [
        ("by a restart", json!("restart")),
        ("without a word", json!("ignore")),
        ("by a signal", json!({ "signal": "SIGHUP" })),
    ];
    let both = reactions.iter().flat_map(|(name, on_change)| {
        let (before, after) = (served("1", on_change), served("2", on_change));
        let works = golden(&format!("config, {name}"), Some(before.clone()), after.clone());
        let fails = golden(&format!("config, {name}, not taken"), Some(before), after);
        [works, Golden { failing: Some("web".parse().expect("a name")), ..fails }]
    });
    both.collect()
}

/// All of them.
pub fn transitions() -> Vec<Golden> {
    let service = |fields: Value| json!({ "services": { "web": fields } });
    let replicas = |count: u32| service(json!({ "image": "web:1", "deploy": { "replicas": count } }));
    let limited = |memory: &str, restart: &str| {
        service(json!({ "image": "web:1", "restart": restart,
            "deploy": { "resources": { "limits": { "memory": memory } } } }))
    };
    let job = |version: &str| {
        json!({ "services": {
            "migrate": { "image": format!("migrate:{version}"), "kind": "job" },
            "web": { "image": "web:1", "depends_on": { "migrate": { "condition": "service_completed_successfully" } } },
        } })
    };
    let port = |holder: &str, other: &str| {
        json!({ "services": {
            holder: { "image": "a:1", "ports": [{ "target": 80, "published": 8080 }] },
            other: { "image": "b:1" },
        } })
    };
    let stored = |version: &str| {
        json!({
            "services": { "db": { "image": format!("db:{version}"), "networks": { "back": {} },
                "volumes": [{ "type": "volume", "source": "data", "target": "/data" }] } },
            "networks": { "back": {} },
            "volumes": { "data": {} },
        })
    };
    let saved = |version: &str| {
        let mut plan = stored(version);
        plan["services"]["db"]["snapshot"] = json!({ "volumes": ["data"], "dump": ["dump"], "restore": ["restore"] });
        plan
    };
    let commanded = |version: &str| {
        let (hook, test) = (json!({ "command": ["hook"] }), json!({ "command": ["test"] }));
        let twice = json!({ "command": ["hook"], "idempotent": true });
        let mut plan = service(json!({ "image": format!("web:{version}") }));
        plan["hooks"] = json!({
            "pre_deploy": [hook, twice], "pre_service_deployment": [hook], "pre_health_validation": [hook],
            "pre_integration_testing": [hook], "post_deploy": [hook], "pre_cleanup": [hook], "on_failure": [hook, twice],
        });
        plan["tests"] = json!([test, test]);
        plan
    };
    let empty = || json!({});
    let mut all = vec![
        Golden { missing: vec!["db:1"], ..golden("create", None, pair("1")) },
        Golden {
            missing: vec!["built:1"],
            ..golden("build", None, service(json!({ "image": "built:1", "build": { "context": "/site" } })))
        },
        golden("replace", Some(pair("1")), pair("2")),
        golden("update in place", Some(limited("64M", "no")), limited("128M", "always")),
        Golden { nameless: Some("app-db-1"), ..golden("called again", Some(stored("1")), stored("1")) },
        golden("remove", Some(pair("1")), empty()),
        golden("scale up", Some(replicas(1)), replicas(3)),
        golden("scale down", Some(replicas(3)), replicas(1)),
        golden("job", Some(job("1")), job("2")),
        golden("port moves", Some(port("one", "two")), port("two", "one")),
        golden("network and volume", None, stored("1")),
        golden("data is saved", Some(saved("1")), saved("2")),
        golden("hooks and tests", Some(commanded("1")), commanded("2")),
        golden("config and secret", Some(configured("1")), configured("2")),
        Golden { is_destroy: true, ..golden("destroy", Some(stored("1")), stored("1")) },
    ];
    all.extend(in_place());
    for strategy in [
        RollbackStrategy::Immediate,
        RollbackStrategy::Batch,
        RollbackStrategy::Graceful,
        RollbackStrategy::Aggressive,
        RollbackStrategy::Manual,
    ] {
        let mut failing = golden(&format!("fails, {strategy:?}"), Some(pair("1")), pair("2"));
        Arc::make_mut(&mut failing.after).rollback.strategy = strategy;
        all.push(Golden { failing: Some("web".parse().expect("a name")), ..failing });
    }
    all
}

impl Golden {
    /// A rig in which what was before runs.
    pub fn start(&self) -> Rig {
        let mut rig = Rig::new(1);
        if let Some(before) = &self.before {
            let applied = rig.apply(before, &Weather::default(), Cut::default());
            assert!(matches!(applied, Applied::Ended(..)), "{}: what was before was not applied", self.name);
        }
        rig.released_images = ["sha256:web:0".to_owned()].into();
        self.missing.iter().for_each(|image| rig.world.remove_image(image));
        self.nameless.iter().for_each(|name| rig.world.forget_aliases(name));
        rig.now = rig.now + Duration::from_secs(60);
        rig.settle();
        rig
    }

    /// Goes through the transition, until it is killed.
    pub fn run(&self, rig: &mut Rig, weather: &Weather, cut: Cut) -> Applied {
        let graph = Graph::build(&self.after).expect("a golden plan has no cycle");
        let (observed, changes) = rig.preview(&self.after, &graph, false);
        let (changes, kind) = match self.is_destroy {
            true => {
                let volumes: BTreeSet<String> = ["app_data".to_owned()].into();
                (
                    removal_of_all(&self.after, &rig.world.observe(&wanted(&self.after)), &volumes),
                    DeploymentKind::Destroy,
                )
            }
            false => (changes, DeploymentKind::Apply),
        };
        if let Some(failing) = &self.failing {
            let hangs = Behaviour { ready_after: None, exits_after: None };
            rig.world.script.behaviours.insert(failing.clone(), hangs);
        }
        let mut oracle = rig.oracle(&self.after, graph, &changes, &observed);
        if self.is_destroy {
            (oracle.named_volumes, oracle.is_destroy) = (changes.removed_volumes.clone(), true);
        }
        rig.begin(oracle, kind, weather, cut)
    }
}
