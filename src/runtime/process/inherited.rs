use std::{ffi::OsString, fs, path::Path};

/// In `/proc/self/fdinfo`, as in `open`: the descriptor goes when another program is run.
const CLOSE_ON_EXEC: u32 = 0o2_000_000;

/// A shell that closes any descriptor, and one that closes those with one digit.
const SHELLS: [(&str, u32); 2] = [("/bin/bash", u32::MAX), ("/bin/sh", 9)];

/// The words that run a program without the descriptors that our caller handed us (`3>&1`, a job
/// server's): a supervisor that kept one of them would hold up whoever reads its other end.
///
/// Ours are closed by the kernel; for others' that takes a shell, so one is run only if there are
/// any.
pub(super) fn without_inherited(program: &Path) -> Vec<OsString> {
    let inherited = inherited();
    let shell = SHELLS.iter().find(|(shell, _)| Path::new(shell).exists());
    let Some((shell, largest)) = shell.filter(|_| !inherited.is_empty()) else { return vec![program.into()] };
    let closes: Vec<String> = inherited.iter().filter(|fd| *fd <= largest).map(|fd| format!("{fd}>&-")).collect();
    // In the shell `self` would be the shell.
    let program = match program.strip_prefix("/proc/self") {
        Ok(rest) => Path::new("/proc").join(std::process::id().to_string()).join(rest),
        Err(_) => program.to_owned(),
    };
    let script = format!("exec \"$@\" {}", closes.join(" "));
    vec![shell.into(), "-c".into(), script.into(), "sh".into(), program.into()]
}

/// The descriptors that a program run from here would keep, beyond the standard three.
fn inherited() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc/self/fdinfo") else { return Vec::new() };
    let descriptors = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let stays_open = |fd: &u32| {
        let facts = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
        let flags = facts.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
        *fd > 2 && flags.is_some_and(|flags| flags & CLOSE_ON_EXEC == 0)
    };
    descriptors.filter(stays_open).collect()
}
