//! What is not ours is never touched.

use serde_json::Value;

use crate::{
    engine::{self, IMAGE},
    fixture::Fixture,
};

#[test]
fn foreign_containers_are_as_before_whatever_is_done() {
    let Some(fixture) = Fixture::new() else { return };
    let text = |version: &str, which: &str| {
        format!(
            "services: {{ web: {{ <<: *{which}, environment: {{ V: \"{version}\" }}, volumes: [\"data:/data\"] }} }}\nvolumes: {{ data: {{}} }}\n"
        )
    };
    let label = fixture.foreign_label();
    let project = fixture.project();
    let compose = format!("com.docker.compose.project={project}");
    let names = ["web-2", "db-1", "x"].map(|name| format!("{project}-{name}"));
    let run = |name: &str, more: &[&str]| {
        let words = ["run", "-d", "--name", name, "--label", &label, "--restart", "unless-stopped"];
        engine::docker(&[&words[..], more, &[IMAGE, "sleep", "600"]].concat());
    };
    run(&names[0], &[]);
    run(&names[1], &["--label", &compose]);
    fixture.applied(&text("1", "server"));
    // One that shares our network and our volume.
    let (network, volume) = (format!("{project}_default"), format!("{project}_data:/data"));
    run(&names[2], &["--network", &network, "-v", &volume]);
    let inspected = || -> Vec<Value> { engine::inspect_all(&names) };
    let before = inspected();
    let steps: [(&str, &str, &[&str], i32); 6] = [
        ("2", "server", &["preview"], 0),
        ("2", "server", &["apply", "-y", "--remove-orphans"], 0),
        ("2", "server", &["apply", "-y"], 0),
        ("3", "broken", &["apply", "-y"], 3),
        ("3", "broken", &["rollback", "-y"], 0),
        ("1", "server", &["apply", "-y", "--force-recreate"], 0),
    ];
    for (version, which, words, code) in steps {
        fixture.plan(&text(version, which));
        fixture.run(words).exits(code);
        assert_eq!(inspected(), before, "{words:?}");
    }
    // Its network cannot go while someone else is in it, nor its volume.
    let destroyed = fixture.run(&["destroy", "-y", "--volumes", "data"]);
    assert_ne!(destroyed.code, 101, "{}", destroyed.talk);
    assert_eq!(inspected(), before);
    assert_eq!(fixture.states(), Vec::<String>::new());
}
