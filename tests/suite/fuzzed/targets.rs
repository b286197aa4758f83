//! What must hold for any bytes: the fuzzer's targets, and the suite's on what was found before.
//!
//! A target is a function of bytes that panics if something does not hold. None may panic by itself,
//! take the machine down, or answer what its own type says cannot be.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use orchestrate::{
    diagnostic::{Diagnostic, Diagnostics, Sources},
    expression::{Expressions, Host, Scope, Variable},
    graph::Graph,
    journal::{Entry, Journal},
    load::{ComposeInputs, EnvironmentChoice, FileError, Files, Inputs, load},
    plan::Plan,
    report::{Ink, diagnostics_json, diagnostics_text},
    secret::{Sealer, Secret},
    time::Timestamp,
};

/// No target's input is longer: what is bounded by the input's size takes no time then.
const MOST_BYTES: usize = 16 << 10;

/// Panics if something does not hold for these bytes.
pub type Target = fn(&[u8]);

/// Every target by its name, which is its corpus's, too.
pub const TARGETS: [(&str, Target); 5] = [
    ("journal", journal),
    ("lock_labels", lock_labels),
    ("plan", plan),
    ("template", template),
    ("vault_archive", vault_archive),
];

/// The target of a name.
#[allow(dead_code, reason = "the suite runs all")]
pub fn named(name: &str) -> Target {
    let found = TARGETS.into_iter().find(|(target, _)| *target == name);
    found.expect("each program of the fuzzer is named like its target").1
}

/// A plan, then further files, each after a line `=== path`.
struct Tree(BTreeMap<PathBuf, Vec<u8>>);

impl Tree {
    fn of(bytes: &[u8]) -> Self {
        let mut files = BTreeMap::new();
        let mut path = PathBuf::from("/repo/plan.yaml");
        let mut content = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            match line.strip_prefix(b"=== ").and_then(|name| std::str::from_utf8(name).ok()) {
                Some(name) => {
                    files.insert(path, std::mem::take(&mut content));
                    path = Path::new("/repo").join(name.trim_end());
                }
                None => content.extend_from_slice(line),
            }
        }
        files.insert(path, content);
        Self(files)
    }
}

impl Files for Tree {
    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
        let content = self.0.get(path).ok_or(FileError::NotFound)?;
        match content.len() as u64 {
            bytes if bytes > limit => Err(FileError::TooLarge { bytes, limit }),
            _ => Ok(content.clone()),
        }
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, FileError> {
        let names = self.0.keys().filter(|path| path.parent() == Some(directory));
        Ok(names.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect())
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf, FileError> {
        let is_there = self.0.keys().any(|file| file.starts_with(path));
        if is_there { Ok(path.to_owned()) } else { Err(FileError::NotFound) }
    }
}

/// Loading gives a plan without errors, or at least one error; either can be shown. What is stored of
/// a plan is the plan.
fn plan(bytes: &[u8]) {
    if bytes.len() > MOST_BYTES {
        return;
    }
    let files = Tree::of(bytes);
    let environment = files.0.contains_key(Path::new("/repo/environments/lab.yaml"));
    let inputs = Inputs {
        plan_file: "/repo/plan.yaml".into(),
        root: "/repo".into(),
        working_directory: "/repo".into(),
        environment: environment.then(|| EnvironmentChoice::of("lab")),
        compose: ComposeInputs::default(),
        adopt: false,
        vars: Vec::new(),
        env: Arc::new(BTreeMap::from([("HOME".to_owned(), "/home/ada".to_owned())])),
        now: Timestamp::from_micros(1_700_000_000_000_000),
        made: Arc::new(BTreeMap::new()),
        random: Arc::new(|length| "x".repeat(length)),
    };
    match load(Arc::new(files), &inputs) {
        Ok(loaded) => {
            assert!(!loaded.warnings.iter().any(Diagnostic::is_error), "a plan with errors");
            shown(&loaded.warnings, loaded.document.sources());
            // Cycles are its caller's to tell of.
            drop(Graph::build(&loaded.plan));
            kept(loaded.plan);
        }
        Err(failure) => {
            assert!(failure.diagnostics.iter().any(Diagnostic::is_error), "a failure without an error");
            shown(&failure.diagnostics, &failure.sources);
        }
    }
}

fn shown(diagnostics: &Diagnostics, sources: &Sources) {
    for width in [40, 100] {
        assert!(diagnostics.is_empty() || !diagnostics_text(diagnostics, sources, Ink::Plain, width).is_empty());
    }
    let json = diagnostics_json(diagnostics, sources);
    serde_json::from_str::<serde_json::Value>(&json).expect("what is meant for programs is JSON");
}

/// Sealed, written down, read and opened again, it is what it was.
fn kept(plan: Plan) {
    let sealer = Sealer::new([7; 32]);
    let mut sealed = plan.clone();
    sealed.visit_texts(&mut |text| text.seal(&sealer));
    let written = serde_json::to_string(&sealed).expect("a plan has only string keys");
    let mut read: Plan = serde_json::from_str(&written).expect("what was written can be read");
    read.visit_texts(&mut |text| text.open(&sealer).expect("what was sealed can be opened"));
    assert_eq!(read, plan);
}

/// A secret that no template of a corpus spells out.
const SECRET: &str = "pq7Zx0Wk";

struct Nobody;

impl Host for Nobody {
    fn file(&self, path: &str) -> Result<String, String> {
        if path == "motd" { Ok("welcome\n".to_owned()) } else { Err("there is none".to_owned()) }
    }

    fn now(&self, _: &str) -> String {
        "2026-11-20T10:00:00Z".to_owned()
    }

    fn random_string(&self, _: &str, length: usize) -> String {
        "x".repeat(length)
    }
}

/// A template gives a value or an error, the same each time, within its bounds; what a secret is in is
/// marked, and no error tells it.
fn template(bytes: &[u8]) {
    let Ok(template) = std::str::from_utf8(bytes) else { return };
    if template.len() > MOST_BYTES || template.contains(SECRET) {
        return;
    }
    let variable = |value: serde_json::Value, sensitive| Variable { value, sensitive };
    let vars = Arc::new(BTreeMap::from([
        ("name".to_owned(), variable("web".into(), false)),
        ("ports".to_owned(), variable(serde_json::json!([80, 443]), false)),
        ("sizes".to_owned(), variable(serde_json::json!({ "small": 1, "large": 2.5 }), false)),
        ("token".to_owned(), variable(SECRET.into(), true)),
    ]));
    let secrets = Arc::new(BTreeMap::from([("password".to_owned(), Secret::new(SECRET))]));
    let env = Arc::new(BTreeMap::from([("HOME".to_owned(), "/home/ada".to_owned())]));
    let scope = Scope {
        vars: &vars,
        secrets: &secrets,
        env: &env,
        environment: Some("lab"),
        plan: "shop",
        service: Some("web"),
        services: None,
    };
    let expressions = Expressions::new(Box::new(Nobody));
    let first = expressions.render(template, &scope, "services.web.image");
    match &first {
        Ok(rendered) => assert!(
            rendered.is_secret || !rendered.value.to_string().contains(SECRET),
            "a value with a secret in it is not marked as one"
        ),
        Err(error) => {
            assert!(!error.text.contains(SECRET), "an error tells a secret: {}", error.text);
            assert!(!error.text.contains('\n'), "an error has more than a line: {:?}", error.text);
            let place = error.offset.clone().unwrap_or_default();
            assert!(template.get(place).is_some(), "an error is about {:?}, which is nowhere", error.offset);
        }
    }
    assert_eq!(first, expressions.render(template, &scope, "services.web.image"));
}

/// Entries as they lie in the database, a line each.
fn journal(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut entries = Vec::new();
    for line in text.lines() {
        let Ok(entry) = serde_json::from_str::<Entry>(line) else { continue };
        let written = serde_json::to_string(&entry).expect("an entry has only string keys");
        assert_eq!(serde_json::from_str::<Entry>(&written).expect("what was written can be read"), entry);
        entries.push(entry);
    }
    let mut journal = Journal::default();
    let mut followed = Vec::new();
    for entry in &entries {
        let before = format!("{journal:?}");
        match journal.append(entry) {
            Ok(()) => followed.push(entry.clone()),
            Err(error) => assert_eq!(format!("{journal:?}"), before, "refused, and yet: {error}"),
        }
    }
    // From the entries alone follows where it stands, however often one asks.
    for _ in 0..2 {
        let replayed = Journal::replay(&followed).expect("each followed from those before");
        assert_eq!(format!("{replayed:?}"), format!("{journal:?}"));
        assert_eq!(replayed.inverse(), journal.inverse());
    }
    let undone: Vec<_> = journal.inverse().iter().map(|undo| undo.step).collect();
    let open = |step| journal.step(step).is_some_and(|record| record.status.is_to_be_undone());
    assert!(undone.iter().all(|step| open(*step)), "what is not to be undone would be");
    assert_eq!(Journal::replay(&entries).is_ok(), followed.len() == entries.len());
}

/// Labels as `label=value`, a line each.
#[cfg(feature = "fail-points")]
fn lock_labels(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let labels = text.lines().filter_map(|line| line.split_once('='));
    let labels = labels.map(|(label, value)| (label.to_owned(), value.to_owned())).collect();
    let Some((record, again)) = orchestrate::runtime::docker::fuzzing::lock_record(labels) else { return };
    assert_eq!(again, Ok(record), "what was written of it reads otherwise");
}

#[cfg(feature = "fail-points")]
fn vault_archive(bytes: &[u8]) {
    use orchestrate::runtime::docker::fuzzing::{packed, unpacked};
    if bytes.len() > MOST_BYTES {
        return;
    }
    // Most of an engine's answers are whole; an archive that a fuzzer made is cut off mostly.
    for archive in [bytes.to_vec(), [bytes, &[0; 1024]].concat()] {
        let Ok(files) = unpacked(&archive) else { continue };
        let again = unpacked(&packed(&files).expect("what has sound names can be packed")).expect("it was packed");
        assert_eq!(again, files);
    }
}

/// They are private, and reachable in test builds only.
#[cfg(not(feature = "fail-points"))]
fn lock_labels(_: &[u8]) {}
#[cfg(not(feature = "fail-points"))]
fn vault_archive(_: &[u8]) {}
