//! What `/proc` says of processes.

use std::{collections::BTreeSet, fs};

/// The fields of `/proc/<pid>/stat` after the program's name, which may itself hold anything.
fn fields(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(") ")?.1.to_owned())
}

/// When a process started, in the kernel's ticks since boot; `None` if there is no such process,
/// or only what is left of one that has ended.
pub(crate) fn started(pid: i32) -> Option<u64> {
    parse_started(&fields(pid)?)
}

/// The field counts from the state, which is the third of the whole line; the start is the 22nd.
fn parse_started(fields: &str) -> Option<u64> {
    match fields.split(' ').next() {
        Some("Z" | "X") | None => None,
        Some(_) => fields.split(' ').nth(19)?.parse().ok(),
    }
}

/// What became of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Lives,
    Ended,
    /// Something has its pid, and may not be looked at.
    Unknown,
}

/// What became of the process that had this pid and began at this tick.
pub(crate) fn life(pid: i32, since: u64) -> Life {
    if let Some(started) = started(pid) {
        return if started == since { Life::Lives } else { Life::Ended };
    }
    // Where `/proc` hides other users' processes, only a signal tells whether there is one.
    let is_gone = rustix::process::Pid::from_raw(pid)
        .is_none_or(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH));
    match is_gone || fields(pid).is_some() {
        true => Life::Ended,
        false => Life::Unknown,
    }
}

/// Tells where a pid means something: which of the kernel's tables of processes is ours.
pub(crate) fn pid_namespace() -> String {
    let link = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    link.to_string_lossy().into_owned()
}

/// Tells one boot of this host from another.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// The processes whose parent is `parent`.
pub(crate) fn children(parent: u32) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let parent = parent.to_string();
    pids.filter(|&pid| fields(pid).is_some_and(|fields| fields.split(' ').nth(1) == Some(&parent))).collect()
}

/// A process and all that descend from it, as far as they live.
pub(crate) fn family(ancestor: i32) -> BTreeSet<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return BTreeSet::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let parent = |pid: i32| fields(pid)?.split(' ').nth(1)?.parse::<i32>().ok();
    let parents: Vec<(i32, i32)> = pids.filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut family = BTreeSet::from([ancestor]);
    loop {
        let before = family.len();
        let children: Vec<i32> =
            parents.iter().filter(|(_, parent)| family.contains(parent)).map(|(pid, _)| *pid).collect();
        family.extend(children);
        if family.len() == before {
            return family.into_iter().filter(|pid| started(*pid).is_some()).collect();
        }
    }
}

/// The processor time of a process and of its children that have ended, in the kernel's ticks.
pub(crate) fn cpu_ticks(pid: i32) -> Option<u64> {
    let fields = fields(pid)?;
    Some(fields.split(' ').skip(11).take(4).filter_map(|ticks| ticks.parse::<u64>().ok()).sum())
}

/// A number from one of a process's files of `name: number` lines.
pub(crate) fn number(pid: i32, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What a process was started with.
pub(crate) fn command_line(pid: i32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<_> = bytes.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    Some(words.join(" ").trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_told_for_the_living() {
        let ours = i32::try_from(std::process::id()).unwrap();
        assert_eq!(started(ours), started(ours));
        assert!(started(ours).is_some());
        assert_eq!(started(i32::MAX), None);
        let running = "S 1 2 2 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        assert_eq!(parse_started(running), Some(4711));
        assert_eq!(parse_started(&running.replace("S 1", "Z 1")), None);
    }

    #[test]
    fn a_process_is_told_with_what_it_started() {
        let mut child = std::process::Command::new("sh").args(["-c", "sleep 600 & wait"]).spawn().unwrap();
        let (ours, pid) = (i32::try_from(std::process::id()).unwrap(), i32::try_from(child.id()).unwrap());
        let grandchild = loop {
            if let Some(found) = family(pid).into_iter().find(|found| *found != pid) {
                break found;
            }
        };
        assert!(family(ours).is_superset(&[ours, pid, grandchild].into()));
        while command_line(grandchild).as_deref() != Some("sleep 600") {}
        assert!(number(pid, "status", "VmRSS:").is_some_and(|kilobytes| kilobytes > 0));
        assert!(cpu_ticks(pid).is_some());
        let signal = rustix::process::Signal::KILL;
        rustix::process::kill_process(rustix::process::Pid::from_raw(grandchild).unwrap(), signal).unwrap();
        child.wait().unwrap();
        assert_eq!((family(pid), cpu_ticks(pid)), (BTreeSet::new(), None));
    }

    #[test]
    fn a_process_that_ended_is_told_from_one_that_took_its_pid() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let since = started(pid).unwrap();
        assert_eq!((life(pid, since), life(pid, since + 1)), (Life::Lives, Life::Ended));
        child.kill().unwrap();
        // What is left of one that has ended is there until it is waited for.
        while life(pid, since) == Life::Lives {}
        assert_eq!(life(pid, since), Life::Ended);
        child.wait().unwrap();
        assert_eq!(life(pid, since), Life::Ended);
    }
}
