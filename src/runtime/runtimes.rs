use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream::BoxStream};

use super::{ExecOutput, LockRegister, LogLine, LogQuery, Observe, Progress, Runtime, RuntimeEvent, Vault};
use crate::{
    action::{Action, Effect},
    name::ProjectName,
    observed::{Fault, Instance, Observed, Wanted},
    plan::RuntimeKind,
};

/// An engine that runs services, and keeps what several hosts have to agree on.
pub trait ContainerEngine: Runtime + LockRegister + Vault {}

impl<T: Runtime + LockRegister + Vault> ContainerEngine for T {}

/// All runtimes as one: each call goes to the runtime that it is for.
#[derive(Clone)]
pub struct Runtimes {
    /// `None` if the plan needs no engine: then none is asked for.
    pub docker: Option<Arc<dyn ContainerEngine>>,
    pub process: Arc<dyn Runtime>,
}

impl Runtimes {
    fn of(&self, runtime: RuntimeKind) -> &dyn Runtime {
        match (runtime, &self.docker) {
            (RuntimeKind::Docker, Some(docker)) => docker.as_ref(),
            // It refuses what is not its own.
            (RuntimeKind::Docker, None) | (RuntimeKind::Process, _) => self.process.as_ref(),
        }
    }

    /// Where projects' locks are, if the plan needs an engine.
    pub fn lock_register(&self) -> Option<Arc<dyn LockRegister>> {
        self.docker.clone().map(|docker| docker as Arc<dyn LockRegister>)
    }

    /// What projects keep on their engine, if the plan needs one.
    pub fn vault(&self) -> Option<Arc<dyn Vault>> {
        self.docker.clone().map(|docker| docker as Arc<dyn Vault>)
    }
}

#[async_trait]
impl Observe for Runtimes {
    async fn observe(&self, wanted: &Wanted) -> Result<Observed, Fault> {
        let docker = async {
            match &self.docker {
                Some(docker) => docker.observe(wanted).await,
                None => Ok(Observed::default()),
            }
        };
        let (docker, process) = tokio::join!(docker, self.process.observe(wanted));
        let (mut observed, mut process) = (docker?, process?);
        // Processes are always looked at, for those that the plan no longer names; where there are
        // none, nobody has to hear of them.
        if process.instances.is_empty() && !wanted.runtimes.contains(&RuntimeKind::Process) {
            process.engines.clear();
        }
        observed.merge(process);
        Ok(observed)
    }

    async fn inspect(&self, runtime: RuntimeKind, id: &str) -> Result<Option<Instance>, Fault> {
        self.of(runtime).inspect(runtime, id).await
    }

    async fn logs(
        &self,
        runtime: RuntimeKind,
        id: &str,
        query: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, Fault>>, Fault> {
        self.of(runtime).logs(runtime, id, query).await
    }

    async fn watch(&self, project: &ProjectName) -> Result<BoxStream<'static, RuntimeEvent>, Fault> {
        // One that cannot be watched, such as an engine that is not there, is left out.
        let docker = async {
            match &self.docker {
                Some(docker) => docker.watch(project).await.ok(),
                None => None,
            }
        };
        let (docker, process) = tokio::join!(docker, self.process.watch(project));
        let streams: Vec<_> = docker.into_iter().chain(process).collect();
        Ok(futures_util::stream::select_all(streams).boxed())
    }

    async fn exec(
        &self,
        runtime: RuntimeKind,
        id: &str,
        command: &[String],
        timeout: Duration,
    ) -> Result<ExecOutput, Fault> {
        self.of(runtime).exec(runtime, id, command, timeout).await
    }
}

#[async_trait]
impl Runtime for Runtimes {
    async fn perform(
        &self,
        runtime: RuntimeKind,
        action: &Action,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Effect, Fault> {
        self.of(runtime).perform(runtime, action, progress).await
    }
}
