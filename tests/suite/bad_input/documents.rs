use std::path::Path;

use super::refusal;
use crate::scene::{Scene, assert_text};

/// Each file holds cases: `## title`, then `# command` if it is not `apply`, then the plan after
/// its first three lines (all of it after `# raw`), then `>>>`, the exit code and the message.
/// `ORCHESTRATE_UPDATE=1` writes down what comes out; read it before you commit it.
fn run(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/bad_input").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut found = String::new();
    for part in text.split("## ").skip(1) {
        let (title, rest) = part.split_once('\n').unwrap();
        let input = rest.split_once(">>>\n").map_or(rest, |(input, _)| input).trim_end();
        found += &format!("## {title}\n{input}\n>>>\n{}\n", case(input));
    }
    if std::env::var_os("ORCHESTRATE_UPDATE").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    assert_text(&found, &text);
}

fn case(input: &str) -> String {
    let settings: Vec<&str> = input.lines().take_while(|line| line.starts_with("# ")).collect();
    let plan: String = input.lines().skip(settings.len()).map(|line| format!("{line}\n")).collect();
    let scene = Scene::new(&plan);
    if settings.contains(&"# raw") {
        scene.write("plan.yaml", &plan);
    }
    scene.write("environments/staging.yaml", "vars: { colour: green }\n");
    let command = settings.iter().find(|line| **line != "# raw");
    refusal(&scene, command.map_or("apply", |line| line.strip_prefix("# ").unwrap()))
}

#[test]
fn plans() {
    run("plans.txt");
}

#[test]
fn variables_and_environments() {
    run("variables.txt");
}

#[test]
fn services_that_do_not_fit_together() {
    run("services.txt");
}
