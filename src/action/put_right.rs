use std::{collections::BTreeMap, sync::Arc};

use super::{Action, Actions, InstanceHandle, Phase, Slot, Step, StepId};
use crate::{
    name::{DeploymentId, ServiceName},
    observed::{Instance, Reached},
    plan::{Interval, Kind, Limits, RuntimeKind, Service},
};

/// What puts right a deployment that was cut off, from nothing but the names and labels of what is
/// there: its own journal is on another host, or lost. Past the commit point the predecessors go;
/// before it what it made goes, and the predecessors get their names back and run again.
///
/// Done again it changes nothing more, so it needs no journal of its own. Labels do not tell what is
/// changed in place, nor what a service is for: `in_force` does, the services of the last deployment
/// that succeeded. Of a service that is not among them, limits and restart policy stay.
pub fn put_right(
    instances: &[Instance],
    deployment: DeploymentId,
    reached: Reached,
    in_force: &BTreeMap<ServiceName, Arc<Service>>,
) -> Actions {
    let mut putting = PuttingRight { actions: Actions::default(), in_force };
    let retired = format!(".old-{deployment}");
    match reached {
        Reached::Commit => {
            for instance in instances.iter().filter(|instance| instance.name.ends_with(&retired)) {
                let handle = putting.slot(instance);
                putting.push(Phase::Cleanup, instance, Action::Remove { instance: handle, made_by: None }, None);
            }
        }
        // Whoever restores data makes no instance.
        Reached::Restoring => {}
        Reached::BeforeCommit => {
            let is_made = |instance: &&Instance| instance.identity.deployment == deployment;
            for made in instances.iter().filter(is_made) {
                putting.take_away(made);
            }
            for other in instances.iter().filter(|instance| !is_made(instance)) {
                putting.restore(other, &retired);
            }
        }
    }
    putting.actions
}

struct PuttingRight<'a> {
    actions: Actions,
    in_force: &'a BTreeMap<ServiceName, Arc<Service>>,
}

impl PuttingRight<'_> {
    /// What the deployment made goes, before anything is started again: it may hold ports and names.
    fn take_away(&mut self, made: &Instance) {
        let instance = self.slot(made);
        let mut last = None;
        if made.is_active() {
            let grace = stop_grace(made);
            let stop = Action::Stop { instance: instance.clone(), grace };
            last = Some(self.push(Phase::EnvironmentSetup, made, stop, None));
        }
        self.push(Phase::EnvironmentSetup, made, Action::Remove { instance, made_by: None }, last);
    }

    /// What ran before gets its name back, if it lost it, and runs again, if it was stopped.
    fn restore(&mut self, old: &Instance, retired: &str) {
        let name = old.name.strip_suffix(retired);
        let known = self.in_force.get(&old.identity.service).cloned();
        let is_job = known.as_ref().is_some_and(|service| service.kind == Kind::Job);
        let is_stopped = !old.is_active() && !is_job;
        let mut instance = self.slot(old);
        let mut last = None;
        // A deployment takes the policy away before it stops something: this was someone else.
        let is_to_stay = old.is_stopped_on_purpose();
        if let Some(name) = name {
            let rename = Action::Rename { instance: instance.clone(), to: name.to_owned() };
            last = Some(self.push(Phase::ServiceDeployment, old, rename, last));
            instance.name = name.to_owned();
        }
        let limits = known.as_ref().and_then(|service| limits_to_set(old, service));
        if let Some(to) = limits {
            let set = Action::SetLimits { instance: instance.clone(), from: old.limits.clone(), to };
            last = Some(self.push(Phase::ServiceDeployment, old, set, last));
        }
        let from = old.restart_policy;
        let wanted = known.as_ref().filter(|_| !is_to_stay);
        let to = wanted.map_or(from, |service| service.restart_policy());
        if from != to {
            let set = Action::SetRestartPolicy { instance: instance.clone(), from, to };
            last = Some(self.push(Phase::ServiceDeployment, old, set, last));
        }
        if is_stopped && !is_to_stay {
            let start = Action::Start { instance, grace: stop_grace(old) };
            self.push(Phase::ServiceDeployment, old, start, last);
        }
    }

    fn slot(&mut self, instance: &Instance) -> InstanceHandle {
        let slot = u32::try_from(self.actions.slots.len()).expect("instances are bounded far below 2³²");
        self.actions.slots.push(Slot {
            service: instance.identity.service.clone(),
            number: instance.identity.number,
            name: instance.name.clone(),
            runtime: instance.runtime,
            observed: Some(Box::new(instance.clone())),
            stays: false,
            snapshot: None,
        });
        InstanceHandle { slot, name: instance.name.clone(), id: Some(instance.id.clone()) }
    }

    fn push(&mut self, phase: Phase, about: &Instance, action: Action, after: Option<StepId>) -> StepId {
        let id = StepId(u32::try_from(self.actions.steps.len()).expect("steps are bounded far below 2³²"));
        let step = Step::new(id, phase, about.runtime, action, after.into_iter().collect());
        self.actions.steps.push(Step { service: Some(about.identity.service.clone()), ..step });
        id
    }
}

fn written<'a>(instance: &'a Instance, key: &str) -> Option<&'a serde_json::Value> {
    instance.spec.as_ref()?.get("service")?.get(key)
}

/// The limits that it had, if they are others now: only what has a value before and after can have
/// been changed in place.
fn limits_to_set(instance: &Instance, service: &Service) -> Option<Limits> {
    let (now, before) = (&instance.limits, &service.deploy.resources.limits);
    let to = Limits {
        cpus: now.cpus.and(before.cpus),
        memory: now.memory.and(before.memory),
        pids: now.pids.and(before.pids),
    };
    (instance.runtime == RuntimeKind::Docker && to != *now).then_some(to)
}

fn stop_grace(instance: &Instance) -> Interval {
    let grace = written(instance, "stop_grace_period").and_then(|grace| grace.as_str());
    let grace = grace.and_then(|grace| Interval::try_from(grace.to_owned()).ok());
    grace.unwrap_or_else(|| Service::default().stop_grace())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::RestartPolicy;

    fn instance(name: &str, service: &str, deployment: &str, is_running: bool, policy: &str) -> Instance {
        let state = if is_running { "running" } else { "created" };
        serde_json::from_value(serde_json::json!({
            "runtime": "docker", "id": name, "name": name, "salt": "",
            "spec": { "service": {} },
            "identity": { "project": "app", "service": service, "number": 1, "deployment": deployment },
            "state": { "state": state }, "health": "none", "started_at": null, "restart_count": 0,
            "image_id": "sha256:0", "limits": {}, "restart_policy": policy, "networks": {}, "ports": [],
            "reach": "nowhere",
        }))
        .unwrap()
    }

    fn stopped(instance: Instance) -> Instance {
        let state = crate::observed::InstanceState::Exited { code: 143, killed_for_memory: false };
        Instance { state, ..instance }
    }

    #[test]
    fn names_and_labels_tell_what_to_do() {
        let world = [
            // Replaced and running; replaced, not yet renamed; staged only; on its way out; untouched.
            instance("app-a-1", "a", "bbbbbbbb", true, "always"),
            instance("app-a-1.old-bbbbbbbb", "a", "aaaaaaaa", false, "no"),
            instance("app-b-1.new-bbbbbbbb", "b", "bbbbbbbb", false, "always"),
            instance("app-b-1", "b", "aaaaaaaa", false, "no"),
            instance("app-c-1", "c", "aaaaaaaa", true, "always"),
            instance("app-job-1", "job", "aaaaaaaa", false, "no"),
            // Someone stopped it before: it stays so.
            stopped(instance("app-d-1.old-bbbbbbbb", "d", "aaaaaaaa", false, "unless-stopped")),
        ];
        let deployment: DeploymentId = "bbbbbbbb".parse().unwrap();
        let service = |name: &str| {
            let kind = if name == "job" { Kind::Job } else { Kind::Service };
            let restart = (kind == Kind::Service).then_some(RestartPolicy::Always);
            (name.parse().unwrap(), Arc::new(Service { kind, restart, ..Service::default() }))
        };
        let in_force = ["a", "b", "c", "d", "job"].map(service).into();
        insta::assert_snapshot!(put_right(&world, deployment, Reached::BeforeCommit, &in_force), @r"
        #0 environment_setup  a: stop app-a-1 within 10s
        #1 environment_setup  a: remove app-a-1 (after #0)
        #2 environment_setup  b: remove app-b-1.new-bbbbbbbb
        #3 service_deployment  a: rename app-a-1.old-bbbbbbbb to app-a-1
        #4 service_deployment  a: set restart policy of app-a-1 from no to always (after #3)
        #5 service_deployment  a: start app-a-1 (after #4)
        #6 service_deployment  b: set restart policy of app-b-1 from no to always
        #7 service_deployment  b: start app-b-1 (after #6)
        #8 service_deployment  d: rename app-d-1.old-bbbbbbbb to app-d-1
        ");
        insta::assert_snapshot!(
            put_right(&world, deployment, Reached::Commit, &in_force),
            @r"
        #0 cleanup  a: remove app-a-1.old-bbbbbbbb
        #1 cleanup  d: remove app-d-1.old-bbbbbbbb
        "
        );
    }
}
