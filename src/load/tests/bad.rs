use std::path::Path;

use super::*;

/// Each file holds cases: `## title`, then lines of settings (`# -e NAME`, `# --var a=b`, `# env
/// A=b`, `# raw` for a plan without the usual beginning), then the documents, then `>>>` and the
/// diagnostics. `ORCHESTRATE_UPDATE=1` writes down what comes out; read it before you commit it.
fn run(path: &str) {
    run_cases(path, |input| case(input).problems());
}

/// [`run`], for what has other inputs or other problems.
pub(super) fn run_cases(path: &str, problems: impl Fn(&str) -> String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/load/tests/cases").join(path);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut found = String::new();
    for part in text.split("## ").skip(1) {
        let (title, rest) = part.split_once('\n').unwrap();
        let input = rest.split_once(">>>\n").map_or(rest, |(input, _)| input).trim_end();
        let input = format!("{input}\n");
        found += &format!("## {title}\n{input}>>>\n{}\n", problems(&input));
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
fn outputs_and_ignored_changes() {
    run("outputs.txt");
}

#[test]
fn hooks_and_tests() {
    run("hooks.txt");
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
fn networks_that_do_not_fit_together() {
    run("networks.txt");
}

#[test]
fn words_that_contradict_each_other_or_say_nothing() {
    run("vocabulary.txt");
}

#[test]
fn secrets_in_wrong_places() {
    run("secrets.txt");
}

#[test]
fn bytes_that_are_no_text() {
    let mut case = Case::new("");
    case.files.0.insert("/repo/plan.yaml".into(), b"a: 1\nb: \xff\n".to_vec());
    let expected = "\
plan.yaml:2:4: not-utf8: `plan.yaml` cannot be read: it is not UTF-8: byte 0xff of line 2 is no text
  hint: save it as UTF-8; from Latin-1, `iconv -f ISO-8859-1 -t UTF-8` does
";
    assert_text(&case.problems(), expected, "not UTF-8");

    case.files.0.insert("/repo/plan.yaml".into(), b"\xff\xfea\0:\0 \x001\0".to_vec());
    let expected = "\
plan.yaml:1:1: not-utf8: `plan.yaml` cannot be read: it is not UTF-8: byte 0xff of line 1 is no text
  hint: it looks like UTF-16: save it as UTF-8 (`iconv -f UTF-16 -t UTF-8` does)
";
    assert_text(&case.problems(), expected, "UTF-16");

    case.files.0.insert("/repo/plan.yaml".into(), vec![b' '; 17 << 20]);
    let expected = "too-large: `plan.yaml` cannot be read: it has 17825792 bytes, more than the 16777216 that are read\n  \
         hint: split it, or take out what does not belong in it\n";
    assert_text(&case.problems(), expected, "too large");

    case.files.0.clear();
    let expected = "file-not-found: `plan.yaml` cannot be read: there is no such file\n";
    assert_text(&case.problems(), expected, "not there");
}

/// Small texts that would become large, and large ones that say nothing.
fn bombs() -> Vec<(&'static str, String, &'static str)> {
    let repeat = |count: usize, each: &dyn Fn(usize) -> String| (0..count).map(each).collect::<String>();
    let web = "services: { web: { image: a } }\n";
    let loops = repeat(500, &|n| {
        format!("  w{n}: {{ image: a, command: \"{{% for a in range(9999) %}}{{% endfor %}}{{{{ 1 }}}}x\" }}\n")
    });
    let headers = repeat(200, &|n| format!("h{n}: v, "));
    let uses = repeat(2000, &|n| format!("  w{n}: {{ image: a, checks: [{{ use: big }}] }}\n"));
    let items = "1, ".repeat(20_001);
    let nested = format!("{}1{}", repeat(50, &|n| format!("&a{n} [")), "]".repeat(50));
    vec![
        (
            "aliases of a list",
            format!(
                "x-a: &a [1,2,3,4,5,6,7,8,9]\nx-b: [{}]\n{web}",
                vec![format!("[{}]", "*a, ".repeat(10_000)); 5].join(",")
            ),
            "too-large: aliases repeat more than 250000 values",
        ),
        (
            "aliases of a long text",
            format!("x-a: &a '{}'\nx-b: [{}]\n{web}", "a".repeat(1_000_000), "*a, ".repeat(10_000)),
            "too-large: aliases repeat more than 10 times what the file holds",
        ),
        (
            "anchors in anchors",
            format!("x-a:\n{}{web}", format!("  - {nested}\n").repeat(2000)),
            "too-large: aliases repeat more than 10 times what the file holds",
        ),
        (
            "a chain of merges",
            format!(
                "x-0: &a0 {{ k: 1 }}\n{}{web}",
                repeat(5000, &|n| format!("x-{}: &a{} {{ <<: *a{n}, k{n}: 1 }}\n", n + 1, n + 1))
            ),
            "too-large: aliases repeat more than 10 times what the file holds",
        ),
        (
            "many keys",
            format!("x-a:\n{}{web}", repeat(20_001, &|n| format!("  k{n}: 1\n"))),
            "too-large: a mapping holds more than 20000 keys",
        ),
        ("many items", format!("x-a: [{items}]\n{web}"), "too-large: a list holds more than 20000 items"),
        (
            "a long text",
            format!("x-a: {}\n{web}", "a".repeat((4 << 20) + 1)),
            "too-large: a value holds more than 4 MiB of text",
        ),
        (
            "loops in many templates",
            format!("services:\n{loops}"),
            "too-large: the plan's templates take more than 1800000 steps",
        ),
        (
            "a named check that many use",
            format!(
                "checks: {{ big: {{ http: {{ port: 80, path: /, headers: {{ {headers} }} }} }} }}\nservices:\n{uses}"
            ),
            "too-large: named checks repeat more than the plan holds",
        ),
        (
            "unknown keys",
            repeat(600, &|n| format!("k{n}: 1\n")) + web,
            "too-many-problems: there are more than 500 problems: the search for them ended here",
        ),
        (
            "tags",
            format!("x-a:\n{}{web}", "  - !foo 1\n".repeat(600)),
            "too-many-problems: there are more than 500 problems: the search for them ended here",
        ),
        (
            "templates without quotes",
            format!("services:\n{}", repeat(600, &|n| format!("  w{n}: {{ image: {{{{ x }}}} }}\n"))),
            "too-many-problems: there are more than 500 problems: the search for them ended here",
        ),
        (
            "unknown dependencies",
            format!(
                "services:\n  web:\n    image: a\n    depends_on:\n{}",
                repeat(600, &|n| format!("      - k{n}\n"))
            ),
            "too-many-problems: there are more than 500 problems: the search for them ended here",
        ),
    ]
}

#[test]
fn bombs_and_floods_end_early() {
    for (name, text, expected) in bombs() {
        let problems = Case::plan(&text).load().unwrap_err().diagnostics;
        let line = |problem: &crate::diagnostic::Diagnostic| format!("{}: {}", problem.code, problem.summary);
        let found: Vec<String> = problems.iter().map(line).filter(|line| line.starts_with("too-")).collect();
        assert_eq!(found, [expected], "{name}");
        assert!(problems.len() <= 501, "{name}: {} problems", problems.len());
    }
}

#[test]
fn files_that_are_bombs_end_early() {
    let chain: String = (0..40)
        .map(|n| format!("=== a{n}.yaml\ninclude: [a{}.yaml]\nservices: {{ s{n}: {{ image: a }} }}\n", n + 1))
        .collect();
    let variables: String = (0..20_001).map(|n| format!("A{n}=1\n")).collect();
    let table = [
        (format!("include: [a0.yaml]\n{chain}"), "files include each other more than 32 deep"),
        (
            format!("services: {{ web: {{ image: a, env_file: a.env }} }}\n=== a.env\n{variables}"),
            "the env file holds more than 20000 variables",
        ),
    ];
    for (text, expected) in table {
        let problems = Case::plan(&text).load().unwrap_err().diagnostics;
        let summaries: Vec<&str> = problems.iter().map(|problem| problem.summary.as_str()).collect();
        assert_eq!(summaries, [expected]);
    }
}

#[test]
fn a_text_of_a_problem_is_cut() {
    let name = "k".repeat(100_000);
    let problems = Case::plan(&format!("services: {{ web: {{ image: a, restart: {name} }} }}\n")).problems();
    assert!(problems.starts_with("plan.yaml:3:") && problems.len() < 3000, "{}", problems.len());
}

#[test]
fn hundreds_of_dollars_are_warnings_still() {
    let labels: String = (0..1000).map(|n| format!("      k{n}: '${{A{n}}}'\n")).collect();
    let loaded = Case::plan(&format!("services:\n  web:\n    image: a\n    labels:\n{labels}")).loaded();
    assert_eq!(loaded.warnings.len(), 100);
}
