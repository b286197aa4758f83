use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use tokio::sync::OnceCell;

use super::{
    EngineAddress, Logins, Patience, attach, by_hand,
    call::{Call, Intent},
    compare, copy, data_command,
    engine::Engine,
    examine, exec, fault, image, instance, logs, observe,
    ownership::Ownership,
    perform, pull,
    transport::{self, Meter},
    vault::ReadyVault,
    volume_data, watch,
};
use crate::{
    action::{Action, Effect, InstanceSpec},
    diagnostic::Class,
    name::ProjectName,
    observed::{Capacity, Difference, EngineFacts, Fault, Instance, Observed, RuntimeEvent, Wanted},
    plan::{ImageReference, RuntimeKind},
    runtime::{
        Attached, Chunks, ExecOutput, ExecRequest, LogLine, LogQuery, Nudge, Observe, OneOff, PathFacts, ProcessTable,
        Progress, PullPolicy, Runtime, Usage,
    },
};

/// Containers of one Docker Engine. Nothing is dialled before the first question.
#[derive(Debug)]
pub struct Docker {
    address: EngineAddress,
    patience: Patience,
    logins: Logins,
    ownership: Ownership,
    client: OnceLock<bollard::Docker>,
    engine: OnceCell<Engine>,
    /// What is known of vaults that were made ready: their projects are locked, so nobody else
    /// writes to them.
    pub(super) ready_vaults: tokio::sync::Mutex<BTreeMap<ProjectName, ReadyVault>>,
}

impl Docker {
    pub fn new(address: EngineAddress) -> Self {
        Self::with_patience(address, Patience::default())
    }

    /// [`new`](Self::new), with other bounds on what the engine may take and say.
    pub fn with_patience(address: EngineAddress, patience: Patience) -> Self {
        Self {
            address,
            patience,
            logins: Logins::default(),
            ownership: Ownership::default(),
            client: OnceLock::new(),
            engine: OnceCell::new(),
            ready_vaults: Default::default(),
        }
    }

    /// With the logins that images are pulled with; without them only what anyone may pull is.
    pub fn with_logins(self, logins: Logins) -> Self {
        Self { logins, ..self }
    }

    /// The same, where what Compose's project of that name made is the project's as well.
    pub fn adopting(self, project: ProjectName) -> Self {
        Self { ownership: Ownership::adopting(project), ..self }
    }

    pub(super) fn ownership(&self) -> &Ownership {
        &self.ownership
    }

    pub fn address(&self) -> &EngineAddress {
        &self.address
    }

    pub(super) fn logins(&self) -> &Logins {
        &self.logins
    }

    pub(super) fn patience(&self) -> &Patience {
        &self.patience
    }

    /// A call that only looks; `doing` goes into the message if it fails.
    pub(super) fn read(&self, doing: impl Into<String>) -> Call {
        Call { intent: Intent::Read, doing: doing.into(), limit: self.patience.usual }
    }

    /// A call that may change something.
    pub(super) fn change(&self, doing: impl Into<String>) -> Call {
        Call { intent: Intent::Change, doing: doing.into(), limit: self.patience.usual }
    }

    pub(super) fn client(&self) -> Result<&bollard::Docker, Fault> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = transport::for_answers(&self.address, self.patience.answer_bytes);
        let client = client.map_err(|error| self.unusable(&error))?;
        Ok(self.client.get_or_init(|| client))
    }

    /// A client for one stream, and the meter that whoever reads it fills up with each message.
    pub(super) fn streaming(&self) -> Result<(bollard::Docker, Arc<Meter>), Fault> {
        let made = transport::for_stream(&self.address, self.patience.message_bytes);
        made.map_err(|error| self.unusable(&error))
    }

    fn unusable(&self, error: &bollard::errors::Error) -> Fault {
        fault::from_error(&self.read(format!("use the engine at `{}`", self.address)), error)
    }

    pub(super) async fn engine(&self) -> Result<&Engine, Fault> {
        let ask = async {
            let call = self.read(format!("ask the engine at `{}` for its version", self.address));
            let version = call.run(self.client()?.version()).await?;
            Ok(Engine::at(&self.address, &version).await)
        };
        self.engine.get_or_try_init(|| ask).await
    }

    pub(super) fn facts(&self, engine: &Engine) -> EngineFacts {
        EngineFacts {
            name: format!("docker {} at {}", engine.version, self.address),
            major_version: engine.version.split('.').next().and_then(|major| major.parse().ok()),
            is_local: engine.is_local,
        }
    }
}

fn only_docker(runtime: RuntimeKind) -> Result<(), Fault> {
    match runtime {
        RuntimeKind::Docker => Ok(()),
        RuntimeKind::Process => {
            Err(Fault::new(Class::Configuration, "wrong-runtime", "a Docker Engine does not run local processes"))
        }
    }
}

#[async_trait]
impl Observe for Docker {
    async fn observe(&self, wanted: &Wanted) -> Result<Observed, Fault> {
        if !wanted.runtimes.contains(&RuntimeKind::Docker) {
            return Ok(Observed::default());
        }
        observe::observe(self, wanted).await
    }

    async fn held_images(&self, project: &ProjectName) -> Result<BTreeSet<String>, Fault> {
        image::held(self, project).await
    }

    async fn capacity(&self) -> Result<Option<Capacity>, Fault> {
        examine::capacity(self).await.map(Some)
    }

    async fn registry_digest(&self, image: &ImageReference) -> Result<Option<String>, Fault> {
        pull::registry_digest(self, image).await.map(Some)
    }

    async fn differences(&self, adopted: &[(Instance, InstanceSpec)]) -> Result<Vec<Vec<Difference>>, Fault> {
        compare::differences(self, adopted).await
    }

    async fn inspect(&self, runtime: RuntimeKind, id: &str) -> Result<Option<Instance>, Fault> {
        only_docker(runtime)?;
        instance::inspect(self, id).await
    }

    async fn logs(
        &self,
        runtime: RuntimeKind,
        id: &str,
        query: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, Fault>>, Fault> {
        only_docker(runtime)?;
        logs::read(self, id, query).await
    }

    async fn watch(&self, project: &ProjectName) -> Result<BoxStream<'static, RuntimeEvent>, Fault> {
        watch::watch(self, project).await
    }

    async fn exec(
        &self,
        runtime: RuntimeKind,
        id: &str,
        command: &[String],
        timeout: Duration,
    ) -> Result<ExecOutput, Fault> {
        only_docker(runtime)?;
        exec::exec(self, id, command, timeout).await
    }

    async fn usage(&self, runtime: RuntimeKind, id: &str) -> Result<Usage, Fault> {
        only_docker(runtime)?;
        by_hand::usage(self, id).await
    }

    async fn processes(&self, runtime: RuntimeKind, id: &str) -> Result<ProcessTable, Fault> {
        only_docker(runtime)?;
        by_hand::processes(self, id).await
    }

    async fn path_facts(&self, runtime: RuntimeKind, id: &str, path: &str) -> Result<Option<PathFacts>, Fault> {
        only_docker(runtime)?;
        copy::facts(self, id, path).await
    }

    async fn copy_out(&self, runtime: RuntimeKind, id: &str, path: &str) -> Result<Chunks, Fault> {
        only_docker(runtime)?;
        copy::read(self, id, path).await
    }
}

#[async_trait]
impl Runtime for Docker {
    async fn perform(
        &self,
        runtime: RuntimeKind,
        action: &Action,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Effect, Fault> {
        only_docker(runtime)?;
        perform::perform(self, action, progress).await
    }

    async fn restore_volume(
        &self,
        project: &ProjectName,
        volume: &str,
        from: &Path,
        timeout: Duration,
    ) -> Result<(), Fault> {
        volume_data::restore(self, project, volume, from, timeout).await
    }

    async fn feed(
        &self,
        runtime: RuntimeKind,
        id: &str,
        command: &[String],
        from: &Path,
        timeout: Duration,
    ) -> Result<(), Fault> {
        only_docker(runtime)?;
        data_command::feed(self, id, command, from, timeout).await
    }

    async fn attach(&self, runtime: RuntimeKind, id: &str, request: &ExecRequest) -> Result<Attached, Fault> {
        only_docker(runtime)?;
        attach::exec(self, id, request).await
    }

    async fn run_once(&self, runtime: RuntimeKind, one_off: &OneOff) -> Result<(Option<String>, Attached), Fault> {
        only_docker(runtime)?;
        let (id, attached) = attach::run_once(self, one_off).await?;
        Ok((Some(id), attached))
    }

    async fn copy_in(&self, runtime: RuntimeKind, id: &str, directory: &str, archive: Chunks) -> Result<(), Fault> {
        only_docker(runtime)?;
        copy::write(self, id, directory, archive).await
    }

    async fn nudge(&self, runtime: RuntimeKind, id: &str, nudge: &Nudge) -> Result<(), Fault> {
        only_docker(runtime)?;
        by_hand::nudge(self, id, nudge).await
    }

    async fn pull(
        &self,
        image: &ImageReference,
        policy: PullPolicy,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Effect, Fault> {
        match policy {
            PullPolicy::Missing => {
                pull::pull(self, &pull::Pull { image, digest: None, platform: None }, progress).await
            }
            PullPolicy::Always => pull::refresh(self, image, progress).await,
        }
    }
}
