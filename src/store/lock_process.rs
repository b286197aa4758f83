use crate::{
    name::Digest,
    observed::LockProcess,
    runtime::proc_table::{self, Life},
};

use super::host_name;

/// What became of a lock's owner, as far as it can be told from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerLife {
    Lives,
    Ended,
    /// It is, or was, somewhere else: another host, another container.
    OutOfSight,
}

/// What the kernel calls the namespace that it makes at its start. Nothing in a container without
/// the host's processes has it.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// This process, as a lock's owner.
pub fn this_process() -> LockProcess {
    let pid = std::process::id();
    LockProcess {
        host: host_name(),
        machine: machine(),
        boot: proc_table::boot_id(),
        pid_namespace: proc_table::pid_namespace(),
        pid,
        started: i32::try_from(pid).ok().and_then(proc_table::started).unwrap_or_default(),
    }
}

/// What became of a lock's owner.
pub fn owner_life(owner: &LockProcess) -> OwnerLife {
    seen_from(&this_process(), owner, proc_table::life)
}

/// The machine's id is meant to stay on it, so only a hash of it goes out.
fn machine() -> String {
    let id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    match id.trim() {
        "" | "uninitialized" => String::new(),
        id => Digest::of(format!("orchestrate lock {id}").as_bytes()).short().to_owned(),
    }
}

/// A pid only means something within one boot of one kernel, and one namespace of that. A boot that
/// is over ended all its processes; but another boot may also be another host's, so that has to be
/// the same beyond doubt.
fn seen_from(here: &LockProcess, owner: &LockProcess, life: impl Fn(i32, u64) -> Life) -> OwnerLife {
    let is_same = |ours: &str, theirs: &str| !ours.is_empty() && ours == theirs;
    let is_same_boot = is_same(&here.boot, &owner.boot);
    if is_same_boot && is_same(&here.pid_namespace, &owner.pid_namespace) && here.started != 0 && owner.started != 0 {
        return match i32::try_from(owner.pid).map(|pid| life(pid, owner.started)) {
            Ok(Life::Lives) => OwnerLife::Lives,
            Ok(Life::Ended) | Err(_) => OwnerLife::Ended,
            Ok(Life::Unknown) => OwnerLife::OutOfSight,
        };
    }
    let is_on_bare_host = |process: &LockProcess| process.pid_namespace == FIRST_PID_NAMESPACE;
    let is_same_host = here.host == owner.host
        && is_same(&here.machine, &owner.machine)
        && is_on_bare_host(here)
        && is_on_bare_host(owner);
    let is_both_known = !here.boot.is_empty() && !owner.boot.is_empty();
    match is_same_host && is_both_known && !is_same_boot {
        true => OwnerLife::Ended,
        false => OwnerLife::OutOfSight,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_only_judged_where_its_pid_means_something() {
        let here = LockProcess {
            host: "a".to_owned(),
            machine: "m".to_owned(),
            boot: "1".to_owned(),
            pid_namespace: FIRST_PID_NAMESPACE.to_owned(),
            pid: 9,
            started: 5,
        };
        let life = |pid: i32, started: u64| match (pid, started) {
            (7, 70) => Life::Lives,
            (8, _) => Life::Unknown,
            _ => Life::Ended,
        };
        // host, machine, boot, namespace, pid, started
        let table = [
            (("a", "m", "1", FIRST_PID_NAMESPACE, 7, 70), OwnerLife::Lives),
            (("renamed", "", "1", FIRST_PID_NAMESPACE, 7, 70), OwnerLife::Lives),
            (("a", "m", "1", FIRST_PID_NAMESPACE, 7, 71), OwnerLife::Ended),
            (("a", "m", "1", FIRST_PID_NAMESPACE, 6, 70), OwnerLife::Ended),
            (("a", "m", "1", FIRST_PID_NAMESPACE, 8, 70), OwnerLife::OutOfSight),
            (("a", "m", "1", FIRST_PID_NAMESPACE, 6, 0), OwnerLife::OutOfSight),
            // A container's process, which has another pid here.
            (("a", "m", "1", "pid:[2]", 6, 70), OwnerLife::OutOfSight),
            (("a", "m", "1", "", 6, 70), OwnerLife::OutOfSight),
            // The same host, before it was started again.
            (("a", "m", "0", FIRST_PID_NAMESPACE, 7, 70), OwnerLife::Ended),
            (("a", "m", "", FIRST_PID_NAMESPACE, 7, 70), OwnerLife::OutOfSight),
            (("a", "other", "0", FIRST_PID_NAMESPACE, 7, 70), OwnerLife::OutOfSight),
            (("a", "", "0", FIRST_PID_NAMESPACE, 7, 70), OwnerLife::OutOfSight),
            (("b", "m", "0", FIRST_PID_NAMESPACE, 7, 70), OwnerLife::OutOfSight),
            (("a", "m", "0", "pid:[2]", 7, 70), OwnerLife::OutOfSight),
        ];
        for ((host, machine, boot, pid_namespace, pid, started), expected) in table {
            let text = str::to_owned;
            let (host, machine, boot, pid_namespace) = (text(host), text(machine), text(boot), text(pid_namespace));
            let owner = LockProcess { host, machine, boot, pid_namespace, pid, started };
            assert_eq!(seen_from(&here, &owner, life), expected, "{owner:?}");
        }
    }

    #[test]
    fn this_process_lives() {
        let ours = this_process();
        assert_eq!(owner_life(&ours), OwnerLife::Lives);
        assert_eq!(owner_life(&LockProcess { started: ours.started + 1, ..ours }), OwnerLife::Ended);
    }
}
