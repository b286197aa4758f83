//! What stands in the way is said before anything is done.

use std::net::{TcpListener, TcpStream};

use crate::{
    engine::{self, IMAGE, free_port},
    fixture::{Fixture, Ran},
};

/// Applies a plan that something stands in the way of: exit code 1, nothing changed.
#[track_caller]
fn refused(fixture: &Fixture, text: &str) -> Ran {
    let before = fixture.containers();
    let networks = engine::labelled("network ls -q", &fixture.project());
    fixture.plan(text);
    let ran = fixture.run(&["apply", "-y"]).exits(1);
    assert_eq!(fixture.containers(), before);
    assert_eq!(engine::labelled("network ls -q", &fixture.project()), networks);
    ran
}

#[test]
fn a_host_port_moves_from_one_service_to_another() {
    let Some(fixture) = Fixture::new() else { return };
    let port = free_port();
    let text = |holder: &str, other: &str| {
        format!("services: {{ {holder}: {{ <<: *server, ports: [\"127.0.0.1:{port}:80\"] }}, {other}: *server }}\n")
    };
    fixture.applied(&text("a", "b"));
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    fixture.applied(&text("b", "a"));
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    let published = &fixture.inspect("b")["HostConfig"]["PortBindings"]["80/tcp"][0]["HostPort"];
    assert_eq!(*published, port.to_string());
    assert!(fixture.inspect("a")["HostConfig"]["PortBindings"].as_object().is_none_or(serde_json::Map::is_empty));
}

#[test]
fn a_host_port_in_use_is_refused() {
    let Some(fixture) = Fixture::new() else { return };
    let foreign = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = foreign.local_addr().unwrap().port();
    fixture.applied("services: { web: *server }\n");
    let ran = refused(&fixture, &format!("services: {{ web: {{ <<: *server, ports: [\"127.0.0.1:{port}:80\"] }} }}\n"));
    ran.says(&["error[port-in-use]", &format!("{port}"), "plan.yaml:17", "hint"]);
}

#[test]
fn a_name_that_someone_else_has_is_refused() {
    let Some(fixture) = Fixture::new() else { return };
    let (label, name) = (fixture.foreign_label(), fixture.instance("web"));
    engine::docker(&["create", "--name", &name, "--label", &label, IMAGE, "sleep", "1"]);
    let ran = refused(&fixture, "services: { web: *server }\n");
    ran.says(&["error[name-taken]", &name, "docker rename"]);
    let taken = format!("{name}-x");
    engine::docker(&["create", "--name", &taken, "--label", &label, IMAGE, "sleep", "1"]);
    let ran = refused(&fixture, &format!("services: {{ db: {{ <<: *server, container_name: {taken} }} }}\n"));
    ran.says(&["error[name-taken]", &taken, "plan.yaml:17"]);
}

#[test]
fn an_image_that_does_not_exist_is_refused() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.applied("services: { web: *server }\n");
    let before = fixture.containers();
    fixture.plan("retry: { attempts: 1 }\nservices: { web: { <<: *server, image: \"localhost:1/no/such:9\" } }\n");
    let ran = fixture.run(&["apply", "-y"]);
    assert!([1, 3].contains(&ran.code), "{}", ran.data);
    ran.says(&["localhost:1/no/such:9", "hint"]);
    assert_eq!(fixture.containers(), before);
}

#[test]
fn what_is_to_be_mounted_or_joined_has_to_be_there() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.plan("services: { web: { <<: *server, volumes: [\"./missing:/data\"] } }\n");
    fixture.run(&["apply"]).exits(65).says(&["error[bind-not-found]", "`missing`", "plan.yaml:17:43", "hint"]);
    let ran = refused(
        &fixture,
        "services: { web: { <<: *server, networks: [there] } }\nnetworks: { there: { external: true, name: \"{project}-none\" } }\n",
    );
    ran.says(&["error[network-not-found]", "docker network create", "plan.yaml:18"]);
    let ran = refused(
        &fixture,
        "services: { web: { <<: *server, volumes: [\"there:/data\"] } }\nvolumes: { there: { external: true, name: \"{project}-none\" } }\n",
    );
    ran.says(&["error[volume-not-found]", "docker volume create", "plan.yaml:18"]);
}

#[test]
fn an_external_network_and_volume_are_used_and_stay() {
    let Some(fixture) = Fixture::new() else { return };
    let (label, name) = (fixture.foreign_label(), format!("{}-there", fixture.project()));
    engine::docker(&["network", "create", "--label", &label, &name]);
    engine::docker(&["volume", "create", "--label", &label, &name]);
    fixture.applied(
        "\
services: { web: { <<: *server, networks: [there], volumes: [\"there:/data\"] } }
networks: { there: { external: true, name: \"{project}-there\" } }
volumes: { there: { external: true, name: \"{project}-there\" } }
",
    );
    let found = fixture.inspect("web");
    assert!(found["NetworkSettings"]["Networks"][&name].is_object(), "{found}");
    assert_eq!(found["Mounts"][0]["Name"], *name);
    fixture.run(&["destroy", "-y"]).exits(0);
    engine::docker(&["network", "inspect", &name]);
    engine::docker(&["volume", "inspect", &name]);
}
