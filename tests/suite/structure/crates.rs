use super::{
    expect_none,
    paths::paths,
    source::{Source, sources},
};

/// Crates that only some places may know, so that each can be exchanged there.
const CONFINED: [(&str, &[&str]); 15] = [
    ("petgraph", &["src/graph/"]),
    ("minijinja", &["src/expression/"]),
    ("serde_yaml", &["src/load/"]),
    ("jsonschema", &["src/load/"]),
    ("schemars", &["src/plan/", "src/name/", "src/secret/", "src/load/"]),
    ("bollard", &["src/runtime/docker/", "src/runtime/swarm/"]),
    ("clap", &["src/cli/"]),
    ("clap_complete", &["src/cli/"]),
    ("indicatif", &["src/cli/"]),
    ("rusqlite", &["src/store/"]),
    ("miette", &["src/report/"]),
    ("quick_junit", &["src/report/"]),
    ("rustix", &["src/runtime/", "src/store/", "src/probe/", "src/cli/", "src/driver/"]),
    ("tar", &["src/runtime/", "src/store/"]),
    ("axum", &["src/server/"]),
];

fn stray_crates(source: &Source) -> Vec<String> {
    let mut violations = Vec::new();
    for path in paths(&source.masked) {
        let Some((name, places)) = CONFINED.iter().find(|(name, _)| path.segments[0] == *name) else { continue };
        let is_at_home = places.iter().any(|place| source.name.starts_with(place));
        if is_at_home || source.is_test(path.offset) {
            continue;
        }
        let place = source.place(path.offset);
        violations.push(format!("{place}: `{name}` belongs into {}", places.join(", ")));
    }
    violations
}

#[test]
fn third_party_crates_stay_where_they_belong() {
    let violations: Vec<String> = sources().iter().flat_map(stray_crates).collect();
    expect_none(&violations, "Put a type of our own between, in the module that the crate belongs to.");
}

#[test]
fn a_stray_crate_is_found() {
    let found = |name: &str, text: &str| stray_crates(&Source::new(name, text)).join("\n");
    let stray = "src/plan/port.rs:1: `petgraph` belongs into src/graph/";
    assert_eq!(found("src/plan/port.rs", "use petgraph::graph::Graph;"), stray);
    assert_eq!(found("src/plan/port.rs", "fn f(x: petgraph::Graph) {}"), stray);
    assert_eq!(found("src/graph/order.rs", "use petgraph::graph::Graph;"), "");
    assert_eq!(found("src/plan/port.rs", "#[cfg(test)]\nmod tests { use petgraph::Graph; }"), "");
    assert_eq!(found("src/runtime/process/start.rs", "use bollard::Docker;").lines().count(), 1);
}
