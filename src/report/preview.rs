use serde::Serialize;

use super::{Ink, Tone, UnfinishedReport, WarningReport, count, json::versioned_json};
use crate::{
    change::{Cause, Change, Changes, Counts, Downtime, InstanceChange, Op, Order},
    graph::Graph,
    name::{Digest, EnvironmentName, PlanName, ServiceName},
    plan::{DeploymentCommand, Plan},
};

/// What applying a plan would do, for people and programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PreviewReport {
    pub plan: PlanName,
    pub environment: Option<EnvironmentName>,
    /// As in [`EngineFacts::name`](crate::observed::EngineFacts); several with commas.
    pub engine: String,
    /// Tells one preview from another: of the plan, secrets masked, and of the changes.
    pub digest: Digest,
    pub groups: Vec<Vec<ServiceName>>,
    pub changes: Vec<ChangeReport>,
    pub summary: Counts,
    /// What is made or pulled beside the services, a line each.
    pub resources: Vec<String>,
    /// The hooks and tests that run if something changes, a line each.
    pub commands: Vec<String>,
    /// Services that run and are no longer in the plan; they stay.
    pub orphans: Vec<ServiceName>,
    /// Containers of `run`, which are no instances of a service; they stay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub one_offs: Vec<String>,
    /// What could not be looked at.
    pub warnings: Vec<WarningReport>,
    /// The project's deployment that has not come to its end: what it did is part of what is there.
    pub unfinished: Option<UnfinishedReport>,
}

/// What happens to one service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangeReport {
    pub service: ServiceName,
    pub op: Op,
    pub causes: Vec<CauseReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    pub downtime: Downtime,
    #[serde(skip)]
    instances: usize,
    #[serde(skip)]
    image: Option<String>,
}

/// Why: a field, what it was, what it is to be, and where that was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CauseReport {
    pub field: String,
    pub before: Option<String>,
    pub after: Option<String>,
    pub file: Option<String>,
    pub line: Option<u32>,
    /// The variable that it came through, and where that got its value.
    pub from: Option<String>,
}

impl From<&Cause> for CauseReport {
    fn from(cause: &Cause) -> Self {
        let position = cause.origin.as_ref().map(|origin| &origin.position);
        Self {
            field: cause.field.clone(),
            before: cause.before.clone(),
            after: cause.after.clone(),
            file: position.map(|position| position.file.to_string()),
            line: position.map(|position| position.line),
            from: cause.origin.as_ref().and_then(|origin| origin.from.clone()),
        }
    }
}

impl PreviewReport {
    pub fn new(plan: &Plan, graph: &Graph, changes: &Changes, engine: String) -> Self {
        let pulls = changes.pulls.keys().map(|image| format!("pull image {image}"));
        let pulls = pulls.chain(changes.builds.keys().map(|image| format!("build image {image}")));
        let networks = changes.networks.iter().map(|key| format!("create network {}", plan.network_name(key)));
        let volumes = changes.volumes.iter().map(|key| format!("create volume {}", plan.volume_name(key)));
        let report = |change: &Change| ChangeReport {
            service: change.service.clone(),
            op: change.op,
            causes: change.causes.iter().map(CauseReport::from).collect(),
            order: change.order,
            downtime: change.downtime,
            instances: change
                .instances
                .iter()
                .filter(|change| !matches!(change, InstanceChange::Remove { .. }))
                .count(),
            image: plan
                .services
                .get(&change.service)
                .and_then(|service| service.image.as_ref())
                .map(ToString::to_string),
        };
        let gone = changes.removed_networks.iter().map(|name| format!("remove network {name}"));
        let lost = changes.removed_volumes.iter().map(|name| format!("remove volume {name} with its data"));
        let leftovers = changes
            .leftovers
            .iter()
            .map(|left| format!("remove {}, a one-off or left by an earlier deployment", left.name));
        let changes_reported: Vec<ChangeReport> = changes.services.iter().map(report).collect();
        Self {
            plan: plan.name.clone(),
            environment: plan.environment.clone(),
            engine,
            digest: digest(plan, &changes_reported),
            groups: graph.groups().to_vec(),
            changes: changes_reported,
            summary: changes.counts(),
            resources: pulls.chain(networks).chain(volumes).chain(leftovers).chain(gone).chain(lost).collect(),
            commands: if changes.is_empty() { Vec::new() } else { planned_commands(plan) },
            orphans: changes.orphans.iter().cloned().collect(),
            one_offs: Vec::new(),
            warnings: Vec::new(),
            unfinished: None,
        }
    }

    /// For programs: `{format_version, plan, environment, engine, digest, groups, changes, summary, …}`.
    pub fn to_json(&self) -> String {
        versioned_json(self)
    }

    /// For people: what changes with its causes, then what is made, then the count.
    pub fn to_text(&self, ink: Ink) -> String {
        let environment = self.environment.as_ref().map_or_else(String::new, |name| format!(" in {name}"));
        let mut text = format!("{}{environment} on {}\n\n", ink.paint(Tone::Strong, self.plan.as_str()), self.engine);
        let width = self.changes.iter().map(|change| change.service.as_str().len()).max().unwrap_or(0);
        for change in self.changes.iter().filter(|change| change.op != Op::None) {
            text.push_str(&change.to_text(width, ink));
        }
        for resource in &self.resources {
            let symbol =
                if resource.starts_with("remove") { ink.paint(Tone::Bad, "-") } else { ink.paint(Tone::Good, "+") };
            text.push_str(&format!("  {symbol} {resource}\n"));
        }
        for command in &self.commands {
            text.push_str(&format!("  {} run {command}\n", ink.paint(Tone::Notable, ">")));
        }
        if self.changes.iter().any(|change| change.op != Op::None) || !self.resources.is_empty() {
            text.push('\n');
        }
        if !self.orphans.is_empty() {
            let names = super::list(self.orphans.iter().map(|name| format!("`{name}`")));
            let verb = if self.orphans.len() == 1 { "runs and is" } else { "run and are" };
            text.push_str(&format!("{names} {verb} no longer in the plan: `--remove-orphans` removes them\n"));
        }
        if !self.one_offs.is_empty() {
            let names = super::list(self.one_offs.iter().map(|name| format!("`{name}`")));
            let what = if self.one_offs.len() == 1 { "is a one-off and stays" } else { "are one-offs and stay" };
            text.push_str(&format!("{names} {what}: `destroy` removes what `run` left\n"));
        }
        text.push_str(&format!("{}\n", self.counts()));
        text
    }

    /// One line: `2 services to create, 1 to replace, 5 unchanged`.
    pub fn counts(&self) -> String {
        let Counts { create, replace, update, remove, none } = self.summary;
        let parts = [
            (create, "to create"),
            (replace, "to replace"),
            (update, "to update"),
            (remove, "to remove"),
            (none, "unchanged"),
        ];
        let mut parts = parts.into_iter().filter(|(number, _)| *number > 0);
        let Some((number, what)) = parts.next() else { return "no services".to_owned() };
        let first = format!("{} {what}", count(number, "service"));
        parts.fold(first, |text, (number, what)| format!("{text}, {number} {what}"))
    }
}

/// `hook announce (pre_deploy, on this host)`, for each.
fn planned_commands(plan: &Plan) -> Vec<String> {
    let place = |command: &DeploymentCommand| match (&command.service, &command.image) {
        (Some(service_name), _) => format!("in {service_name}"),
        (None, Some(image)) => format!("in a container of {image}"),
        (None, None) => "on this host".to_owned(),
    };
    let hooks = plan.hooks.points().into_iter().flat_map(|(point, hooks)| {
        hooks.iter().enumerate().map(move |(index, hook)| {
            let once = if hook.run_once { ", once" } else { "" };
            format!("hook {} ({}, {}{once})", hook.called(point.as_str(), index), point.as_str(), place(hook))
        })
    });
    let tests = plan.tests.iter().enumerate();
    hooks.chain(tests.map(|(index, test)| format!("test {} ({})", test.called("tests", index), place(test)))).collect()
}

impl ChangeReport {
    fn to_text(&self, width: usize, ink: Ink) -> String {
        let (symbol, tone) = match self.op {
            Op::Create => ("+", Tone::Good),
            Op::Replace => ("±", Tone::Notable),
            Op::Update => ("~", Tone::Notable),
            Op::Remove => ("-", Tone::Bad),
            Op::None => (" ", Tone::Faint),
        };
        let mut notes: Vec<String> = Vec::new();
        notes.extend(self.image.clone().filter(|_| self.op == Op::Create));
        notes.extend((self.instances > 1).then(|| count(self.instances, "instance")));
        notes.extend(self.order.map(|Order::StopFirst| "stop-first".to_owned()));
        notes.extend((self.downtime == Downtime::Expected).then(|| "downtime expected".to_owned()));
        let notes =
            if notes.is_empty() { String::new() } else { format!("  {}", ink.paint(Tone::Faint, &notes.join(", "))) };
        let mut text = format!("  {} {:width$}  {}{notes}\n", ink.paint(tone, symbol), self.service, self.op.as_str());
        for cause in &self.causes {
            text.push_str(&format!("      {}\n", cause.to_text(ink)));
        }
        text
    }
}

impl CauseReport {
    fn to_text(&self, ink: Ink) -> String {
        let change = match (&self.before, &self.after) {
            (Some(before), Some(after)) => format!("{} → {}", short(before), short(after)),
            (None, Some(after)) => format!("added: {}", short(after)),
            (Some(before), None) => format!("removed: {}", short(before)),
            (None, None) => String::new(),
        };
        let place = self.file.as_ref().zip(self.line).map(|(file, line)| format!("{file}:{line}"));
        let origin: Vec<String> = place.into_iter().chain(self.from.clone()).collect();
        let origin = if origin.is_empty() {
            String::new()
        } else {
            ink.paint(Tone::Faint, &format!("  ({})", origin.join(", ")))
        };
        format!("{}: {change}{origin}", self.field)
    }
}

/// A value on one line, cut where it would fill the screen.
fn short(value: &str) -> String {
    const MOST: usize = 120;
    let line: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST + 1).collect();
    match line.chars().count() > MOST {
        true => format!("{}…", line.chars().take(MOST).collect::<String>()),
        false => line,
    }
}

fn digest(plan: &Plan, changes: &[ChangeReport]) -> Digest {
    struct Hasher(sha2::Sha256);

    impl std::io::Write for Hasher {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            sha2::Digest::update(&mut self.0, bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let mut hasher = std::io::BufWriter::with_capacity(1 << 16, Hasher(sha2::Digest::new()));
    serde_json::to_writer(&mut hasher, plan).expect("a plan has only string keys");
    serde_json::to_writer(&mut hasher, changes).expect("changes have only string keys");
    let hasher = hasher.into_inner().unwrap_or_else(|_| unreachable!("hashing cannot fail"));
    Digest::from_hash(&sha2::Digest::finalize(hasher.0))
}
