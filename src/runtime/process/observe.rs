use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use super::{
    create::absolute,
    environment::caller_path,
    exec::exec,
    files,
    listeners::listeners,
    log_reader::read_logs,
    processes::{Processes, Shared},
    registry::Entry,
    status::Condition,
    trouble::blocking,
    watch::watch,
};
use crate::{
    diagnostic::Class,
    name::ProjectName,
    observed::{EngineFacts, Fault, Foreign, Health, Instance, InstanceState, Observed, PublishedPort, Reach, Wanted},
    plan::SPEC_VERSION,
    plan::{Limits, Program, RuntimeKind},
    runtime::{Chunks, ExecOutput, LogLine, LogQuery, Observe, PathFacts, ProcessTable, RuntimeEvent, Usage},
};

impl Entry {
    /// The instance as it is now.
    pub(super) fn instance(&self) -> Instance {
        self.instance_in(&self.condition())
    }

    fn instance_in(&self, condition: &Condition) -> Instance {
        let record = &self.record;
        let state = condition.state();
        let status = condition.status();
        let is_readable =
            record.document.get("version").and_then(serde_json::Value::as_u64) == Some(SPEC_VERSION.into());
        let port = |port: &crate::plan::Port| PublishedPort {
            target: port.target,
            protocol: port.protocol,
            host_ip: port.host_ip,
            host_port: port.published.unwrap_or(port.target),
        };
        Instance {
            shares: Default::default(),
            memory_reservation: None,
            files: Default::default(),
            runtime: RuntimeKind::Process,
            id: record.id.clone(),
            name: record.name.clone(),
            identity: record.identity.clone(),
            spec: is_readable.then(|| Arc::new(record.document.clone())),
            adopted: None,
            salt: record.salt.clone(),
            state,
            health: Health::None,
            health_output: None,
            started_at: status.map(|status| status.started_at),
            log_since: status.map(|status| status.started_at),
            restart_count: status.map_or(0, |status| status.restart_count),
            image_id: record.digest().map(ToString::to_string).unwrap_or_default(),
            limits: Limits::default(),
            restart_policy: record.restart,
            networks: BTreeMap::new(),
            ports: record.ports.iter().map(port).collect(),
            reach: match state {
                InstanceState::Running => Reach::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                InstanceState::Created
                | InstanceState::Paused
                | InstanceState::Restarting
                | InstanceState::Exited { .. }
                | InstanceState::Dead => Reach::Nowhere,
            },
        }
    }
}

impl Shared {
    fn observed(&self, wanted: &Wanted) -> Result<Observed, Fault> {
        let entries = self.registry.entries(&wanted.project)?;
        let mut pids = BTreeMap::new();
        let mut instances = Vec::with_capacity(entries.len());
        for entry in entries {
            let condition = entry.condition();
            if let (InstanceState::Running, Some(status)) = (condition.state(), condition.status()) {
                pids.insert(status.pid, entry.record.name.clone());
            }
            instances.push(Instance { files: files::seen(&entry.record), ..entry.instance_in(&condition) });
        }
        let engine = EngineFacts { name: "local processes".to_owned(), major_version: None, is_local: true };
        Ok(Observed {
            engines: [(RuntimeKind::Process, engine)].into(),
            instances,
            foreign: self.foreign(wanted)?,
            executables: self.wanted_executables(&wanted.executables),
            // Reading the kernel's tables takes longer than all the rest, so only where it matters.
            listeners: match wanted.runtimes.contains(&RuntimeKind::Process) {
                true => listeners(&pids),
                false => BTreeSet::new(),
            },
            ..Observed::default()
        })
    }

    /// Instances of other projects that have a name which this one wants.
    fn foreign(&self, wanted: &Wanted) -> Result<Vec<Foreign>, Fault> {
        let mut foreign = Vec::new();
        for project in self.registry.projects()?.into_iter().filter(|project| *project != wanted.project) {
            let entries = self.registry.entries(&project)?;
            let named = entries.into_iter().filter(|entry| wanted.instance_names.contains(&entry.record.name));
            foreign.extend(named.map(|Entry { record, .. }| Foreign {
                runtime: RuntimeKind::Process,
                id: record.id,
                name: record.name,
                owner: Some(project.to_string()),
            }));
        }
        Ok(foreign)
    }

    fn wanted_executables(&self, wanted: &BTreeSet<Program>) -> BTreeMap<Program, Result<String, Fault>> {
        let callers = caller_path();
        let digest = |program: &Program| {
            let working_dir = absolute(program.working_dir.as_deref().unwrap_or("."))?;
            let path = program.path.as_ref().unwrap_or(&callers);
            self.executables.locate(&program.word, path, &working_dir).map(|(_, digest)| digest.to_string())
        };
        wanted.iter().map(|program| (program.clone(), digest(program))).collect()
    }

    pub(super) fn required(&self, id: &str) -> Result<Entry, Fault> {
        self.registry.find(id)?.ok_or_else(|| gone(id))
    }
}

pub(super) fn gone(what: &str) -> Fault {
    Fault::new(Class::Deployment, Fault::INSTANCE_NOT_FOUND, format!("there is no process instance `{what}`"))
        .hint("it was removed meanwhile: apply again")
}

/// This runtime was asked about another one's instance: a mistake in this program.
pub(super) fn of_processes(runtime: RuntimeKind) -> Result<(), Fault> {
    match runtime {
        RuntimeKind::Process => Ok(()),
        RuntimeKind::Docker => {
            Err(Fault::new(Class::Deployment, "not-a-process", "a container was looked for among the processes"))
        }
    }
}

#[async_trait]
impl Observe for Processes {
    async fn observe(&self, wanted: &Wanted) -> Result<Observed, Fault> {
        let (shared, wanted) = (self.shared.clone(), wanted.clone());
        blocking(move || shared.observed(&wanted)).await
    }

    async fn inspect(&self, runtime: RuntimeKind, id: &str) -> Result<Option<Instance>, Fault> {
        of_processes(runtime)?;
        Ok(self.shared.registry.find(id)?.map(|entry| entry.instance()))
    }

    async fn logs(
        &self,
        runtime: RuntimeKind,
        id: &str,
        query: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, Fault>>, Fault> {
        of_processes(runtime)?;
        Ok(read_logs(self.shared.required(id)?.directory, query))
    }

    async fn watch(&self, project: &ProjectName) -> Result<BoxStream<'static, RuntimeEvent>, Fault> {
        Ok(watch(self.shared.registry.make_project(project)?))
    }

    async fn exec(
        &self,
        runtime: RuntimeKind,
        id: &str,
        command: &[String],
        timeout: Duration,
    ) -> Result<ExecOutput, Fault> {
        of_processes(runtime)?;
        let (_, launch) = self.beside(&self.shared.required(id)?)?;
        exec(&launch, command, timeout).await
    }

    async fn usage(&self, runtime: RuntimeKind, id: &str) -> Result<Usage, Fault> {
        of_processes(runtime)?;
        let (this, id) = (self.clone(), id.to_owned());
        blocking(move || this.usage_of(&id)).await
    }

    async fn processes(&self, runtime: RuntimeKind, id: &str) -> Result<ProcessTable, Fault> {
        of_processes(runtime)?;
        let (this, id) = (self.clone(), id.to_owned());
        blocking(move || this.table_of(&id)).await
    }

    async fn path_facts(&self, runtime: RuntimeKind, id: &str, path: &str) -> Result<Option<PathFacts>, Fault> {
        of_processes(runtime)?;
        self.facts_of(id, path)
    }

    async fn copy_out(&self, runtime: RuntimeKind, id: &str, path: &str) -> Result<Chunks, Fault> {
        of_processes(runtime)?;
        self.read_path(id, path)
    }
}
