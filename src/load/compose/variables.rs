use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::interpolation::replace;
use crate::{
    diagnostic::{Diagnostics, Span},
    load::{
        FileError,
        dotenv::{Dollars, DotEnv},
        env_file::{complain, line_span},
        include::unreadable,
        library::Library,
        problem::wrong,
    },
};

/// What `$NAME` means in a project: the process environment, and env files for what it does not have.
#[derive(Debug, Clone, Default)]
pub(in crate::load) struct Variables {
    process: Arc<BTreeMap<String, String>>,
    /// The name that the project has, which files can ask for.
    project_name: Option<String>,
    files: HashMap<String, FromFile>,
}

#[derive(Debug, Clone)]
struct FromFile {
    value: String,
    /// As in `.env:3`.
    place: String,
}

/// A file of variables, and where it was named.
pub(super) struct EnvFile {
    pub path: PathBuf,
    pub named_at: Option<Span>,
}

/// The variable that holds the project's name.
pub(super) const PROJECT_NAME: &str = "COMPOSE_PROJECT_NAME";

impl Variables {
    pub fn of_process(process: Arc<BTreeMap<String, String>>) -> Self {
        Self { process, project_name: None, files: HashMap::new() }
    }

    /// Adds what env files say: later ones win over earlier ones, and none over the process
    /// environment or what was there before.
    pub(super) fn read(&mut self, library: &Library, env_files: &[EnvFile], problems: &mut Diagnostics) {
        let mut found = HashMap::new();
        for file in env_files {
            let read = library.unlisted_text(&file.path).map(|text| DotEnv::parse(&text, Dollars::Expanded));
            match read {
                Ok(read) => self.take(&file.path, &read, library, &mut found, problems),
                Err(error) => problems.push(unreadable(&library.shown(&file.path), &error, file.named_at)),
            }
        }
        for (name, value) in found {
            self.files.entry(name).or_insert(value);
        }
    }

    fn take(
        &self,
        path: &Path,
        read: &DotEnv,
        library: &Library,
        found: &mut HashMap<String, FromFile>,
        problems: &mut Diagnostics,
    ) {
        let file = library.list_as(path, &read.masked);
        if complain(file, read, problems) {
            return;
        }
        for assignment in &read.assignments {
            // A name alone passes on what is there anyway.
            let Some(text) = &assignment.value else { continue };
            let known = |name: &str| self.get(name).or_else(|| found.get(name).map(|known| known.value.as_str()));
            let value = match assignment.is_open {
                true => match replace(text, &known) {
                    Ok(replaced) => replaced.text,
                    Err(fault) => {
                        let summary = format!("the value of `{}`: {fault}", assignment.name);
                        let span = line_span(file, read, assignment.line);
                        problems.push(wrong("invalid-env-file", summary).at(span, "on this line"));
                        continue;
                    }
                },
                false => text.clone(),
            };
            let place = format!("{}:{}", library.shown(path), assignment.line);
            found.insert(assignment.name.clone(), FromFile { value, place });
        }
    }

    pub fn set_project_name(&mut self, name: &str) {
        self.project_name = Some(name.to_owned());
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        match (name, &self.project_name) {
            (PROJECT_NAME, Some(project)) => Some(project),
            _ => self.process.get(name).or_else(|| self.files.get(name).map(|known| &known.value)).map(String::as_str),
        }
    }

    /// A variable and where it got its value, as previews tell it.
    pub fn carrier(&self, name: &str) -> String {
        match (self.process.contains_key(name), self.files.get(name)) {
            (false, Some(known)) => format!("{name} from {}", known.place),
            (true, _) => format!("{name} from the process environment"),
            (false, None) => name.to_owned(),
        }
    }

    /// All of them, for what asks the process environment later.
    pub fn environment(&self) -> Arc<BTreeMap<String, String>> {
        if self.files.is_empty() {
            return self.process.clone();
        }
        let mut all: BTreeMap<String, String> =
            self.files.iter().map(|(name, known)| (name.clone(), known.value.clone())).collect();
        all.extend(self.process.iter().map(|(name, value)| (name.clone(), value.clone())));
        Arc::new(all)
    }
}

/// Whether a file that need not be there is.
pub(super) fn is_there(library: &Library, path: &Path) -> bool {
    !matches!(library.unlisted_text(path), Err(FileError::NotFound | FileError::Other(_)))
}

/// What the text of an env file says of one variable, for who has to know before anything is loaded.
pub fn dotenv_value(text: &str, name: &str, env: &BTreeMap<String, String>) -> Option<String> {
    let read = DotEnv::parse(text, Dollars::Expanded);
    let assignment = read.assignments.iter().rfind(|assignment| assignment.name == name)?;
    let text = assignment.value.as_ref()?;
    match assignment.is_open {
        true => Some(replace(text, &|name| env.get(name).map(String::as_str)).ok()?.text),
        false => Some(text.clone()),
    }
}
