//! Whole runs in virtual time, compared as text.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;

use super::*;
use crate::{
    action::{Context, InstanceSpec, build},
    change::{Changes, Request, diff},
    diagnostic::{Class, Origin, Origins},
    driver::{Simulation, simulate, simulate_until},
    event::Event,
    graph::Graph,
    journal::{Direction, Entry, Journal, Outcome, Record},
    observed::{Fault, InstanceState, Wanted},
    plan::{Plan, RollbackStrategy},
    runtime::simulated::{Behaviour, CallFault, Script, World},
    time::Timestamp,
};

struct NoOrigins;

impl Origins for NoOrigins {
    fn origin(&self, _: &[&str]) -> Option<Origin> {
        None
    }
}

fn plan(services: serde_json::Value) -> Plan {
    serde_json::from_value(json!({ "name": "app", "project": "app", "parallelism": 8, "services": services })).unwrap()
}

/// `web` and `api` on `db`, each with a check.
fn three_services(version: &str) -> Plan {
    let check = json!([{ "http": { "port": 80 } }]);
    let on = |name: &str| json!({ name: { "condition": "service_healthy" } });
    plan(json!({
        "db": { "image": "db:1", "checks": check },
        "api": { "image": format!("api:{version}"), "checks": check, "depends_on": on("db") },
        "web": { "image": format!("web:{version}"), "checks": check, "depends_on": on("api"), "restart": "always" },
    }))
}

struct Deployment {
    changes: Changes,
    actions: String,
    simulation: Simulation,
}

fn options(id: u64) -> Options {
    Options {
        deployment: crate::name::DeploymentId::from_random(id),
        parallelism: 8,
        strategy: RollbackStrategy::Graceful,
        keep_failed: false,
        timeout: None,
        prelude: Vec::new(),
        seed: id,
    }
}

fn deploy(world: &mut World, plan: &Plan, start_ms: i64) -> Deployment {
    deploy_with(world, plan, start_ms, options(start_ms as u64))
}

fn deploy_with(world: &mut World, plan: &Plan, start_ms: i64, options: Options) -> Deployment {
    let start = Timestamp::from_micros(start_ms * 1000);
    let (mut engine, changes, actions) = prepare(world, plan, start, options);
    let simulation = simulate(&mut engine, world, start);
    Journal::replay(&simulation.entries).expect("the entries of a run follow from each other");
    Deployment { changes, actions, simulation }
}

fn prepare(world: &World, plan: &Plan, start: Timestamp, options: Options) -> (Engine, Changes, String) {
    let (setup, changes, text) = set_up(world, plan, options);
    (Engine::new(setup, start), changes, text)
}

fn set_up(world: &World, plan: &Plan, options: Options) -> (Setup, Changes, String) {
    let graph = Graph::build(plan).unwrap();
    let services = || plan.services.values();
    let wanted = Wanted {
        project: plan.project.clone(),
        instance_names: BTreeSet::new(),
        images: services().filter_map(|service| service.image.clone()).collect(),
        executables: BTreeSet::new(),
        networks: BTreeSet::new(),
        volumes: BTreeSet::new(),
        runtimes: services().map(|service| service.runtime()).collect(),
    };
    let observed = world.observe(&wanted);
    let changes = diff(plan, &graph, &observed, &NoOrigins, &Request::default());
    let context = Context {
        deployment: options.deployment,
        salt_seed: String::new(),
        files_directory: "/state/files".to_owned(),
        snapshot_directory: Some("/state/snapshots".to_owned()),
        snapshots: Default::default(),
        commands: Some(Default::default()),
        released_images: Default::default(),
    };
    let actions = build(plan, &graph, &changes, &observed, &context);
    let text = actions.to_string();
    (Setup::new(plan, &graph, &changes, actions, options), changes, text)
}

/// The run as lines of milliseconds and events.
fn transcript(simulation: &Simulation) -> String {
    let start = simulation.moments[0].at;
    let mut lines: Vec<String> = Vec::new();
    for moment in &simulation.moments {
        let text = match &moment.event {
            Event::PhaseStarted { .. } | Event::PhaseCompleted { .. } => continue,
            event => serde_json::to_string(event).unwrap(),
        };
        lines.push(format!("{:>5} {text}", moment.at.since(start).as_millis()));
    }
    lines.join("\n")
}

fn state(world: &World) -> Vec<String> {
    let mut lines: Vec<String> = world
        .instances()
        .map(|i| format!("{} {} {} {} {:?}", i.id, i.name, i.image_id, i.restart_policy, i.state))
        .collect();
    lines.sort();
    lines
}

#[test]
fn a_first_deployment_starts_services_as_their_dependencies_become_healthy() {
    let mut world = World::default();
    let deployment = deploy(&mut world, &three_services("1"), 1000);
    insta::assert_snapshot!(deployment.actions);
    insta::assert_snapshot!(transcript(&deployment.simulation));
    assert_eq!(deployment.simulation.outcome, Some(Outcome::Applied));
}

#[test]
fn a_second_deployment_of_the_same_plan_has_nothing_to_do() {
    let mut world = World::default();
    deploy(&mut world, &three_services("1"), 1000);
    let calls = world.calls.len();
    let again = deploy(&mut world, &three_services("1"), 9000);
    assert!(again.changes.is_empty());
    assert_eq!(again.actions, "");
    assert_eq!(world.calls.len(), calls);
}

#[test]
fn a_replacement_keeps_the_predecessor_until_the_commit_point() {
    let mut world = World::default();
    deploy(&mut world, &three_services("1"), 1000);
    let deployment = deploy(&mut world, &three_services("2"), 9000);
    insta::assert_snapshot!(deployment.actions);
    let entries = &deployment.simulation.entries;
    let committed = entries.iter().position(|entry| entry.record == Record::Committed).unwrap();
    let is_removal = |record: &Record| matches!(record, Record::Intended { action, .. } if matches!(**action, crate::action::Action::Remove { .. }));
    assert!(entries[..committed].iter().all(|entry| !is_removal(&entry.record)));
    assert_eq!(entries[committed..].iter().filter(|entry| is_removal(&entry.record)).count(), 2);
    assert_eq!(deployment.simulation.outcome, Some(Outcome::Applied));
}

#[test]
fn a_service_that_never_becomes_healthy_takes_the_whole_deployment_back() {
    let mut world = World::default();
    deploy(&mut world, &three_services("1"), 1000);
    let before = state(&world);
    world.script.behaviours.insert("web".parse().unwrap(), Behaviour { ready_after: None, exits_after: None });
    let deployment = deploy(&mut world, &three_services("2"), 9000);
    insta::assert_snapshot!(transcript(&deployment.simulation));
    assert_eq!(deployment.simulation.outcome, Some(Outcome::RolledBack));
    assert_eq!(state(&world), before);
}

#[test]
fn a_crash_after_the_check_passed_is_caught() {
    let mut world = World::default();
    let crashing =
        Behaviour { ready_after: Some(Duration::from_millis(100)), exits_after: Some((Duration::from_secs(2), 3)) };
    let slow = Behaviour { ready_after: Some(Duration::from_secs(5)), exits_after: None };
    world.script.behaviours.insert("db".parse().unwrap(), crashing);
    world.script.behaviours.insert("api".parse().unwrap(), slow);
    let deployment = deploy(&mut world, &three_services("1"), 1000);
    let failure = deployment.simulation.moments.iter().find_map(|moment| match &moment.event {
        Event::ServiceFailed { service, error, .. } => Some(format!("{service}: {error}")),
        _ => None,
    });
    assert_eq!(failure.as_deref(), Some("db: `app-db-1` exited with code 3"));
    assert_eq!(deployment.simulation.outcome, Some(Outcome::RolledBack));
    assert_eq!(state(&world), Vec::<String>::new());
}

#[test]
fn a_passing_fault_is_tried_again_and_a_lasting_one_rolls_back() {
    let fault = Fault::new(Class::Network, "connection-reset", "the connection broke").transient();
    let scripted = |times, takes_effect| CallFault {
        call: "start app-api-1".to_owned(),
        skip: 0,
        times,
        fault: fault.clone(),
        takes_effect,
    };
    for (times, takes_effect, outcome, instances) in
        [(2, false, Outcome::Applied, 3), (2, true, Outcome::Applied, 3), (3, false, Outcome::RolledBack, 0)]
    {
        let mut world = World::default();
        world.script.faults.push(scripted(times, takes_effect));
        let deployment = deploy(&mut world, &three_services("1"), 1000);
        assert_eq!(deployment.simulation.outcome, Some(outcome));
        assert_eq!(world.instances().count(), instances);
    }
}

#[test]
fn an_undo_that_fails_needs_attention() {
    let mut world = World::default();
    deploy(&mut world, &three_services("1"), 1000);
    world.script.behaviours.insert("api".parse().unwrap(), Behaviour { ready_after: None, exits_after: None });
    world.script.faults.push(CallFault {
        call: "start app-api-1".to_owned(),
        skip: 1,
        times: 1,
        fault: Fault::new(Class::Resource, "port-in-use", "port 80 of the host is taken"),
        takes_effect: false,
    });
    let deployment = deploy(&mut world, &three_services("2"), 9000);
    assert_eq!(deployment.simulation.outcome, Some(Outcome::NeedsAttention));
}

#[test]
fn manual_strategy_leaves_everything_and_says_so() {
    let mut world = World::default();
    world.script.behaviours.insert("api".parse().unwrap(), Behaviour { ready_after: None, exits_after: None });
    let options = Options { strategy: RollbackStrategy::Manual, ..options(7) };
    let deployment = deploy_with(&mut world, &three_services("1"), 1000, options);
    assert_eq!(deployment.simulation.outcome, Some(Outcome::NeedsAttention));
    assert_eq!(world.instances().count(), 3);
}

#[test]
fn a_job_runs_once_and_again_when_its_spec_changes() {
    let with_job = |version: &str| {
        plan(json!({
            "migrate": { "image": format!("migrate:{version}"), "kind": "job" },
            "web": { "image": "web:1", "depends_on": { "migrate": { "condition": "service_completed_successfully" } } },
        }))
    };
    let mut world = World::default();
    let first = deploy(&mut world, &with_job("1"), 1000);
    assert_eq!(first.simulation.outcome, Some(Outcome::Applied));
    assert!(world.instances().any(|i| i.name == "app-migrate-1" && i.has_completed()));
    assert!(deploy(&mut world, &with_job("1"), 9000).changes.is_empty());
    let counts = deploy(&mut world, &with_job("2"), 20_000).changes.counts();
    assert_eq!((counts.replace, counts.none), (1, 1));
}

#[test]
fn a_job_whose_start_was_not_answered_runs_once() {
    let with_job = plan(json!({ "migrate": { "image": "migrate:1", "kind": "job" } }));
    let fault = Fault::new(Class::Timeout, "timeout", "no answer came in time").transient().outcome_unknown();
    for takes_effect in [true, false] {
        let mut world = World::default();
        let call = "start app-migrate-1".to_owned();
        world.script.faults.push(CallFault { call, skip: 0, times: 1, fault: fault.clone(), takes_effect });
        let deployment = deploy(&mut world, &with_job, 1000);
        assert_eq!(deployment.simulation.outcome, Some(Outcome::Applied));
        assert_eq!(world.calls.iter().filter(|call| *call == "start app-migrate-1").count(), 1);
    }
}

#[test]
fn a_host_port_moves_from_one_service_to_another() {
    let on = |holder: &str, other: &str| {
        plan(json!({
            holder: { "image": "a:1", "ports": [{ "target": 80, "published": 8080 }] },
            other: { "image": "b:1" },
        }))
    };
    let mut world = World::default();
    deploy(&mut world, &on("one", "two"), 1000);
    let moved = deploy(&mut world, &on("two", "one"), 9000);
    assert_eq!(moved.simulation.outcome, Some(Outcome::Applied));
    insta::assert_snapshot!(moved.actions);
}

#[test]
fn ten_services_go_back_when_the_last_one_fails() {
    let ten = |version: &str| {
        let service = |n: usize| {
            let depends_on = if n == 0 { json!({}) } else { json!({ format!("s{}", n - 1): {} }) };
            (format!("s{n}"), json!({ "image": format!("s:{version}"), "depends_on": depends_on }))
        };
        plan(serde_json::Value::Object((0..10).map(service).collect()))
    };
    let mut world = World::default();
    deploy(&mut world, &ten("1"), 1000);
    let before = state(&world);
    let exits = Behaviour { ready_after: Some(Duration::ZERO), exits_after: Some((Duration::from_millis(500), 1)) };
    world.script.behaviours.insert("s9".parse().unwrap(), exits);
    let deployment = deploy(&mut world, &ten("2"), 9000);
    assert_eq!(deployment.simulation.outcome, Some(Outcome::RolledBack));
    assert_eq!(state(&world), before);
    assert!(world.instances().all(|instance| instance.state == InstanceState::Running));
}

#[test]
fn never_more_actions_under_way_than_allowed() {
    let service = |n: usize| (format!("s{n}"), json!({ "image": "s:1" }));
    let plan = plan(serde_json::Value::Object((0..40).map(service).collect()));
    let options = Options { parallelism: 3, ..options(1) };
    let deployment = deploy_with(&mut World::default(), &plan, 1000, options);
    let (mut under_way, mut most) = (0_i32, 0_i32);
    for entry in &deployment.simulation.entries {
        match entry.record {
            Record::Intended { .. } => under_way += 1,
            Record::Succeeded { .. } => under_way -= 1,
            _ => {}
        }
        most = most.max(under_way);
    }
    assert_eq!(most, 3);
}

#[test]
fn an_interrupted_deployment_goes_back() {
    let mut world = World::default();
    let (mut engine, ..) = prepare(&world, &three_services("1"), Timestamp::EPOCH, options(1));
    engine.handle(Timestamp::EPOCH, Input::Cancelled);
    let simulation = simulate(&mut engine, &mut world, Timestamp::EPOCH);
    assert_eq!(simulation.outcome, Some(Outcome::RolledBack));
    assert_eq!(engine.failure().unwrap().code, "interrupted");
    assert_eq!(world.instances().count(), 0);
}

/// Plans before and after, and what happens to one of the services on the way.
fn transitions() -> Vec<(&'static str, Option<Plan>, Plan, Script)> {
    let bad = |name: &str| {
        let behaviour = Behaviour { ready_after: None, exits_after: None };
        Script { behaviours: [(name.parse().unwrap(), behaviour)].into(), ..Script::default() }
    };
    let with_job = |version: &str| {
        plan(json!({
            "migrate": { "image": format!("migrate:{version}"), "kind": "job" },
            "web": { "image": format!("web:{version}"), "restart": "always", "deploy": { "replicas": 2 },
                     "depends_on": { "migrate": { "condition": "service_completed_successfully" } } },
        }))
    };
    let limited = |memory: &str| {
        let limits = json!({ "resources": { "limits": { "memory": memory } } });
        plan(json!({ "a": { "image": "a:1", "deploy": limits }, "b": { "image": format!("b:{memory}") } }))
    };
    vec![
        ("creates", None, three_services("1"), Script::default()),
        ("replaces", Some(three_services("1")), three_services("2"), Script::default()),
        ("replaces and fails", Some(three_services("1")), three_services("2"), bad("web")),
        ("jobs and replicas", Some(with_job("1")), with_job("2"), Script::default()),
        ("updates in place", Some(limited("64M")), limited("128M"), Script::default()),
        ("saves data", Some(with_data("db:1", "m:1", "app:1")), with_data("db:2", "m:1", "app:1"), Script::default()),
    ]
}

/// What is there, without what changes when something is stopped and started again.
fn essence(world: &World) -> Vec<String> {
    let limits = |instance: &crate::observed::Instance| serde_json::to_string(&instance.limits).unwrap();
    let line = |i: &crate::observed::Instance| {
        format!("{} {} {} {} {} {}", i.id, i.name, i.image_id, i.restart_policy, i.is_running(), limits(i))
    };
    let mut lines: Vec<String> = world.instances().map(line).collect();
    lines.sort();
    lines
}

/// Goes on after a crash with what is durable.
fn resume(setup: &Setup, entries: &[Entry], direction: Direction, now: Timestamp) -> Result<Engine, CannotResume> {
    // As it was kept: what does not survive being written down is not there.
    let kept: Setup = serde_json::from_str(&serde_json::to_string(setup).unwrap()).unwrap();
    let journal = Journal::replay(entries).expect("what is durable follows from each other");
    Engine::resume(kept, journal, direction, cut_off(), now)
}

#[test]
fn cut_off_anywhere_it_is_taken_back_or_cleaned_up() {
    for (name, before, after, script) in transitions() {
        for direction in [Direction::Back, Direction::Forward] {
            cut_off_everywhere(name, before.as_ref(), &after, &script, direction);
        }
    }
}

fn cut_off_everywhere(name: &str, before: Option<&Plan>, after: &Plan, script: &Script, direction: Direction) {
    let mut start = World::default();
    if let Some(before) = before {
        deploy(&mut start, before, 1000);
    }
    start.script = script.clone();
    let start_state = essence(&start);
    let mut whole = start.clone();
    let whole_outcome = deploy(&mut whole, after, 9000).simulation.outcome;
    let mut points = 0;
    for cut_off_after in 0.. {
        let mut world = start.clone();
        let at = Timestamp::from_micros(9_000_000);
        let (setup, ..) = set_up(&world, after, options(9));
        let mut engine = Engine::new(setup.clone(), at);
        let first = simulate_until(&mut engine, &mut world, at, cut_off_after);
        if first.outcome.is_some() {
            break;
        }
        points += 1;
        let context = format!("{name}, cut off after {cut_off_after}, then {direction:?}");
        let mut entries = first.entries;
        let resumed = resume(&setup, &entries, direction, first.ended_at)
            .or_else(|_| resume(&setup, &entries, Direction::Back, first.ended_at));
        let Ok(mut engine) = resumed else {
            let outcome = entries.iter().any(|entry| matches!(entry.record, Record::Ended { .. }));
            assert!(outcome, "{context}: what has not ended can be gone on with");
            continue;
        };
        let second = simulate(&mut engine, &mut world, first.ended_at);
        entries.extend(second.entries);
        Journal::replay(&entries).unwrap_or_else(|error| panic!("{context}: {error}"));
        match second.outcome {
            Some(Outcome::Applied) => assert_eq!(essence(&world), essence(&whole), "{context}"),
            Some(Outcome::RolledBack | Outcome::Failed) => assert_eq!(essence(&world), start_state, "{context}"),
            outcome => panic!("{context}: {outcome:?}: {:#?}", second.moments),
        }
        if direction == Direction::Forward {
            assert_eq!(second.outcome == Some(Outcome::Applied), whole_outcome == Some(Outcome::Applied), "{context}");
        }
    }
    assert!(points > 10, "{name}: only {points} crash points");
}

#[test]
fn what_was_removed_meanwhile_is_made_again() {
    let mut world = World::default();
    let first = three_services("1");
    deploy(&mut world, &first, 1000);
    world.script.behaviours.insert("web".parse().unwrap(), Behaviour { ready_after: None, exits_after: None });
    let at = Timestamp::from_micros(9_000_000);
    let (mut setup, ..) = set_up(&world, &three_services("2"), options(9));
    for slot in &mut setup.actions.slots {
        let old = slot.observed.as_ref();
        slot.snapshot = old.and_then(|old| InstanceSpec::snapshot(&first, old, "/state/files")).map(Box::new);
    }
    let mut engine = Engine::new(setup, at);
    let pruned = world.instances().find(|instance| instance.name == "app-api-1").unwrap().id.clone();
    world
        .script
        .vanishing
        .insert(format!("rename app-api-1 to app-api-1.old-{}", options(9).deployment), pruned.clone());
    let simulation = simulate(&mut engine, &mut world, at);
    assert_eq!(simulation.outcome, Some(Outcome::RolledBack), "{}", transcript(&simulation));
    let api = world.instances().find(|instance| instance.name == "app-api-1").unwrap();
    assert!(api.is_running() && api.id != pruned && api.image_id == "sha256:api:1", "{api:?}");
}

#[test]
fn what_is_put_back_and_is_not_well_needs_attention() {
    let mut world = World::default();
    deploy(&mut world, &three_services("1"), 1000);
    let hangs = Behaviour { ready_after: None, exits_after: None };
    world.script.behaviours.insert("web".parse().unwrap(), hangs.clone());
    // The old one does not come up again either.
    world.spoil("app-api-1", Behaviour { ready_after: None, exits_after: Some((Duration::from_millis(300), 2)) });
    let deployment = deploy(&mut world, &three_services("2"), 9000);
    assert_eq!(deployment.simulation.outcome, Some(Outcome::NeedsAttention));
    let told = deployment.simulation.moments.iter().any(|moment| {
        matches!(&moment.event, Event::Warning { text } if text == "`app-api-1` was put back, but is not well: it exited with code 2")
    });
    assert!(told, "{}", transcript(&deployment.simulation));
}

#[test]
fn each_strategy_has_its_own_way_back() {
    for strategy in
        [RollbackStrategy::Immediate, RollbackStrategy::Batch, RollbackStrategy::Graceful, RollbackStrategy::Aggressive]
    {
        let mut world = World::default();
        deploy(&mut world, &three_services("1"), 1000);
        let before = essence(&world);
        world.script.behaviours.insert("web".parse().unwrap(), Behaviour { ready_after: None, exits_after: None });
        let options = Options { strategy, ..options(9) };
        let deployment = deploy_with(&mut world, &three_services("2"), 9000, options);
        let undone = way_back(&deployment.simulation);
        insta::assert_snapshot!(format!("rollback_{strategy:?}").to_lowercase(), undone);
        assert_eq!(deployment.simulation.outcome, Some(Outcome::RolledBack));
        assert_eq!(essence(&world), before);
    }
}

/// The calls of the way back as lines of milliseconds since it began.
fn way_back(simulation: &Simulation) -> String {
    let began = simulation.entries.iter().find(|entry| matches!(entry.record, Record::Abandoned { .. })).unwrap().at;
    let line = |entry: &Entry| match &entry.record {
        Record::UndoIntended { action, .. } => Some(format!("{:>5} {action}", entry.at.since(began).as_millis())),
        _ => None,
    };
    simulation.entries.iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

/// `db` with data, a job that changes it for good, and `app` on both.
fn with_data(db: &str, job: &str, app: &str) -> Plan {
    let policy = json!({ "volumes": ["data"], "dump": ["dump"], "restore": ["restore"] });
    plan(json!({
        "db": { "image": db, "restart": "always", "volumes": ["data:/data"], "snapshot": policy, "checks": [{ "tcp": { "port": 1 } }] },
        "migrate": {
            "image": job, "kind": "job", "irreversible": true, "depends_on": { "db": { "condition": "service_healthy" } },
        },
        "app": {
            "image": app, "depends_on": { "migrate": { "condition": "service_completed_successfully" } },
            "checks": [{ "tcp": { "port": 1 } }],
        },
    }))
}

#[test]
fn data_is_saved_before_its_service_is_replaced() {
    let mut world = World::default();
    deploy(&mut world, &with_data("db:1", "migrate:1", "app:1"), 1000);
    let replaced = deploy(&mut world, &with_data("db:2", "migrate:1", "app:1"), 9000);
    insta::assert_snapshot!(replaced.actions);
    assert_eq!(replaced.simulation.outcome, Some(Outcome::Applied));
    let at = |call: &str| world.calls.iter().rposition(|done| done == call).unwrap_or_else(|| panic!("no {call}"));
    let order = ["dump the data of app-db-1", "stop app-db-1 within 10s", "save volume app_data", "start app-db-1"];
    assert!(order.map(at).is_sorted(), "{:?}", world.calls);
}

#[test]
fn replicas_all_stop_before_their_volume_is_copied() {
    let text = |version: &str| {
        let policy = json!({ "volumes": ["data"] });
        plan(json!({ "db": {
            "image": format!("db:{version}"), "volumes": ["data:/data"], "snapshot": policy, "deploy": { "replicas": 2 },
        } }))
    };
    let mut world = World::default();
    deploy(&mut world, &text("1"), 1000);
    let replaced = deploy(&mut world, &text("2"), 9000);
    insta::assert_snapshot!(replaced.actions);
    assert_eq!(replaced.simulation.outcome, Some(Outcome::Applied));
}

#[test]
fn what_cannot_be_saved_is_not_replaced() {
    for call in ["dump the data of app-db-1", "save volume app_data"] {
        let mut world = World::default();
        deploy(&mut world, &with_data("db:1", "migrate:1", "app:1"), 1000);
        let before = state(&world);
        let fault = Fault::new(Class::Deployment, "dump-failed", "it said nothing");
        world.script.faults.push(CallFault { call: call.to_owned(), skip: 0, times: 1, fault, takes_effect: false });
        let deployment = deploy(&mut world, &with_data("db:2", "migrate:1", "app:1"), 9000);
        assert_eq!(deployment.simulation.outcome, Some(Outcome::RolledBack), "{call}");
        assert_eq!(state(&world), before, "{call}");
    }
}

#[test]
fn a_line_that_is_not_crossed_names_the_snapshot() {
    let mut world = World::default();
    deploy(&mut world, &with_data("db:1", "migrate:1", "app:1"), 1000);
    let never = Behaviour { ready_after: None, exits_after: None };
    world.script.behaviours.insert("app".parse().unwrap(), never);
    let deployment = deploy(&mut world, &with_data("db:1", "migrate:2", "app:2"), 9000);
    insta::assert_snapshot!(deployment.actions);
    let warning = deployment.simulation.moments.iter().find_map(|moment| match &moment.event {
        Event::Warning { text } if text.contains("irreversible") => Some(text.as_str()),
        _ => None,
    });
    let id = options(9000).deployment;
    let expected = format!(
        "an irreversible job has run: not taken back: db, migrate; the data of db from before is in snapshot `{id}`: \
         `orchestrate snapshot restore {id}`"
    );
    assert_eq!(warning, Some(expected.as_str()));
    assert_eq!(deployment.simulation.outcome, Some(Outcome::NeedsAttention));
}

#[test]
fn a_database_that_is_down_is_copied_and_not_dumped() {
    let mut world = World::default();
    deploy(&mut world, &with_data("db:1", "migrate:1", "app:1"), 1000);
    let instance = crate::action::InstanceHandle { slot: 0, name: "app-db-1".to_owned(), id: None };
    let stop = crate::action::Action::Stop { instance, grace: crate::plan::Interval::from_millis(0) };
    world.perform(Timestamp::from_micros(90_000_000_000), crate::plan::RuntimeKind::Docker, &stop);
    let deployment = deploy(&mut world, &with_data("db:2", "migrate:1", "app:1"), 100_000_000);
    assert_eq!(deployment.simulation.outcome, Some(Outcome::Applied));
    assert!(world.calls.contains(&"save volume app_data".to_owned()));
    assert!(!deployment.actions.contains("dump"), "{}", deployment.actions);
}

#[test]
fn contents_change_in_place_and_go_back_in_the_same_way() {
    let served = |content: &str, on_change: &serde_json::Value| {
        let config = json!({ "source": "conf", "on_change": on_change });
        let web = json!({ "image": "web:1", "checks": [{ "http": { "port": 80 } }], "configs": [config] });
        let mut plan = plan(json!({ "web": web }));
        plan.configs = serde_json::from_value(json!({ "conf": { "content": content } })).unwrap();
        plan
    };
    let (change, stop, start) =
        ("change config-conf of app-web-1 in place", "stop app-web-1 within 10s", "start app-web-1");
    let table = [
        (json!("restart"), vec![stop, change, start]),
        (json!({ "signal": "SIGHUP" }), vec![change]),
        (json!({ "command": ["reload"] }), vec![change]),
    ];
    for (on_change, steps) in table {
        let mut world = World::default();
        deploy(&mut world, &served("one", &on_change), 1000);
        let before = (state(&world), world.files().clone());
        let calls = world.calls.len();
        let applied = deploy(&mut world, &served("two", &on_change), 9000);
        assert_eq!(applied.simulation.outcome, Some(Outcome::Applied), "{on_change}");
        assert_eq!(world.calls[calls..], steps, "{on_change}: {}", applied.actions);
        assert!(deploy(&mut world, &served("two", &on_change), 20_000).changes.is_empty(), "{on_change}");
        assert_eq!((state(&world), world.files().len()), (before.0.clone(), before.1.len()), "{on_change}");

        world.script.behaviours.insert("web".parse().unwrap(), Behaviour { ready_after: None, exits_after: None });
        let (files, calls) = (world.files().clone(), world.calls.len());
        let failed = deploy(&mut world, &served("three", &on_change), 30_000);
        assert_eq!(failed.simulation.outcome, Some(Outcome::RolledBack), "{on_change}");
        assert_eq!(world.calls[calls..], [steps.clone(), steps].concat(), "{on_change}: {}", failed.actions);
        let text = |files: &std::collections::BTreeMap<String, crate::secret::Text>| -> Vec<String> {
            files.values().map(|text| text.expose().to_owned()).collect()
        };
        assert_eq!((state(&world), text(world.files())), (before.0, text(&files)), "{on_change}");
    }
}
