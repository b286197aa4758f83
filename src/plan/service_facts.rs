//! What follows from a service as it is written.

use std::collections::BTreeSet;

use super::{
    Check, CheckKind, Interval, Kind, Namespace, Peer, Program, RestartPolicy, RestartRule, RuntimeKind, Service,
};
use crate::{name::ServiceName, secret::Text};

impl Service {
    /// What runs it: `load` refuses a service for which this would be a guess.
    pub fn runtime(&self) -> RuntimeKind {
        self.runtime.unwrap_or(RuntimeKind::Docker)
    }

    pub fn is_job(&self) -> bool {
        self.kind == Kind::Job
    }

    /// How many instances there are to be.
    pub fn replicas(&self) -> u32 {
        self.deploy.replicas.unwrap_or(1)
    }

    /// The policy that is in force: a job is never restarted unless it says so.
    pub fn restart_policy(&self) -> RestartPolicy {
        let rule = || self.deploy.restart_policy.as_ref().map(RestartRule::policy);
        self.restart.or_else(rule).unwrap_or(RestartPolicy::No)
    }

    /// What it shares with other services, by its field: `network_mode`, `volumes_from[0]`.
    pub fn shared(&self) -> Vec<(String, &ServiceName)> {
        let namespaces = [("network_mode", &self.network_mode), ("pid", &self.pid), ("ipc", &self.ipc)];
        let namespaces = namespaces.into_iter().filter_map(|(field, namespace)| {
            Some((field.to_owned(), namespace.as_ref().and_then(Namespace::service)?))
        });
        let volumes = self.volumes_from.iter().enumerate().filter_map(|(index, from)| match &from.peer {
            Peer::Service(name) => Some((format!("volumes_from[{index}]"), name)),
            Peer::Container(_) => None,
        });
        namespaces.chain(volumes).collect()
    }

    /// The services whose containers it shares something with, and so lives and dies with.
    pub fn peers(&self) -> BTreeSet<&ServiceName> {
        self.shared().into_iter().map(|(_, name)| name).collect()
    }

    /// The program that it runs, if it is a process.
    pub fn program(&self) -> Option<Program> {
        let is_process = self.runtime() == RuntimeKind::Process;
        let word = self.command.as_ref().filter(|_| is_process)?.0.first()?.expose().to_owned();
        let path = self.environment.get("PATH").and_then(|path| path.as_ref().map(|path| path.expose().to_owned()));
        Some(Program { word, working_dir: self.working_dir.clone(), path })
    }

    /// How long it may take to stop before it is killed.
    pub fn stop_grace(&self) -> Interval {
        self.stop_grace_period.unwrap_or(Interval::from_millis(10_000))
    }

    /// The checks that gate it: its own, and its healthcheck as one of them.
    pub fn gating_checks(&self) -> Vec<Check> {
        let engine =
            self.healthcheck.as_ref().filter(|healthcheck| !healthcheck.is_off()).map(|healthcheck| {
                match self.runtime() {
                    RuntimeKind::Docker => Check::of(CheckKind::Engine, healthcheck),
                    RuntimeKind::Process => Check::of(CheckKind::Command(healthcheck.as_command()), healthcheck),
                }
            });
        engine.into_iter().chain(self.checks.iter().cloned()).collect()
    }

    /// Whether its image's own healthcheck gates it, if the image has one.
    pub fn may_inherit_healthcheck(&self) -> bool {
        self.runtime() == RuntimeKind::Docker && self.healthcheck.is_none()
    }

    /// Hands every text that may be secret to `visit`: to seal, open or fingerprint them.
    pub fn visit_texts(&mut self, visit: &mut dyn FnMut(&mut Text)) {
        let lines = [&mut self.command, &mut self.entrypoint].into_iter().flatten();
        lines.flat_map(|line| line.0.iter_mut()).for_each(&mut *visit);
        self.environment.values_mut().flatten().for_each(&mut *visit);
        self.healthcheck.iter_mut().flat_map(|healthcheck| healthcheck.test.iter_mut()).for_each(&mut *visit);
        self.checks.iter_mut().for_each(|check| check.visit_texts(visit));
        self.snapshot.iter_mut().for_each(|snapshot| snapshot.visit_texts(visit));
        let args = self.build.iter_mut().flat_map(|build| build.0.args.values_mut()).flatten();
        args.for_each(&mut *visit);
        let files = self.configs.iter_mut().chain(&mut self.secrets);
        files.filter_map(|file| file.digest.as_mut()).for_each(&mut *visit);
        let files = self.configs.iter_mut().chain(&mut self.secrets).map(|file| &mut file.on_change);
        let reactions = files.chain(self.volumes.iter_mut().map(|mount| &mut mount.on_change)).flatten();
        reactions.for_each(|on_change| on_change.visit_texts(visit));
    }
}
