//! Whole documents in, whole diagnostics or plans out, as text.

mod across;
mod bad;
mod good;
mod identity;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::*;
use crate::{
    diagnostic::{Diagnostics, Severity, Sources},
    time::Timestamp,
};

/// A tree of files; a text that starts with `-> ` is a symbolic link.
#[derive(Default, Clone)]
pub(super) struct Tree(BTreeMap<PathBuf, Vec<u8>>);

impl Files for Tree {
    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
        let bytes = self.0.get(&self.canonical(path)?).ok_or(FileError::Other("it is a directory".into()))?;
        match bytes.len() as u64 {
            bytes if bytes > limit => Err(FileError::TooLarge { bytes, limit }),
            _ => Ok(bytes.clone()),
        }
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, FileError> {
        let names = self.0.keys().filter(|path| path.parent() == Some(directory));
        Ok(names.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).rev().collect())
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf, FileError> {
        match self.0.get(path) {
            Some(bytes) => match bytes.strip_prefix(b"-> ") {
                Some(target) => Ok(String::from_utf8(target.to_vec()).unwrap().into()),
                None => Ok(path.to_owned()),
            },
            None if self.0.keys().any(|file| file.starts_with(path)) => Ok(path.to_owned()),
            None => Err(FileError::NotFound),
        }
    }
}

/// One load: files below `/repo`, of which `plan.yaml` is the plan.
#[derive(Clone)]
pub(super) struct Case {
    pub files: Tree,
    pub inputs: Inputs,
}

impl Case {
    /// From one text: the plan, then further files, each after a line `=== path`.
    pub fn new(text: &str) -> Self {
        Self::of("plan.yaml", text)
    }

    /// [`Case::new`], where the first text is another file's.
    pub fn of(first: &str, text: &str) -> Self {
        let first = Path::new("/repo").join(first);
        let mut files = Tree::default();
        let mut path = first.clone();
        let mut content = String::new();
        for line in text.split_inclusive('\n') {
            match line.strip_prefix("=== ") {
                Some(next) => {
                    files
                        .0
                        .insert(std::mem::replace(&mut path, Path::new("/repo").join(next.trim_end())), content.into());
                    content = String::new();
                }
                None => content.push_str(line),
            }
        }
        let content = if content.starts_with("-> ") { content.trim_end().to_owned() } else { content };
        files.0.insert(path, content.into());
        let inputs = Inputs {
            plan_file: first,
            root: "/repo".into(),
            working_directory: "/repo".into(),
            environment: None,
            compose: ComposeInputs::default(),
            adopt: false,
            vars: Vec::new(),
            env: Arc::new(BTreeMap::new()),
            now: Timestamp::from_micros(1_700_000_000_000_000),
            made: Arc::new(BTreeMap::new()),
            random: Arc::new(|length| "x".repeat(length)),
        };
        Self { files, inputs }
    }

    /// A plan that begins as all do.
    fn plan(text: &str) -> Self {
        Self::new(&format!("apiVersion: orchestrate/v1\nname: shop\n{text}"))
    }

    pub fn environment(mut self, name: &str) -> Self {
        self.inputs.environment = Some(EnvironmentChoice::of(name));
        self
    }

    fn var(mut self, name: &str, value: &str) -> Self {
        self.inputs.vars.push((name.into(), value.into()));
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        Arc::make_mut(&mut self.inputs.env).insert(name.into(), value.into());
        self
    }

    pub fn load(&self) -> Result<Loaded, LoadFailure> {
        load(Arc::new(self.files.clone()), &self.inputs)
    }

    pub fn loaded(&self) -> Loaded {
        self.load().unwrap_or_else(|failure| panic!("{}", rendered(&failure.sources, &failure.diagnostics)))
    }

    /// The diagnostics, a line each.
    pub fn problems(&self) -> String {
        match self.load() {
            Ok(loaded) => rendered(loaded.document.sources(), &loaded.warnings),
            Err(failure) => rendered(&failure.sources, &failure.diagnostics),
        }
    }
}

/// `file:line:column: code: summary`, then further places and hints, indented.
pub(super) fn rendered(sources: &Sources, problems: &Diagnostics) -> String {
    let mut text = String::new();
    for problem in problems {
        let mut labels = problem.labels.iter();
        if let Some(label) = labels.next() {
            let position = sources.position(label.span);
            text += &format!("{}:{}:{}: ", position.file, position.line, position.column);
        }
        let warning = if problem.severity == Severity::Warning { "warning: " } else { "" };
        text += &format!("{warning}{}: {}\n", problem.code, problem.summary);
        for label in labels {
            text += &format!("  {}: {}\n", sources.position(label.span), label.text);
        }
        for hint in &problem.hints {
            text += &format!("  hint: {hint}\n");
        }
    }
    text
}

pub(super) fn assert_text(found: &str, expected: &str, what: &str) {
    assert!(found == expected, "{what}\n--- found\n{found}--- expected\n{expected}");
}
