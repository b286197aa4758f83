use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream::BoxStream};

use super::{
    Attached, Chunks, ExecOutput, ExecRequest, LockRegister, LogLine, LogQuery, Nudge, Observe, OneOff, PathFacts,
    ProcessTable, Progress, PullPolicy, Runtime, RuntimeEvent, Usage, Vault,
};
use crate::{
    action::{Action, Effect, InstanceSpec},
    name::ProjectName,
    observed::{Capacity, Difference, Fault, Instance, Observed, TopRecord, Wanted},
    plan::{ImageReference, Moved, Moves, RuntimeKind},
};

/// An engine that runs services, and keeps what several hosts have to agree on.
pub trait ContainerEngine: Runtime + LockRegister + Vault {}

impl<T: Runtime + LockRegister + Vault> ContainerEngine for T {}

/// All runtimes as one: each call goes to the runtime that it is for.
#[derive(Clone)]
pub struct Runtimes {
    /// `None` if neither the plan needs an engine nor an earlier deployment used one: then none is
    /// asked.
    pub docker: Option<Arc<dyn ContainerEngine>>,
    /// Whether it is needed, or only looked at for what an earlier deployment left there.
    pub is_engine_needed: bool,
    /// Why there is none although an earlier deployment used one.
    pub missing_engine: Option<Fault>,
    pub process: Arc<dyn Runtime>,
    /// What the plan calls otherwise than what runs.
    pub moves: Moves,
    /// Whether what was let go is seen, too.
    pub sees_forgotten: bool,
}

impl Runtimes {
    /// The same, where what moved is called by its new name.
    pub fn following(self, moved: &[Moved]) -> Self {
        Self { moves: Moves::of(moved), ..self }
    }

    /// What the engine has. One that the plan does not need may be out of reach.
    async fn containers(&self, wanted: &Wanted) -> Result<Observed, Fault> {
        let without =
            |fault: Fault| Observed { unreachable: [(RuntimeKind::Docker, fault)].into(), ..Observed::default() };
        let Some(docker) = &self.docker else {
            return Ok(self.missing_engine.clone().map(without).unwrap_or_default());
        };
        if wanted.runtimes.contains(&RuntimeKind::Docker) {
            return docker.observe(wanted).await;
        }
        let mut wanted = wanted.clone();
        wanted.runtimes.insert(RuntimeKind::Docker);
        Ok(docker.observe(&wanted).await.unwrap_or_else(without))
    }

    fn of(&self, runtime: RuntimeKind) -> &dyn Runtime {
        match (runtime, &self.docker) {
            (RuntimeKind::Docker, Some(docker)) => docker.as_ref(),
            // It refuses what is not its own.
            (RuntimeKind::Docker, None) | (RuntimeKind::Process, _) => self.process.as_ref(),
        }
    }

    /// A project's lock on the engine, and what it says now. `None` without an engine, and for one
    /// that is out of reach and not needed.
    ///
    /// # Errors
    /// If an engine that is needed cannot be asked.
    pub async fn lock_of(
        &self,
        project: &ProjectName,
    ) -> Result<Option<(Arc<dyn LockRegister>, Option<TopRecord>)>, Fault> {
        let Some(register) = self.lock_register() else { return Ok(None) };
        match register.top(project).await {
            Ok(top) => Ok(Some((register, top))),
            Err(_) if !self.is_engine_needed => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Where projects' locks are, if there is an engine.
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
        let (docker, process) = tokio::join!(self.containers(wanted), self.process.observe(wanted));
        let (mut observed, mut process) = (docker?, process?);
        // What the plan does not need is looked at for what it no longer names; where there is
        // nothing, nobody has to hear of it, unless there is nothing anywhere.
        let speaks = |kind, of: &Observed| wanted.runtimes.contains(&kind) || !of.instances.is_empty();
        match (speaks(RuntimeKind::Docker, &observed), speaks(RuntimeKind::Process, &process)) {
            (true, true) | (false, false) => {}
            (true, false) => process.engines.clear(),
            (false, true) => observed.engines.clear(),
        }
        observed.merge(process);
        if !self.sees_forgotten {
            observed.leave_forgotten();
        }
        observed.follow(&self.moves);
        Ok(observed)
    }

    async fn held_images(&self, project: &ProjectName) -> Result<BTreeSet<String>, Fault> {
        match &self.docker {
            Some(docker) => match docker.held_images(project).await {
                Err(_) if !self.is_engine_needed => Ok(BTreeSet::new()),
                held => held,
            },
            None => Ok(BTreeSet::new()),
        }
    }

    async fn capacity(&self) -> Result<Option<Capacity>, Fault> {
        match &self.docker {
            Some(docker) if self.is_engine_needed => docker.capacity().await,
            Some(_) | None => Ok(None),
        }
    }

    async fn registry_digest(&self, image: &ImageReference) -> Result<Option<String>, Fault> {
        match &self.docker {
            Some(docker) => docker.registry_digest(image).await,
            None => Ok(None),
        }
    }

    async fn differences(&self, adopted: &[(Instance, InstanceSpec)]) -> Result<Vec<Vec<Difference>>, Fault> {
        match &self.docker {
            Some(docker) => docker.differences(adopted).await,
            None => Ok(adopted.iter().map(|_| Vec::new()).collect()),
        }
    }

    async fn inspect(&self, runtime: RuntimeKind, id: &str) -> Result<Option<Instance>, Fault> {
        let mut found = self.of(runtime).inspect(runtime, id).await?;
        if let Some(instance) = &mut found {
            instance.follow(&self.moves, &|_, _| false);
        }
        Ok(found)
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

    async fn usage(&self, runtime: RuntimeKind, id: &str) -> Result<Usage, Fault> {
        self.of(runtime).usage(runtime, id).await
    }

    async fn processes(&self, runtime: RuntimeKind, id: &str) -> Result<ProcessTable, Fault> {
        self.of(runtime).processes(runtime, id).await
    }

    async fn path_facts(&self, runtime: RuntimeKind, id: &str, path: &str) -> Result<Option<PathFacts>, Fault> {
        self.of(runtime).path_facts(runtime, id, path).await
    }

    async fn copy_out(&self, runtime: RuntimeKind, id: &str, path: &str) -> Result<Chunks, Fault> {
        self.of(runtime).copy_out(runtime, id, path).await
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

    async fn restore_volume(
        &self,
        project: &ProjectName,
        volume: &str,
        from: &Path,
        timeout: Duration,
    ) -> Result<(), Fault> {
        self.of(RuntimeKind::Docker).restore_volume(project, volume, from, timeout).await
    }

    async fn feed(
        &self,
        runtime: RuntimeKind,
        id: &str,
        command: &[String],
        from: &Path,
        timeout: Duration,
    ) -> Result<(), Fault> {
        self.of(runtime).feed(runtime, id, command, from, timeout).await
    }

    async fn attach(&self, runtime: RuntimeKind, id: &str, request: &ExecRequest) -> Result<Attached, Fault> {
        self.of(runtime).attach(runtime, id, request).await
    }

    async fn run_once(&self, runtime: RuntimeKind, one_off: &OneOff) -> Result<(Option<String>, Attached), Fault> {
        self.of(runtime).run_once(runtime, one_off).await
    }

    async fn copy_in(&self, runtime: RuntimeKind, id: &str, directory: &str, archive: Chunks) -> Result<(), Fault> {
        self.of(runtime).copy_in(runtime, id, directory, archive).await
    }

    async fn nudge(&self, runtime: RuntimeKind, id: &str, nudge: &Nudge) -> Result<(), Fault> {
        self.of(runtime).nudge(runtime, id, nudge).await
    }

    async fn pull(
        &self,
        image: &ImageReference,
        policy: PullPolicy,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Effect, Fault> {
        self.of(RuntimeKind::Docker).pull(image, policy, progress).await
    }
}
