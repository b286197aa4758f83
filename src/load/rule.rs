//! What the schema cannot say about one service.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Entry, Node, Scalar, Value,
    content::FrontEnd,
    document::child,
    dotenv::is_name,
    ignored_rule::check_ignored,
    names::Names,
    on_change_rule::check_on_change,
    problem::{MOST_PROBLEMS, nearest, suggest, wrong},
    process_files_rule::check_process_files,
    sharing_rule::check_sharing,
    snapshot_rule::check_snapshot,
};
use crate::{
    diagnostic::{Class, Diagnostic, Diagnostics, Span},
    name::ServiceName,
    plan::{CheckKind, Condition, ImageReferenceError, Kind, Mount, MountKind, RuntimeKind, Service, words},
    secret::Text,
};

/// After so many problems the nearest name is no longer looked for: there may be 10,000 to compare.
const MOST_SUGGESTED: usize = 50;

/// Keys that mean nothing for a process.
const CONTAINER_ONLY: [&str; 66] = [
    "annotations",
    "blkio_config",
    "build",
    "cap_add",
    "cap_drop",
    "cgroup",
    "cgroup_parent",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpus",
    "cpuset",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "external_links",
    "extra_hosts",
    "gpus",
    "group_add",
    "hostname",
    "image",
    "init",
    "ipc",
    "isolation",
    "links",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "network_mode",
    "networks",
    "oci_runtime",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "ports",
    "post_start",
    "pre_stop",
    "privileged",
    "pull_policy",
    "read_only",
    "security_opt",
    "shm_size",
    "stdin_open",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "use_api_socket",
    "userns_mode",
    "uts",
    "volumes",
    "volumes_from",
];

/// What a service is checked against.
pub(super) struct Surroundings<'a> {
    pub plan: &'a Node,
    pub front_end: FrontEnd,
    pub names: &'a Names<'a>,
    /// The services that could be read; a name without one was reported already.
    pub services: &'a BTreeMap<ServiceName, Arc<Service>>,
}

/// One service: as it was written, and as it was read.
pub(super) struct Subject<'a> {
    pub name: &'a ServiceName,
    pub entry: &'a Entry,
    pub service: &'a Service,
}

impl Subject<'_> {
    /// The stretch of what stands at a path below the service, or of the nearest thing around it.
    pub fn span(&self, path: &[&str]) -> Span {
        let mut node = &self.entry.value;
        for (depth, key) in path.iter().enumerate() {
            match child(node, key) {
                Some(found) => node = found,
                None if depth == 0 => return self.entry.key_span,
                None => return node.span,
            }
        }
        node.span
    }

    /// The stretch of a key below the service, or of the item of a list that says it.
    fn key_span(&self, section: &str, key: &str) -> Span {
        let entry = self.entry.value.get(section).and_then(|section| section.entry(key));
        entry.map_or_else(|| self.span(&[section, key]), |entry| entry.key_span)
    }
}

/// Refuses a plan that says nothing: applying it would look like a success.
pub(super) fn check_any(plan: &mut Node, front_end: FrontEnd, problems: &mut Diagnostics) {
    let services = plan.entry("services");
    let is_empty = |node: &Node| node.is_null() || node.as_map().is_some_and(<[Entry]>::is_empty);
    if services.is_some_and(|services| !is_empty(&services.value)) {
        return;
    }
    // A misspelt key is reported as one.
    if plan
        .as_map()
        .into_iter()
        .flatten()
        .any(|entry| nearest(&entry.key, ["services"]).is_some_and(|_| &*entry.key != "services"))
    {
        return;
    }
    let start = Span { start: 0, end: 0, line: 1, column: 1, ..plan.span };
    let diagnostic = wrong("no-services", "the plan has no services")
        .at(services.map_or(start, |services| services.key_span), "nothing to run")
        .hint("name one, as in `services: { web: { image: \"nginx:1.27\" } }`, or `include` a file that does");
    let diagnostic = match services {
        Some(_) => diagnostic.hint("`orchestrate destroy` takes a project away: run it with the plan as it was"),
        None => diagnostic,
    };
    // All may belong to profiles, which was told then.
    if problems.iter().all(|known| known.code != "no-services") {
        front_end.put_off(vec![diagnostic], problems);
    }
    // The schema would have it again.
    let none = match front_end {
        FrontEnd::Plan => Node::broken(start),
        FrontEnd::Compose => Node::new(start, Value::Map(Vec::new())),
    };
    match plan.get_mut("services") {
        Some(services) => *services = Node { span: services.span, ..none },
        None if front_end == FrontEnd::Compose => {
            let entry = Entry { key: "services".into(), key_span: start, value: none };
            plan.as_map_mut().into_iter().for_each(|entries| entries.push(entry.clone()));
        }
        None => {}
    }
}

pub(super) fn check_service(subject: &Subject, around: &Surroundings, problems: &mut Diagnostics) {
    check_runtime(subject, problems);
    check_dependencies(subject, around, problems);
    check_sharing(subject, around, problems);
    check_words(subject, problems);
    check_image(subject, around.front_end, problems);
    check_lines(subject, problems);
    check_snapshot(subject, problems);
    check_ignored(subject, problems);
    check_on_change(subject, problems);
    check_process_files(subject, problems);
}

fn check_runtime(subject: &Subject, problems: &mut Diagnostics) {
    let service = subject.service;
    let (name, key_span) = (subject.name, subject.entry.key_span);
    if service.runtime() == RuntimeKind::Docker {
        if service.image.is_none() && service.build.is_none() {
            problems.push(
                wrong("missing-image", format!("the service `{name}` has no `image`"))
                    .at(key_span, "this service")
                    .hint("name an `image`, or set `runtime: process` to run its `command` as a local process"),
            );
        }
        return;
    }
    if service.command.as_ref().is_none_or(|command| command.0.is_empty()) {
        let summary = format!("the service `{name}` is a process and has no `command`");
        problems.push(
            wrong("missing-command", summary)
                .at(key_span, "this service")
                .hint("give it one, as in `command: [\"./server\", \"--port=8080\"]`"),
        );
    }
    let resources = child(&subject.entry.value, "deploy").and_then(|deploy| deploy.entry("resources"));
    let entries = subject.entry.value.as_map().unwrap_or_default();
    let meaningless = entries.iter().filter(|entry| CONTAINER_ONLY.contains(&&*entry.key)).chain(resources);
    for entry in meaningless.filter(|entry| !entry.value.is_null()) {
        let summary = format!("`{}` means nothing for `{name}`, which is a process", entry.key);
        let diagnostic = wrong("not-for-process", summary).at(entry.key_span, "only for containers");
        problems.push(match &*entry.key {
            "ports" => diagnostic.hint("a process listens on the host itself: declare its ports with `expose`"),
            _ => diagnostic,
        });
    }
}

fn check_dependencies(subject: &Subject, around: &Surroundings, problems: &mut Diagnostics) {
    for (needed, dependency) in &subject.service.depends_on {
        let span = || subject.key_span("depends_on", needed.as_str());
        let Some(other) = around.services.get(needed) else { continue };
        let there = || around.names.get("services", needed.as_str()).map_or_else(span, |entry| entry.key_span);
        match dependency.condition {
            Condition::ServiceStarted => {}
            Condition::ServiceHealthy => {
                if other.gating_checks().is_empty() && !other.may_inherit_healthcheck() {
                    let summary = format!("`{}` waits until `{needed}` is healthy, but it has no checks", subject.name);
                    problems.push(
                        wrong("no-checks", summary).at(span(), "waits for this").at(there(), "has no checks").hint(
                            format!("give `{needed}` a `checks` or a `healthcheck`, or wait for `service_started`"),
                        ),
                    );
                }
            }
            Condition::ServiceCompletedSuccessfully => {
                if !other.is_job() {
                    let summary =
                        format!("`{}` waits until `{needed}` has completed, but it keeps running", subject.name);
                    problems.push(
                        wrong("not-a-job", summary)
                            .at(span(), "waits for this")
                            .at(there(), "is no job")
                            .hint(format!("set `kind: job` on `{needed}`, or wait for `service_started`")),
                    );
                }
            }
        }
    }
}

/// Checks that what a service names is there: also of one that cannot be read as a whole.
pub(super) fn check_names(entry: &Entry, around: &Surroundings, problems: &mut Diagnostics) {
    let (service, plan) = (&entry.key, around.plan);
    for (needed, span, value) in named(&entry.value, "depends_on") {
        if problems.len() > MOST_PROBLEMS {
            return;
        }
        let required = value.and_then(|value| value.get("required")).and_then(Node::as_scalar);
        let required = required.and_then(Scalar::as_bool) != Some(false);
        if required && !around.names.is_defined("services", needed) {
            let summary = format!("`{service}` depends on `{needed}`, which is no service of this plan");
            let diagnostic = wrong("unknown-service", summary).at(span, "not a service");
            problems.push(match problems.len() < MOST_SUGGESTED {
                true => suggest(diagnostic, needed, keys(plan, "services"), "services"),
                false => diagnostic,
            });
        }
    }
    for (network, span, _) in named(&entry.value, "networks").filter(|(name, ..)| *name != "default") {
        check_defined(service, around, ("networks", "network", "unknown-network"), (network, span), problems);
    }
    for item in entry.value.items("volumes") {
        let long = || item.get("source").filter(|_| item.get("type").and_then(Node::as_text) == Some("volume"));
        let volume = match item.as_text() {
            Some(text) => {
                let mount = text.parse::<Mount>().ok().filter(|mount| mount.kind == MountKind::Volume);
                mount.and_then(|mount| mount.source)
            }
            None => long().and_then(Node::as_text).map(str::to_owned),
        };
        if let Some(volume) = volume {
            check_defined(service, around, ("volumes", "volume", "unknown-volume"), (&volume, item.span), problems);
        }
    }
    for (section, what, code) in [("configs", "config", "unknown-config"), ("secrets", "secret", "unknown-secret")] {
        for item in entry.value.items(section) {
            if let Some(name) = item.as_text().or_else(|| item.get("source").and_then(Node::as_text)) {
                check_defined(service, around, (section, what, code), (name, item.span), problems);
            }
        }
    }
}

/// The names in a list or a mapping of names, each with its place and what is said of it.
pub(super) fn named<'n>(service: &'n Node, key: &str) -> impl Iterator<Item = (&'n str, Span, Option<&'n Node>)> {
    let items = service.items(key).iter().filter_map(|item| Some((item.as_text()?, item.span, None)));
    let entries = service.entries(key).iter().map(|entry| (&*entry.key, entry.key_span, Some(&entry.value)));
    items.chain(entries)
}

fn keys<'n>(plan: &'n Node, section: &str) -> impl Iterator<Item = &'n str> {
    plan.entries(section).iter().map(|entry| &*entry.key)
}

/// Reports a name that the plan's section of that kind does not have.
fn check_defined(
    service: &str,
    around: &Surroundings,
    (section, what, code): (&str, &str, &'static str),
    (name, span): (&str, Span),
    problems: &mut Diagnostics,
) {
    if !around.names.is_defined(section, name) && problems.len() <= MOST_PROBLEMS {
        let summary = format!("`{service}` uses the {what} `{name}`, which the plan does not define");
        let diagnostic = wrong(code, summary).at(span, "not defined");
        let diagnostic = suggest(diagnostic, name, keys(around.plan, section), section);
        let definition = if section == "configs" { "{ file: … }" } else { "{}" };
        problems.push(diagnostic.hint(format!("define it at the plan's top: `{section}: {{ {name}: {definition} }}`")));
    }
}

/// Refuses an image of which a part is missing.
fn check_image(subject: &Subject, front_end: FrontEnd, problems: &mut Diagnostics) {
    let Some(image) = subject.service.image.as_ref().filter(|image| !image.is_complete()) else { return };
    let error = ImageReferenceError::of(image);
    let diagnostic = wrong("invalid-value", format!("`services.{}.image`: {error}", subject.name));
    front_end.put_off(vec![diagnostic.at(subject.span(&["image"]), "here")], problems);
}

/// Where lines stand that are commands, and lists of mappings that have one.
const LINES: [&[&str]; 4] = [&["command"], &["entrypoint"], &["snapshot", "dump"], &["snapshot", "restore"]];
const WITH_LINES: [&str; 3] = ["post_start", "pre_stop", "checks"];

/// Warns of what is left out of a command that is written as a line for a shell.
fn check_lines(subject: &Subject, problems: &mut Diagnostics) {
    let service = &subject.entry.value;
    let own = LINES.into_iter().filter_map(|path| path.iter().try_fold(service, |node, key| node.get(key)));
    let items = WITH_LINES.into_iter().flat_map(|key| service.items(key)).filter_map(|item| item.get("command"));
    for node in own.chain(items) {
        let split = node.as_text().and_then(words::split);
        if split.is_none_or(|split| split.left_out.is_empty()) {
            continue;
        }
        let what = "what stands from the first `;`, `&`, `|`, `<` or `>` on";
        let summary = format!("this line of `{}` is read by no shell: {what} is left out", subject.name);
        let warning = Diagnostic::warning("line-cut", Class::Configuration, summary).at(node.span, "cut");
        problems.push(warning.hint("for a shell, write `[sh, -c, \"…\"]`"));
    }
}

fn check_words(subject: &Subject, problems: &mut Diagnostics) {
    let service = subject.service;
    for name in service.environment.keys().filter(|name| !is_name(name)) {
        let summary = format!("`{}` is no name for an environment variable", name.escape_debug());
        problems.push(wrong("invalid-name", summary).at(subject.key_span("environment", name), "here"));
    }
    if service.kind == Kind::Service {
        for key in ["run", "irreversible"] {
            let entry = subject.entry.value.entry(key);
            let is_no = |entry: &&Entry| entry.value.as_scalar().and_then(Scalar::as_bool) != Some(false);
            if let Some(entry) = entry.filter(is_no) {
                let summary = format!("`{key}` means nothing for `{}`, which is no job", subject.name);
                let diagnostic = wrong("not-for-service", summary).at(entry.key_span, "only for jobs");
                problems.push(diagnostic.hint("set `kind: job`"));
            }
        }
    }
    let form = service.healthcheck.as_ref().and_then(|healthcheck| healthcheck.test.first());
    if form.is_some_and(|form| !["CMD", "CMD-SHELL", "NONE"].contains(&form_name(form))) {
        let summary = format!("the healthcheck of `{}` has to start with `CMD`, `CMD-SHELL` or `NONE`", subject.name);
        problems.push(wrong("invalid-value", summary).at(subject.span(&["healthcheck", "test"]), "here"));
    }
    for (index, check) in service.checks.iter().enumerate() {
        let CheckKind::Http(http) = &check.kind else { continue };
        for path in http.json.keys() {
            if let Err(error) = serde_json_path::JsonPath::parse(path) {
                let summary = format!("`{path}` is not a JSON path: {error}");
                let span = subject.span(&["checks", &index.to_string(), "http", "json", path]);
                problems.push(wrong("invalid-value", summary).at(span, "here"));
            }
        }
    }
}

/// A form that came from a secret is none.
fn form_name(form: &Text) -> &str {
    match form {
        Text::Plain(form) => form,
        Text::Secret(_) | Text::Sealed(_) | Text::Fingerprint(_) => "",
    }
}
