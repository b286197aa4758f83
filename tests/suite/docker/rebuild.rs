//! State that is lost or damaged, brought back from what is kept on the engine.

use serde_json::Value;

use crate::{engine, fixture::Fixture};

const PLAN: &str = "services: { web: { <<: *server, environment: { N: \"1\", MADE: \"{{ random_string(20) }}\" } } }\n";

/// Two deployments of a service with a password that was made once.
fn deployed() -> Option<Fixture> {
    let fixture = Fixture::new()?;
    fixture.applied(PLAN);
    fixture.applied(&PLAN.replace("N: \"1\"", "N: \"2\""));
    Some(fixture)
}

fn made(fixture: &Fixture) -> String {
    let found = fixture.inspect("web");
    let env = found["Config"]["Env"].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
    env.into_iter().find(|text| text.starts_with("MADE=")).unwrap().to_owned()
}

/// The deployments, and what they came to, the newest first.
fn history(fixture: &Fixture) -> Vec<(Value, Value)> {
    let history = fixture.run(&["history", "--format", "json"]).exits(0).json();
    let deployments = history["deployments"].as_array().unwrap().iter();
    deployments.map(|deployment| (deployment["deployment"].clone(), deployment["outcome"].clone())).collect()
}

/// Nothing would change, and nothing did.
#[track_caller]
fn assert_as_before(fixture: &Fixture, before: &[(Value, Value)], password: &str) {
    assert_eq!(history(fixture), before);
    let preview = fixture.run(&["preview", "--detailed-exitcode"]);
    assert_eq!(preview.code, 0, "{preview:?}");
    fixture.run(&["apply", "-y", "--force-recreate"]).exits(0);
    assert_eq!(made(fixture), password);
    fixture.run(&["state", "verify"]).exits(0);
}

fn lose(fixture: &Fixture) {
    std::fs::remove_dir_all(fixture.state()).unwrap();
}

#[test]
fn what_was_lost_is_brought_back() {
    let Some(fixture) = deployed() else { return };
    let (before, password, project) = (history(&fixture), made(&fixture), fixture.project());
    lose(&fixture);
    let rebuilt = fixture.run(&["state", "rebuild", "--project", &project, "--format", "json"]).exits(0).json();
    let ids: Vec<Value> = before.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(rebuilt["brought_back"]["deployments"], Value::Array(ids.clone()));
    assert_eq!((&rebuilt["brought_back"]["made_values"], &rebuilt["ok"]), (&1.into(), &true.into()));
    assert_eq!((&rebuilt["set_aside"], &rebuilt["unreadable"]), (&Value::Null, &Value::Array(Vec::new())));
    let again = fixture.run(&["state", "rebuild", "--format", "json"]).exits(0).json();
    assert_eq!(
        (&again["brought_back"]["deployments"], &again["already_there"]["deployments"]),
        (&Value::Array(Vec::new()), &Value::Array(ids))
    );
    fixture.run(&["show", before[1].0.as_str().unwrap()]).exits(0);
    assert_as_before(&fixture, &before, &password);
}

#[test]
fn what_is_damaged_is_kept_aside() {
    let Some(fixture) = deployed() else { return };
    let (before, password) = (history(&fixture), made(&fixture));
    let at = |name: &str| fixture.state().join(name);
    for (number, torn, aside) in
        [(1, "state.db", vec!["state.db"]), (2, "state.db", vec!["state.db"]), (3, "key", vec!["state.db", "key"])]
    {
        std::fs::write(at(torn), "this is none, and long enough to be read as one").unwrap();
        fixture.run(&["history"]).exits(1);
        let rebuilt = fixture.run(&["state", "rebuild"]).exits(0);
        rebuilt.says(&["the state here is damaged", "2 deployments, 1 value made once", "so not brought back: "]);
        for name in aside {
            let kept = format!("{name}.damaged-{number}");
            rebuilt.says(&[&format!("`{}`", at(&kept).display())]);
            assert_eq!(std::fs::read(at(&kept)).unwrap().starts_with(b"this is none"), name == torn, "{kept}");
        }
        assert_eq!(history(&fixture), before);
    }
    assert_as_before(&fixture, &before, &password);
}

#[test]
fn a_whole_state_stays_and_gets_what_it_lacks() {
    let Some(fixture) = deployed() else { return };
    let (before, password) = (history(&fixture), made(&fixture));
    let database = rusqlite::Connection::open(fixture.state().join("state.db")).unwrap();
    database.execute_batch("DELETE FROM made_once; DELETE FROM seen_lock").unwrap();
    drop(database);
    let rebuilt = fixture.run(&["state", "rebuild"]).exits(0);
    rebuilt.says(&["0 deployments, 1 value made once", "already here: 2 deployments, 0 values made once"]);
    assert_as_before(&fixture, &before, &password);
}

#[test]
fn where_nothing_is_kept_nothing_is_changed() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.plan(PLAN);
    std::fs::create_dir(fixture.state()).unwrap();
    std::fs::write(fixture.state().join("state.db"), "this is no database, and long enough for one").unwrap();
    fixture.run(&["state", "rebuild"]).exits(1).says(&["nothing of", "nothing was changed"]);
    assert_eq!(std::fs::read_dir(fixture.state()).unwrap().count(), 1);
    std::fs::remove_file(fixture.state().join("state.db")).unwrap();
}

/// `docker container prune` takes what the vault is read through.
fn prune(fixture: &Fixture) {
    engine::docker(&["rm", &format!("orchestrate-state-{}", fixture.project())]);
}

#[test]
fn a_password_outlives_the_state_and_a_prune() {
    let Some(fixture) = deployed() else { return };
    let (before, password) = (history(&fixture), made(&fixture));
    lose(&fixture);
    prune(&fixture);
    fixture.run(&["apply", "-y"]).exits(0).says(&["unchanged"]);
    assert_eq!(made(&fixture), password);
    assert_as_before(&fixture, &before, &password);
}

#[test]
fn a_shut_vault_is_opened_to_rebuild() {
    let Some(fixture) = deployed() else { return };
    let (before, password) = (history(&fixture), made(&fixture));
    lose(&fixture);
    prune(&fixture);
    fixture.run(&["state", "rebuild"]).exits(0).says(&["2 deployments, 1 value made once"]);
    assert_as_before(&fixture, &before, &password);
}
