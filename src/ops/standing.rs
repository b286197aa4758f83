use std::{collections::BTreeSet, sync::Arc};

use super::{
    Context, OpsError, Project,
    hold::Hold,
    instances::{Instances, instances, refuse_unknown, unknown},
    project::ProjectPlan,
    recover::{CutOff, find_cut_off},
    run::new_deployment,
    snapshot::cut_off::refuse_doubt,
};
use crate::{
    action::InstanceHandle,
    diagnostic::{Class, Diagnostics},
    graph::Graph,
    name::ServiceName,
    observed::{Fault, Instance},
    plan::{Interval, Plan, Service},
    runtime::Runtimes,
};

/// A project as someone finds it who does something to its instances by hand.
pub(super) struct Standing<'a> {
    pub project: &'a Project,
    pub known: ProjectPlan<'a>,
    pub runtimes: Runtimes,
    pub instances: Instances,
}

/// What is done to an instance by hand, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Stopping,
    Stopped,
    Starting,
    Started,
    /// It is started, and others wait for its checks.
    Awaited,
    Healthy,
    Paused,
    Unpaused,
    Signalled,
    LetGo,
    TakenBack,
    /// It was so already.
    AlreadySo,
}

/// Hears what is done to which instance.
pub type OnDeed<'a> = dyn FnMut(&str, Deed) + Send + 'a;

/// Takes the project's lock, and makes sure that no deployment waits to be ended: what is done by
/// hand would be taken back with it.
pub(super) async fn hold_whole(context: &Context, project: &Project) -> Result<(Hold, Runtimes), OpsError> {
    let (hold, runtimes) = Hold::of_project(context, project, new_deployment(), None).await?;
    let cut_off = match find_cut_off(&project.state, &project.name) {
        Ok(cut_off) => cut_off.filter(CutOff::is_to_be_ended).map(|cut_off| cut_off.record.id),
        Err(error) => {
            hold.release().await;
            return Err(error);
        }
    };
    if let Err(doubt) = refuse_doubt(&project.state, &project.name, &hold).await {
        hold.release().await;
        return Err(doubt);
    }
    let elsewhere = hold.unfinished().await.first().map(|left| left.deployment);
    match cut_off.or(elsewhere) {
        None => Ok((hold, runtimes)),
        Some(deployment) => {
            hold.release().await;
            let text = format!("deployment `{deployment}` was cut off, and what it left is not settled");
            let fault = Fault::new(Class::Deployment, "deployment-cut-off", text);
            Err(fault.hint("`orchestrate recover` brings it to its end").into())
        }
    }
}

impl<'a> Standing<'a> {
    /// Looks at what there is. What could not be looked at is added to `warnings`.
    pub async fn look(
        context: &Context,
        project: &'a Project,
        warnings: &mut Diagnostics,
    ) -> Result<Standing<'a>, OpsError> {
        Self::look_at(context, project, false, warnings).await
    }

    /// [`look`](Self::look), where `sees_forgotten` says whether what was let go is looked at, too.
    pub async fn look_at(
        context: &Context,
        project: &'a Project,
        sees_forgotten: bool,
        warnings: &mut Diagnostics,
    ) -> Result<Standing<'a>, OpsError> {
        let known = project.plan(warnings);
        let needed = project.needed(&known);
        let runtimes = Runtimes { sees_forgotten, ..project.runtimes(context, &needed)? };
        let instances = instances(&runtimes, &project.name, &needed, warnings).await?;
        Ok(Self { project, known, runtimes, instances })
    }

    pub fn plan(&self) -> &Plan {
        self.known.plan()
    }

    pub fn graph(&self) -> &Graph {
        self.known.graph()
    }

    pub fn service(&self, name: &ServiceName) -> Option<&Arc<Service>> {
        self.plan().services.get(name)
    }

    pub fn is_job(&self, name: &ServiceName) -> bool {
        self.service(name).is_some_and(|service| service.is_job())
    }

    /// The services that are named; all if none are.
    pub fn selected(&self, named: &[ServiceName]) -> Result<BTreeSet<ServiceName>, OpsError> {
        let all: BTreeSet<&ServiceName> = self.plan().services.keys().chain(self.instances.keys()).collect();
        refuse_unknown(named, &all)?;
        match named {
            [] => Ok(all.into_iter().cloned().collect()),
            named => Ok(named.iter().cloned().collect()),
        }
    }

    /// The selected services in the order in which they start: each wave needs only those before
    /// it. What the plan does not name comes first, since nothing is known of it.
    pub fn waves(&self, selected: &BTreeSet<ServiceName>) -> Vec<Vec<ServiceName>> {
        let unknown = selected.iter().filter(|name| !self.plan().services.contains_key(*name)).cloned().collect();
        let groups = self.graph().groups().iter();
        let planned = groups.map(|group| group.iter().filter(|name| selected.contains(*name)).cloned().collect());
        std::iter::once(unknown).chain(planned).filter(|wave: &Vec<ServiceName>| !wave.is_empty()).collect()
    }

    pub fn instances_of(&self, name: &ServiceName) -> &[Instance] {
        self.instances.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// One instance of a service: the one of that number, else its first that runs.
    pub fn one(&self, name: &ServiceName, number: Option<u32>) -> Result<&Instance, OpsError> {
        self.selected(std::slice::from_ref(name))?;
        let instances = self.instances_of(name);
        let found = match number {
            Some(number) => instances.iter().find(|instance| instance.identity.number == number),
            None => instances.iter().find(|instance| instance.is_running()).or(instances.first()),
        };
        found.ok_or_else(|| match number {
            Some(number) if !instances.is_empty() => {
                let numbers: Vec<String> = instances.iter().map(|found| found.identity.number.to_string()).collect();
                let known: Vec<&str> = numbers.iter().map(String::as_str).collect();
                unknown("instance", &format!("{name} {number}"), &[], &format!("there are: {}", known.join(", ")))
            }
            Some(_) | None => no_instance(name).into(),
        })
    }

    /// How long an instance may take to stop.
    pub fn grace(&self, instance: &Instance, asked: Option<Interval>) -> Interval {
        let own = || self.service(&instance.identity.service).map(|service| service.stop_grace());
        asked.or_else(own).unwrap_or_else(|| Service::default().stop_grace())
    }

    /// Which instances there are, by their ids.
    pub fn ids(&self) -> BTreeSet<&str> {
        self.instances.values().flatten().map(|instance| instance.id.as_str()).collect()
    }
}

pub(super) fn no_instance(name: &ServiceName) -> Fault {
    Fault::new(Class::Deployment, Fault::INSTANCE_NOT_FOUND, format!("`{name}` has no instance"))
        .hint("`orchestrate apply` makes it")
}

/// Refuses what only makes sense in something that runs.
pub(super) fn running(instance: &Instance) -> Result<&Instance, Fault> {
    match instance.is_running() {
        true => Ok(instance),
        false => {
            let text = format!("`{}` does not run", instance.name);
            let service = &instance.identity.service;
            Err(Fault::new(Class::Deployment, "not-running", text).hint(format!("`orchestrate start {service}`")))
        }
    }
}

/// How actions address an instance that exists.
pub(super) fn handle(instance: &Instance) -> InstanceHandle {
    InstanceHandle { slot: 0, name: instance.name.clone(), id: Some(instance.id.clone()) }
}

/// The first trouble of several things that were done side by side.
pub(super) fn first_trouble<T>(results: Vec<Result<T, Fault>>) -> Result<Vec<T>, Fault> {
    results.into_iter().collect()
}
