use std::path::Path;

use super::*;

/// Each file holds cases: `## title`, then lines of settings (`# -e NAME`, `# --var a=b`, `# env
/// A=b`, `# raw` for a plan without the usual beginning), then the documents, then `>>>` and the
/// diagnostics. `ORCHESTRATE_UPDATE=1` writes down what comes out; read it before you commit it.
fn run(path: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/load/tests/cases").join(path);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut found = String::new();
    for part in text.split("## ").skip(1) {
        let (title, rest) = part.split_once('\n').unwrap();
        let input = rest.split_once(">>>\n").map_or(rest, |(input, _)| input).trim_end();
        let input = format!("{input}\n");
        found += &format!("## {title}\n{input}>>>\n{}\n", case(&input).problems());
    }
    if std::env::var_os("ORCHESTRATE_UPDATE").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    assert_text(&found, &text, &path.display().to_string());
}

fn case(input: &str) -> Case {
    let settings = input.lines().take_while(|line| line.starts_with("# "));
    let count = settings.clone().count();
    let body: String = input.split_inclusive('\n').skip(count).collect();
    let mut case = match settings.clone().any(|line| line == "# raw") {
        true => Case::new(&body),
        false => Case::plan(&body),
    };
    for setting in settings {
        case = match setting.split_once(' ').unwrap().1.split_once(' ') {
            Some(("-e", name)) => case.environment(name),
            Some(("--var", pair)) => {
                let (name, value) = pair.split_once('=').unwrap();
                case.var(name, value)
            }
            Some(("env", pair)) => {
                let (name, value) = pair.split_once('=').unwrap();
                case.env(name, value)
            }
            _ => case,
        };
    }
    case
}

#[test]
fn documents_that_are_no_yaml() {
    run("yaml.txt");
}

#[test]
fn documents_that_the_schema_refuses() {
    run("schema.txt");
}

#[test]
fn variables_and_templates() {
    run("variables.txt");
}

#[test]
fn several_files() {
    run("files.txt");
}

#[test]
fn services_that_do_not_fit_together() {
    run("services.txt");
}

#[test]
fn secrets_in_wrong_places() {
    run("secrets.txt");
}

#[test]
fn bytes_that_are_no_text() {
    let mut case = Case::new("");
    case.files.0.insert("/repo/plan.yaml".into(), b"a: 1\nb: \xff\n".to_vec());
    let expected = "file-unreadable: `plan.yaml` cannot be read: it is not UTF-8: line 2 has a byte that is no text\n";
    assert_text(&case.problems(), expected, "not UTF-8");

    case.files.0.insert("/repo/plan.yaml".into(), vec![b' '; 17 << 20]);
    let expected = "too-large: `plan.yaml` cannot be read: it has 17825792 bytes, more than the 16777216 that are read\n  \
         hint: split it, or take out what does not belong in it\n";
    assert_text(&case.problems(), expected, "too large");

    case.files.0.clear();
    let expected = "file-not-found: `plan.yaml` cannot be read: there is no such file\n";
    assert_text(&case.problems(), expected, "not there");
}
