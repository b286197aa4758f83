use std::{collections::BTreeMap, sync::Arc};

use super::*;
use crate::{
    name::ServiceName,
    plan::{Dependency, Plan, Service},
};

/// `web: api db, api: db` as a plan.
fn plan(text: &str) -> Plan {
    let service = |needs: &str| {
        let depends_on = needs.split_whitespace().map(|name| (name.parse().unwrap(), Dependency::default())).collect();
        Arc::new(Service { depends_on, ..Service::default() })
    };
    let services: BTreeMap<ServiceName, Arc<Service>> = text
        .split(',')
        .map(|entry| entry.split_once(':').unwrap())
        .map(|(name, needs)| (name.trim().parse().unwrap(), service(needs)))
        .collect();
    Plan {
        moved: Vec::new(),
        name: "test".parse().unwrap(),
        project: "test".parse().unwrap(),
        environment: None,
        after: Vec::new(),
        services,
        networks: BTreeMap::new(),
        volumes: BTreeMap::new(),
        configs: BTreeMap::new(),
        secrets: BTreeMap::new(),
        hooks: Default::default(),
        tests: Vec::new(),
        rollback: Default::default(),
        retry: Default::default(),
        parallelism: 8,
        schedule: Default::default(),
        retain: Plan::RETAIN,
    }
}

struct NoOrigins;

impl crate::diagnostic::Origins for NoOrigins {
    fn origin(&self, _: &[&str]) -> Option<crate::diagnostic::Origin> {
        None
    }
}

#[test]
fn groups_and_critical_path_follow_the_dependencies() {
    let graph = Graph::build(&plan("web: api cache, api: db, cache:, db:, cron: db, lone:")).unwrap();
    let groups: Vec<String> = graph
        .groups()
        .iter()
        .map(|group| group.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(groups, ["cache db lone", "api cron", "web"]);
    let path: Vec<String> = graph.critical_path().iter().map(ServiceName::to_string).collect();
    assert_eq!(path, ["db", "api", "web"]);
}

#[test]
fn a_dependency_that_is_not_in_the_plan_is_left_out() {
    let graph = Graph::build(&plan("web: gone")).unwrap();
    assert!(graph.edges().is_empty());
}

#[test]
fn a_cycle_is_reported_by_its_shortest_path() {
    let cases = [
        ("a: b, b: c, c: a, d: a", "services depend on each other in a circle: `a` → `b` → `c` → `a`"),
        ("a: a", "`a` depends on itself"),
        ("x: y, y: x z, z: y, a:", "services depend on each other in a circle: `x` → `y` → `x`"),
    ];
    for (text, expected) in cases {
        let cycles = Graph::build(&plan(text)).unwrap_err();
        let summaries: Vec<String> =
            cycle_diagnostics(&cycles, &NoOrigins).into_iter().map(|diagnostic| diagnostic.summary).collect();
        assert_eq!(summaries, [expected]);
    }
}
