//! What every store has to do, whatever it keeps things in.

use serde_json::json;

use super::{DeploymentKind, DeploymentRecord, Evidence, MemoryStore, SqliteStore, Store, StoreError};
use crate::{
    action::{Actions, StepId},
    diagnostic::Class,
    engine::{Options, Setup},
    journal::{DeploymentEnd, Entry, Outcome, Record},
    name::DeploymentId,
    observed::Fault,
    plan::{Retry, RollbackStrategy, RuntimeKind, Schedule, TargetDocument},
    time::Timestamp,
};

/// Runs each case on each store.
macro_rules! on_every_store {
    ($($case:ident),* $(,)?) => {
        mod memory {
            $(#[test] fn $case() { super::$case(&super::MemoryStore::default()); })*
        }
        mod sqlite {
            $(#[test] fn $case() {
                let directory = tempfile::tempdir().unwrap();
                super::$case(&super::SqliteStore::open(&directory.path().join("state.db")).unwrap());
            })*
        }
    };
}

on_every_store! {
    what_is_not_there_is_not_found,
    a_deployment_reads_back_as_it_was_written,
    a_deployment_begins_once,
    newest_deployments_come_first,
    entries_read_back_in_the_order_of_their_numbers,
    entries_are_appended_all_or_none,
    nothing_can_be_said_of_a_deployment_that_never_began,
    a_setup_reads_back_as_it_was_written,
    the_last_deployment_is_the_projects_newest,
    what_another_host_made_is_taken_in,
    what_is_forgotten_is_gone_with_all_that_belongs_to_it,
    the_last_ending_counts,
    evidence_reads_back_in_order,
    what_is_made_once_stays,
    texts_read_back_as_they_were_written,
}

pub fn id(text: &str) -> DeploymentId {
    text.parse().unwrap()
}

pub fn deployment(id_text: &str, project: &str, started_at: i64) -> DeploymentRecord {
    DeploymentRecord {
        id: id(id_text),
        kind: DeploymentKind::Apply,
        project: project.parse().unwrap(),
        plan_name: "shop".parse().unwrap(),
        environment: Some("production".parse().unwrap()),
        plan_file: "plan.yaml".to_owned(),
        plan_directory: "/srv/shop".to_owned(),
        author: "ada@host".to_owned(),
        message: Some("a \"quoted\" ünïcode\nmessage".to_owned()),
        engine: "local processes".to_owned(),
        started_at: Timestamp::from_micros(started_at),
        ended_at: None,
        outcome: None,
        error: None,
        contents: Default::default(),
        summary: "1 to create".to_owned(),
        target: TargetDocument { runtime: None, host: Some("unix:///run/docker.sock".to_owned()), adopts: true },
        runtimes: Some([RuntimeKind::Docker].into()),
    }
}

pub fn plan() -> serde_json::Value {
    json!({ "services": { "b": 1, "a": [null, 1.5, "x"] } })
}

fn end(at: i64, outcome: Outcome, error: Option<&Fault>) -> DeploymentEnd {
    let contents = [("web".parse().unwrap(), "sha256:1".to_owned())].into();
    DeploymentEnd { at: Timestamp::from_micros(at), outcome, error: error.cloned(), contents }
}

/// What a deployment of nothing is given.
pub fn setup() -> Setup {
    Setup {
        plan_name: "shop".parse().unwrap(),
        environment: None,
        actions: Actions::default(),
        services: Vec::new(),
        retry: Retry::default(),
        schedule: Schedule::default(),
        options: Options {
            deployment: id("aaaaaaaa"),
            parallelism: 8,
            strategy: RollbackStrategy::Graceful,
            keep_failed: false,
            timeout: None,
            prelude: Vec::new(),
            seed: 7,
        },
    }
}

pub fn entry(number: u64) -> Entry {
    let fault = Fault::new(Class::Network, "refused", format!("fault {number}")).transient();
    Entry {
        number,
        at: Timestamp::from_micros(1_700_000_000_000_000 + number as i64),
        record: Record::Failed { step: StepId(number as u32), fault },
    }
}

fn evidence(service: &str) -> Evidence {
    Evidence {
        service: service.parse().unwrap(),
        instance: format!("shop-{service}-1"),
        exit_code: Some(137),
        killed_for_memory: true,
        log: vec!["one".to_owned(), "two".to_owned()],
        probes: vec!["http :80/: status 503".to_owned()],
        inspect: json!({ "Id": "abc" }),
    }
}

fn what_is_not_there_is_not_found(store: &dyn Store) {
    assert_eq!(store.deployment(id("aaaaaaaa")).unwrap(), None);
    assert_eq!(store.plan(id("aaaaaaaa")).unwrap(), None);
    assert_eq!(store.deployments(None).unwrap(), []);
    assert_eq!(store.entries(id("aaaaaaaa")).unwrap(), []);
    assert_eq!(store.evidence(id("aaaaaaaa")).unwrap(), []);
}

fn a_deployment_reads_back_as_it_was_written(store: &dyn Store) {
    let begun = deployment("aaaaaaaa", "shop", 10);
    store.begin(&begun, &setup(), &plan()).unwrap();
    assert_eq!(store.deployment(begun.id).unwrap(), Some(begun.clone()));
    assert_eq!(store.plan(begun.id).unwrap(), Some(plan()));

    let error = Fault::new(Class::HealthCheck, "not-ready", "`web` is not ready").hint("look");
    store.finish(begun.id, &end(20, Outcome::RolledBack, Some(&error))).unwrap();
    let ended = DeploymentRecord {
        ended_at: Some(Timestamp::from_micros(20)),
        outcome: Some(Outcome::RolledBack),
        error: Some(error),
        contents: [("web".parse().unwrap(), "sha256:1".to_owned())].into(),
        ..begun
    };
    assert_eq!(store.deployment(ended.id).unwrap(), Some(ended));
}

fn a_setup_reads_back_as_it_was_written(store: &dyn Store) {
    store.begin(&deployment("aaaaaaaa", "shop", 10), &setup(), &plan()).unwrap();
    let read = store.setup(id("aaaaaaaa")).unwrap().unwrap();
    assert_eq!(json!(read), json!(setup()));
    assert!(store.setup(id("bbbbbbbb")).unwrap().is_none());
}

fn the_last_deployment_is_the_projects_newest(store: &dyn Store) {
    for (id_text, project, at) in [("aaaaaaaa", "shop", 10), ("bbbbbbbb", "shop", 20), ("cccccccc", "blog", 30)] {
        store.begin(&deployment(id_text, project, at), &setup(), &plan()).unwrap();
    }
    let last = store.last_deployment(&"shop".parse().unwrap()).unwrap().unwrap();
    assert_eq!(last, deployment("bbbbbbbb", "shop", 20));
    assert!(store.last_deployment(&"other".parse().unwrap()).unwrap().is_none());
}

fn what_another_host_made_is_taken_in(store: &dyn Store) {
    let project = "shop".parse().unwrap();
    let mut theirs = deployment("aaaaaaaa", "shop", 10);
    store.import(&theirs, &json!({ "name": "shop" })).unwrap();
    assert_eq!(store.last_deployment(&project).unwrap().unwrap(), theirs);
    assert!(store.setup(theirs.id).unwrap().is_none());
    theirs.close(end(20, Outcome::Applied, None));
    store.import(&theirs, &json!(null)).unwrap();
    assert_eq!(store.deployments(Some(&project)).unwrap(), [theirs.clone()]);
    assert_eq!(store.plan(theirs.id).unwrap().unwrap(), json!({ "name": "shop" }));
    let mut without_plan = deployment("bbbbbbbb", "blog", 10);
    without_plan.close(end(20, Outcome::Applied, None));
    for plan in [json!(null), json!({ "name": "blog" }), json!({ "name": "other" })] {
        store.import(&without_plan, &plan).unwrap();
    }
    assert_eq!(store.plan(without_plan.id).unwrap().unwrap(), json!({ "name": "blog" }));
    assert_eq!(store.seen_lock(&project).unwrap(), None);
    for number in [7, 9] {
        store.note_seen_lock(&project, number).unwrap();
        assert_eq!(store.seen_lock(&project).unwrap(), Some(number));
    }
}

fn what_is_forgotten_is_gone_with_all_that_belongs_to_it(store: &dyn Store) {
    for id_text in ["aaaaaaaa", "bbbbbbbb"] {
        store.begin(&deployment(id_text, "shop", 10), &setup(), &json!({})).unwrap();
        store.append(id(id_text), &[entry(0)]).unwrap();
        store.keep_evidence(id(id_text), &evidence("web")).unwrap();
    }
    store.forget(id("aaaaaaaa")).unwrap();
    store.forget(id("aaaaaaaa")).unwrap();
    assert_eq!(store.deployments(None).unwrap(), [deployment("bbbbbbbb", "shop", 10)]);
    assert!(store.entries(id("aaaaaaaa")).unwrap().is_empty() && store.plan(id("aaaaaaaa")).unwrap().is_none());
    assert!(store.evidence(id("aaaaaaaa")).unwrap().is_empty() && store.setup(id("aaaaaaaa")).unwrap().is_none());
    assert_eq!(store.entries(id("bbbbbbbb")).unwrap().len(), 1);
}

fn a_deployment_begins_once(store: &dyn Store) {
    store.begin(&deployment("aaaaaaaa", "shop", 10), &setup(), &plan()).unwrap();
    assert!(store.begin(&deployment("aaaaaaaa", "other", 20), &setup(), &plan()).is_err());
    assert_eq!(store.deployments(None).unwrap(), [deployment("aaaaaaaa", "shop", 10)]);
}

fn newest_deployments_come_first(store: &dyn Store) {
    // The clock went back before the last one; two began within one tick.
    for (id_text, project, at) in [("aaaaaaaa", "shop", 10), ("bbbbbbbb", "blog", 20), ("dddddddd", "shop", 30)] {
        store.begin(&deployment(id_text, project, at), &setup(), &plan()).unwrap();
    }
    store.begin(&deployment("cccccccc", "shop", 30), &setup(), &plan()).unwrap();
    store.begin(&deployment("eeeeeeee", "shop", 5), &setup(), &plan()).unwrap();
    let ids = |project: Option<&str>| {
        let project = project.map(|project| project.parse().unwrap());
        let records = store.deployments(project.as_ref()).unwrap();
        records.iter().map(|record| record.id.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ids(None), "cccccccc dddddddd bbbbbbbb aaaaaaaa eeeeeeee");
    assert_eq!(ids(Some("shop")), "cccccccc dddddddd aaaaaaaa eeeeeeee");
    assert_eq!(ids(Some("none")), "");
}

fn entries_read_back_in_the_order_of_their_numbers(store: &dyn Store) {
    store.begin(&deployment("aaaaaaaa", "shop", 10), &setup(), &plan()).unwrap();
    store.begin(&deployment("bbbbbbbb", "shop", 20), &setup(), &plan()).unwrap();
    store.append(id("aaaaaaaa"), &[entry(0), entry(1)]).unwrap();
    store.append(id("bbbbbbbb"), &[entry(0)]).unwrap();
    store.append(id("aaaaaaaa"), &[]).unwrap();
    store.append(id("aaaaaaaa"), &(2..12).map(entry).collect::<Vec<_>>()).unwrap();
    assert_eq!(store.entries(id("aaaaaaaa")).unwrap(), (0..12).map(entry).collect::<Vec<_>>());
    assert_eq!(store.entries(id("bbbbbbbb")).unwrap(), [entry(0)]);
}

fn entries_are_appended_all_or_none(store: &dyn Store) {
    store.begin(&deployment("aaaaaaaa", "shop", 10), &setup(), &plan()).unwrap();
    store.append(id("aaaaaaaa"), &[entry(0), entry(1)]).unwrap();
    assert!(store.append(id("aaaaaaaa"), &[entry(2), entry(1), entry(3)]).is_err());
    assert!(store.append(id("aaaaaaaa"), &[entry(4), entry(4)]).is_err());
    assert_eq!(store.entries(id("aaaaaaaa")).unwrap(), [entry(0), entry(1)]);
    store.append(id("aaaaaaaa"), &[entry(2)]).unwrap();
    assert_eq!(store.entries(id("aaaaaaaa")).unwrap(), [entry(0), entry(1), entry(2)]);
}

fn nothing_can_be_said_of_a_deployment_that_never_began(store: &dyn Store) {
    let never = id("zzzzzzzz");
    let refusals = [
        store.append(never, &[entry(0)]),
        store.finish(never, &end(0, Outcome::Applied, None)),
        store.keep_evidence(never, &evidence("web")),
    ];
    for refusal in refusals {
        let Err(StoreError::Damaged { reason, .. }) = refusal else { panic!("{refusal:?}") };
        assert_eq!(reason, "deployment `zzzzzzzz` never began");
    }
    assert_eq!(store.entries(never).unwrap(), []);
}

fn the_last_ending_counts(store: &dyn Store) {
    store.begin(&deployment("aaaaaaaa", "shop", 10), &setup(), &plan()).unwrap();
    let error = Fault::new(Class::Timeout, "x", "y");
    store.finish(id("aaaaaaaa"), &end(20, Outcome::NeedsAttention, Some(&error))).unwrap();
    store.finish(id("aaaaaaaa"), &end(30, Outcome::RolledBack, None)).unwrap();
    let record = store.deployment(id("aaaaaaaa")).unwrap().unwrap();
    let ending = (record.ended_at, record.outcome, record.error);
    assert_eq!(ending, (Some(Timestamp::from_micros(30)), Some(Outcome::RolledBack), None));
}

fn evidence_reads_back_in_order(store: &dyn Store) {
    store.begin(&deployment("aaaaaaaa", "shop", 10), &setup(), &plan()).unwrap();
    store.keep_evidence(id("aaaaaaaa"), &evidence("web")).unwrap();
    store.keep_evidence(id("aaaaaaaa"), &evidence("api")).unwrap();
    assert_eq!(store.evidence(id("aaaaaaaa")).unwrap(), [evidence("web"), evidence("api")]);
}

fn what_is_made_once_stays(store: &dyn Store) {
    let (shop, blog) = ("shop".parse().unwrap(), "blog".parse().unwrap());
    assert_eq!(store.made_once(&shop, "services.web", "1").unwrap(), "1");
    assert_eq!(store.made_once(&shop, "services.web", "2").unwrap(), "1");
    assert_eq!(store.made_once(&shop, "services.api", "3").unwrap(), "3");
    assert_eq!(store.made_once(&blog, "services.web", "4").unwrap(), "4");
    let kept = store.made_values(&shop).unwrap();
    let kept: Vec<(&str, &str)> = kept.iter().map(|(place, value)| (place.as_str(), value.as_str())).collect();
    assert_eq!(kept, [("services.api", "3"), ("services.web", "1")]);
}

/// What is in an entry is the journal's matter, but a journal that cannot be read back is worth
/// nothing.
fn texts_read_back_as_they_were_written(store: &dyn Store) {
    use crate::{
        action::Action,
        plan::RuntimeKind,
        secret::{Sealer, Secret, Text},
    };

    let mut sealed = Text::Secret(Secret::new("hunter2"));
    sealed.seal(&Sealer::new([1; 32]));
    let entries: Vec<Entry> = [Text::from("plain"), sealed, Text::Fingerprint("abc".to_owned())]
        .into_iter()
        .zip(0..)
        .map(|(content, number)| {
            let action = Action::WriteFile { path: "/a".to_owned(), content, mode: 0o400, uid: None, gid: None };
            let step = StepId(number as u32);
            let record = Record::Intended { step, runtime: RuntimeKind::Process, action: action.into() };
            Entry { number, at: Timestamp::EPOCH, record }
        })
        .collect();
    store.begin(&deployment("aaaaaaaa", "shop", 10), &setup(), &plan()).unwrap();
    store.append(id("aaaaaaaa"), &entries).unwrap();
    assert_eq!(store.entries(id("aaaaaaaa")).unwrap(), entries);
}
