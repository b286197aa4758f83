//! What a person asks of a process, and no deployment does.

use std::{collections::BTreeSet, fs, path::PathBuf, time::Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{
    create,
    exec::local,
    processes::{Processes, Shared},
    registry::Entry,
    signal::parse_signal,
    status::Condition,
    trouble::reason,
};
use crate::{
    diagnostic::Class,
    observed::Fault,
    runtime::{
        Attached, Chunks, ExecRequest, Nudge, OneOff, PathFacts, ProcessTable, Root, Usage, packed, proc_table,
        unpacked,
    },
};

/// What the kernel counts processor time in, for programs: a hundredth of a second on every Linux.
const TICK_NS: u64 = 10_000_000;

impl Shared {
    /// The processes of an instance: all that its supervisor watches over, or what is left of them.
    fn family(&self, entry: &Entry) -> BTreeSet<i32> {
        match entry.condition() {
            Condition::Supervised { supervisor, .. } => {
                let supervisor = supervisor.as_raw_pid();
                let mut family = proc_table::family(supervisor);
                family.remove(&supervisor);
                family
            }
            Condition::Orphaned(status) => proc_table::family(status.pid),
            Condition::Created | Condition::Exited(_) => BTreeSet::new(),
        }
    }
}

impl Processes {
    pub(super) fn usage_of(&self, id: &str) -> Result<Usage, Fault> {
        let family = self.shared.family(&self.shared.required(id)?);
        let sum = |of: fn(i32) -> Option<u64>| family.iter().filter_map(|pid| of(*pid)).sum();
        Ok(Usage {
            taken_at: Instant::now(),
            cpu_ns: sum(proc_table::cpu_ticks) * TICK_NS,
            memory_bytes: sum(|pid| proc_table::number(pid, "status", "VmRSS:").map(|kilobytes| kilobytes << 10)),
            memory_limit_bytes: None,
            received_bytes: None,
            sent_bytes: None,
            read_bytes: Some(sum(|pid| proc_table::number(pid, "io", "read_bytes:"))),
            written_bytes: Some(sum(|pid| proc_table::number(pid, "io", "write_bytes:"))),
            processes: u64::try_from(family.len()).ok(),
        })
    }

    pub(super) fn table_of(&self, id: &str) -> Result<ProcessTable, Fault> {
        let family = self.shared.family(&self.shared.required(id)?);
        let row = |pid: &i32| {
            let seconds = proc_table::cpu_ticks(*pid)? / 100;
            let uid = proc_table::number(*pid, "status", "Uid:")?;
            let parent = proc_table::number(*pid, "status", "PPid:")?;
            let time = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
            Some(vec![uid.to_string(), pid.to_string(), parent.to_string(), time, proc_table::command_line(*pid)?])
        };
        let titles = ["UID", "PID", "PPID", "TIME", "CMD"].map(str::to_owned).into();
        Ok(ProcessTable { titles, rows: family.iter().filter_map(row).collect() })
    }

    /// A command in the instance's surroundings, for the caller to start.
    pub(super) fn attached(&self, id: &str, request: &ExecRequest) -> Result<Attached, Fault> {
        if request.streams.is_detached || request.is_privileged {
            return Err(not_for_a_process(if request.is_privileged { "--privileged" } else { "--detach" }));
        }
        let (_, mut launch) = self.beside(&self.shared.required(id)?)?;
        if let Some(user) = &request.user {
            launch.user = Some(user.clone());
        }
        if let Some(directory) = &request.working_dir {
            launch.working_dir = launch.working_dir.join(directory);
        }
        let environment = request.environment.iter().map(|(name, value)| (name.clone(), value.clone().into()));
        launch.environment.extend(environment);
        let mut command = local(&launch, &request.command)?;
        command.envs(terminal_kind(request.streams.terminal.is_some()));
        Ok(Attached::Local(Box::new(command)))
    }

    /// The service's program, or another one in its surroundings, for the caller to start.
    pub(super) fn once(&self, one_off: &OneOff) -> Result<Attached, Fault> {
        if one_off.streams.is_detached {
            return Err(not_for_a_process("--detach"));
        }
        let launch = create::launch(&one_off.spec)?;
        let words: Vec<String> = launch.command.iter().map(|word| word.expose().to_owned()).collect();
        let mut command = local(&launch, &words)?;
        command.envs(terminal_kind(one_off.streams.terminal.is_some()));
        Ok(Attached::Local(Box::new(command)))
    }

    pub(super) fn nudged(&self, id: &str, nudge: &Nudge) -> Result<(), Fault> {
        let Nudge::Signal(name) = nudge else { return Err(not_for_a_process("pause")) };
        let entry = self.shared.required(id)?;
        let signal = parse_signal(name)?;
        let condition = entry.condition();
        let status = condition.status().filter(|status| proc_table::started(status.pid) == Some(status.pid_started));
        let pid = status.and_then(|status| Pid::from_raw(status.pid)).ok_or_else(|| {
            Fault::new(Class::Deployment, "not-running", format!("`{}` does not run", entry.record.name))
        })?;
        send(pid, signal).map_err(|error| {
            let text = format!("cannot send {name} to `{}`: {}", entry.record.name, reason(&error));
            Fault::new(Class::Permission, "signal-not-sent", text)
        })
    }

    /// A path as the instance means it.
    fn path_in(&self, id: &str, path: &str) -> Result<PathBuf, Fault> {
        Ok(self.shared.required(id)?.record.launch.working_dir.join(path))
    }

    pub(super) fn facts_of(&self, id: &str, path: &str) -> Result<Option<PathFacts>, Fault> {
        let path = self.path_in(id, path)?;
        let Ok(found) = fs::symlink_metadata(&path) else { return Ok(None) };
        let target = fs::read_link(&path).ok().map(|target| path.parent().unwrap_or(&path).join(target));
        let link_target = target.map(|target| target.display().to_string());
        Ok(Some(PathFacts { is_directory: found.is_dir(), link_target }))
    }

    pub(super) fn read_path(&self, id: &str, path: &str) -> Result<Chunks, Fault> {
        let path = self.path_in(id, path)?;
        let name = path.file_name().map_or_else(|| "root".to_owned(), |name| name.to_string_lossy().into_owned());
        Ok(packed(path, name, false))
    }

    pub(super) async fn write_path(&self, id: &str, directory: &str, archive: Chunks) -> Result<(), Fault> {
        let path = self.path_in(id, directory)?;
        let text = format!("cannot write to `{}`", path.display());
        let archive = unpacked(archive, path, Root::AsItIs).await;
        archive.map(drop).map_err(|error| Fault::new(Class::Resource, "not-copied", format!("{text}: {error}")))
    }
}

/// The kind of the caller's terminal, for what uses one.
fn terminal_kind(has_terminal: bool) -> Option<(&'static str, String)> {
    std::env::var("TERM").ok().filter(|_| has_terminal).map(|kind| ("TERM", kind))
}

fn send(pid: Pid, signal: Signal) -> std::io::Result<()> {
    Ok(kill_process_group(pid, signal)?)
}

fn not_for_a_process(what: &str) -> Fault {
    let text = format!("{what} means nothing for a process");
    Fault::new(Class::Configuration, "not-for-a-process", text).hint("leave it out, or run it as a container")
}
