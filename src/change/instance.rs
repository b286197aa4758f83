//! What has to happen to one instance.

use std::{collections::BTreeMap, sync::Arc};

use super::{Cause, InPlace, InstanceChange, adopted, contents::Contents, fields, ignored::is_ignored};
use crate::{
    diagnostic::Origins,
    name::ServiceName,
    observed::{Instance, InstanceState, Observed, StopNote},
    plan::{ByteSize, Kind, Limits, Plan, PullPolicy, RunPolicy, RuntimeKind, Service, spec_document},
};

/// What an instance is compared with.
pub(super) struct Desired<'a> {
    pub plan: &'a Plan,
    pub observed: &'a Observed,
    pub origins: &'a dyn Origins,
    pub service_name: &'a ServiceName,
    pub service: &'a Arc<Service>,
    /// What it is to run, if that is not what its tag or path leads to now.
    pub content: Option<&'a str>,
    /// Who stopped instances on purpose, by their ids.
    pub stops: &'a BTreeMap<String, StopNote>,
    /// When its image is pulled.
    pub pull_policy: PullPolicy,
    /// Replace it whatever it is.
    pub is_forced: bool,
}

impl Desired<'_> {
    /// What has to happen to an instance that exists, and why.
    pub fn compare(&self, instance: &Instance) -> (InstanceChange, Vec<Cause>) {
        let old = || Box::new(instance.clone());
        let contents = self.compare_contents(instance);
        let causes = self.causes_to_replace(instance, &contents);
        match self.service.kind {
            Kind::Job if causes.is_empty() || self.has_run_for_good(instance) => self.compare_job(instance),
            Kind::Job | Kind::Service if !causes.is_empty() => (InstanceChange::Replace { old: old() }, causes),
            Kind::Job | Kind::Service => self.with_names(contents.put_into(self.compare_in_place(instance))),
        }
    }

    fn has_run_for_good(&self, instance: &Instance) -> bool {
        self.service.run == RunPolicy::Once && instance.has_completed() && !self.is_forced
    }

    fn compare_job(&self, instance: &Instance) -> (InstanceChange, Vec<Cause>) {
        let rerun = |before: String, after: &str| {
            let causes = vec![Cause::new("state", before, after)];
            (InstanceChange::Replace { old: Box::new(instance.clone()) }, causes)
        };
        match (instance.has_completed(), self.service.run) {
            (true, RunPolicy::Always) => rerun("completed".to_owned(), "run again: `run` is `always`"),
            (true, RunPolicy::OnChange | RunPolicy::Once) => {
                (InstanceChange::Keep { instance: Box::new(instance.clone()) }, Vec::new())
            }
            (false, RunPolicy::Always | RunPolicy::OnChange | RunPolicy::Once) => {
                rerun(describe(instance.state), "completed")
            }
        }
    }

    /// Fields that can only be changed by making the instance anew.
    fn causes_to_replace(&self, instance: &Instance, contents: &Contents) -> Vec<Cause> {
        let mut causes = Vec::new();
        if self.is_forced {
            causes.push(Cause::new("--force-recreate", "as it is", "made anew"));
        }
        match (&instance.spec, &instance.adopted) {
            (_, Some(differences)) => causes.extend(adopted::causes(self, differences)),
            (Some(before), None) => {
                let after = spec_document(self.service, &instance.salt);
                if **before != after {
                    let differing = fields::compare(self.service_name.as_str(), before, &after, self.origins);
                    let is_change = |cause: &Cause| {
                        let is_same_image = || cause.field == "image" && self.is_same_image(before, instance);
                        !contents.have_settled(&cause.field) && !is_same_image()
                    };
                    causes.extend(differing.into_iter().filter(is_change));
                }
            }
            (None, None) => causes.push(Cause::new("spec", "not readable by this version", "known")),
        }
        if instance.runtime != self.service.runtime() {
            causes.push(self.caused("runtime", name_of(instance.runtime), name_of(self.service.runtime())));
        }
        let is_new = |cause: &&Cause| causes.iter().all(|known| known.field != cause.field);
        let of_contents: Vec<Cause> = contents.to_replace.iter().filter(is_new).cloned().collect();
        causes.extend(of_contents);
        causes.extend(self.cause_of_content(instance));
        causes.extend(self.causes_of_networks(instance));
        causes.extend(self.cause_of_reservation(instance));
        causes.extend(self.causes_of_limits(instance).filter(|(_, in_place)| !in_place).map(|(cause, _)| cause));
        causes.retain(|cause| !is_ignored(&self.service.ignore_changes, &cause.field));
        causes
    }

    /// Whether its image's reference only came to name its digest, or does so no more.
    fn is_same_image(&self, before: &serde_json::Value, instance: &Instance) -> bool {
        let Some(image) = &self.service.image else { return false };
        let unpinned = |reference: &str| reference.split('@').next().map(str::to_owned);
        let was = before["service"]["image"].as_str().and_then(unpinned);
        let found = self.observed.images.get(image);
        was == unpinned(image.as_str()) && found.is_some_and(|facts| facts.id == instance.image_id)
    }

    /// The image or the program behind the same name is another one now.
    fn cause_of_content(&self, instance: &Instance) -> Option<Cause> {
        let spec_image = instance.spec.as_ref().and_then(|spec| spec["service"]["image"].as_str());
        match self.service.runtime() {
            RuntimeKind::Docker => {
                let image = self.service.image.as_ref()?;
                let found = self.observed.images.get(image).map(|facts| facts.id.as_str());
                if let (Some(newer), None) = (self.observed.outdated.get(image), self.content) {
                    let known = self.observed.images.get(image).and_then(|facts| facts.digests.first());
                    let before = known.map_or_else(|| image.to_string(), |known| format!("{image} ({})", short(known)));
                    let after = format!("{image} ({}), newer in the registry", short(newer));
                    return Some(self.caused("image", &before, &after));
                }
                let id = self.content.or(found)?;
                // Another reference is a cause of its own.
                let is_same_reference = match &instance.adopted {
                    Some(differences) => adopted::has_same_image(differences),
                    None => spec_image == Some(image.as_str()),
                };
                (is_same_reference && id != instance.image_id).then(|| {
                    let how = if self.content.is_some() { "as it was" } else { "rebuilt under the same tag" };
                    let after = format!("{image} ({}), {how}", short(id));
                    self.caused("image", &format!("{image} ({})", short(&instance.image_id)), &after)
                })
            }
            RuntimeKind::Process => {
                let digest = self.content.or_else(|| executable(self.service, self.observed))?;
                (digest != instance.image_id && !instance.image_id.is_empty())
                    .then(|| Cause::new("executable", short(&instance.image_id), short(digest)))
            }
        }
    }

    /// Networks that it should be in and is not: someone took it out by hand.
    fn causes_of_networks(&self, instance: &Instance) -> Vec<Cause> {
        // What Compose made was compared with all its networks.
        if instance.runtime != RuntimeKind::Docker || instance.adopted.is_some() {
            return Vec::new();
        }
        let spec = instance.spec.as_ref().map(|spec| &spec["service"]["networks"]);
        let was_to_be_in = |key: &&String| spec.is_none_or(|networks| networks.get(key.as_str()).is_some());
        let is_missing = |key: &&String| !instance.networks.contains_key(&self.plan.network_name(key));
        let missing = self.service.networks.keys().filter(was_to_be_in).filter(is_missing);
        missing
            .map(|key| Cause::new(format!("networks.{key}"), "not connected (changed by hand)", "connected"))
            .collect()
    }

    /// The memory that it can count on is not in its spec.
    fn cause_of_reservation(&self, instance: &Instance) -> Option<Cause> {
        let (before, after) = (instance.memory_reservation, self.service.deploy.resources.reservations.memory);
        let text = |size: Option<ByteSize>| size.map_or_else(|| "none".to_owned(), |size| size.to_string());
        let differs = instance.runtime == RuntimeKind::Docker && before != after.filter(|size| size.0 > 0);
        differs.then(|| self.caused("deploy.resources.reservations.memory", &text(before), &text(after)))
    }

    /// Limits that differ, and whether each can be changed in place: the engine takes 0 for "leave
    /// it", so a limit can neither come nor go on an instance that exists.
    fn causes_of_limits(&self, instance: &Instance) -> impl Iterator<Item = (Cause, bool)> {
        let (before, after) = (instance.limits.clone(), self.service.deploy.resources.limits.clone());
        let cpus = (before.cpus.map(|cpus| cpus.to_string()), after.cpus.map(|cpus| cpus.to_string()), "cpus");
        let memory = (before.memory.map(|size| size.to_string()), after.memory.map(|size| size.to_string()), "memory");
        let pids = (before.pids.map(|pids| pids.to_string()), after.pids.map(|pids| pids.to_string()), "pids");
        let is_docker = instance.runtime == RuntimeKind::Docker;
        let differing = [cpus, memory, pids].into_iter().filter(move |(before, after, _)| is_docker && before != after);
        differing.map(|(before, after, name)| {
            let in_place = before.is_some() && after.is_some();
            let none = || "none".to_owned();
            let (before, after) = (before.unwrap_or_else(none), after.unwrap_or_else(none));
            (self.caused(&format!("deploy.resources.limits.{name}"), &before, &after), in_place)
        })
    }

    fn compare_in_place(&self, instance: &Instance) -> (InstanceChange, Vec<Cause>) {
        let mut causes: Vec<Cause> = self.causes_of_limits(instance).map(|(cause, _)| cause).collect();
        let limits: Option<Limits> = (!causes.is_empty()).then(|| self.service.deploy.resources.limits.clone());
        let wanted = self.service.restart_policy();
        let restart = (instance.restart_policy != wanted).then_some(wanted);
        if instance.is_stopped_on_purpose() {
            // Its policy is the mark of that, and no other difference.
            let note = self.stops.get(&instance.id).filter(|note| note.is_about(instance));
            let by = note.map_or_else(String::new, |note| format!(" {}", note.to_words()));
            causes.push(Cause::new("state", format!("{STOPPED_ON_PURPOSE}{by}"), "running"));
            let changes = InPlace { limits, restart, ..InPlace::default() };
            return (InstanceChange::Start { old: Box::new(instance.clone()), changes }, causes);
        }
        causes.extend(restart.map(|to| self.caused("restart", &instance.restart_policy.to_string(), &to.to_string())));
        let (boxed, changes) = (Box::new(instance.clone()), InPlace { limits, restart, ..InPlace::default() });
        if !instance.is_running() {
            causes.push(Cause::new("state", describe(instance.state), "running"));
            return (InstanceChange::Start { old: boxed, changes }, causes);
        }
        match causes.is_empty() {
            true => (InstanceChange::Keep { instance: boxed }, causes),
            false => (InstanceChange::Update { old: boxed, changes }, causes),
        }
    }

    pub(super) fn caused(&self, field: &str, before: &str, after: &str) -> Cause {
        let path = ["services", self.service_name.as_str()].into_iter().chain(field.split('.'));
        let origin = self.origins.origin(&path.collect::<Vec<_>>());
        Cause { origin, ..Cause::new(field, before, after) }
    }
}

/// How the cause of a start begins, if someone had stopped it.
const STOPPED_ON_PURPOSE: &str = "stopped on purpose";

/// The digest of the program that a process service runs, if it was found.
pub fn executable<'a>(service: &Service, observed: &'a Observed) -> Option<&'a str> {
    let found = observed.executables.get(&service.program()?)?;
    found.as_ref().ok().map(String::as_str)
}

fn describe(state: InstanceState) -> String {
    match state {
        InstanceState::Created => "never started".to_owned(),
        InstanceState::Running => "running".to_owned(),
        InstanceState::Paused => "paused".to_owned(),
        InstanceState::Restarting => "restarting".to_owned(),
        InstanceState::Exited { killed_for_memory: true, .. } => "killed for memory".to_owned(),
        InstanceState::Exited { code, killed_for_memory: false } => format!("exited with code {code}"),
        InstanceState::Dead => "dead".to_owned(),
    }
}

fn name_of(runtime: RuntimeKind) -> &'static str {
    match runtime {
        RuntimeKind::Docker => "docker",
        RuntimeKind::Process => "process",
    }
}

/// The first twelve digits of a digest.
pub(super) fn short(id: &str) -> &str {
    let digits = id.trim_start_matches("sha256:");
    &digits[..digits.len().min(12)]
}
