use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;

use super::{
    Document, Entry, Files, Inputs, LoadFailure, Loaded, Node, Outputs, Value,
    adopted::Adopted,
    compose::{Composed, Variables, compose, is_compose, is_compose_name},
    conflict::Holdings,
    content::{
        Filling, FrontEnd, absent_secrets, add_own_secrets, config_digest, fill_config, fill_secret, used,
        without_source,
    },
    decode::{decode, refused_secrets},
    env_file::{EnvFiles, merge_env_files},
    hook_rule::{check_commands, pass_on},
    include::{read_from, refuse_further, with_included},
    library::Library,
    moved_rule::check_moved,
    named_check,
    names::Names,
    network_rule::{check_networks, check_usual_names},
    output,
    overlay::{overlay, settle_tags},
    problem::{MOST_PROBLEMS, in_order, shorten, wrong},
    render::{Context, Renderer},
    rule::{Subject, Surroundings, check_any, check_names, check_service},
    schema::strict,
    settle::{leave_out_inactive, settle},
    target::{Target, read_target, refuse_templates},
    validate::Schema,
    variable,
    vocabulary::add_notes,
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Span},
    name::{PlanName, ProjectName, ServiceName},
    plan::{
        ConfigDefinition, Network, Plan, PlanDocument, RuntimeKind, SecretDefinition, Service, TargetDocument, Volume,
    },
    secret::{Secret, Text},
};

/// Text → plan: reads a plan and everything that belongs to it, for one environment.
///
/// # Errors
/// If anything in the documents is wrong: then all of it, in the order of the files' lines.
pub fn load(files: Arc<dyn Files>, inputs: &Inputs) -> Result<Loaded, LoadFailure> {
    let mut library = Library::new(files, &inputs.root, &inputs.working_directory);
    if is_compose_name(&inputs.plan_file) {
        library.open_up();
    }
    let mut problems = Diagnostics::new();
    let mut notices = Diagnostics::new();
    let first = read_from(&library, &inputs.plan_file, None, None, &mut problems);
    let read = first.and_then(|root| match is_compose(&root, &inputs.plan_file) {
        true => {
            library.open_up();
            let (composed, warnings) = compose(root, &library, inputs, &mut problems);
            notices = warnings;
            composed.map(Read::of_compose)
        }
        false => {
            refuse_further(&library, root.span.file, &mut problems)?;
            refuse_compose_inputs(inputs, &mut problems);
            Read::of_plan(with_included(root, &library, &inputs.plan_file, &mut problems)?)
        }
    });
    let library = Arc::new(library);
    let composed_inputs = read.as_ref().and_then(|read| read.inputs(inputs));
    let inputs = composed_inputs.as_ref().unwrap_or(inputs);
    let loaded = match read {
        Some(read) => Loading { library: &library, inputs, problems: &mut problems }.run(read),
        None => Err(None),
    };
    in_order(&mut problems);
    // What an alias or a named check repeats has its mistakes repeated; they are mended in one place.
    problems.dedup_by(|again, first| {
        let one_place = !again.labels.is_empty() && again.labels == first.labels && again.code == first.code;
        one_place && !matches!(again.code, "missing-key" | "missing-variable")
    });
    problems.iter_mut().for_each(shorten);
    if problems.len() > MOST_PROBLEMS {
        problems.truncate(MOST_PROBLEMS);
        let summary = format!("there are more than {MOST_PROBLEMS} problems: the search for them ended here");
        problems.push(wrong("too-many-problems", summary));
    }
    if !notices.is_empty() {
        problems.extend(notices);
        in_order(&mut problems);
    }
    let document = match loaded {
        Ok(loaded) if !problems.iter().any(Diagnostic::is_error) => return Ok(Loaded { warnings: problems, ..loaded }),
        Ok(Loaded { document, .. }) => Some(Box::new(document)),
        Err(document) => document,
    };
    Err(LoadFailure { sources: library.sources(), diagnostics: problems, document })
}

/// All services together; one address of a host has half as many.
const MOST_PORTS: usize = 262_144;

/// Where a plan is to run.
#[derive(Clone, Copy)]
struct Place<'a> {
    target: Option<&'a Target>,
    adopted: &'a Adopted,
}

struct Loading<'a> {
    library: &'a Arc<Library>,
    inputs: &'a Inputs,
    problems: &'a mut Diagnostics,
}

/// A plan's document with everything that belongs to it, before anything is put over it.
struct Read {
    root: Node,
    /// What a Compose file brought along.
    composed: Option<Composition>,
}

struct Composition {
    carriers: Vec<String>,
    variables: Variables,
    env: Arc<BTreeMap<String, String>>,
    directory: PathBuf,
}

impl Read {
    fn of_plan(root: Node) -> Option<Self> {
        Some(Self { root, composed: None })
    }

    fn of_compose(Composed { root, carriers, variables, env, directory }: Composed) -> Self {
        Self { root, composed: Some(Composition { carriers, variables, env, directory }) }
    }

    /// The inputs with what env files say, if they are others than those that there were.
    fn inputs(&self, inputs: &Inputs) -> Option<Inputs> {
        let composed = self.composed.as_ref()?;
        Some(Inputs { env: composed.env.clone(), ..inputs.clone() })
    }
}

/// A plan is one file, which `include`s others.
fn refuse_compose_inputs(inputs: &Inputs, problems: &mut Diagnostics) {
    let compose = &inputs.compose;
    let given = [
        ("--file", !compose.more_files.is_empty(), "name one plan, and `include` other files in it"),
        ("--env-file", !compose.env_files.is_empty(), "give values with `--var`, or with an environment: `-e NAME`"),
        ("--profile", !compose.profiles.is_empty(), "choose services with `--only`"),
        ("--project-directory", compose.project_directory.is_some(), "paths start at the file that names them"),
        ("--project-name", compose.project_name.is_some(), "write `project:` in the plan"),
    ];
    for (flag, _, hint) in given.iter().filter(|(_, is_given, _)| *is_given) {
        let summary = format!("`{flag}` is for Compose files, and this is a plan");
        problems.push(wrong("not-for-plans", summary).hint(*hint));
    }
}

/// What came out of rendering, beside the document.
struct Rendered {
    front_end: FrontEnd,
    carriers: Vec<String>,
    absent_secrets: BTreeMap<String, Span>,
    secret_values: BTreeSet<Secret>,
    made: BTreeMap<String, String>,
}

impl Rendered {
    /// Templates are never looked at in Compose files.
    fn of(composed: &Composition) -> Self {
        Self {
            front_end: FrontEnd::Compose,
            carriers: composed.carriers.clone(),
            absent_secrets: BTreeMap::new(),
            secret_values: BTreeSet::new(),
            made: BTreeMap::new(),
        }
    }
}

impl Loading<'_> {
    /// The plan; or the document that no plan can be made of, if it could be read.
    fn run(mut self, read: Read) -> Result<Loaded, Option<Box<Document>>> {
        let Read { mut root, composed } = read;
        let front_end = if composed.is_some() { FrontEnd::Compose } else { FrontEnd::Plan };
        let is_whole = !self.problems.iter().any(Diagnostic::is_error);
        let target = read_target(self.library, self.inputs, self.problems);
        let adopted = Adopted::read(self.library, self.inputs, target.as_ref(), self.problems);
        let is_incomplete = target.is_none() && self.inputs.environment.is_some();
        if let Some(target) = &target {
            if composed.is_some() {
                refuse_templates(&target.node, self.problems);
            }
            overlay(&mut root, &target.node, self.problems);
        }
        if self.library.has_merge_tags() {
            settle_tags(&mut root);
        }
        if is_whole && !is_incomplete {
            check_any(&mut root, front_end, self.problems);
        }
        named_check::expand(&mut root, self.problems);
        let variables = variable::resolve(&root, target.as_ref(), self.inputs, self.library, self.problems);
        let mut secrets = match &target {
            Some(target) => target.secrets(self.library, self.inputs, &root, self.problems),
            None => BTreeMap::new(),
        };
        let found = add_own_secrets(&root, &mut secrets, front_end, self.library, self.inputs);
        front_end.put_off(found, self.problems);
        let secrets = Arc::new(secrets);
        let (mut rendered, directory) = match &composed {
            Some(composed) => (Rendered::of(composed), composed.directory.clone()),
            None => {
                let directory = self.inputs.plan_file.parent().unwrap_or(Path::new("/"));
                (self.render(&mut root, &variables, &secrets, target.as_ref()), directory.to_owned())
            }
        };
        leave_out_inactive(&mut root, &self.inputs.env);
        let sound = self.check_schema(&mut root, composed.as_ref().map(|composed| &composed.variables));
        add_notes(&root, self.problems);
        let place = Place { target: target.as_ref(), adopted: &adopted };
        let plan = self.plan(&mut root, &sound, &secrets, &mut rendered, place);
        let shown = target.as_ref().map(|target| &*target.shown);
        let absent = rendered.absent_secrets.iter().map(|(name, span)| without_source(name, *span, shown));
        front_end.put_off(absent.collect(), self.problems);
        if is_incomplete {
            // These say what the environment may well have said.
            self.problems.retain(|problem| !matches!(problem.code, "missing-variable" | "secret-without-source"));
        }
        let around = output::Surroundings {
            library: self.library,
            inputs: self.inputs,
            variables: &variables,
            secrets: &secrets,
        };
        let outputs = plan.as_ref().map(|plan| Outputs::read(&root, plan, &around, self.problems));
        rendered.made.extend(outputs.iter().flat_map(Outputs::made));
        let document = Document::new(root, self.library.sources(), rendered.carriers);
        let Some((plan, outputs)) = plan.zip(outputs).filter(|_| !is_incomplete) else {
            return Err(Some(Box::new(document)));
        };
        let sensitive = variables.values.values().filter(|variable| variable.sensitive);
        let sensitive = sensitive.map(|variable| match &variable.value {
            serde_json::Value::String(text) => Secret::new(text.as_str()),
            other => Secret::new(other.to_string()),
        });
        let all: BTreeSet<Secret> = secrets.values().cloned().chain(sensitive).chain(rendered.secret_values).collect();
        Ok(Loaded {
            target: TargetDocument {
                adopts: adopted.is_of(plan.project.as_str()),
                ..target.map(|target| target.target).unwrap_or_default()
            },
            is_adopting: adopted.is_asked,
            adoption_record: adopted.to_record(&plan.project),
            plan,
            document,
            directory,
            warnings: Diagnostics::new(),
            secrets: all.into_iter().collect(),
            made: rendered.made,
            outputs,
        })
    }

    fn render(
        &mut self,
        root: &mut Node,
        variables: &variable::Variables,
        secrets: &Arc<BTreeMap<String, Secret>>,
        target: Option<&Target>,
    ) -> Rendered {
        let name = root.get("name").and_then(Node::as_text).unwrap_or_default().to_owned();
        let context = Context {
            library: self.library,
            inputs: self.inputs,
            variables,
            secrets,
            environment: target.map(|target| target.name.as_str()),
            plan: &name,
        };
        let mut renderer = Renderer::new(&context, root, self.problems);
        renderer.document(root);
        Rendered {
            front_end: FrontEnd::Plan,
            made: renderer.made(),
            carriers: renderer.carriers,
            absent_secrets: renderer.absent_used,
            secret_values: renderer.secret_values,
        }
    }

    /// Checks the document against the schema, services one by one: a service is a small piece,
    /// and a whole plan as plain data beside the document would be a large one. Gives the names
    /// of the services that are fine.
    fn check_schema(&mut self, root: &mut Node, variables: Option<&Variables>) -> BTreeSet<Box<str>> {
        let plan = strict::<PlanDocument>();
        let mut service = plan.clone();
        let mut head = plan;
        head["properties"]["services"] = serde_json::json!({ "type": "object" });
        service["$ref"] = "#/$defs/Service".into();
        for keyword in ["type", "properties", "patternProperties", "additionalProperties", "required"] {
            service.as_object_mut().and_then(|schema| schema.remove(keyword));
        }
        let services = root.get_mut("services").and_then(Node::as_map_mut).map(std::mem::take);
        Schema::new(head).check(root, "", self.problems);
        let mut sound = BTreeSet::new();
        let Some(mut services) = services else { return sound };
        let schema = Schema::new(service);
        let mut env_files = EnvFiles::new(variables);
        for entry in &mut services {
            let before = self.problems.len();
            if before > MOST_PROBLEMS {
                break;
            }
            merge_env_files(&mut entry.value, &mut env_files, self.library, self.problems);
            schema.check(&entry.value, &format!("services.{}", entry.key), self.problems);
            if self.problems.len() == before && !has_broken(&entry.value) {
                sound.insert(entry.key.clone());
            }
        }
        if let Some(place) = root.get_mut("services") {
            place.value = Value::Map(services);
        }
        sound
    }

    /// The typed plan. `None` if its head cannot be read; what is wrong is in `problems`.
    fn plan(
        &mut self,
        root: &mut Node,
        sound: &BTreeSet<Box<str>>,
        secrets: &BTreeMap<String, Secret>,
        rendered: &mut Rendered,
        Place { target, adopted }: Place<'_>,
    ) -> Option<Plan> {
        let before = self.problems.iter().filter(|problem| problem.is_error()).count();
        let head = self.head(root);
        let runtime =
            target.and_then(|target| target.target.runtime).or_else(|| head.as_ref().and_then(|head| head.runtime));
        let front_end = rendered.front_end;
        let configs = self.configs(root, front_end);
        let digests: BTreeMap<String, Option<Text>> =
            configs.iter().map(|(name, config)| (name.clone(), config_digest(config))).collect();
        let networks: BTreeMap<String, Network> = self.section(root, "networks");
        let volumes: BTreeMap<String, Volume> = self.section(root, "volumes");
        let definitions: BTreeMap<String, SecretDefinition> = self.section(root, "secrets");
        let mut services = self.services(root, sound, runtime);
        let names = Names::of(root);
        self.check_services(root, &names, &services, front_end);
        check_moved(root, &names, self.problems);
        check_commands(root, &names, self.problems);
        let mut found = Diagnostics::new();
        check_networks(&names, &networks, &services, &mut found);
        front_end.put_off(found, self.problems);

        let filling =
            Filling { front_end, library: self.library, inputs: self.inputs, config_digests: &digests, secrets };
        for (name, service) in &mut services {
            let entry = names.get("services", name.as_str());
            let node = &entry.expect("services were read from these entries").value;
            absent_secrets(service, node, &names, secrets, &mut rendered.absent_secrets);
            let service = Arc::make_mut(service);
            filling.fill(service, node, self.problems);
            // What is not there was reported, or is not required.
            service.depends_on.retain(|needed, _| names.is_defined("services", needed.as_str()));
        }
        let mut head = head?;
        pass_on(head.hooks.commands_mut().chain(&mut head.tests), &self.inputs.env);
        let project = self.project(&head, root, target.filter(|_| !adopted.is_of(head.name.as_str())))?;
        name_built_images(&mut services, &project);
        let mut found = Diagnostics::new();
        check_usual_names(&names, &project, &services, &mut found);
        front_end.put_off(found, self.problems);
        if self.problems.iter().filter(|problem| problem.is_error()).count() > before {
            return None;
        }
        let fill = |(name, definition): (String, SecretDefinition)| {
            let filled = fill_secret(definition, secrets.get(&name));
            (name, filled)
        };
        Some(Plan {
            name: head.name,
            project,
            environment: target.map(|target| target.name.clone()),
            after: head.after,
            services,
            networks,
            volumes,
            configs,
            secrets: definitions.into_iter().map(fill).collect(),
            rollback: target.and_then(|target| target.rollback.clone()).unwrap_or(head.rollback),
            moved: head.moved,
            hooks: head.hooks,
            tests: head.tests,
            retry: head.retry,
            parallelism: target.and_then(|target| target.parallelism).or(head.parallelism).unwrap_or(Plan::PARALLELISM),
            schedule: head.schedule,
            retain: head.retain.unwrap_or(Plan::RETAIN),
        })
    }

    /// The small things at the plan's top.
    fn head(&mut self, root: &Node) -> Option<PlanDocument> {
        // The first bad name would hide the second.
        let names = [
            root.get("name").and_then(|node| decode::<PlanName>(node, "name").err()),
            root.get("project").and_then(|node| decode::<Option<ProjectName>>(node, "project").err()),
        ];
        names.into_iter().flatten().for_each(|problem| self.report(problem));
        let head: PlanDocument = decode(root, "").map_err(|problem| self.report(problem)).ok()?;
        let requirement = head.required_version.as_ref().and_then(|text| semver::VersionReq::parse(text).ok());
        let version = env!("CARGO_PKG_VERSION");
        let ours = semver::Version::parse(version).expect("cargo checks its own version");
        if let Some(requirement) = requirement.filter(|requirement| !requirement.matches(&ours)) {
            let span = root.get("required_version").map_or(root.span, |node| node.span);
            let summary = format!("this plan needs orchestrate {requirement}, and this is {version}");
            let diagnostic = wrong("version-mismatch", summary).at(span, "required here");
            self.problems.push(diagnostic.hint("install a version that it asks for"));
        }
        Some(head)
    }

    fn project(&mut self, head: &PlanDocument, root: &Node, target: Option<&Target>) -> Option<ProjectName> {
        if let Some(project) = &head.project {
            return Some(project.clone());
        }
        let text = match target {
            Some(target) => format!("{}-{}", head.name, target.name),
            None => head.name.to_string(),
        };
        let span = root.get("name").map_or(root.span, |node| node.span);
        let complain = |error| wrong("invalid-name", format!("`project`: {error}")).at(span, "made from this");
        text.parse().map_err(|error| self.problems.push(complain(error))).ok()
    }

    /// A section of the plan whose entries may be empty.
    fn section<'n, T: Deserialize<'n> + Default>(&mut self, root: &'n Node, section: &str) -> BTreeMap<String, T> {
        let mut all = BTreeMap::new();
        for Entry { key, value, .. } in root.entries(section) {
            let read = decode::<Option<T>>(value, &format!("{section}.{key}"));
            match read {
                Ok(read) => drop(all.insert(key.to_string(), read.unwrap_or_default())),
                Err(problem) => self.report(problem),
            }
        }
        all
    }

    fn configs(&mut self, root: &Node, front_end: FrontEnd) -> BTreeMap<String, ConfigDefinition> {
        let used = used(root, "configs");
        let mut found = Diagnostics::new();
        let configs: BTreeMap<String, ConfigDefinition> = self.section(root, "configs");
        let mut filled = BTreeMap::new();
        for (name, config) in configs {
            let entry = root.get("configs").and_then(|all| all.entry(&name));
            let entry = entry.expect("the configs were read from these entries");
            let is_asked = front_end.needs(&used, &name) && !has_broken(&entry.value);
            let config = match is_asked {
                true => fill_config(config, entry, self.library, self.inputs, &mut found),
                false => config,
            };
            filled.insert(name, config);
        }
        front_end.put_off(found, self.problems);
        filled
    }

    fn services(
        &mut self,
        root: &Node,
        sound: &BTreeSet<Box<str>>,
        runtime: Option<RuntimeKind>,
    ) -> BTreeMap<ServiceName, Arc<Service>> {
        let mut services = BTreeMap::new();
        let mut ports = 0;
        for entry in root.entries("services") {
            let name: ServiceName = match entry.key.parse() {
                Ok(name) => name,
                Err(error) => {
                    let diagnostic = wrong("invalid-name", format!("{error}"));
                    self.problems.push(diagnostic.at(entry.key_span, "here"));
                    continue;
                }
            };
            if !sound.contains(&entry.key) {
                continue;
            }
            if self.problems.len() > MOST_PROBLEMS {
                break;
            }
            match decode::<Service>(&entry.value, &format!("services.{}", entry.key)) {
                Ok(mut service) => {
                    ports += service.ports.len();
                    if ports > MOST_PORTS {
                        let summary = format!("the services publish more than {MOST_PORTS} ports");
                        let span = entry.value.get("ports").map_or(entry.key_span, |ports| ports.span);
                        self.problems.push(wrong("too-large", summary).at(span, "these went too far"));
                        break;
                    }
                    settle(entry, &mut service, self.problems);
                    let is_container = service.image.is_some() || service.build.is_some();
                    if service.runtime.is_none() && !is_container && runtime == Some(RuntimeKind::Process) {
                        service.runtime = runtime;
                    }
                    services.insert(name, Arc::new(service));
                }
                Err(problem) if problem.code == "secret-not-allowed" => {
                    let place = format!("services.{}", entry.key);
                    self.problems.push(problem);
                    self.problems.extend(refused_secrets::<Service>(entry.value.clone(), &place));
                }
                Err(problem) => self.problems.push(problem),
            }
        }
        services
    }

    fn check_services(
        &mut self,
        root: &Node,
        names: &Names,
        services: &BTreeMap<ServiceName, Arc<Service>>,
        front_end: FrontEnd,
    ) {
        let around = Surroundings { plan: root, front_end, names, services };
        let mut holdings = Holdings::default();
        let mut clashes = Diagnostics::new();
        for entry in root.entries("services") {
            if self.problems.len() > MOST_PROBLEMS {
                return;
            }
            check_names(entry, &around, self.problems);
            let Some((name, service)) = services.get_key_value(&*entry.key) else { continue };
            check_service(&Subject { name, entry, service }, &around, self.problems);
            holdings.add(name, &entry.value, service, &mut clashes);
            if clashes.len() > MOST_PROBLEMS {
                break;
            }
        }
        front_end.put_off(clashes, self.problems);
    }

    /// Adds a problem, unless something was reported there already: by the schema, or by what broke
    /// the value.
    fn report(&mut self, problem: Diagnostic) {
        let Some(place) = problem.labels.first().map(|label| label.span) else { return self.problems.push(problem) };
        let within = |span: Span| span.file == place.file && (place.start..=place.end).contains(&span.start);
        let is_known = |known: &Diagnostic| known.labels.first().is_some_and(|label| within(label.span));
        if !self.problems.iter().any(is_known) {
            self.problems.push(problem);
        }
    }
}

/// An image that is built has its service's name, unless it is given one.
fn name_built_images(services: &mut BTreeMap<ServiceName, Arc<Service>>, project: &ProjectName) {
    for (name, service) in services.iter_mut().filter(|(_, service)| service.build.is_some()) {
        if service.image.is_none() {
            Arc::make_mut(service).image = format!("{project}-{name}").to_lowercase().parse().ok();
        }
    }
}

fn has_broken(node: &Node) -> bool {
    match &node.value {
        Value::Scalar(_) => node.is_broken(),
        Value::List(items) => items.iter().any(has_broken),
        Value::Map(entries) => entries.iter().any(|entry| has_broken(&entry.value)),
    }
}

/// The repository's root for a plan: the nearest directory upwards that `is_root` says is one, or
/// the plan's own.
pub fn repository_root(plan_file: &Path, is_root: impl Fn(&Path) -> bool) -> std::path::PathBuf {
    let directory = plan_file.parent().unwrap_or(Path::new("/"));
    directory.ancestors().find(|directory| is_root(directory)).unwrap_or(directory).to_owned()
}
