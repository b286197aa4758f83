//! Files that would become too large end early.

use crate::load::tests::Case;

#[test]
fn bombs_end_early() {
    let services = |count: usize, body: &str| -> String { (0..count).map(|n| format!("  s{n}: {body}\n")).collect() };
    let big: String = (0..2000).map(|n| format!("A{n}: x, ")).collect();
    let chain: String = (0..102).map(|n| format!("  s{n}: {{ extends: s{} }}\n", n + 1)).collect();
    let includes: String = (0..40)
        .map(|n| format!("=== a{n}.yaml\ninclude: [a{}.yaml]\nservices: {{ s{n}: {{ image: a }} }}\n", n + 1))
        .collect();
    let table = [
        (
            "a large service that many extend",
            format!(
                "services:\n  base: {{ image: a, environment: {{ {big} }} }}\n{}",
                services(400, "{ extends: base }")
            ),
            "`extends` repeats more than 500000 values",
        ),
        (
            "a long chain",
            format!("services:\n{chain}  s102: {{ image: a }}\n"),
            "`s100` extends more than 100 services, one after the other",
        ),
        (
            "files within files",
            format!("include: [a0.yaml]\nservices: {{ web: {{ image: a }} }}\n{includes}"),
            "files include each other more than 32 levels deep",
        ),
        (
            "a long variable in many places",
            format!("services:\n{}", services(100, "{ image: a, user: $LONG }")),
            "variables make more than 64 MiB of text",
        ),
    ];
    for (name, text, expected) in table {
        let case = Case::of("compose.yaml", &text).env("LONG", &"x".repeat(1 << 20));
        let problems = case.load().unwrap_err().diagnostics;
        let found: Vec<&str> = problems.iter().map(|problem| problem.summary.as_str()).collect();
        assert!(found.contains(&expected), "{name}: {:?}", &found[..found.len().min(3)]);
    }
}

#[test]
fn thousands_of_warnings_are_no_error() {
    let services: String = (0..3000).map(|n| format!("  s{n}: {{ image: a, user: \"${{NO{n}}}\" }}\n")).collect();
    let loaded = Case::of("compose.yaml", &format!("services:\n{services}")).loaded();
    assert_eq!(loaded.plan.services.len(), 3000);
    assert_eq!(loaded.warnings.len(), 1001);
}
