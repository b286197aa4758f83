use std::{path::Path, sync::OnceLock, time::Duration};

use async_trait::async_trait;
use bollard::API_DEFAULT_VERSION;
use futures_util::stream::BoxStream;
use tokio::sync::OnceCell;

use super::{
    EngineAddress, call::Call, data_command, engine::Engine, exec, fault, instance, logs, observe, perform,
    volume_data, watch,
};
use crate::{
    action::{Action, Effect},
    diagnostic::Class,
    name::ProjectName,
    observed::{EngineFacts, Fault, Instance, Observed, RuntimeEvent, Wanted},
    plan::RuntimeKind,
    runtime::{ExecOutput, LogLine, LogQuery, Observe, Progress, Runtime},
};

/// The client's own limit on an answer's first byte, in seconds. It only has to be longer than ours,
/// which know what is being done.
const CLIENT_LIMIT_S: u64 = 24 * 60 * 60;

/// Containers of one Docker Engine. Nothing is dialled before the first question.
#[derive(Debug)]
pub struct Docker {
    address: EngineAddress,
    client: OnceLock<bollard::Docker>,
    engine: OnceCell<Engine>,
}

impl Docker {
    pub fn new(address: EngineAddress) -> Self {
        Self { address, client: OnceLock::new(), engine: OnceCell::new() }
    }

    pub fn address(&self) -> &EngineAddress {
        &self.address
    }

    pub(super) fn client(&self) -> Result<&bollard::Docker, Fault> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        // Neither dials. The version is only a default: the client sends none.
        let client = match &self.address {
            EngineAddress::Unix(path) => bollard::Docker::connect_with_unix(path, CLIENT_LIMIT_S, API_DEFAULT_VERSION),
            EngineAddress::Tcp { .. } => {
                bollard::Docker::connect_with_http(&self.address.to_string(), CLIENT_LIMIT_S, API_DEFAULT_VERSION)
            }
        };
        let call = Call::read(format!("use the engine at `{}`", self.address));
        let client = client.map_err(|error| fault::from_error(&call, &error))?;
        Ok(self.client.get_or_init(|| client))
    }

    pub(super) async fn engine(&self) -> Result<&Engine, Fault> {
        let ask = async {
            let call = Call::read(format!("ask the engine at `{}` for its version", self.address));
            let version = call.run(self.client()?.version()).await?;
            Ok(Engine::at(&self.address, &version).await)
        };
        self.engine.get_or_try_init(|| ask).await
    }

    pub(super) fn facts(&self, engine: &Engine) -> EngineFacts {
        EngineFacts { name: format!("docker {} at {}", engine.version, self.address), is_local: engine.is_local }
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
}
