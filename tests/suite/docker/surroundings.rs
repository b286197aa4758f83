//! What the host and others on the engine have, against what a plan wants.

use crate::{engine, fixture::Fixture};

/// A subnet that hardly anyone uses, of this test process.
fn subnet() -> String {
    let pid = std::process::id();
    format!("10.{}.{}", 200 + pid % 50, pid / 50 % 250)
}

#[test]
fn a_subnet_that_another_network_has_is_refused() {
    let Some(fixture) = Fixture::new() else { return };
    let (label, name, subnet) = (fixture.foreign_label(), format!("{}-there", fixture.project()), subnet());
    engine::docker(&["network", "create", "--label", &label, "--subnet", &format!("{subnet}.0/25"), &name]);
    let plan = |range: &str| {
        format!(
            "services: {{ web: {{ <<: *server, networks: [own] }} }}\n\
             networks: {{ own: {{ ipam: {{ config: [{{ subnet: \"{range}\" }}] }} }} }}\n"
        )
    };
    fixture.plan(&plan(&format!("{subnet}.0/24")));
    let ran = fixture.run(&["apply", "-y"]).exits(1);
    ran.says(&[
        "error[subnet-in-use]",
        &format!("overlaps the network `{name}` ({subnet}.0/25)"),
        "plan.yaml:18",
        "hint",
    ]);
    assert!(fixture.containers().is_empty());
    fixture.applied(&plan(&format!("{subnet}.128/25")));
}

#[test]
fn what_the_host_does_not_have_is_refused_or_told() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.plan("services: { web: { <<: *server, deploy: { resources: { limits: { cpus: \"5000\" } } } } }\n");
    fixture.run(&["apply", "-y"]).exits(1).says(&["error[cpus-exceeded]", "5000", "plan.yaml:17", "hint"]);
    fixture.plan("services: { web: { <<: *server, volumes: [\"/no/such/place:/data:ro\"] } }\n");
    fixture.run(&["apply", "-y"]).exits(1).says(&["error[bind-not-found]", "/no/such/place", "plan.yaml:17"]);
    assert!(fixture.containers().is_empty());
    fixture.plan("services: { web: { <<: *idle, deploy: { resources: { limits: { memory: 900T } } } } }\n");
    fixture.run(&["preview"]).exits(0).says(&["warning[memory-overdrawn]", "900.0 TiB", "hint"]);
}
