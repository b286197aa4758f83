//! The contents of configs and secrets, and of what services name of them.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

use super::{Entry, Inputs, Node, include::unreadable, library::Library, names::Names, problem::wrong};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Severity, Span},
    name::Digest,
    plan::{
        CheckKind, ConfigDefinition, FileReference, Mount, MountKind, NetworkAttachment, RuntimeKind, SecretDefinition,
        Service, is_windows_path,
    },
    secret::{Secret, Text},
};

/// A config with its contents, read from its file if it names one.
pub(super) fn fill_config(
    mut config: ConfigDefinition,
    entry: &Entry,
    library: &Library,
    inputs: &Inputs,
    problems: &mut Diagnostics,
) -> ConfigDefinition {
    let key = &entry.key;
    if config.external.is_external {
        return config;
    }
    if let (Some(variable), None, None) = (&config.environment, &config.file, &config.content) {
        let span = entry.value.get("environment").map_or(entry.key_span, |variable| variable.span);
        match inputs.env.get(variable) {
            Some(value) => config.content = Some(value.as_str().into()),
            None => problems.push(variable_not_set(variable, span)),
        }
        return config;
    }
    match (&config.file, &config.content) {
        (Some(_), _) | (_, Some(_)) if config.environment.is_some() => {
            let summary = format!("the config `{key}` has more than one of `file`, `content` and `environment`");
            problems.push(wrong("invalid-value", summary).at(entry.key_span, "here"));
        }
        (Some(file), None) => {
            let span = entry.value.get("file").map_or(entry.key_span, |file| file.span);
            match text_of(library, &library.resolve(span, file), span) {
                Ok(text) => config.content = Some(text.into()),
                Err(problem) => problems.push(problem),
            }
        }
        (None, Some(_)) => {}
        (Some(_), Some(_)) | (None, None) => {
            let summary = format!("the config `{key}` needs one of `file`, `content` and `environment`");
            problems.push(wrong("invalid-value", summary).at(entry.key_span, "here"));
        }
    }
    config
}

/// The text of a file that becomes a file of an instance.
fn text_of(library: &Library, path: &Path, span: Span) -> Result<String, Diagnostic> {
    let bytes = library.bytes(path).map_err(|error| unreadable(&library.shown(path), &error, Some(span)))?;
    String::from_utf8(bytes).map_err(|_| {
        let summary = format!("`{}` cannot be a config: it is not UTF-8", library.shown(path));
        wrong("file-unreadable", summary).at(span, "named here")
    })
}

fn variable_not_set(variable: &str, span: Span) -> Diagnostic {
    let summary = format!("the environment variable `{variable}` is not set");
    wrong("variable-not-set", summary).at(span, "named here").hint(format!("export {variable}=… before you run this"))
}

/// Adds the secrets that the plan itself has a source for, where the environment has none.
pub(super) fn add_own_secrets(
    plan: &Node,
    values: &mut BTreeMap<String, Secret>,
    front_end: FrontEnd,
    library: &Library,
    inputs: &Inputs,
) -> Diagnostics {
    let mut problems = Diagnostics::new();
    let used = used(plan, "secrets");
    let wanted = |entry: &&Entry| !values.contains_key(&*entry.key) && front_end.needs(&used, &entry.key);
    for entry in plan.entries("secrets").iter().filter(wanted).collect::<Vec<_>>() {
        let said = |key| {
            entry.value.get(key).filter(|node| !node.is_broken()).and_then(|node| Some((node.as_text()?, node.span)))
        };
        let value = match (said("file"), said("environment")) {
            (None, None) => continue,
            (Some((path, span)), None) => {
                let path = library.resolve(span, path);
                match library.bytes_from_anywhere(&path).map(String::from_utf8) {
                    Ok(Ok(text)) => Ok(text),
                    Ok(Err(_)) => {
                        let summary = format!("`{}` is not UTF-8", library.shown(&path));
                        Err(wrong("file-unreadable", summary).at(span, "named here"))
                    }
                    Err(error) => Err(unreadable(&library.shown(&path), &error, Some(span))),
                }
            }
            (None, Some((variable, span))) => {
                inputs.env.get(variable).cloned().ok_or_else(|| variable_not_set(variable, span))
            }
            (Some(_), Some((_, span))) => {
                let summary = format!("the secret `{}` has both a `file` and an `environment`", entry.key);
                Err(wrong("invalid-value", summary).at(span, "here"))
            }
        };
        match value {
            Ok(value) => drop(values.insert(entry.key.to_string(), Secret::new(value))),
            Err(problem) => problems.push(problem),
        }
    }
    problems
}

/// What tells the contents of a config from others.
pub(super) fn config_digest(config: &ConfigDefinition) -> Option<Text> {
    match config.content.as_ref()? {
        // A digest of a secret could be guessed at; the secret itself is fingerprinted later.
        secret @ (Text::Secret(_) | Text::Sealed(_) | Text::Fingerprint(_)) => Some(secret.clone()),
        Text::Plain(content) => Some(Digest::of(content.as_bytes()).as_str().into()),
    }
}

/// The plan's secrets with their values, as far as there are any.
pub(super) fn fill_secret(definition: SecretDefinition, value: Option<&Secret>) -> SecretDefinition {
    SecretDefinition { content: value.map(|value| Text::Secret(value.clone())), ..definition }
}

/// Notes which secrets without a value a service mounts.
pub(super) fn absent_secrets(
    service: &Service,
    node: &Node,
    names: &Names,
    values: &BTreeMap<String, Secret>,
    absent: &mut BTreeMap<String, Span>,
) {
    let items = node.items("secrets");
    for (reference, item) in service.secrets.iter().zip(items) {
        let Some(definition) = names.get("secrets", &reference.source) else { continue };
        // What its own source lacks was told already.
        let has_source = ["file", "environment"].iter().any(|key| definition.value.get(key).is_some());
        if !has_source && !values.contains_key(&reference.source) {
            absent.entry(reference.source.clone()).or_insert(item.span);
        }
    }
}

/// Says that a secret is used and has no source; `environment` is the file that should name one.
pub(super) fn without_source(name: &str, span: Span, environment: Option<&str>) -> Diagnostic {
    let summary = match environment {
        Some(file) => format!("the secret `{name}` has no source in `{file}`"),
        None => format!("the secret `{name}` has no source: no environment is chosen"),
    };
    let example = format!("`secrets: {{ {name}: {{ env: {} }} }}`", name.to_uppercase());
    let diagnostic = wrong("secret-without-source", summary).at(span, "used here");
    match environment {
        Some(file) => diagnostic.hint(format!("add {example} to `{file}`")),
        None => diagnostic.hint(format!("choose one with `-e NAME`; its file says where secrets come from: {example}")),
    }
}

/// What a document was written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrontEnd {
    Plan,
    Compose,
}

impl FrontEnd {
    /// Adds what keeps a plan from working. Compose finds such things at its `up` and not before, so
    /// a Compose file with them can be looked at.
    pub fn put_off(self, found: Diagnostics, problems: &mut Diagnostics) {
        problems.extend(found.into_iter().map(|problem| match self {
            Self::Compose if problem.is_error() => problem.obstacle(),
            Self::Compose | Self::Plan => problem,
        }));
    }

    /// Whether the contents of a config or secret are to be had: Compose asks only for what is used.
    pub fn needs(self, used: &HashSet<&str>, name: &str) -> bool {
        self == Self::Plan || used.contains(name)
    }
}

/// The configs or secrets that services name.
pub(super) fn used<'n>(plan: &'n Node, section: &str) -> HashSet<&'n str> {
    let services = plan.entries("services").iter();
    let items = services.flat_map(|service| service.value.items(section));
    items.filter_map(|item| item.as_text().or_else(|| item.get("source")?.as_text())).collect()
}

/// Fills in what depends on where the service was written, and on the contents of other files.
pub(super) struct Filling<'a> {
    pub front_end: FrontEnd,
    pub library: &'a Library,
    pub inputs: &'a Inputs,
    pub config_digests: &'a BTreeMap<String, Option<Text>>,
    pub secrets: &'a BTreeMap<String, Secret>,
}

impl Filling<'_> {
    pub fn fill(&self, service: &mut Service, node: &Node, problems: &mut Diagnostics) {
        service.env_file.clear();
        service.label_file.clear();
        for (name, value) in &mut service.environment {
            if value.is_none() {
                *value = self.inputs.env.get(name).map(|value| value.as_str().into());
            }
        }
        let arguments = service.build.iter_mut().flat_map(|build| build.0.args.iter_mut());
        for (name, value) in arguments.filter(|(_, value)| value.is_none()) {
            *value = self.inputs.env.get(name).map(|value| value.as_str().into());
        }
        self.resolve_context(service, node);
        let is_container = service.runtime() == RuntimeKind::Docker;
        if !is_container {
            // In a container, a name without a value takes away the image's.
            service.environment.retain(|_, value| value.is_some());
        }
        if is_container && service.networks.is_empty() && service.network_mode.is_none() {
            service.networks.insert("default".to_owned(), NetworkAttachment::default());
        }
        for (mount, item) in service.volumes.iter_mut().zip(node.items("volumes")).filter(|_| is_container) {
            self.resolve_bind(mount, item, problems);
            self.read_copied(mount, item, problems);
        }
        let config = |reference: &FileReference| self.config_digests.get(&reference.source).cloned().flatten();
        service.configs.iter_mut().for_each(|reference| reference.digest = config(reference));
        for reference in &mut service.secrets {
            reference.digest = self.secrets.get(&reference.source).cloned().map(Text::Secret);
        }
        for (check, item) in service.checks.iter_mut().zip(node.items("checks")) {
            if let CheckKind::File(file) = &mut check.kind {
                let path = item.get("file").and_then(|file| file.get("path")).unwrap_or(item);
                file.path = self.library.resolve(path.span, &file.path).display().to_string();
            }
        }
        if service.runtime() == RuntimeKind::Process {
            let written = node.get("working_dir");
            let directory = match (&service.working_dir, written) {
                (Some(directory), Some(written)) => self.library.resolve(written.span, directory),
                (Some(_), None) | (None, _) => self.inputs.plan_file.parent().unwrap_or(Path::new("/")).to_owned(),
            };
            service.working_dir = Some(directory.display().to_string());
        }
    }

    /// Makes the directory of a build absolute; what is on the network stays as it is.
    fn resolve_context(&self, service: &mut Service, node: &Node) {
        let (Some(build), Some(written)) = (&mut service.build, node.get("build")) else { return };
        let span = written.get("context").map_or(written.span, |context| context.span);
        let context = build.0.context.as_deref().unwrap_or(".");
        let is_remote = context.contains("://") || context.starts_with("git@") || context.starts_with("github.com/");
        if !is_remote {
            build.0.context = Some(self.library.resolve(span, context).display().to_string());
        }
    }

    /// Reads a file that is mounted as a copy.
    fn read_copied(&self, mount: &mut Mount, item: &Node, problems: &mut Diagnostics) {
        let (MountKind::Bind, Some(source), Some(_)) = (mount.kind, &mount.source, &mount.on_change) else { return };
        let span = item.get("source").map_or(item.span, |source| source.span);
        // What is not there was reported, or is a warning: then there is nothing to copy either.
        let path = Path::new(source);
        let hint = "`on_change` is for a single file: a directory is mounted itself, and not looked into";
        match text_of(self.library, path, span) {
            Ok(text) => mount.content = Some(text),
            Err(_) if problems.iter().any(|problem| problem.is_error() && problem.code == "bind-not-found") => {}
            Err(problem) => problems.push(problem.hint(hint)),
        }
    }

    /// Makes a path on the host absolute; a relative one has to be there.
    fn resolve_bind(&self, mount: &mut Mount, item: &Node, problems: &mut Diagnostics) {
        let (MountKind::Bind, Some(source)) = (mount.kind, &mount.source) else { return };
        let span = item.get("source").map_or(item.span, |source| source.span);
        let home = source.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
        if is_windows_path(source) {
            return;
        }
        let path = match home.zip(self.inputs.env.get("HOME")) {
            Some((rest, home)) => Path::new(home).join(rest.trim_start_matches('/')),
            None => self.library.resolve(span, source),
        };
        let is_missing = !Path::new(source).is_absolute() && !self.library.exists(&path);
        let (severity, consequence) = match self.front_end {
            FrontEnd::Compose if item.as_text().is_some() => {
                mount.bind.create_host_path = true;
                (Severity::Warning, ": an empty directory is made of it")
            }
            FrontEnd::Compose => (Severity::Warning, ""),
            FrontEnd::Plan => (Severity::Error, ""),
        };
        if is_missing && (!mount.bind.create_host_path || severity == Severity::Warning) {
            let summary = format!("`{}` is to be mounted, and does not exist{consequence}", self.library.shown(&path));
            let hint = "create it, or correct the path, which starts at the directory of the file that names it";
            let diagnostic = wrong("bind-not-found", summary).at(span, "named here").hint(hint);
            problems.push(Diagnostic { severity, ..diagnostic });
        }
        mount.source = Some(path.display().to_string());
    }
}
