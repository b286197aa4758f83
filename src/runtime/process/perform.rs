use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use rustix::process::Signal;

use super::{
    create::create,
    data_command,
    environment::search_path,
    launch::{launch, not_started, opened, order},
    observe::{gone, of_processes},
    processes::{Processes, Shared},
    protocol::{Report, Wish},
    record::{Launch, Program, Record},
    registry::{Entry, name_taken},
    status::Condition,
    stop::{Taken, stop_orphan, stop_supervised, tell},
    trouble::{blocking, state_fault},
};
use crate::{
    action::{Action, CommandRun, CommandSite, Effect, InstanceHandle},
    diagnostic::Class,
    name::{DeploymentId, ProjectName},
    observed::{Fault, InstanceState},
    plan::{Interval, RestartPolicy, RuntimeKind},
    runtime::{
        Attached, Chunks, ExecRequest, Nudge, OneOff, Progress, Runtime, command,
        data_file::written_before,
        host_file::{self, Access},
    },
    secret::Text,
};

/// How often a stop begins anew: its supervisor may die under it, and its process be left alone.
const STOP_ROUNDS: u32 = 3;

#[async_trait]
impl Runtime for Processes {
    async fn perform(
        &self,
        runtime: RuntimeKind,
        action: &Action,
        _progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Effect, Fault> {
        of_processes(runtime)?;
        match action {
            Action::Create { instance, spec } => {
                let (shared, name, spec) = (self.shared.clone(), instance.name.clone(), spec.clone());
                let create = move || create(&shared.registry, &shared.executables, &shared.sealer, &name, &spec);
                Ok(Effect::Created { id: blocking(create).await? })
            }
            Action::Start { instance, .. } => self.start(instance).await,
            Action::Stop { instance, grace } => self.stop(instance, *grace).await,
            Action::Rename { instance, to } => self.rename(instance, to).await,
            Action::Remove { instance, made_by } => self.remove(instance, *made_by).await,
            Action::Dump { instance, command, to, timeout } => {
                self.dump(instance, &command.expose(), to, *timeout).await
            }
            Action::RunCommand { run } => self.run_command(run).await,
            Action::SetRestartPolicy { instance, to, .. } => self.set_restart_policy(instance, *to).await,
            Action::SetLimits { instance, .. } => {
                let text = format!("`{}` is a process: it cannot be limited", instance.name);
                Err(Fault::new(Class::Configuration, "not-for-a-process", text)
                    .hint("leave `deploy.resources` out, or run it as a container"))
            }
            Action::WriteFile { path, content, mode, uid, gid } => {
                host_file::write(host_file::place(path)?, content, Access { mode: *mode, uid: *uid, gid: *gid }).await
            }
            Action::RemoveFile { path } => host_file::remove(host_file::place(path)?).await,
            Action::SetFiles { instance, files, notices } => self.set_files(instance, files, notices).await,
            Action::PullImage { .. }
            | Action::BuildImage { .. }
            | Action::HoldImage { .. }
            | Action::ReleaseImage { .. }
            | Action::CreateNetwork { .. }
            | Action::RemoveNetwork { .. }
            | Action::CreateVolume { .. }
            | Action::RemoveVolume { .. }
            | Action::SaveVolume { .. }
            | Action::SetAliases { .. } => {
                let text = format!("processes have no part in `{action}`");
                Err(Fault::new(Class::Deployment, "not-a-process-action", text))
            }
        }
    }

    async fn restore_volume(&self, _: &ProjectName, volume: &str, _: &Path, _: Duration) -> Result<(), Fault> {
        let text = format!("processes have no volumes: `{volume}` is not one");
        Err(Fault::new(Class::Deployment, "not-a-process-action", text))
    }

    async fn feed(
        &self,
        runtime: RuntimeKind,
        id: &str,
        command: &[String],
        from: &Path,
        timeout: Duration,
    ) -> Result<(), Fault> {
        of_processes(runtime)?;
        let (name, launch) = self.beside(&self.shared.required(id)?)?;
        data_command::feed(&name, &launch, command, from, timeout).await
    }

    async fn attach(&self, runtime: RuntimeKind, id: &str, request: &ExecRequest) -> Result<Attached, Fault> {
        of_processes(runtime)?;
        self.attached(id, request)
    }

    async fn run_once(&self, runtime: RuntimeKind, one_off: &OneOff) -> Result<(Option<String>, Attached), Fault> {
        of_processes(runtime)?;
        Ok((None, self.once(one_off)?))
    }

    async fn copy_in(&self, runtime: RuntimeKind, id: &str, directory: &str, archive: Chunks) -> Result<(), Fault> {
        of_processes(runtime)?;
        self.write_path(id, directory, archive).await
    }

    async fn nudge(&self, runtime: RuntimeKind, id: &str, nudge: &Nudge) -> Result<(), Fault> {
        of_processes(runtime)?;
        self.nudged(id, nudge)
    }
}

impl Processes {
    /// Runs a hook or test on this host, or beside a process.
    async fn run_command(&self, run: &CommandRun) -> Result<Effect, Fault> {
        let attached = match &run.site {
            CommandSite::Host => command::on_host(run)?,
            CommandSite::Instance(instance) => {
                let entry = self.required_entry(instance).await?;
                self.attached(&entry.record.id, &command::exec_request(run))?
            }
            CommandSite::Container { name, .. } => {
                let text = format!("`{name}` is a container, which processes have no part in");
                return Err(Fault::new(Class::Deployment, "not-a-process-action", text));
            }
        };
        command::to_its_end(run, attached).await
    }

    async fn dump(
        &self,
        handle: &InstanceHandle,
        command: &[String],
        to: &str,
        timeout: Interval,
    ) -> Result<Effect, Fault> {
        if let Some(saved) = written_before(to).await? {
            return Ok(saved);
        }
        let (name, launch) = self.beside(&self.required_entry(handle).await?)?;
        data_command::dump(&name, &launch, command, to, timeout.0).await
    }

    /// How something is run beside an instance, which has to run itself.
    pub(super) fn beside(&self, entry: &Entry) -> Result<(String, Launch), Fault> {
        if entry.condition().state() != InstanceState::Running {
            let text = format!("`{}` does not run, so nothing can run beside it", entry.record.name);
            return Err(Fault::new(Class::Deployment, "not-running", text));
        }
        Ok((entry.record.name.clone(), opened(&entry.record, &self.shared.sealer)?))
    }

    async fn entry(&self, handle: &InstanceHandle) -> Result<Option<Entry>, Fault> {
        let (shared, handle) = (self.shared.clone(), handle.clone());
        blocking(move || shared.entry(&handle)).await
    }

    pub(super) async fn required_entry(&self, handle: &InstanceHandle) -> Result<Entry, Fault> {
        self.entry(handle).await?.ok_or_else(|| gone(&handle.name))
    }

    pub(super) async fn start(&self, handle: &InstanceHandle) -> Result<Effect, Fault> {
        let entry = self.required_entry(handle).await?;
        if is_up(&entry.condition()) {
            return Ok(Effect::Started { instance: Box::new(entry.instance()) });
        }
        let shared = self.shared.clone();
        let (entry, program) = blocking(move || shared.pin(&entry.record.id)).await?;
        let order = order(&entry.record, program, &self.shared.sealer)?;
        match launch(&self.shared.supervisor, entry.directory.path(), &order).await? {
            Report::Running => Ok(Effect::Started { instance: Box::new(entry.instance()) }),
            Report::Taken if is_up(&entry.condition()) => Ok(Effect::AlreadySo),
            Report::Taken => {
                let text = format!("`{}` is being started or stopped by someone else", entry.record.name);
                Err(Fault::new(Class::Deployment, "instance-taken", text).transient())
            }
            Report::NotStarted { errno } => Err(not_started(&entry.record, &order, errno)),
            Report::Failed { doing, errno } => {
                let doing = format!("start `{}`: its supervisor cannot {doing} in", entry.record.name);
                Err(state_fault(&doing, entry.directory.path(), &std::io::Error::from_raw_os_error(errno)))
            }
        }
    }

    async fn stop(&self, handle: &InstanceHandle, grace: Interval) -> Result<Effect, Fault> {
        let entry = self.required_entry(handle).await?;
        stop(&entry, grace).await
    }

    async fn remove(&self, handle: &InstanceHandle, made_by: Option<DeploymentId>) -> Result<Effect, Fault> {
        let Some(entry) = self.entry(handle).await? else { return Ok(Effect::AlreadySo) };
        if made_by.is_some_and(|deployment| entry.record.identity.deployment != deployment) {
            return Ok(Effect::AlreadySo);
        }
        stop(&entry, entry.record.launch.stop_grace).await?;
        let shared = self.shared.clone();
        blocking(move || shared.registry.remove(&entry.record, &shared.registry.lock_names()?)).await?;
        Ok(Effect::Done)
    }

    async fn rename(&self, handle: &InstanceHandle, to: &str) -> Result<Effect, Fault> {
        let (shared, handle, to) = (self.shared.clone(), handle.clone(), to.to_owned());
        blocking(move || shared.rename(&handle, to)).await
    }

    async fn set_restart_policy(&self, handle: &InstanceHandle, to: RestartPolicy) -> Result<Effect, Fault> {
        let entry = self.required_entry(handle).await?;
        let effect = if entry.record.restart == to { Effect::AlreadySo } else { Effect::Done };
        let (shared, id) = (self.shared.clone(), entry.record.id.clone());
        blocking(move || shared.update(&id, |record| record.restart = to)).await?;
        if let Condition::Supervised { .. } = entry.condition()
            && let Taken::NotUnderstood = tell(&entry.directory, Wish::SetRestartPolicy { policy: to }).await
            && let Condition::Supervised { .. } = entry.condition()
        {
            let text = format!("the supervisor of `{}` does not take another restart policy", entry.record.name);
            return Err(Fault::new(Class::Deployment, "supervisor-deaf", text)
                .hint("it is of another version of orchestrate: apply with `--force-recreate`")
                .transient());
        }
        Ok(effect)
    }
}

pub(super) fn is_up(condition: &Condition) -> bool {
    match condition {
        Condition::Supervised { .. } | Condition::Orphaned(_) => true,
        Condition::Created | Condition::Exited(_) => false,
    }
}

/// Stops an instance, whoever watches over it.
async fn stop(entry: &Entry, grace: Interval) -> Result<Effect, Fault> {
    let mut effect = Effect::AlreadySo;
    for _ in 0..STOP_ROUNDS {
        match entry.condition() {
            Condition::Created | Condition::Exited(_) => return Ok(effect),
            Condition::Supervised { supervisor, .. } => stop_supervised(&entry.directory, supervisor, grace).await?,
            Condition::Orphaned(status) => {
                let signal = Signal::from_named_raw(entry.record.launch.stop_signal).unwrap_or(Signal::TERM);
                stop_orphan(&entry.directory, &status, signal, grace).await?;
            }
        }
        effect = Effect::Done;
    }
    match is_up(&entry.condition()) {
        false => Ok(effect),
        true => {
            let text = format!("`{}` was stopped and runs again: someone else starts it", entry.record.name);
            Err(Fault::new(Class::Deployment, "stop-failed", text).transient().outcome_unknown())
        }
    }
}

impl Shared {
    /// The instance that a handle means: by its id, or by its name as long as that is all there is.
    fn entry(&self, handle: &InstanceHandle) -> Result<Option<Entry>, Fault> {
        match &handle.id {
            Some(id) => self.registry.find(id),
            None => self.registry.named(&handle.name, &self.registry.lock_names()?),
        }
    }

    fn rename(&self, handle: &InstanceHandle, to: String) -> Result<Effect, Fault> {
        let Some(Entry { record: Record { id, .. }, .. }) = self.entry(handle)? else { return Err(gone(&handle.name)) };
        let lock = self.registry.lock_names()?;
        if let Some(holder) = self.registry.named(&to, &lock)? {
            let is_itself = holder.record.id == id;
            return if is_itself { Ok(Effect::AlreadySo) } else { Err(name_taken(&to, &holder.record)) };
        }
        let mut entry = self.required(&id)?;
        entry.record.name = to;
        entry.save()?;
        Ok(Effect::Done)
    }

    /// Changes an instance's record, one writer at a time.
    fn update(&self, id: &str, change: impl FnOnce(&mut Record)) -> Result<Entry, Fault> {
        let _lock = self.registry.lock_names()?;
        let mut entry = self.required(id)?;
        change(&mut entry.record);
        entry.save()?;
        Ok(entry)
    }

    /// The file to run. At its first start an instance is bound to the program that is there, and a
    /// copy of that is kept; later it runs this content or nothing.
    fn pin(&self, id: &str) -> Result<(Entry, PathBuf), Fault> {
        let entry = self.required(id)?;
        let state_dir = self.registry.state_dir();
        if let Program::Pinned { path, digest } = &entry.record.program {
            let file = self.executables.pinned(state_dir, path, digest)?;
            return Ok((entry, file));
        }
        let launch = opened(&entry.record, &self.sealer)?;
        let word = launch.command.first().map_or("", Text::expose);
        let (path, digest) = self.executables.locate(word, search_path(&launch.environment), &launch.working_dir)?;
        // Without a copy it still runs; only going back to it later may fail, and then says so.
        let _ = self.executables.keep(state_dir, &path, &digest);
        let pinned = Program::Pinned { path: path.clone(), digest };
        let entry = self.update(id, |record| record.program = pinned)?;
        Ok((entry, path))
    }
}
