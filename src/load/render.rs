use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex},
};

use super::{
    Inputs, Node, Scalar, ScalarKind, ScalarState, Value, dollar,
    include::template_refused,
    library::Library,
    problem::{MOST_PROBLEMS, list, wrong},
    variable::Variables,
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, FileId, Span},
    expression::{ErrorKind, ExpressionError, Expressions, FUEL, Host, Scope},
    secret::Secret,
};

/// What all templates of a plan may put out together.
const MAX_OUTPUT: usize = 16 << 20;
/// Instructions of all templates of a plan together: some 90 ms. A plan of 10,000 services with ten
/// templates each stays below it.
const MAX_STEPS: u64 = 1_800_000;
/// What any template costs, however short, in steps.
const STEPS_TO_BEGIN: u64 = 12;
/// How many `${NAME}` are warned of: they tend to come by the hundred.
const MOST_DOLLARS: usize = 100;
/// Keys of the document that are read before there are variables.
const EARLY: [&str; 4] = ["apiVersion", "name", "required_version", "vars"];
/// Where `${NAME}` is meant for a shell.
const FOR_SHELLS: [&str; 5] = ["command", "entrypoint", "test", "content", "pattern"];

/// What rendering needs to know, and what comes out of it beside the rendered nodes.
pub(super) struct Renderer<'a> {
    expressions: Expressions,
    workshop: Arc<Workshop>,
    variables: &'a Variables,
    pub secrets: &'a Arc<BTreeMap<String, Secret>>,
    /// Secrets that the plan names and that have no value.
    absent: HashSet<String>,
    inputs: &'a Inputs,
    environment: Option<&'a str>,
    plan: &'a str,
    problems: &'a mut Diagnostics,
    /// Uses of secrets without a value, by name: each is reported once.
    pub absent_used: BTreeMap<String, Span>,
    /// Scalars that became secret.
    pub secret_values: BTreeSet<Secret>,
    pub carriers: Vec<String>,
    carrier_of: HashMap<BTreeSet<String>, u32>,
    output: usize,
    steps: u64,
    dollars: usize,
    /// The way to the current node, as people write it.
    place: String,
}

/// What templates can reach outside of their scope.
pub(super) struct Workshop {
    library: Arc<Library>,
    inputs: Inputs,
    // The expression engine wants a shareable host; loading itself is single-threaded.
    state: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    /// Values that were made for the first time, by place.
    new: BTreeMap<String, String>,
    /// The file of the template that is being rendered.
    file: Option<FileId>,
}

impl Workshop {
    pub fn new(library: Arc<Library>, inputs: Inputs) -> Arc<Self> {
        Arc::new(Self { library, inputs, state: Mutex::default() })
    }

    /// What renders templates, with this to call back.
    pub fn expressions(self: &Arc<Self>) -> Expressions {
        Expressions::new(Box::new(Visitor(self.clone())))
    }

    /// What `now()` and `random_string()` made for the first time.
    pub fn made(&self) -> BTreeMap<String, String> {
        self.lock().new.clone()
    }

    /// Files are looked for from this one on.
    pub fn stand_in(&self, file: FileId) {
        self.lock().file = Some(file);
    }

    /// The problem that a template has, at its place.
    pub fn problem(&self, place: &str, (template, span): (&str, Span), error: &ExpressionError) -> Diagnostic {
        let span = match &error.offset {
            Some(offset) => within(&self.library.source(span.file), span, template, offset.clone()),
            None => span,
        };
        let code = match error.kind {
            ErrorKind::Syntax => "template-syntax",
            ErrorKind::Undefined => "undefined-name",
            ErrorKind::Unknown => "unknown-function",
            ErrorKind::Type => "template-type",
            ErrorKind::Limit => "too-large",
            ErrorKind::Secret => "secret-not-allowed",
            ErrorKind::File => "file-unreadable",
        };
        let diagnostic = wrong(code, format!("`{place}`: {}", error.text)).at(span, "in this template");
        match &error.hint {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        }
    }

    fn make(&self, place: &str, make: impl FnOnce() -> String) -> String {
        if let Some(kept) = self.inputs.made.get(place) {
            return kept.clone();
        }
        let mut made = self.lock();
        made.new.entry(place.to_owned()).or_insert_with(make).clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Made> {
        self.state.lock().expect("nothing panics while it holds this")
    }
}

/// The host that the expressions call back.
struct Visitor(Arc<Workshop>);

impl Host for Visitor {
    fn file(&self, path: &str) -> Result<String, String> {
        let file = self.0.lock().file.ok_or("no file can be read here")?;
        let path = super::files::normal(&self.0.library.directory(file).join(path));
        let shown = self.0.library.shown(&path);
        let file = self.0.library.text(&path).map_err(|error| format!("`{shown}` cannot be read: {error}"))?;
        Ok(self.0.library.source(file).to_string())
    }

    fn now(&self, place: &str) -> String {
        self.0.make(place, || self.0.inputs.now.to_string())
    }

    fn random_string(&self, place: &str, length: usize) -> String {
        self.0.make(place, || (self.0.inputs.random)(length))
    }
}

/// What a plan's templates are rendered with.
pub(super) struct Context<'a> {
    pub library: &'a Arc<Library>,
    pub inputs: &'a Inputs,
    pub variables: &'a Variables,
    pub secrets: &'a Arc<BTreeMap<String, Secret>>,
    pub environment: Option<&'a str>,
    pub plan: &'a str,
}

impl<'a> Renderer<'a> {
    pub fn new(context: &Context<'a>, plan: &Node, problems: &'a mut Diagnostics) -> Self {
        let workshop = Workshop::new(context.library.clone(), context.inputs.clone());
        let declared = plan.entries("secrets").iter().map(|entry| entry.key.to_string());
        Self {
            expressions: workshop.expressions(),
            workshop,
            variables: context.variables,
            secrets: context.secrets,
            absent: declared.filter(|name| !context.secrets.contains_key(name)).collect(),
            inputs: context.inputs,
            environment: context.environment,
            plan: context.plan,
            problems,
            absent_used: BTreeMap::new(),
            secret_values: BTreeSet::new(),
            carriers: vec![String::new()],
            carrier_of: HashMap::new(),
            output: 0,
            steps: 0,
            dollars: 0,
            place: String::new(),
        }
    }

    /// Renders the whole document in place.
    pub fn document(&mut self, root: &mut Node) {
        for entry in root.as_map_mut().into_iter().flatten() {
            self.check_key(&entry.key, entry.key_span);
            match &*entry.key {
                // Outputs are rendered once it is known what runs.
                key if key.starts_with("x-") || ["include", "outputs"].contains(&key) => {}
                key if EARLY.contains(&key) => {
                    if key != "vars" && entry.value.as_text().is_some_and(|text| text.contains("{{")) {
                        self.problems.push(template_refused(key, entry.value.span));
                        entry.value = Node::broken(entry.value.span);
                    }
                    for variable in entry.value.as_map().into_iter().flatten().filter(|_| key == "vars") {
                        let default = variable.value.get("default");
                        let text = default.and_then(Node::as_text).unwrap_or_default();
                        let span = default.map_or(variable.key_span, |node| node.span);
                        self.dollar(dollar::warn_default(&variable.key, text, span));
                    }
                }
                "services" => self.services(&mut entry.value),
                key => {
                    self.place.push_str(key);
                    self.node(&mut entry.value, None, false);
                    self.place.clear();
                }
            }
        }
    }

    fn services(&mut self, services: &mut Node) {
        for service in services.as_map_mut().into_iter().flatten() {
            self.check_key(&service.key, service.key_span);
            self.place.push_str("services.");
            self.place.push_str(&service.key);
            self.node(&mut service.value, Some(&service.key), false);
            self.place.clear();
        }
    }

    /// What `now()` and `random_string()` made for the first time.
    pub fn made(&self) -> BTreeMap<String, String> {
        self.workshop.made()
    }

    fn node(&mut self, node: &mut Node, service: Option<&str>, for_shell: bool) {
        let length = self.place.len();
        let span = node.span;
        match &mut node.value {
            Value::Scalar(scalar) if scalar.kind != ScalarKind::String => {}
            Value::Scalar(scalar) => {
                if !for_shell && scalar.text.contains("${") {
                    self.dollar(dollar::warn(&scalar.text, span));
                }
                if scalar.text.contains("{{") {
                    self.template(node, service);
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.place.push_str(&format!("[{index}]"));
                    self.node(item, service, for_shell);
                    self.place.truncate(length);
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    self.check_key(&entry.key, entry.key_span);
                    if entry.key.starts_with("x-") {
                        continue;
                    }
                    self.place.push('.');
                    self.place.push_str(&entry.key);
                    let for_shell = for_shell || FOR_SHELLS.contains(&&*entry.key);
                    self.node(&mut entry.value, service, for_shell);
                    self.place.truncate(length);
                }
            }
        }
    }

    fn check_key(&mut self, key: &str, span: Span) {
        if key.contains("{{") {
            let diagnostic = wrong("template-not-allowed", "a key cannot be a template: only values are rendered");
            self.problems.push(diagnostic.at(span, "this key"));
        }
    }

    /// Warns of `${NAME}`, which Compose would replace.
    fn dollar(&mut self, warning: Option<Diagnostic>) {
        if let Some(warning) = warning.filter(|_| self.dollars < MOST_DOLLARS) {
            self.dollars += 1;
            self.problems.push(warning);
        }
    }

    fn template(&mut self, node: &mut Node, service: Option<&str>) {
        let Some(template) = node.as_text().map(str::to_owned) else { return };
        let is_enough = self.output > MAX_OUTPUT || self.steps > MAX_STEPS || self.problems.len() > MOST_PROBLEMS;
        if is_enough || self.uses_something_missing(&template, node.span) {
            *node = Node::broken(node.span);
            return;
        }
        self.workshop.stand_in(node.span.file);
        let scope = Scope {
            vars: &self.variables.values,
            secrets: self.secrets,
            env: &self.inputs.env,
            environment: self.environment,
            plan: self.plan,
            service,
            services: None,
        };
        let rendered = match self.expressions.render(&template, &scope, &self.place) {
            Ok(rendered) => rendered,
            Err(error) => {
                let is_limit = error.kind == ErrorKind::Limit;
                let diagnostic = self.failed(&template, node.span, &error);
                self.problems.push(diagnostic);
                if is_limit {
                    self.take_steps(FUEL, node.span);
                }
                *node = Node::broken(node.span);
                return;
            }
        };
        let state = if rendered.is_secret { ScalarState::Secret } else { ScalarState::Plain };
        let from = self.carrier(rendered.variables);
        let span = node.span;
        *node = Node { from, ..Node::from_json(&rendered.value, span, state) };
        self.output += (node.weight() - 1) * 128;
        if self.output > MAX_OUTPUT {
            let summary = format!("the plan's templates put out more than {} MiB", MAX_OUTPUT >> 20);
            self.problems.push(wrong("too-large", summary).at(span, "this one went too far"));
        }
        self.take_steps(rendered.steps + STEPS_TO_BEGIN, span);
        if rendered.is_secret {
            self.keep_secrets(node);
        }
    }

    /// Counts the instructions of a template; the one that goes too far is reported.
    fn take_steps(&mut self, steps: u64, span: Span) {
        self.steps += steps;
        if self.steps > MAX_STEPS {
            let summary = format!("the plan's templates take more than {MAX_STEPS} steps");
            let diagnostic = wrong("too-large", summary).at(span, "this one went too far");
            self.problems
                .push(diagnostic.hint("compute it once, as a variable's value, or write the result into the plan"));
        }
    }

    /// Whether a template uses what was reported already, or a secret that has no value.
    fn uses_something_missing(&mut self, template: &str, span: Span) -> bool {
        let broken = &self.variables.broken;
        let broken = !broken.is_empty()
            && ["vars", "config"].iter().any(|scope| names_in(template, scope).any(|name| broken.contains(name)));
        let absent: Vec<&str> = match self.absent.is_empty() {
            true => Vec::new(),
            false => names_in(template, "secrets").filter(|name| self.absent.contains(*name)).collect(),
        };
        for name in &absent {
            self.absent_used.entry((*name).to_owned()).or_insert(span);
        }
        broken || !absent.is_empty()
    }

    fn keep_secrets(&mut self, node: &Node) {
        match &node.value {
            Value::Scalar(scalar) => drop(self.secret_values.insert(Secret::new(&*scalar.text))),
            Value::List(items) => items.iter().for_each(|item| self.keep_secrets(item)),
            Value::Map(entries) => entries.iter().for_each(|entry| self.keep_secrets(&entry.value)),
        }
    }

    /// The index of the description of what carried a value here.
    fn carrier(&mut self, variables: BTreeSet<String>) -> u32 {
        if variables.is_empty() {
            return 0;
        }
        if let Some(carrier) = self.carrier_of.get(&variables) {
            return *carrier;
        }
        let origins: Vec<&str> =
            variables.iter().filter_map(|name| self.variables.origins.get(name)).map(String::as_str).collect();
        let carrier = u32::try_from(self.carriers.len()).expect("there are fewer templates than 2³²");
        self.carriers.push(origins.join(", "));
        self.carrier_of.insert(variables, carrier);
        carrier
    }

    fn failed(&self, template: &str, span: Span, error: &ExpressionError) -> Diagnostic {
        let diagnostic = self.workshop.problem(&self.place, (template, span), error);
        let names: Vec<String> = self.variables.values.keys().map(|name| format!("vars.{name}")).collect();
        match error.kind {
            ErrorKind::Undefined if error.hint.is_none() && (1..=12).contains(&names.len()) => {
                diagnostic.hint(format!("the variables: {}", list(&names)))
            }
            _ => diagnostic,
        }
    }
}

/// The names that a template takes from a scope: `vars.a`, `vars['a']`, `vars["a"]`.
fn names_in<'t>(template: &'t str, scope: &str) -> impl Iterator<Item = &'t str> {
    template.match_indices(scope).filter_map(|(start, scope)| {
        let rest = &template[start + scope.len()..];
        if let Some(rest) = rest.strip_prefix('.') {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            return Some(&rest[..end]);
        }
        let rest = rest.strip_prefix('[')?;
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        rest[1..].split_once(quote).map(|(name, _)| name)
    })
}

/// The stretch of a part of a template, if the template is in its file as it was written.
pub(super) fn within(source: &str, span: Span, template: &str, part: std::ops::Range<usize>) -> Span {
    let Some(written) = source.get(span.start as usize..span.end as usize) else { return span };
    let Some(start) = written.find(template) else { return span };
    let (Some(before), Some(_)) = (template.get(..part.start), template.get(part.clone())) else { return span };
    let before = [&written[..start], before].concat();
    let lines = before.matches('\n').count();
    let column = match before.rsplit_once('\n') {
        Some((_, line)) => 1 + line.chars().count(),
        None => span.column as usize + before.chars().count(),
    };
    let offset = |position: usize| u32::try_from(position).unwrap_or(u32::MAX);
    let start = span.start as usize + start;
    Span {
        start: offset(start + part.start),
        end: offset(start + part.end.max(part.start + 1)),
        line: span.line + offset(lines),
        column: offset(column),
        ..span
    }
}

/// A text as a node, for values that do not come from a document.
pub(super) fn text_node(span: Span, text: &str) -> Node {
    Node::scalar(span, Scalar::string(text))
}
