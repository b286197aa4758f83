//! Scale, orphans, and applying a part.

use crate::fixture::Fixture;

#[test]
fn a_service_is_scaled_up_and_down_and_its_first_instance_stays() {
    let Some(fixture) = Fixture::new() else { return };
    let text = |replicas: u32| format!("services: {{ web: {{ <<: *server, deploy: {{ replicas: {replicas} }} }} }}\n");
    fixture.applied(&text(1));
    let first = fixture.containers();
    assert_eq!(fixture.changes(&text(3)), ["web update: deploy.replicas"]);
    fixture.applied(&text(3));
    assert_eq!(fixture.states(), ["web-1 running", "web-2 running", "web-3 running"]);
    assert_eq!(fixture.containers()[0], first[0]);
    fixture.run(&["apply"]).exits(0).says(&["unchanged: "]);
    fixture.applied(&text(1));
    assert_eq!(fixture.containers(), first);
}

#[test]
fn orphans_are_reported_and_only_removed_when_asked() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.applied("services: { web: *server, old: *server }\n");
    let both = fixture.containers();
    fixture.plan("services: { web: *server }\n");
    fixture
        .run(&["preview"])
        .exits(0)
        .says(&["`old` runs and is no longer in the plan: `--remove-orphans` removes them"]);
    fixture.run(&["apply", "-y"]).exits(0);
    assert_eq!(fixture.containers(), both);
    fixture.run(&["apply", "-y", "--remove-orphans"]).exits(0).says(&["old      remove"]);
    assert_eq!(fixture.states(), ["web-1 running"]);
}

#[test]
fn a_part_of_the_plan_is_applied() {
    let Some(fixture) = Fixture::new() else { return };
    let text = |version: &str| {
        format!(
            "\
services:
  db: {{ <<: *server, environment: {{ V: \"{version}\" }} }}
  web: {{ <<: *server, environment: {{ V: \"{version}\" }}, depends_on: {{ db: {{ condition: service_healthy }} }} }}
  other: {{ <<: *server, environment: {{ V: \"{version}\" }} }}
"
        )
    };
    fixture.plan(&text("1"));
    fixture.run(&["apply", "-y", "--only", "web"]).exits(0);
    assert_eq!(fixture.states(), ["db-1 running", "web-1 running"]);
    fixture.applied(&text("1"));
    let [db, other, web] = <[String; 3]>::try_from(fixture.containers()).unwrap();
    fixture.plan(&text("2"));
    fixture.run(&["apply", "-y", "--only", "web", "--no-deps"]).exits(0);
    let after = fixture.containers();
    assert_eq!((&after[0], &after[1]), (&db, &other));
    assert_ne!(after[2], web);

    fixture.applied(&text("2"));
    let before = fixture.containers();
    fixture.run(&["apply", "-y", "--force-recreate=other"]).exits(0);
    let after = fixture.containers();
    assert_eq!((&after[0], &after[2]), (&before[0], &before[2]));
    assert_ne!(after[1], before[1]);
    fixture.run(&["apply", "-y", "--force-recreate"]).exits(0);
    assert!(fixture.ids().iter().zip(after).all(|(now, then)| !then.starts_with(now.as_str())));
    fixture.run(&["apply", "--only", "wbe"]).exits(64).says(&["no service `wbe`"]);
}

#[test]
fn priority_decides_where_only_one_goes_at_a_time() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.plan(
        "\
services:
  a: *server
  b: { <<: *server, priority: 5 }
  c: { <<: *server, priority: 10 }
",
    );
    fixture.run(&["apply", "--parallelism", "1", "--events", "events.json"]).exits(0);
    assert_eq!(starting(&fixture), ["c", "b", "a"]);
}

#[test]
fn groups_are_barriers_if_the_plan_says_so() {
    let Some(fixture) = Fixture::new() else { return };
    let slow = "{ <<: *idle, command: [sh, -c, \"sleep 2; echo ready; exec sleep 600\"], \
                checks: [{ log: { matches: ready }, interval: 100ms, retries: 100 }] }";
    let text = |schedule: &str| {
        format!(
            "\
schedule: {schedule}
services:
  a: *server
  b: {{ <<: *server, depends_on: {{ a: {{ condition: service_healthy }} }} }}
  slow: {slow}
"
        )
    };
    let ready = |name: &str| {
        let events = std::fs::read_to_string(fixture.path().join("plan/events.json")).unwrap();
        events.find(&format!("\"service_ready\",\"service\":\"{name}\"")).unwrap()
    };
    for (schedule, b_waits) in [("grouped", true), ("eager", false)] {
        fixture.plan(&text(schedule));
        fixture.run(&["apply", "-y", "--force-recreate", "--events", "events.json"]).exits(0);
        assert_eq!(ready("slow") < ready("b"), b_waits, "{schedule}");
    }
}

fn starting(fixture: &Fixture) -> Vec<String> {
    let events = std::fs::read_to_string(fixture.path().join("plan/events.json")).unwrap();
    let moments = events.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let starting = moments.filter(|moment| moment["event"] == "service_starting");
    starting.map(|moment| moment["service"].as_str().unwrap().to_owned()).collect()
}
