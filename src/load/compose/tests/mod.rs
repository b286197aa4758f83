//! Compose files in, resolved services or problems out, as text.

mod bounds;
mod places;

use std::path::{Path, PathBuf};

use crate::load::{
    plan_yaml,
    tests::{Case, assert_text, rendered},
};

/// Runs a file of cases: `## rule`, then lines `# env A=1`, `# profile a`, `# file b.yaml`, `# found`, `# name a`,
/// `# directory a` and `# env-file a`, then `compose.yaml` and further files, then `>>>` and what comes out.
fn run(name: &str) {
    let path = format!("{}/src/load/compose/tests/cases/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    let cases = text.split("\n## ").map(|case| case.strip_prefix("## ").unwrap_or(case));
    let found: String = cases
        .map(|case| {
            let (input, _) = case.split_once("\n>>>").unwrap_or_else(|| panic!("no `>>>` in {case}"));
            format!("## {input}\n>>>\n{}\n", outcome(&parse(&format!("{input}\n"))))
        })
        .collect();
    let found = format!("{}\n", found.trim_end());
    if std::env::var_os("ORCHESTRATE_UPDATE").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    assert_text(&found, &text, &path);
}

fn parse(input: &str) -> Case {
    let (_, rest) = input.split_once('\n').unwrap();
    let (mut case, mut settings, mut body) = (None, Vec::new(), rest);
    while let Some((line, rest)) = body.split_once('\n').filter(|(line, _)| line.starts_with("# ")) {
        settings.push(line[2..].split_once(' ').unwrap_or((&line[2..], "")));
        body = rest;
    }
    let case: &mut Case = case.insert(Case::of("compose.yaml", body));
    let at = |path: &str| PathBuf::from("/repo").join(path);
    for (what, value) in settings {
        let compose = &mut case.inputs.compose;
        match what {
            "env" => {
                let (name, value) = value.split_once('=').unwrap();
                *case = case.clone().env(name, value);
            }
            "profile" => compose.profiles.push(value.to_owned()),
            "file" => compose.more_files.push(at(value)),
            "env-file" => compose.env_files.push(at(value)),
            "name" => compose.project_name = Some(value.to_owned()),
            "directory" => compose.project_directory = Some(at(value)),
            "found" => compose.is_found = true,
            other => panic!("no such setting: {other}"),
        }
    }
    case.clone()
}

/// What is wrong, then the plan without what all of these have.
fn outcome(case: &Case) -> String {
    match case.load() {
        Err(failure) => rendered(&failure.sources, &failure.diagnostics),
        Ok(loaded) => {
            let warnings = rendered(loaded.document.sources(), &loaded.warnings);
            let usual = ["name: repo", "project: repo", "parallelism: 8", "    networks:", "      default: {}"];
            let yaml = plan_yaml(&loaded.plan);
            let lines = yaml.lines().filter(|line| !usual.contains(line)).map(|line| format!("{line}\n"));
            warnings + &lines.collect::<String>()
        }
    }
}

#[test]
fn variables() {
    run("variables");
}

#[test]
fn merging() {
    run("merging");
}

#[test]
fn extends() {
    run("extends");
}

#[test]
fn include() {
    run("include");
}

#[test]
fn profiles() {
    run("profiles");
}

#[test]
fn short_forms() {
    run("short_forms");
}

#[test]
fn meaning() {
    run("meaning");
}

#[test]
fn own_words() {
    run("own_words");
}

#[test]
fn project_names() {
    run("project_names");
}

/// Compose files as people write them: all of them make plans.
#[test]
fn stacks_of_many_kinds_are_plans() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/load/compose/tests/stacks");
    let mut names: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 10, "{names:?}");
    for path in names {
        let case = Case::of("compose.yaml", &std::fs::read_to_string(&path).unwrap());
        let loaded = case.load().unwrap_or_else(|failure| {
            panic!("{}\n{}", path.display(), rendered(&failure.sources, &failure.diagnostics))
        });
        assert!(!loaded.plan.services.is_empty());
        crate::graph::Graph::build(&loaded.plan).unwrap();
    }
}
