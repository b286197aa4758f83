//! Several plans in one call.

use serde_json::Value;

use crate::{engine, fixture::Fixture};

/// Three plans of which each comes after the one before, and one that comes after none: given in
/// another order.
const ALL: [&str; 4] = ["web.yaml", "api.yaml", "db.yaml", "blog.yaml"];

fn write(fixture: &Fixture, api: &str) {
    fixture.other_plan("db", "services: { one: *server }\n");
    fixture.other_plan("api", &format!("after: [\"{{project}}-db\"]\nservices: {{ one: *{api} }}\n"));
    fixture.other_plan("web", "after: [\"{project}-api\"]\nservices: { one: *server }\n");
    fixture.other_plan("blog", "services: { one: *server }\n");
}

fn call<'a>(words: &[&'a str], plans: &[&'a str]) -> Vec<&'a str> {
    [words, plans].concat()
}

/// `KEY outcome`, or `KEY held_back by KEY`, in the order of their turns.
fn told(fixture: &Fixture, report: &Value) -> Vec<String> {
    let short = |name: &Value| name.as_str().unwrap().replace(&format!("{}-", fixture.project()), "");
    let line = |plan: &Value| {
        let by = plan["held_back_by"].as_str().map(|_| format!(" by {}", short(&plan["held_back_by"])));
        format!("{} {}{}", short(&plan["plan"]), plan["outcome"].as_str().unwrap(), by.unwrap_or_default())
    };
    report["plans"].as_array().unwrap().iter().map(line).collect()
}

fn has_container(fixture: &Fixture, key: &str) -> bool {
    engine::inspect(&format!("{}-{key}-one-1", fixture.project()))["Id"].is_string()
}

#[test]
fn plans_go_in_order_and_one_that_fails_holds_back_those_after_it() {
    let Some(fixture) = Fixture::new() else { return };
    write(&fixture, "broken");
    let ran = fixture.run(&call(&["apply", "-y", "--format", "json"], &ALL)).exits(3);
    let report = ran.json();
    assert_eq!(told(&fixture, &report), ["db applied", "api rolled_back", "web held_back by api", "blog applied"]);
    assert!(report["plans"][0]["deployment"]["deployment"].is_string() && report["plans"][2]["deployment"].is_null());
    assert_eq!(["db", "api", "web", "blog"].map(|key| has_container(&fixture, key)), [true, false, false, true]);

    write(&fixture, "server");
    let ran = fixture.run(&call(&["apply", "-y"], &ALL)).exits(0);
    let table = ran.data.split("\n\n").last().unwrap();
    let words: Vec<&str> = table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(words, ["unchanged", "applied", "applied", "unchanged"], "{}", ran.data);

    let ran = fixture.run(&call(&["destroy", "-y", "--format", "json"], &ALL)).exits(0);
    assert_eq!(told(&fixture, &ran.json()), ["blog applied", "web applied", "api applied", "db applied"]);
    assert!(["db", "api", "web", "blog"].iter().all(|key| !has_container(&fixture, key)));
}

#[test]
fn a_plan_uses_what_another_makes_before_it() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.other_plan("net", "services: { one: { <<: *server, networks: [shared] } }\nnetworks: { shared: {} }\n");
    fixture.other_plan(
        "app",
        "\
after: [\"{project}-net\"]
services: { one: { <<: *server, networks: [shared] } }
networks: { shared: { external: true, name: \"{project}-net_shared\" } }
",
    );
    fixture.run(&["preview", "app.yaml"]).exits(1).says(&["error[after-not-deployed]", "app.yaml:17", "hint"]);
    let preview = fixture.run(&["preview", "app.yaml", "net.yaml", "--format", "json"]).exits(0).json();
    let plans: Vec<&str> =
        preview["plans"].as_array().unwrap().iter().map(|plan| plan["plan"].as_str().unwrap()).collect();
    assert_eq!(plans, ["net", "app"].map(|key| format!("{}-{key}", fixture.project())));
    assert!(!has_container(&fixture, "net"));
    fixture.run(&["apply", "app.yaml", "net.yaml"]).exits(0);
    // What is deployed need not be given again, also where only the engine knows of it.
    fixture.run(&["apply", "app.yaml"]).exits(0);
    std::fs::remove_dir_all(fixture.state()).unwrap();
    fixture.run(&["preview", "app.yaml"]).exits(0);
    fixture.run(&["destroy", "-y", "app.yaml", "net.yaml"]).exits(0);
    fixture.run(&["preview", "app.yaml"]).exits(1).says(&["error[after-not-deployed]"]);
}

#[test]
fn nothing_begins_where_one_of_them_cannot() {
    let Some(fixture) = Fixture::new() else { return };
    write(&fixture, "server");
    let foreign = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = foreign.local_addr().unwrap().port();
    let published = format!("services: {{ one: {{ <<: *server, ports: [\"127.0.0.1:{port}:80\"] }} }}\n");
    fixture.other_plan("blog", &published);
    fixture.other_plan("web", "services: { one: { <<: *server, container_name: {project}-db-one-1 } }\n");
    fixture.run(&call(&["apply", "-y"], &ALL)).exits(65).says(&["error[name-conflict]", "web.yaml:17"]);
    fixture.other_plan("web", "services: { one: *server }\n");
    fixture.run(&call(&["apply", "-y"], &ALL)).exits(1).says(&["error[port-in-use]", "blog.yaml:17"]);
    assert!(["db", "api", "web", "blog"].iter().all(|key| !has_container(&fixture, key)));
}
