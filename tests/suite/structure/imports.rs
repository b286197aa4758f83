use super::{
    expect_none,
    paths::paths,
    source::{Source, sources},
};

/// The modules as DESIGN lists them: each imports only from those above it.
pub const MODULES: [&str; 26] = [
    "name",
    "time",
    "diagnostic",
    "secret",
    "expression",
    "plan",
    "load",
    "graph",
    "observed",
    "change",
    "policy",
    "action",
    "journal",
    "health",
    "event",
    "engine",
    "report",
    "runtime",
    "probe",
    "store",
    "driver",
    "ops",
    "server",
    "gitops",
    "mcp",
    "cli",
];

/// How many of them are the core, which holds no effect.
pub const CORE: usize = 17;

/// The crate's root may name every module, and modules may name what it offers.
const ROOT: [&str; 2] = ["lib", "main"];

fn rank(module: &str) -> Option<usize> {
    MODULES.iter().position(|name| *name == module)
}

fn downward_imports(source: &Source) -> Vec<String> {
    let Some(module) = source.module().filter(|module| !ROOT.contains(module)) else { return Vec::new() };
    let Some(own_rank) = rank(module) else {
        return vec![format!("{}: module `{module}` is not in the list of modules", source.name)];
    };
    let mut violations = Vec::new();
    for path in paths(&source.masked) {
        let Some(imported) = imported_module(source, &path.segments) else { continue };
        if source.is_test(path.offset) || rank(imported).is_none_or(|rank| rank <= own_rank) {
            continue;
        }
        let place = source.place(path.offset);
        violations.push(format!("{place}: `{module}` imports `{}`, which is below it", path.segments.join("::")));
    }
    violations
}

/// The top-level module that a path leads to: `crate::x`, or `super::` up to the root and `x`.
fn imported_module<'a>(source: &Source, segments: &'a [String]) -> Option<&'a str> {
    if segments[0] == "crate" {
        return segments.get(1).map(String::as_str);
    }
    let supers = segments.iter().take_while(|segment| *segment == "super").count();
    let depth = source.name.matches('/').count() - usize::from(source.name.ends_with("/mod.rs"));
    (supers > 0 && supers == depth).then(|| segments.get(supers)).flatten().map(String::as_str)
}

#[test]
fn the_core_ends_before_the_runtimes() {
    assert_eq!((MODULES[CORE - 1], MODULES[CORE]), ("report", "runtime"));
}

#[test]
fn imports_point_upward() {
    let violations: Vec<String> = sources().iter().flat_map(downward_imports).collect();
    expect_none(
        &violations,
        "Pass data, or move the type up. If the order itself is wrong, change DESIGN's list and `MODULES`.",
    );
}

#[test]
fn a_downward_import_is_found_in_every_form() {
    let found = |name: &str, text: &str| downward_imports(&Source::new(name, text)).join("\n");
    let table = [
        ("use crate::load::Files;", "crate::load::Files"),
        ("use crate::{\n    name::PlanName,\n    load::{self, Files},\n};", "crate::load::self\ncrate::load::Files"),
        ("fn f() { crate::store::open() }", "crate::store::open"),
        ("use super::super::ops::apply;", "super::super::ops::apply"),
    ];
    for (text, imports) in table {
        let paths: Vec<String> = found("src/plan/port.rs", text)
            .lines()
            .map(|line| line.split('`').nth(3).unwrap_or_default().to_owned())
            .collect();
        assert_eq!(paths.join("\n"), imports, "{text}");
    }
    let allowed = [
        "use crate::name::PlanName;",
        "use super::load::Files;",
        "// use crate::load::Files;",
        "const TEXT: &str = \"crate::load::Files\";",
        "#[cfg(test)]\nmod tests {\n    use crate::load::Files;\n}",
    ];
    for text in allowed {
        assert_eq!(found("src/plan/port.rs", text), "", "{text}");
    }
    assert_eq!(found("src/lib.rs", "pub use crate::cli::run;"), "");
    assert_eq!(
        found("src/plan/port.rs", "\nuse crate::load::Files;"),
        "src/plan/port.rs:2: `plan` imports `crate::load::Files`, which is below it"
    );
    assert_eq!(found("src/zoo/lion.rs", ""), "src/zoo/lion.rs: module `zoo` is not in the list of modules");
}
