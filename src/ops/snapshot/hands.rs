//! What is done to services and their data, one call at a time.

use std::{collections::BTreeSet, path::Path, time::Duration};

use super::site::{Item, Site, policy_of};
use crate::{
    action::{Action, Effect, InstanceHandle, dump_file, volume_file},
    diagnostic::Class,
    driver::Clock,
    journal::{DataSource, SavedData},
    name::ServiceName,
    observed::{Fault, Instance},
    ops::checks::{Asking, GLANCE, ask_checks},
    plan::{Importance, Interval, RuntimeKind, Service},
    runtime::{Observe as _, Runtime as _},
    store::SnapshotDirectory,
};

/// How long services may take to be well again, whatever their checks say.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// How long one without checks has to stay up to be well.
const SETTLING: Duration = Duration::from_secs(1);

impl Site<'_> {
    /// Performs an action outside of a deployment.
    pub async fn perform(&self, runtime: RuntimeKind, action: Action) -> Result<Effect, Fault> {
        let performed = self.runtimes.perform(runtime, &action, &|_| {}).await;
        performed.map_err(|fault| self.scrubbed(fault))
    }

    pub fn scrubbed(&self, fault: Fault) -> Fault {
        Fault { text: self.scrubber().line(&fault.text), ..fault }
    }

    /// Refuses to go on once someone wants it to stop.
    pub fn go_on(&self) -> Result<(), Fault> {
        match self.context.interrupt.is_cancelled() {
            false => Ok(()),
            true => Err(Fault::new(Class::Deployment, "interrupted", "interrupted")),
        }
    }

    pub async fn stop(&self, instances: &[&Instance]) -> Result<(), Fault> {
        for instance in instances {
            let grace = self.grace(instance);
            self.perform(instance.runtime, Action::Stop { instance: handle(instance), grace }).await?;
        }
        Ok(())
    }

    /// Starts them all, also those behind one that cannot be started; answers what went wrong.
    pub async fn start(&self, instances: &[&Instance]) -> Vec<String> {
        let mut trouble = Vec::new();
        for instance in instances {
            let grace = self.grace(instance);
            let started = self.perform(instance.runtime, Action::Start { instance: handle(instance), grace }).await;
            trouble.extend(started.err().map(|fault| fault.to_string()));
        }
        trouble
    }

    /// Writes one item's data into a directory.
    pub async fn save(&self, item: &Item, directory: &Path) -> Result<SavedData, Fault> {
        self.go_on()?;
        let policy = policy_of(self.plan(), &item.service);
        let (timeout, directory) = (policy.timeout(), directory.display().to_string());
        let (action, to) = match &item.source {
            DataSource::Volume { name } => {
                let to = volume_file(&directory, &item.service, item.index);
                let (project, volume) = (self.project.name.clone(), name.clone());
                (Action::SaveVolume { project, volume, to: to.clone(), timeout }, to)
            }
            DataSource::Dump => {
                let to = dump_file(&directory, &item.service);
                let instance = handle(self.first_running(&item.service)?);
                let command = policy.dump.unwrap_or_default();
                (Action::Dump { instance, command, to: to.clone(), timeout }, to)
            }
        };
        match self.perform(item.runtime, action).await? {
            Effect::Saved { bytes, digest } => Ok(SavedData {
                service: item.service.clone(),
                runtime: item.runtime,
                source: item.source.clone(),
                file: SnapshotDirectory::relative(Path::new(&to)),
                bytes,
                digest,
            }),
            Effect::Done | Effect::AlreadySo | Effect::Created { .. } | Effect::Started { .. } | Effect::Ran { .. } => {
                unreachable!("saving answers what was saved")
            }
        }
    }

    pub fn first_running(&self, service_name: &ServiceName) -> Result<&Instance, Fault> {
        self.running(service_name).first().copied().ok_or_else(|| {
            let text = format!("`{service_name}` does not run, and its commands need it");
            Fault::new(Class::Dependency, "not-running", text).hint("`orchestrate apply` starts it")
        })
    }

    /// Waits until the services' checks pass; answers what does not by then.
    pub async fn wait_until_well(&self, services: &BTreeSet<ServiceName>) -> Result<Vec<String>, Fault> {
        let ids: Vec<(RuntimeKind, String)> = self
            .observed
            .instances
            .iter()
            .filter(|instance| services.contains(&instance.identity.service))
            .filter(|instance| self.is_of_plan(instance))
            .map(|instance| (instance.runtime, instance.id.clone()))
            .collect();
        let clock = Clock::start();
        let (begun_at, patience) = (clock.now(), self.patience(services));
        let mut pause = Duration::from_millis(20);
        loop {
            let mut instances = Vec::new();
            for (runtime, id) in &ids {
                instances.extend(self.runtimes.inspect(*runtime, id).await?);
            }
            let waited = clock.now().since(begun_at);
            let failing = self.failing(&instances).await;
            let has_settled = waited >= SETTLING || services.iter().all(|name| self.has_checks(name));
            if failing.is_empty() && has_settled {
                return Ok(failing);
            }
            if waited >= patience || self.context.interrupt.is_cancelled() {
                return Ok(failing);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    async fn failing(&self, instances: &[Instance]) -> Vec<String> {
        let down = instances.iter().filter(|instance| !instance.is_running());
        let mut failing: Vec<String> = down.map(|instance| format!("`{}` does not run", instance.name)).collect();
        let asking = Asking {
            runtime: &self.runtimes,
            plan: self.plan(),
            directory: &self.project.directory,
            scrubber: self.scrubber(),
            patience: GLANCE,
        };
        let is_critical = |check: &crate::plan::Check| check.severity == Importance::Critical;
        for asked in ask_checks(&asking, instances.iter(), is_critical).await {
            if !asked.answer.has_passed {
                let (name, label) = (&asked.instance.name, asked.check.label());
                failing.push(format!("`{name}`: check `{label}`: {}", asked.answer.text));
            }
        }
        failing
    }

    fn has_checks(&self, service_name: &ServiceName) -> bool {
        self.plan().services.get(service_name).is_some_and(|service| !service.gating_checks().is_empty())
    }

    /// As long as the most patient check would wait for its service to start.
    fn patience(&self, services: &BTreeSet<ServiceName>) -> Duration {
        let planned = services.iter().filter_map(|name| self.plan().services.get(name));
        let checks = planned.flat_map(|service| service.gating_checks());
        let waits =
            checks.map(|check| check.start_period.0 + (check.interval.0 + check.timeout.0) * (check.retries + 1));
        waits.max().unwrap_or(SETTLING).clamp(SETTLING, LONGEST_WAIT)
    }

    /// Whether it is an instance that the plan wants, not one that a deployment has left.
    pub fn is_of_plan(&self, instance: &Instance) -> bool {
        self.plan().instance_name(&instance.identity.service, instance.identity.number) == instance.name
    }

    fn grace(&self, instance: &Instance) -> Interval {
        let service = self.plan().services.get(&instance.identity.service);
        service.map_or_else(|| Service::default().stop_grace(), |service| service.stop_grace())
    }
}

pub(super) fn handle(instance: &Instance) -> InstanceHandle {
    InstanceHandle { slot: 0, name: instance.name.clone(), id: Some(instance.id.clone()) }
}
