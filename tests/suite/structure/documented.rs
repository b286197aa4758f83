use std::{collections::BTreeSet, fs, path::Path};

use super::{
    expect_none,
    mask::is_word,
    source::{Source, body_end, sources},
};

/// The types that a user writes: each of their fields is a key, and stands in docs/.
const DOCUMENTS: [(&str, &[&str]); 10] = [
    ("src/plan/check.rs", &["CheckDocument", "HttpCheck", "FileCheck", "LogCheck"]),
    ("src/plan/deploy.rs", &["Deploy", "Resources", "Limits", "Reservations"]),
    ("src/plan/document.rs", &["ConfigDefinition"]),
    ("src/plan/environment.rs", &["Environment", "TargetDocument"]),
    ("src/plan/healthcheck.rs", &["Healthcheck"]),
    ("src/plan/network.rs", &["Network", "NetworkAttachment"]),
    ("src/plan/policy.rs", &["Rollback", "Retry"]),
    ("src/plan/service.rs", &["Service", "Logging"]),
    ("src/plan/variable.rs", &["Variable"]),
    ("src/plan/volume.rs", &["Volume"]),
];

/// The keys that a struct's fields are, each with where it stands.
fn keys(source: &Source, struct_name: &str) -> Vec<(usize, String)> {
    let head = format!("struct {struct_name} {{");
    let start = source.masked.find(&head).unwrap_or_else(|| panic!("no `struct {struct_name}` in {}", source.name));
    let end = body_end(&source.masked, start);
    let (mut keys, mut renamed, mut offset) = (Vec::new(), None, start + head.len());
    for (masked, line) in source.masked[offset..end].split_inclusive('\n').zip(source.text[offset..end].split('\n')) {
        let code = masked.trim().trim_start_matches("pub ");
        let name: String = code.chars().take_while(|&c| is_word(c)).collect();
        if let Some((_, name)) = line.split_once("rename = \"") {
            renamed = name.split('"').next().map(str::to_owned);
        } else if !name.is_empty() && code[name.len()..].starts_with(": ") {
            keys.push((offset, renamed.take().unwrap_or(name)));
        }
        offset += masked.len();
    }
    keys
}

/// Every word that stands between backticks.
fn words_in_code(markdown: &str) -> BTreeSet<&str> {
    let code = markdown.split('`').skip(1).step_by(2);
    code.flat_map(|code| code.split(|c: char| !is_word(c))).collect()
}

fn undocumented(source: &Source, struct_name: &str, documented: &BTreeSet<&str>) -> Vec<String> {
    let missing = keys(source, struct_name).into_iter().filter(|(_, key)| !documented.contains(key.as_str()));
    missing.map(|(offset, key)| format!("{}: `{key}` is on no page of docs/", source.place(offset))).collect()
}

#[test]
fn every_key_is_documented() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let pages = ["plan.md", "checks.md", "environment.md"].map(|page| fs::read_to_string(docs.join(page)).unwrap());
    // Fences count as backticks: three of them leave what is between them in code.
    let documented: BTreeSet<&str> = pages.iter().flat_map(|page| words_in_code(page)).collect();
    let sources = sources();
    let mut violations = Vec::new();
    for (file, struct_names) in DOCUMENTS {
        let source = sources.iter().find(|source| source.name == file);
        let source = source.unwrap_or_else(|| panic!("{file} is gone: mend `DOCUMENTS`"));
        violations.extend(struct_names.iter().flat_map(|name| undocumented(source, name, &documented)));
    }
    expect_none(&violations, "Say in docs/ what it means, its default, and what else is to know.");
}

#[test]
fn a_missing_key_is_found() {
    let text = "/// A.\npub struct A {\n    /// `b: u8`\n    pub bee: u8,\n    #[serde(rename = \"type\")]\n    kind: Kind,\n    \
                see: BTreeMap<u8, u8>,\n}\nstruct B {\n    dee: u8,\n}\n";
    let documented = words_in_code("a `bee`, and see\n```yaml\nkind: 1\n```\n`a.b`");
    assert_eq!(documented, BTreeSet::from(["", "1", "a", "b", "bee", "kind", "yaml"]));
    let found = undocumented(&Source::new("src/plan/a.rs", text), "A", &BTreeSet::from(["bee", "kind"]));
    let expected = ["src/plan/a.rs:6: `type` is on no page of docs/", "src/plan/a.rs:7: `see` is on no page of docs/"];
    assert_eq!(found, expected);
}
